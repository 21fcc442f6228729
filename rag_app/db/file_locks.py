"""Locks between the processes of one installation.

The operating system releases them when their holder ends, however it ends: nothing is left to clean up.
"""

import fcntl
import os
from pathlib import Path


class FileLock:
    """A lock on a file; the file may carry a note about its holder and is never deleted."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None

    def acquire(self, *, shared: bool = False, wait: bool = True) -> bool:
        """Take the lock, alone or together with other sharers; False when it is taken and we do not wait."""
        if self._descriptor is not None:
            return True
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        how = (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB)
        try:
            fcntl.flock(descriptor, how)
        except BlockingIOError:
            os.close(descriptor)
            return False
        except BaseException:  # interrupted while waiting
            os.close(descriptor)
            raise
        self._descriptor = descriptor
        return True

    def release(self) -> None:
        """Give the lock back; nothing happens when it is not held."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def note(self, text: str) -> None:
        """Leave a note for others, such as where the holder can be reached."""
        self.path.write_text(text)

    def read_note(self) -> str:
        """What the latest holder noted."""
        return self.path.read_text() if self.path.exists() else ""

    def __enter__(self) -> "FileLock":
        self.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()
