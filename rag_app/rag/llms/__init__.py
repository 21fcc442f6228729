"""Answering models, one provider per file."""
