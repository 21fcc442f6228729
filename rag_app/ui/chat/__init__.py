"""A chat with a knowledge base: shared by the owner's preview, the public page and the reader."""
