"""What runs in the child process: read one file, leave the result in a file, end.

argument   one JSON object: path, file_name, limits, ocr_data
output     `0.25` and so on, one line for each step of progress
result     `result.json` in the working folder: `{"document": …}` or `{"error": "…"}`
"""

import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

from rag_app import registry
from rag_app.domain.documents import ParsedDocument
from rag_app.errors import PermanentError
from rag_app.rag import parsers
from rag_app.rag.parsers import _cleaning, _confinement, _sniffing
from rag_app.rag.parsers.contract import ParseLimits

RESULT_NAME = "result.json"
NO_SPACE_LEFT = 75  # exit code: EX_TEMPFAIL of sysexits.h
OUT_OF_MEMORY = "Reading this file needs too much memory. Split it into smaller files."
NO_TEXT = "This file contains no text."


def max_result_bytes(limits: ParseLimits) -> int:
    """No character takes more than four bytes; the rest is for JSON around them."""
    return 4 * limits.max_chars + 16 * 1024 * 1024


def main(arguments: str) -> NoReturn:
    """Read the file and end without the interpreter's clean-up, in which a parser's threads may crash."""
    request = json.loads(arguments)
    limits = ParseLimits(**request["limits"])
    report = _own_output()
    _confinement.confine(limits, max_file_bytes=max_result_bytes(limits))
    try:
        _write(_answer(request, limits, report))
    except OSError:
        os._exit(NO_SPACE_LEFT)
    os._exit(0)


def _own_output() -> Callable[[float], None]:
    """Keep the pipe to the parent for progress; whatever a parser prints goes nowhere."""
    pipe = os.dup(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    return lambda share: _send(pipe, f"{share:.3f}\n")


def _send(pipe: int, line: str) -> None:
    os.write(pipe, line.encode())


def _answer(request: dict[str, Any], limits: ParseLimits, report: Callable[[float], None]) -> dict[str, Any]:
    try:
        return {"document": asdict(_read(request, limits, report))}
    except PermanentError as error:
        return {"error": str(error)}
    except MemoryError:
        return {"error": OUT_OF_MEMORY}


def _read(request: dict[str, Any], limits: ParseLimits, report: Callable[[float], None]) -> ParsedDocument:
    path = Path(request["path"])
    media_type = _sniffing.sniff(path, file_name=request["file_name"])
    document = _parser_of(media_type).parse(
        path,
        media_type=media_type,
        file_name=request["file_name"],
        ocr_data=Path(request["ocr_data"]) if request["ocr_data"] else None,
        limits=limits,
        on_progress=report,
    )
    document = _cleaning.clean(document)
    _check_amount(document, limits)
    return document


def _parser_of(media_type: str) -> ModuleType:
    modules = (registry.load(parsers, name) for name in registry.names(parsers))
    return next(module for module in modules if media_type in getattr(module, "MEDIA_TYPES", ()))


def _check_amount(document: ParsedDocument, limits: ParseLimits) -> None:
    n_chars = sum(len(page.text) for page in document.pages)
    if n_chars > limits.max_chars:
        raise PermanentError(
            f"This file holds {n_chars:,} characters of text; at most {limits.max_chars:,} are read. "
            "Split it into smaller files."
        )
    if document.n_pages > limits.max_pages:
        raise PermanentError(
            f"This file has {document.n_pages:,} pages; at most {limits.max_pages:,} are read. "
            f"{limits.pages_advice}"
        )
    if not any(character.isalnum() for page in document.pages for character in page.text):
        raise PermanentError(NO_TEXT)


def _write(answer: dict[str, Any]) -> None:
    """Write under another name first, so that a result that is there is complete."""
    draft = Path(f"{RESULT_NAME}.draft")
    draft.write_text(json.dumps(answer, ensure_ascii=False), encoding="utf-8")
    draft.rename(RESULT_NAME)


if __name__ == "__main__":
    main(sys.argv[1])
