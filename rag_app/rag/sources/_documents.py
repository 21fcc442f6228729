"""Tell what an answer of a website is: a page, a document that can be read, or nothing for us."""

import re
from email.message import Message
from pathlib import PurePosixPath
from urllib.parse import unquote

from rag_app.rag.parsers.contract import SUPPORTED
from rag_app.rag.sources import _urls
from rag_app.rag.sources._fetching import MAX_PAGE_BYTES, Answer, Unwanted

MAX_DOCUMENT_BYTES = 30 * 1024 * 1024
MAX_FILE_NAME = 120
PAGES = frozenset({"text/html", "application/xhtml+xml"})
_BY_TYPE = {
    "application/pdf": "pdf",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": "pptx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "application/vnd.ms-excel": "xls",
    "application/vnd.oasis.opendocument.text": "odt",
    "application/vnd.oasis.opendocument.spreadsheet": "ods",
    "application/vnd.oasis.opendocument.presentation": "odp",
    "application/epub+zip": "epub",
    "application/rtf": "rtf",
    "text/rtf": "rtf",
    "text/plain": "txt",
    "text/markdown": "md",
    "text/csv": "csv",
    "text/tab-separated-values": "tsv",
}
_UNSURE = frozenset({"", "application/octet-stream", "binary/octet-stream", "application/download"})
# What is named so is for programs, unless its type says otherwise.
_FOR_PROGRAMS = frozenset({"html", "htm", "xml", "json", "jsonl", "eml", "msg"})


def is_page(answer: Answer) -> bool:
    """Whether this is HTML; an answer that does not say what it is usually is."""
    return answer.media_type in PAGES or (answer.media_type in _UNSURE and not extension(answer))


def extension(answer: Answer) -> str:
    """What kind of document this is, such as `pdf`; empty where it is none that can be read."""
    if answer.media_type in PAGES:
        return ""
    if answer.media_type in _UNSURE:
        named = PurePosixPath(_sent_name(answer) or _name_in(answer.url)).suffix[1:].lower()
        return named if named in SUPPORTED and named not in _FOR_PROGRAMS else ""
    named = PurePosixPath(_name_in(answer.url)).suffix[1:].lower()
    if answer.media_type == "text/plain" and named in {"md", "csv", "tsv"}:
        return named
    return _BY_TYPE.get(answer.media_type, "")


def max_bytes(answer: Answer) -> int:
    """How much of an answer is read. Raises Unwanted where nothing is."""
    if is_page(answer):
        return MAX_PAGE_BYTES
    if extension(answer):
        return MAX_DOCUMENT_BYTES
    raise Unwanted(
        f"This is neither a page nor a document that can be read ({answer.media_type or 'unknown'})."
    )


def file_name(answer: Answer) -> str:
    """What a document is called, with the extension of its kind."""
    kind = extension(answer)
    name = _sent_name(answer) or _name_in(answer.url) or _urls.site_of(answer.url)
    stem = name.removesuffix(f".{kind}") if name.lower().endswith(f".{kind}") else name
    return f"{_clean(stem)}.{kind}"


def page_file_name(url: str) -> str:
    """What the text of a page is kept as."""
    return f"{_clean(PurePosixPath(_name_in(url)).stem) or 'index'}.md"


def _name_in(url: str) -> str:
    return unquote(_urls.path_of(url).partition("?")[0].rstrip("/").rpartition("/")[2])


def _sent_name(answer: Answer) -> str:
    if "content-disposition" not in answer.headers:
        return ""
    message = Message()
    message["content-disposition"] = answer.headers["content-disposition"]
    return PurePosixPath((message.get_filename() or "").replace("\\", "/")).name


def _clean(name: str) -> str:
    return re.sub(r"[\x00-\x1f\x7f/\\]+", " ", name).strip()[:MAX_FILE_NAME]
