"""Original files on disk, kept once under the SHA-256 of their bytes.

<data folder>/files/ab/cd/abcd…      never under a name a user typed
"""

import asyncio
import contextlib
import errno
import hashlib
import os
import tempfile
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

from rag_app.errors import InvalidInput, RagAppError, StorageFull, TooLarge

GRACE_S = 600.0  # longer than any upload takes from its last byte to its row
NO_SPACE = {errno.ENOSPC, errno.EDQUOT}


@dataclass(frozen=True)
class StoredFile:
    """Bytes that are safely on disk."""

    sha256: str
    size_bytes: int


@dataclass(frozen=True)
class HeldFile:
    """Bytes that have come and are not kept yet."""

    path: Path
    sha256: str
    size_bytes: int


@dataclass(frozen=True)
class Storage:
    """The store below one folder."""

    root: Path

    def path(self, sha256: str) -> Path:
        """Where the bytes with a hash are, or would be."""
        if len(sha256) != 64 or not all(c in "0123456789abcdef" for c in sha256):  # a path must not be typed
            raise InvalidInput("This is not a file's hash.")
        return self.root / sha256[:2] / sha256[2:4] / sha256

    async def receive(self, stream: AsyncIterator[bytes], *, name: str, max_bytes: int) -> StoredFile:
        """Keep a stream of bytes; nothing is left behind when it is refused.

        Raises:
            TooLarge: more than `max_bytes`; noticed while it comes, not after.
            StorageFull: the disk is full.
        """
        async with self.hold(stream, name=name, max_bytes=max_bytes) as held:
            return await self.keep(held)

    @contextlib.asynccontextmanager
    async def hold(
        self,
        stream: AsyncIterator[bytes],
        *,
        name: str,
        max_bytes: int,
        refusal: RagAppError | None = None,
    ) -> AsyncGenerator[HeldFile]:
        """Write a stream of bytes down to be looked at; it is gone afterwards, unless it was kept.

        Raises: as `receive`; `refusal`, where one is given, in the place of TooLarge.
        """
        incoming = self.root / "incoming"
        try:
            await asyncio.to_thread(incoming.mkdir, parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=incoming)
        except OSError as error:
            raise _as_full(error) from error
        digest, size = hashlib.sha256(), 0
        try:
            with os.fdopen(handle, "wb") as file:
                async for block in stream:
                    size += len(block)
                    if size > max_bytes:
                        raise refusal or TooLarge(f"{name} is larger than {max_bytes // 2**20:,} MB.")
                    digest.update(block)
                    file.write(block)
            yield HeldFile(Path(temporary), digest.hexdigest(), size)
        except OSError as error:
            raise _as_full(error) from error
        finally:
            Path(temporary).unlink(missing_ok=True)

    async def keep(self, held: HeldFile) -> StoredFile:
        """Keep what came, safe from a power cut. Raises StorageFull."""
        target = self.path(held.sha256)
        try:
            await asyncio.to_thread(_flush, held.path)
            await asyncio.to_thread(target.parent.mkdir, parents=True, exist_ok=True)
            held.path.replace(target)  # atomic, and harmless when the same bytes are there
            await asyncio.to_thread(_flush_names, target)
        except OSError as error:
            raise _as_full(error) from error
        return StoredFile(held.sha256, held.size_bytes)

    def remove_if_old(self, sha256: str, *, min_age_s: float = GRACE_S) -> bool:
        """Delete bytes nobody needs any more, unless they came just now: the same may be on its way in."""
        path = self.path(sha256)
        try:
            if time.time() - path.stat().st_mtime < min_age_s:
                return False
            path.unlink()
        except FileNotFoundError:
            return False
        return True

    def remove_unfinished(self, *, min_age_s: float = 3600.0) -> int:
        """Delete uploads that a killed process left half-way; returns how many."""
        n_removed = 0
        for path in (self.root / "incoming").glob("*"):
            with contextlib.suppress(FileNotFoundError):
                if time.time() - path.stat().st_mtime > min_age_s:  # a living one is written to
                    path.unlink()
                    n_removed += 1
        return n_removed

    def hashes(self) -> Iterator[str]:
        """Every hash there are bytes for."""
        for path in self.root.glob("??/??/*"):
            if len(path.name) == 64:
                yield path.name


def _flush(path: Path) -> None:
    """Have the system write what was handed to it."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _flush_names(path: Path) -> None:
    """Make a new file's name survive a power cut, and those of its folders, which may be new as well."""
    for folder in list(path.parents)[:3]:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _as_full(error: OSError) -> Exception:
    if error.errno in NO_SPACE:
        return StorageFull("The server's disk is full, so the file could not be kept. Nothing was lost.")
    return error
