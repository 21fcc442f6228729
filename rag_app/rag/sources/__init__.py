"""Kinds of sources, one in each file: what is there, and what of it is new."""
