"""What runs in the child process: read a batch of mails, leave a result for each in a file, end.

argument   one JSON object: names of mails in the working folder, options, limits
results    `3.json` for the mail `3.eml`, complete when it is there; attachments as `3.0.bin` and so on

A mail that ends the process leaves no result; those before it have theirs.
"""

import json
import os
import signal
from pathlib import Path
from typing import Any, NoReturn

from rag_app.rag.parsers import _confinement
from rag_app.rag.parsers.contract import ParseLimits
from rag_app.rag.sources import _mail_text
from rag_app.rag.sources._mail_text import Mail, Options

MAX_FILE_BYTES = 64 * 1024 * 1024
SECONDS_FOR_ONE = 10.0  # of the processor
NO_SPACE_LEFT = 75  # exit code: EX_TEMPFAIL of sysexits.h
OUT_OF_MEMORY = "Reading this mail needs too much memory."
TOO_SLOW = "Reading this mail took too long, so it was given up."


class _TooSlow(BaseException):
    """A mail has had its time; no `except Exception` on the way may take this for its own."""


def main(arguments: str) -> NoReturn:
    """Read mails one after the other."""
    request = json.loads(arguments)
    _confinement.confine(ParseLimits(**request["limits"]), max_file_bytes=MAX_FILE_BYTES)
    options = Options(**request["options"])
    signal.signal(signal.SIGVTALRM, _give_up)
    try:
        for mail in request["mails"]:
            _write(mail["name"], _read(mail, options))
    except OSError:
        os._exit(NO_SPACE_LEFT)
    os._exit(0)


def _read(mail: dict[str, Any], options: Options) -> Mail:
    try:
        raw = Path(f"{mail['name']}.eml").read_bytes()
        signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS_FOR_ONE)
        try:
            return _mail_text.read_mail(raw, options, is_cut=mail["is_cut"])
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    except MemoryError:
        return Mail("", reason=OUT_OF_MEMORY, is_damaged=True)
    except _TooSlow:
        return Mail("", reason=TOO_SLOW, is_damaged=True)


def _give_up(*_: object) -> NoReturn:
    raise _TooSlow


def _write(name: str, mail: Mail) -> None:
    attachments = []
    for at, attachment in enumerate(mail.attachments):
        if not attachment.reason:
            Path(f"{name}.{at}.bin").write_bytes(attachment.content)
        attachments.append({"name": attachment.name, "reason": attachment.reason})
    answer = {
        "subject": mail.subject,
        "text": mail.text,
        "reason": mail.reason,
        "is_damaged": mail.is_damaged,
        "attachments": attachments,
    }
    draft = Path(f"{name}.draft")  # a result that is there is complete
    draft.write_text(json.dumps(answer, ensure_ascii=True), encoding="ascii")
    draft.rename(f"{name}.json")
