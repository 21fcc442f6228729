"""The public page of a shared knowledge base, for people without an account."""
