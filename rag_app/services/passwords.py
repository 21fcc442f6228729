"""Password hashes: Argon2id with OWASP's 19 MiB, 2 passes, 1 lane; bcrypt of the old system is upgraded.

Source: https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html
"""

import asyncio
from collections.abc import Callable

import bcrypt
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
MIN_CHARACTERS = 8
MAX_CHARACTERS = 1024
AT_ONCE = 2  # each takes 19 MiB and a core, and a crowd at the door must not stop the chats

# The most used passwords of at least eight characters in public breach lists.
TOO_COMMON = frozenset(
    """password 12345678 123456789 1234567890 password1 password123 qwertyuiop qwerty123 1q2w3e4r iloveyou
    sunshine princess football baseball superman trustno1 welcome1 welcome123 letmein1 admin123
    administrator 11111111 00000000 123123123 987654321 abcd1234 abc12345 passw0rd p@ssw0rd p@ssword
    qwertyui asdfghjkl zaq12wsx 1qaz2wsx changeme changeme1 whatever starwars computer internet michelle
    jennifer liverpool charlie1 samantha michael1 monkey123 dragon123 master123""".split()
)


class Passwords:
    """Hashes and checks passwords off the event loop, at most two at once."""

    def __init__(self) -> None:
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._decoy = HASHER.hash("no account has this password")

    async def hash(self, password: str) -> str:
        """Hash a password for storage."""
        async with self._turns:
            return await asyncio.to_thread(HASHER.hash, password)

    async def verify(
        self, password: str, stored: str | None, *, may_begin: Callable[[], None] = lambda: None
    ) -> tuple[bool, bool]:
        """Whether a password is right, and whether its hash should be made anew.

        Without a stored hash the same work is done in vain, so that time tells nobody which
        addresses have accounts.

        Args:
            may_begin: asked when it is this password's turn, raises if not: of a thousand tries sent at
                once all wait here, and those before may have used up what is allowed.
        """
        async with self._turns:
            may_begin()
            return await asyncio.to_thread(_verify, password, stored or self._decoy, stored is not None)


def _verify(text: str, stored: str, counts: bool) -> tuple[bool, bool]:
    password = text.encode("utf-8", "surrogatepass")
    if stored.startswith("$2"):
        try:  # bcrypt reads 72 bytes only, as the old system did
            right = bcrypt.checkpw(password[:72], stored.encode())
        except ValueError:
            right = False
        return right and counts, right
    try:
        HASHER.verify(stored, password)
    except (VerificationError, InvalidHashError):
        return False, False
    return counts, counts and HASHER.check_needs_rehash(stored)
