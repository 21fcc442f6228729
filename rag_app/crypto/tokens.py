"""Tokens: made at random, stored hashed, signed where a signature saves a look-up."""

import base64
import hashlib
import hmac
import secrets
import time
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from rag_app.crypto.kept import kept

ALGORITHM = "HS256"
CLOCK_LEEWAY_S = 60  # servers' clocks may differ by this much
TOKEN_BYTES = 32  # 256 bit


def new_token() -> str:
    """A random token, 256 bits, fit for a cookie or a header."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def hash_token(token: str) -> bytes:
    """What is stored instead of a token; a random 256-bit token needs no salt."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def load_or_make_secret(data_dir: Path) -> str:
    """The secret kept in the data folder, made on first use and readable for its owner only."""
    return kept(data_dir / "secret.key", lambda: secrets.token_hex(TOKEN_BYTES))


@dataclass(frozen=True)
class AccessTokens:
    """Signs and reads access tokens: HS256 JWTs that carry the id of a sign-in.

    The signature only saves forged ids a look-up; whether the sign-in holds, the database says.
    """

    secret: str

    @property
    def _key(self) -> OctKey:
        return OctKey.import_key(self.secret)

    def sign(self, *, sign_in_id: UUID, user_id: int, lifetime_s: int) -> str:
        """Make a token for a sign-in."""
        now = int(time.time())
        claims = {
            "sub": str(user_id),
            "sid": str(sign_in_id),
            "iat": now,
            "exp": now + lifetime_s,
            "jti": secrets.token_hex(8),
        }
        return jwt.encode({"alg": ALGORITHM}, claims, self._key)

    def read(self, token: str) -> UUID | None:
        """The sign-in a token was made for; None when forged, expired or garbage."""
        try:
            decoded = jwt.decode(token, self._key, algorithms=[ALGORITHM])
            registry = jwt.JWTClaimsRegistry(
                leeway=CLOCK_LEEWAY_S, exp={"essential": True}, sid={"essential": True}
            )
            registry.validate(decoded.claims)  # decode alone accepts an expired token
            return UUID(str(decoded.claims["sid"]))
        except (JoseError, ValueError, TypeError, UnicodeError, RecursionError):
            return None

    def next_refresh(self, token: str) -> str:
        """The refresh token that follows another: always the same one, so that two tabs agree.

        Nobody can tell it without the secret.
        """
        digest = hmac.digest(
            self.secret.encode(), f"refresh {token}".encode("utf-8", "surrogatepass"), "sha256"
        )
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")
