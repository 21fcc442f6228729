"""The way to servers whose address somebody typed."""
