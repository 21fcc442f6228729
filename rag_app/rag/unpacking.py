"""The files in a ZIP, looked at one after the other; nothing is written under a name that the archive chose.

    is_archive ── look_into ──► files to be read, and what is left out with its reason
                                 └─ blocks: a file's bytes, as its reader asks for them

Only the two ways of packing that every program uses are unpacked: they need little memory, whatever the
archive says.
"""

import stat
import struct
import zipfile
import zlib
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from rag_app.errors import PermanentError
from rag_app.rag.parsers import _archives, _sniffing

MAX_ENTRIES = 10_000  # folders and hidden files included
MAX_DIRECTORY_BYTES = 8 * 1024 * 1024  # the list of entries is held in memory
MAX_UNPACKED_BYTES = 2 * 1024 * 1024 * 1024
BLOCK_BYTES = 256 * 1024

UNSAFE = (
    "This ZIP is not unpacked for safety: it holds paths that lead out of it. Pack the files again and "
    "upload that."
)
NESTED = "This is an archive inside an archive. Unpack it and upload the files inside."
LINK = "This is a link to a file, not a file."
PROTECTED = "This file is protected with a password. Pack it without one and upload it again."
OTHER_METHOD = "This file is packed in a way that is not read here. Use an ordinary ZIP."
TOO_MUCH = f"This ZIP unpacks to more than {MAX_UNPACKED_BYTES // 2**30} GB. Split it into smaller ones."
DAMAGED = "This ZIP is damaged or incomplete. Pack the files again and upload that."

_END = struct.Struct("<4s4H2LH")  # of the list of entries: APPNOTE.TXT 4.3.16
_END64 = struct.Struct("<4sQ2H2L4Q")  # 4.3.14
_LOCATOR64 = struct.Struct("<4sLQL")  # 4.3.15
_LONGEST_COMMENT = 65_535
_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
_IGNORED_NAMES = {"thumbs.db", "desktop.ini"}
_ARCHIVE_NAMES = {".zip", ".7z", ".rar", ".gz", ".tgz", ".bz2", ".xz", ".tar", ".zst"}
_UTF8_NAME = 0x800
_FAULTS = (zipfile.BadZipFile, NotImplementedError, ValueError, EOFError, RuntimeError, OSError)


@dataclass(frozen=True)
class PackedFile:
    """A file that can be read; `name` is its path, for people."""

    name: str
    size_bytes: int
    entry: zipfile.ZipInfo


@dataclass(frozen=True)
class LeftOut:
    """A file that cannot, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class Contents:
    """What an archive holds, in its own order."""

    files: tuple[PackedFile, ...]
    left_out: tuple[LeftOut, ...]


def is_archive(path: Path, *, file_name: str) -> bool:
    """Whether a file is a ZIP of files: not an office file, which is a ZIP inside, whatever it is called."""
    if PurePosixPath(file_name).suffix.lower() not in {".zip", ""}:
        return False
    with path.open("rb") as file:
        head = file.read(4)
    if not _sniffing.is_zip(head):
        return False
    _check_directory(path)
    return not _sniffing.is_zipped_document(path)


def look_into(path: Path, *, max_files: int) -> Contents:
    """List what an archive holds without unpacking any of it; hidden files are passed over.

    Raises:
        PermanentError: it is damaged, leads out of itself, or unpacks to too much; the message says which.
    """
    _check_directory(path)
    listed = _archives.entries(path)
    names = {entry.filename: _shown_name(entry) for entry in listed}
    if any(_archives.leaves_its_folder(name) for name in (*names, *names.values())):
        raise PermanentError(UNSAFE)
    wanted = [entry for entry in listed if not entry.is_dir() and not _is_ignored(names[entry.filename])]
    if len(wanted) > max_files:
        raise PermanentError(
            f"This ZIP holds {len(wanted):,} files; at most {max_files:,} are taken at once. "
            "Split it into smaller ones."
        )
    unpacked = sum(entry.file_size for entry in wanted)
    if _archives.is_bomb(unpacked, packed_bytes=path.stat().st_size):
        raise PermanentError(_archives.UNSAFE_SIZE)
    if unpacked > MAX_UNPACKED_BYTES:
        raise PermanentError(TOO_MUCH)
    files, left_out = [], []
    for entry in wanted:
        name = names[entry.filename]
        if reason := _why_not(entry, name):
            left_out.append(LeftOut(name, reason))
        else:
            files.append(PackedFile(name, entry.file_size, entry))
    return Contents(tuple(files), tuple(left_out))


@contextmanager
def opened(path: Path) -> Generator[zipfile.ZipFile]:
    """An archive to read files from. Raises PermanentError."""
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except (zipfile.BadZipFile, NotImplementedError) as error:
        raise PermanentError(DAMAGED) from error


def blocks(archive: zipfile.ZipFile, file: PackedFile) -> Iterator[bytes]:
    """A file's bytes, a block at a time: never more than it said it has.

    Raises:
        PermanentError: it is damaged.
    """
    try:
        with archive.open(file.entry) as unpacked:
            while block := unpacked.read(BLOCK_BYTES):
                yield block
    except (*_FAULTS, zlib.error) as error:
        raise PermanentError("This file is damaged in the ZIP. Pack it again and upload that.") from error


def why_not_read(path: Path) -> str | None:
    """Why a file from an archive or a folder is no document, by its first bytes; None where it may be one."""
    with path.open("rb") as file:
        head = file.read(_sniffing.HEAD_BYTES)
    if not head:
        return "This file is empty (0 bytes)."
    if _sniffing.is_zip(head):
        _check_directory(path)
        return None if _sniffing.is_zipped_document(path) else NESTED
    return _sniffing.refusal(head)


def _why_not(entry: zipfile.ZipInfo, name: str) -> str | None:
    if stat.S_ISLNK(entry.external_attr >> 16):
        return LINK
    if entry.flag_bits & 0x1:
        return PROTECTED
    if PurePosixPath(name).suffix.lower() in _ARCHIVE_NAMES:
        return NESTED
    return None if entry.compress_type in _METHODS else OTHER_METHOD


def _is_ignored(name: str) -> bool:
    """What programs put beside files: folders of macOS, hidden files, thumbnails."""
    parts = PurePosixPath(name).parts
    hidden = any(part == "__MACOSX" or part.startswith(".") for part in parts)
    return not parts or hidden or parts[-1].lower() in _IGNORED_NAMES


def _shown_name(entry: zipfile.ZipInfo) -> str:
    """A path as it was meant: most programs write UTF-8 today, and not all of them say so."""
    name = entry.filename.replace("\\", "/")
    if entry.flag_bits & _UTF8_NAME:
        return name
    try:
        return name.encode("cp437").decode("utf-8")
    except UnicodeError:
        return name


def _check_directory(path: Path) -> None:
    """Refuse a list of entries that would not fit into memory, before it is read. Raises PermanentError."""
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - _END.size - _LONGEST_COMMENT))
        start, tail = file.tell(), file.read()
        at = tail.rfind(b"PK\x05\x06")
        if at < 0 or len(tail) - at < _END.size:
            raise PermanentError(DAMAGED)
        _, _, _, _, n_entries, n_bytes, _, _ = _END.unpack_from(tail, at)
        at_locator = max(0, start + at - _LOCATOR64.size)
        file.seek(at_locator)
        locator = file.read(_LOCATOR64.size)
        if locator.startswith(b"PK\x06\x07"):  # then its numbers count instead
            at_record = at_locator - _END64.size  # where `zipfile` looks, wherever the locator leads
            if _LOCATOR64.unpack(locator)[2] != at_record:
                raise PermanentError(DAMAGED)
            file.seek(at_record)
            record = file.read(_END64.size)
            if not record.startswith(b"PK\x06\x06"):
                raise PermanentError(DAMAGED)
            _, _, _, _, _, _, _, n_entries, n_bytes, _ = _END64.unpack(record)
    if n_entries > MAX_ENTRIES or n_bytes > MAX_DIRECTORY_BYTES:
        raise PermanentError(f"This ZIP holds more than {MAX_ENTRIES:,} entries. Split it into smaller ones.")
