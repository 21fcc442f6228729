"""PDF, read by liteparse; scanned pages by Tesseract where its language data is installed."""

import re
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rag_app.domain.documents import Page, ParsedDocument
from rag_app.errors import PermanentError
from rag_app.rag.parsers import _sniffing
from rag_app.rag.parsers._running import without_running_lines
from rag_app.rag.parsers.contract import ParseLimits

if TYPE_CHECKING:
    import liteparse

MEDIA_TYPES = frozenset({_sniffing.PDF})

PROTECTED = "This PDF is protected with a password. Remove the protection and upload it again."
DAMAGED = "This PDF is damaged. Open it in a PDF reader, save or print it as a new PDF and upload that."
CUT_OFF = "This PDF is incomplete: its end is missing. Download or export it again and upload it."
NEEDS_OCR = (
    "This PDF consists of scanned pages without text. Install Tesseract OCR on the server "
    "(for example the package tesseract-ocr) and try again."
)

_BATCH_PAGES = 100
_OCR_BATCH_PAGES = 4
_OCR_TIME_SHARE = 0.8  # of the time allowed, so that what was read so far is not lost
_END_WITHIN_BYTES = 64 * 1024
_FEW_CHARS = 50  # a page number, a stamp or a running header, not a page of text
_MUCH_IMAGE = 0.5  # of the page's area
_MAX_OCR_LANGUAGES = 4  # each one slows recognition down
_EMPTY_FENCE = re.compile(r"^```\w*\n\s*```$", re.MULTILINE)


def parse(
    path: Path,
    *,
    media_type: str,
    file_name: str,
    ocr_data: Path | None,
    limits: ParseLimits,
    on_progress: Callable[[float], None],
) -> ParsedDocument:
    """Read a PDF page by page, then recognise the text of its scanned pages."""
    is_late = _clock(limits)
    if not _has_end(path):
        raise PermanentError(CUT_OFF)
    path = _named_pdf(path)
    sheets = list(_read(path, limits=limits, on_progress=lambda share: on_progress(share / 2)))
    texts = without_running_lines([sheet.text for sheet in sheets])
    sheets = [replace(sheet, text=text) for sheet, text in zip(sheets, texts, strict=True)]
    scanned = _scanned(sheets)
    if not scanned:
        return ParsedDocument(_numbered(sheets), media_type)
    if ocr_data is None or not ocr_languages(ocr_data):
        if not any(sheet.text for sheet in sheets):
            raise PermanentError(NEEDS_OCR)
        return ParsedDocument(_numbered(sheets), media_type, warnings=(_unread(scanned),))
    recognised = dict(_recognise(path, scanned, ocr_data, is_late=is_late, on_progress=on_progress))
    left = [number for number in scanned if number not in recognised]
    texts = without_running_lines([recognised.get(sheet.number) or sheet.text for sheet in sheets])
    return ParsedDocument(
        pages=tuple(Page(sheet.number, text) for sheet, text in zip(sheets, texts, strict=True)),
        media_type=media_type,
        used_ocr=any(recognised.values()),
        warnings=(f"Reading the scanned pages took too long; pages {_ranges(left)} were left out.",)
        if left
        else (),
    )


@dataclass(frozen=True)
class _Sheet:
    """A page as printed, and whether it looks like a picture of text."""

    number: int
    text: str
    is_scan: bool


def _clock(limits: ParseLimits) -> Callable[[], bool]:
    """Start a clock that tells when most of the time allowed is gone."""
    ends_at = time.monotonic() + _OCR_TIME_SHARE * limits.wall_s
    cpu_s = _OCR_TIME_SHARE * limits.cpu_s
    return lambda: time.monotonic() > ends_at or time.process_time() > cpu_s


def _has_end(path: Path) -> bool:
    """Tell whether the end-of-file mark is there; without it, readers guess and may read garbage."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _END_WITHIN_BYTES))
        return b"%%EOF" in file.read()


def _named_pdf(path: Path) -> Path:
    """Link to the file by a name that ends in `.pdf`: the library goes by names, we by content."""
    link = Path(tempfile.mkdtemp()) / "document.pdf"
    link.symlink_to(path)
    return link


def _read(path: Path, *, limits: ParseLimits, on_progress: Callable[[float], None]) -> Iterator[_Sheet]:
    import liteparse

    parser = liteparse.LiteParse(
        ocr_enabled=False,
        output_format="markdown",
        image_mode="off",
        extract_links=False,
        include_complexity=True,
        continue_on_page_error=True,
        keep_headers_footers=True,  # it takes rows at the ends of a page's table for them; see _running.py
        num_workers=1,
        quiet=True,
    )
    try:
        for batch in parser.parse_batches(path, batch_size=_BATCH_PAGES):
            if batch.total_pages > limits.max_pages:
                raise PermanentError(
                    f"This PDF has {batch.total_pages:,} pages; at most {limits.max_pages:,} are read. "
                    f"{limits.pages_advice}"
                )
            yield from (_sheet(page) for page in batch.result.pages)
            on_progress(batch.end_page / batch.total_pages)
    except liteparse.ParseError as error:
        raise PermanentError(PROTECTED if "password" in str(error).lower() else DAMAGED) from error


def _sheet(page: "liteparse.ParsedPage") -> _Sheet:
    # Some pages have no Markdown, but text all the same.
    text = _EMPTY_FENCE.sub("", page.markdown).strip() or page.text.strip()
    return _Sheet(page.page_num, text, is_scan=_is_scan(page.complexity))


def _is_scan(page: Any) -> bool:
    """Tell whether a page is a picture of text: hardly any characters, but much image.

    The library's own `needs_ocr` also fires on tables, drawings and short pages, which read well as they are.
    """
    if page is None or page.text_length > _FEW_CHARS:
        return False
    return page.full_page_image or page.image_coverage > _MUCH_IMAGE


def _scanned(sheets: Iterable[_Sheet]) -> list[int]:
    """Pages to recognise: those that look scanned or, when no page has text at all, every page."""
    sheets = list(sheets)
    nothing = not any(sheet.text for sheet in sheets)
    return [sheet.number for sheet in sheets if sheet.is_scan or nothing]


def _numbered(sheets: Iterable[_Sheet]) -> tuple[Page, ...]:
    return tuple(Page(sheet.number, sheet.text) for sheet in sheets)


def _unread(scanned: list[int]) -> str:
    return (
        f"Scanned pages without text were left out: {_ranges(scanned)}. With Tesseract OCR they can be read."
    )


def _recognise(
    path: Path,
    scanned: list[int],
    ocr_data: Path,
    *,
    is_late: Callable[[], bool],
    on_progress: Callable[[float], None],
) -> Iterator[tuple[int, str]]:
    """Yield the recognised text of pages, until the time is up."""
    for first in range(0, len(scanned), _OCR_BATCH_PAGES):
        if is_late():
            return
        numbers = scanned[first : first + _OCR_BATCH_PAGES]
        yield from _recognise_batch(path, numbers, ocr_data)
        on_progress(0.5 + 0.5 * min(1.0, (first + len(numbers)) / len(scanned)))


def _recognise_batch(path: Path, numbers: list[int], ocr_data: Path) -> list[tuple[int, str]]:
    import liteparse

    parser = liteparse.LiteParse(
        ocr_enabled=True,
        tessdata_path=str(ocr_data),  # without it the library tries to download the data
        ocr_language=ocr_languages(ocr_data),
        target_pages=",".join(map(str, numbers)),
        output_format="markdown",
        image_mode="off",
        extract_links=False,
        ocr_failure_fatal=False,
        continue_on_page_error=True,
        keep_headers_footers=True,  # it takes rows at the ends of a page's table for them; see _running.py
        num_workers=1,
        quiet=True,
    )
    try:
        return [
            (page.page_num, _EMPTY_FENCE.sub("", page.markdown).strip()) for page in parser.parse(path).pages
        ]
    except liteparse.ParseError as error:
        raise PermanentError(DAMAGED) from error


def ocr_languages(ocr_data: Path) -> str:
    """Name the installed languages as Tesseract expects them, English first: `eng+deu`."""
    installed = sorted(
        file.stem for file in ocr_data.glob("*.traineddata") if file.stem not in {"osd", "equ"}
    )
    installed.sort(key=lambda language: language != "eng")
    return "+".join(installed[:_MAX_OCR_LANGUAGES])


def _ranges(numbers: list[int]) -> str:
    """Write page numbers shortly: `1-3, 7`."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)
