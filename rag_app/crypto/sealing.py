"""Encrypt secrets that must be read again, such as owners' keys for providers.

AES-256-GCM. What a secret belongs to is part of the seal: moved to another owner, row or field, or given
another key id, a ciphertext does not open.

    version (1 byte) ── nonce (12) ── ciphertext and tag (16)

Source: NIST SP 800-38D. Nonces are random; 2³² of them for one key are still safe.
"""

import json
import secrets
from dataclasses import astuple, dataclass
from functools import cached_property
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from rag_app.crypto.kept import kept
from rag_app.domain.encryption import KEY_BYTES, EncryptionKey, as_text, parse_keys
from rag_app.errors import PermanentError

KEYS_FILE = "encryption.keys"
VERSION = b"\x01"
NONCE_BYTES = 12


@dataclass(frozen=True)
class Place:
    """What a secret belongs to: whose it is, and the table, row and field it stands in.

    `row` is what tells the row from others and never changes while the secret stays the same.
    """

    owner_id: int
    table: str
    row: str
    field: str


@dataclass(frozen=True)
class Sealed:
    """An encrypted secret and the key it takes."""

    key_id: str
    ciphertext: bytes


@dataclass(frozen=True)
class KeyRing:
    """Encrypts with the first key, and decrypts with all."""

    keys: tuple[EncryptionKey, ...]

    @property
    def newest(self) -> str:
        """The id of the key that is used from now on."""
        return self.keys[0].id

    def seal(self, secret: str, place: Place) -> Sealed:
        """Encrypt a secret for one place."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        ciphertext = self._ciphers[self.newest].encrypt(nonce, secret.encode(), _bound(place, self.newest))
        return Sealed(self.newest, VERSION + nonce + ciphertext)

    def open(self, sealed: Sealed, place: Place) -> str:
        """Decrypt a secret.

        Raises:
            PermanentError: its key is not on the ring, or it was not sealed for this place.
        """
        cipher = self._ciphers.get(sealed.key_id)
        if cipher is None:
            raise PermanentError(
                f"A stored secret cannot be read: the encryption key “{sealed.key_id}” it was stored with is "
                "missing on this installation. Enter the secret again, or have RAG_ENCRYPTION_KEYS restored."
            )
        version, rest = sealed.ciphertext[:1], sealed.ciphertext[1:]
        try:
            if version != VERSION:
                raise InvalidTag
            bound = _bound(place, sealed.key_id)
            return cipher.decrypt(rest[:NONCE_BYTES], rest[NONCE_BYTES:], bound).decode()
        except (InvalidTag, ValueError):
            raise PermanentError(
                "A stored secret cannot be read: it was damaged, or did not belong here. Enter it again."
            ) from None

    @cached_property
    def _ciphers(self) -> dict[str, AESGCM]:
        return {key.id: AESGCM(key.secret) for key in self.keys}


def load_or_make_ring(data_dir: Path, given: str | None) -> KeyRing:
    """The operator's keys; those kept in the data folder, made on first use, when there are none.

    Where both are there, what was encrypted before the operator gave any can still be read.

    Raises:
        PermanentError: the kept file is not what it was.
    """
    path = data_dir / KEYS_FILE
    named = parse_keys(given) if given else ()
    if named and not path.exists():
        return KeyRing(named)
    try:
        made = parse_keys(kept(path, _new_key))
    except ValueError as error:
        raise PermanentError(
            f"The file {KEYS_FILE} in the data folder {error}. Restore it from a backup."
        ) from None
    ids = {key.id for key in named}
    return KeyRing((*named, *(key for key in made if key.id not in ids)))


def _new_key() -> str:
    key = EncryptionKey(f"made-{secrets.token_hex(4)}", secrets.token_bytes(KEY_BYTES))
    return f"{as_text(key)}\n"


def _bound(place: Place, key_id: str) -> bytes:
    """The associated data; JSON, for parts that are only joined could be cut in another way."""
    return json.dumps(["simple-rag", 1, key_id, *astuple(place)], ensure_ascii=True).encode()
