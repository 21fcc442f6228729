"""The keys that secrets are encrypted with, as an operator names them."""

import base64
import binascii
import re
from dataclasses import dataclass, field

KEY_BYTES = 32  # AES-256
MIN_DIFFERENT_BYTES = 16  # of 32 random ones fewer are never alike; of a typed word they are

_ID = re.compile(r"[A-Za-z0-9_.-]{1,40}")


@dataclass(frozen=True)
class EncryptionKey:
    """One key; `id` stands beside everything that was encrypted with it."""

    id: str
    secret: bytes = field(repr=False)


def parse_keys(text: str) -> tuple[EncryptionKey, ...]:
    """Read `id:base64key,id2:…`, one a line as well.

    Raises:
        ValueError: a key cannot be read or is too simple; the message never repeats it.
    """
    keys = tuple(_key(part) for part in re.split(r"[,\s]+", text.strip()) if part)
    if not keys:
        raise ValueError("must name at least one key, as id:key")
    ids = [key.id for key in keys]
    if len(set(ids)) < len(ids):
        raise ValueError("names the same key id twice")
    return keys


def as_text(key: EncryptionKey) -> str:
    """A key in the form that `parse_keys` reads."""
    return f"{key.id}:{base64.b64encode(key.secret).decode()}"


def _key(part: str) -> EncryptionKey:
    key_id, separator, encoded = part.partition(":")
    if not separator or not _ID.fullmatch(key_id):
        raise ValueError(
            "must look like id:key, where the id has letters, digits, dots, dashes or underscores"
        )
    try:
        secret = base64.b64decode(encoded.replace("-", "+").replace("_", "/"), validate=True)
    except (binascii.Error, ValueError):
        secret = b""
    if len(secret) != KEY_BYTES:
        raise ValueError(
            f"has a key “{key_id}” that is not {KEY_BYTES} bytes in base64; use `openssl rand -base64 32`"
        )
    if len(set(secret)) < MIN_DIFFERENT_BYTES:
        raise ValueError(f"has a key “{key_id}” that is too simple; use `openssl rand -base64 32`")
    return EncryptionKey(key_id, secret)
