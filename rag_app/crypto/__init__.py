"""Tokens that let somebody in, and secrets that are kept for later use."""

from rag_app.crypto.sealing import KeyRing, Place, Sealed, load_or_make_ring
from rag_app.crypto.tokens import (
    CLOCK_LEEWAY_S,
    AccessTokens,
    hash_token,
    load_or_make_secret,
    new_token,
)

__all__ = [
    "CLOCK_LEEWAY_S",
    "AccessTokens",
    "KeyRing",
    "Place",
    "Sealed",
    "hash_token",
    "load_or_make_ring",
    "load_or_make_secret",
    "new_token",
]
