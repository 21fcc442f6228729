"""What a file really is, by its content; its name only decides between kinds of plain text."""

import csv
import json
import mmap
import re
import zipfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from rag_app.errors import PermanentError
from rag_app.rag.parsers import _archives, _charset
from rag_app.rag.parsers.contract import SUPPORTED

PDF = "application/pdf"
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
PPTX = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
XLSB = "application/vnd.ms-excel.sheet.binary.macroEnabled.12"
ODT = "application/vnd.oasis.opendocument.text"
ODS = "application/vnd.oasis.opendocument.spreadsheet"
ODP = "application/vnd.oasis.opendocument.presentation"
EPUB = "application/epub+zip"
DOC = "application/msword"
PPT = "application/vnd.ms-powerpoint"
XLS = "application/vnd.ms-excel"
MSG = "application/vnd.ms-outlook"
RTF = "application/rtf"
HTML = "text/html"
XML = "application/xml"
EML = "message/rfc822"
JSON = "application/json"
JSON_LINES = "application/jsonl"
MARKDOWN = "text/markdown"
TEXT = "text/plain"
CSV = "text/csv"
TSV = "text/tab-separated-values"

ENCRYPTED = "This file is protected with a password. Remove the protection and upload it again."
UNPACK_FIRST = "This is an archive. Unpack it and upload the files inside."
PICTURE = "Pictures are not read on their own. Put the picture into a PDF and upload that."

_OLE_MAGIC = bytes.fromhex("D0CF11E0A1B11AE1")
_OLE_STREAMS = (  # names in the directory of an OLE2 file, in the order they are looked for
    ("WordDocument", DOC),
    ("PowerPoint Document", PPT),
    ("Workbook", XLS),
    ("Book", XLS),
    ("__properties_version1.0", MSG),
)
_ARCHIVES = (
    b"7z\xbc\xaf\x27\x1c",
    b"Rar!\x1a\x07",
    b"\x1f\x8b",
    b"BZh",
    b"\xfd7zXZ\x00",
    b"\x28\xb5\x2f\xfd",
)
_PICTURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a", b"II*\x00", b"MM\x00*", b"BM")
# Programs, and sound and film that are not known by a later mark.
_NO_DOCUMENTS = (b"MZ", b"\x7fELF", b"ID3", b"OggS", b"fLaC", b"\x1aE\xdf\xa3", b"\xff\xfb")
_ZIP_MAGICS = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
_OPEN_DOCUMENT = {kind.encode(): kind for kind in (ODT, ODS, ODP, EPUB)}
HEAD_BYTES = 64 * 1024
_PDF_HEADER_WITHIN = 1024  # where readers look for `%PDF-`, after junk that some mailers add
_MAX_CONTROL_SHARE = 0.01
_TEXT_BY_EXTENSION = {
    ".md": MARKDOWN,
    ".markdown": MARKDOWN,
    ".csv": CSV,
    ".tsv": TSV,
    ".tab": TSV,
    ".json": JSON,
    ".xml": XML,
    ".jsonl": JSON_LINES,
    ".ndjson": JSON_LINES,
}
_HTML_START = re.compile(
    r"\s*(?:<!--.*?-->\s*)*+<(!doctype\s+html|html|head|body)\b", re.IGNORECASE | re.DOTALL
)
_XML_START = re.compile(r"\s*<(\?xml\b|!doctype\b|svg\b)", re.IGNORECASE)
_MAIL_HEADERS = re.compile(
    r"^(from|to|subject|date|received|return-path|message-id|mime-version|content-type|delivered-to)\s*:",
    re.IGNORECASE | re.MULTILINE,
)
_MAIL_START = re.compile(r"(From [^\n]*\n|[A-Za-z][A-Za-z0-9-]*:)")


def sniff(path: Path, *, file_name: str) -> str:
    """Return the media type a parser is chosen by.

    Raises:
        PermanentError: empty, protected, damaged, an archive, or no kind of file that can be read.
    """
    if path.stat().st_size == 0:
        raise PermanentError("This file is empty (0 bytes). Check the original and upload it again.")
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if b"%PDF-" in head[:_PDF_HEADER_WITHIN]:
        return PDF
    if head.startswith(_OLE_MAGIC):
        return _ole_type(path)
    if is_zip(head):
        return _zip_type(path)
    if head.startswith(b"{\\rtf"):
        return RTF
    if reason := refusal(head):
        raise PermanentError(reason)
    return _text_type(head, extension=PurePosixPath(file_name).suffix.lower())


def is_zip(head: bytes) -> bool:
    """Whether a file begins as a ZIP does: an archive, or an office file."""
    return head.startswith(_ZIP_MAGICS)


def is_zipped_document(path: Path) -> bool:
    """Whether a ZIP is an office file or an e-book. Raises PermanentError for a damaged one."""
    listed = _archives.entries(path)
    return bool(_office_type({entry.filename for entry in listed}) or _declared_type(path, listed))


def refusal(head: bytes) -> str | None:
    """Why a file that begins so is no document; None where its beginning does not tell."""
    if head.startswith(_ARCHIVES) or head[257:262] == b"ustar":
        return UNPACK_FIRST
    if head.startswith(_PICTURES) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP"):
        return PICTURE
    if head.startswith(_NO_DOCUMENTS) or head[4:8] == b"ftyp" or head[:4] == b"RIFF":
        return str(unsupported())
    return None


def unsupported() -> PermanentError:
    """Say what can be read instead."""
    kinds = ", ".join(sorted(extension.upper() for extension in SUPPORTED))
    return PermanentError(f"This kind of file cannot be read. Supported are: {kinds}.")


def _ole_type(path: Path) -> str:
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        if content.find("EncryptedPackage".encode("utf-16-le")) >= 0:
            raise PermanentError(ENCRYPTED)
        for stream, media_type in _OLE_STREAMS:
            if content.find(f"{stream}\0".encode("utf-16-le")) >= 0:
                return media_type
    raise unsupported()


def _zip_type(path: Path) -> str:
    listed = _archives.entries(path)
    media_type = _office_type({entry.filename for entry in listed}) or _declared_type(path, listed)
    _archives.guard(listed, packed_bytes=path.stat().st_size)
    if media_type is None:
        raise PermanentError(UNPACK_FIRST)
    return media_type


def _office_type(names: set[str]) -> str | None:
    folders = {name.partition("/")[0] for name in names}
    if "[Content_Types].xml" not in names:
        return None
    if "xl" in folders:
        return XLSB if "xl/workbook.bin" in names else XLSX
    if "word" in folders:
        return DOCX
    return PPTX if "ppt" in folders else None


def _declared_type(path: Path, listed: Sequence[zipfile.ZipInfo]) -> str | None:
    """Read the `mimetype` entry that OpenDocument and EPUB files begin with."""
    declared = next((entry for entry in listed if entry.filename == "mimetype"), None)
    if declared is None or declared.file_size > 256 or declared.flag_bits & 0x1:
        return None
    try:
        with zipfile.ZipFile(path) as archive:
            return _OPEN_DOCUMENT.get(archive.read(declared).strip().removesuffix(b"-template"))
    except (zipfile.BadZipFile, NotImplementedError, OSError) as error:
        raise PermanentError(_archives.DAMAGED) from error


def _text_type(head: bytes, *, extension: str) -> str:
    text = head.decode(_charset.detect(head), errors="replace").lstrip("\ufeff")
    if _looks_binary(text):
        raise unsupported()
    if _HTML_START.match(text) or (extension in {".html", ".htm", ".xhtml"} and "<" in text):
        return HTML
    if _XML_START.match(text):
        return HTML if "<html" in text[:2000].lower() else XML
    if _looks_like_mail(text) or extension == ".eml":
        return EML
    return _TEXT_BY_EXTENSION.get(extension) or _unnamed_text_type(text, is_whole=len(head) < HEAD_BYTES)


def _looks_binary(text: str) -> bool:
    odd = sum(character < " " and character not in "\t\n\r\f\x1b" for character in text)
    undecodable = text.count("\ufffd") + sum("\x80" <= character <= "\x9f" for character in text)
    return odd + undecodable > _MAX_CONTROL_SHARE * len(text)


def _looks_like_mail(text: str) -> bool:
    headers, _, _ = text.replace("\r\n", "\n").partition("\n\n")
    found = {name.lower() for name in _MAIL_HEADERS.findall(headers)}
    return bool(_MAIL_START.match(text)) and "from" in found and len(found) >= 3


def _unnamed_text_type(text: str, *, is_whole: bool) -> str:
    if text.lstrip()[:1] in {"{", "["} and is_whole and _is_json(text):
        return JSON
    if _is_table(text, is_whole=is_whole, delimiter="\t"):
        return TSV
    tables = (_is_table(text, is_whole=is_whole, delimiter=delimiter) for delimiter in ",;")
    return CSV if any(tables) else TEXT


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _is_table(text: str, *, is_whole: bool, delimiter: str) -> bool:
    """Tell whether three lines or more all have the same three columns or more."""
    lines = text.splitlines() if is_whole else text.splitlines()[:-1]
    try:
        rows = [row for row in csv.reader(lines[:50], delimiter=delimiter) if row]
    except csv.Error:
        return False
    widths = {len(row) for row in rows}
    return len(rows) >= 3 and len(widths) == 1 and widths.pop() >= 3
