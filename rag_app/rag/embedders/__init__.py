"""Embedders turn text into vectors, one provider per file."""
