"""What runs in the child process that reads web pages: one after the other, until its input ends.

input    a line of JSON (kind, url, charset, n_bytes), then that many bytes
output   a line of JSON: `{"ok": {…}}` or `{"error": "…"}`

A fresh process costs more than reading a page does, so one serves many pages of the same website.
"""

import json
import os
import sys
from dataclasses import asdict
from typing import Any, BinaryIO, NoReturn

from rag_app.errors import PermanentError
from rag_app.rag.parsers import _confinement, _web_page, _web_sitemap
from rag_app.rag.parsers.contract import ParseLimits

OUT_OF_MEMORY = "Reading this page needs too much memory."
UNREADABLE = "This page could not be read; its HTML is too damaged."


def main(arguments: str) -> NoReturn:
    """Answer until there are no more questions, and end without the interpreter's clean-up."""
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # whatever a library prints goes nowhere
    limits = ParseLimits(**json.loads(arguments))
    _confinement.confine(limits, max_file_bytes=64 * 1024)
    while head := sys.stdin.buffer.readline():
        request = json.loads(head)
        answer = _answer(request, _exactly(sys.stdin.buffer, request["n_bytes"]), limits)
        _send(answers, json.dumps(answer).encode() + b"\n")
    os._exit(0)


def _exactly(stream: BinaryIO, n_bytes: int) -> bytes:
    content = stream.read(n_bytes)
    if len(content) < n_bytes:
        os._exit(1)  # the parent is gone
    return content


def _send(pipe: Any, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[pipe.write(view) :]


def _answer(request: dict[str, Any], content: bytes, limits: ParseLimits) -> dict[str, Any]:
    try:
        if request["kind"] == "sitemap":
            return {"ok": asdict(_web_sitemap.read(content, url=request["url"]))}
        page = _web_page.read(
            content, url=request["url"], charset=request["charset"], max_chars=limits.max_chars
        )
        return {"ok": asdict(page)}
    except PermanentError as error:
        return {"error": str(error)}
    except MemoryError:
        return {"error": OUT_OF_MEMORY}
    except Exception as error:  # whatever hostile HTML makes a library stumble over concerns this page only
        return {"error": UNREADABLE, "cause": type(error).__name__}
