"""Look into a ZIP-based file before anything unpacks it."""

import stat
import zipfile
from pathlib import Path, PurePosixPath

from rag_app.errors import PermanentError

MAX_ENTRIES = 10_000
MAX_UNPACKED_BYTES = 500 * 1024 * 1024
MAX_RATIO = 100  # unpacked : packed; ordinary office files stay under 30
RATIO_MATTERS_FROM_BYTES = 50 * 1024 * 1024

DAMAGED = (
    "This file is damaged or incomplete. Open it in the program that made it, save it again and upload it."
)

UNSAFE_SIZE = (
    "This file unpacks to far more than its size and is not opened for safety. Split it into smaller files."
)


def entries(path: Path) -> list[zipfile.ZipInfo]:
    """List an archive's entries without unpacking any.

    Raises:
        PermanentError: the archive is damaged or has too many entries.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            listed = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError) as error:
        raise PermanentError(DAMAGED) from error
    if len(listed) > MAX_ENTRIES:
        raise PermanentError(f"This file holds more than {MAX_ENTRIES:,} parts and is not opened for safety.")
    return listed


def guard(listed: list[zipfile.ZipInfo], *, packed_bytes: int) -> None:
    """Refuse archives that are made to fill a disk, to escape their folder or to be opened with a password.

    Raises:
        PermanentError: the archive is unsafe or protected.
    """
    for entry in listed:
        if leaves_its_folder(entry.filename) or stat.S_ISLNK(entry.external_attr >> 16):
            raise PermanentError(
                "This is an unsafe archive: it holds links or paths that lead out of it. "
                "Save the document again in the program that made it and upload that file."
            )
        if entry.flag_bits & 0x1:
            raise PermanentError(
                "This file is protected with a password. Remove the protection and upload it again."
            )
    unpacked = sum(entry.file_size for entry in listed)
    if is_bomb(unpacked, packed_bytes=packed_bytes) or unpacked > MAX_UNPACKED_BYTES:
        raise PermanentError(UNSAFE_SIZE)


def is_bomb(unpacked_bytes: int, *, packed_bytes: int) -> bool:
    """Whether an archive unpacks to so much more than its size that it was made for it."""
    return unpacked_bytes > RATIO_MATTERS_FROM_BYTES and unpacked_bytes > MAX_RATIO * packed_bytes


def leaves_its_folder(name: str) -> bool:
    """Whether a path in an archive is absolute or climbs out of it."""
    normal = name.replace("\\", "/")
    has_drive = len(normal) > 1 and normal[1] == ":"
    return normal.startswith("/") or has_drive or ".." in PurePosixPath(normal).parts
