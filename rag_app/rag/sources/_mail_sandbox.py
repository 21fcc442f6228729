"""Read mails in a child process that can do no harm, a batch at a time.

Starting a process for each mail would take longer than reading it. Where a mail ends the process, it is tried
alone and then given up, and those behind it go on in a new one.
"""

import asyncio
import itertools
import json
import os
import stat
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import structlog

from rag_app.errors import PermanentError, TransientError
from rag_app.rag.parsers.contract import ParseLimits
from rag_app.rag.parsers.sandbox import NO_TEMP_SPACE, private_folder, run_child
from rag_app.rag.sources import _mail_child
from rag_app.rag.sources._mail_child import MAX_FILE_BYTES
from rag_app.rag.sources._mail_text import MAX_ATTACHMENTS, Attachment, Mail, Options

log = structlog.get_logger()

SECONDS_FOR_ONE = 30
SECONDS_FOR_BATCH = 90
MEMORY_MB = 1024
GAVE_UP = "Reading this mail took too long or too much memory, so it was given up."
_NOT_BELIEVED = Mail("", reason=GAVE_UP, is_damaged=True)


@dataclass(frozen=True)
class RawMail:
    """A mail as the server gave it; `is_cut` where that is only its beginning."""

    raw: bytes
    is_cut: bool = False


async def read_mails(mails: Sequence[RawMail], options: Options, limits: ParseLimits) -> list[Mail]:
    """Read mails; each has a result, in the same order.

    Raises:
        TransientError: no process, memory or disk space for it just now.
    """
    results: list[Mail] = []
    while len(results) < len(mails):
        results += await _read(mails[len(results) :], options, limits, SECONDS_FOR_BATCH)
        if len(results) < len(mails):  # the next one ended the process, or others had left it no time
            alone = await _read(mails[len(results) : len(results) + 1], options, limits, SECONDS_FOR_ONE)
            results += alone or [Mail("", reason=GAVE_UP, is_damaged=True)]
    return results


async def _read(mails: Sequence[RawMail], options: Options, limits: ParseLimits, seconds: int) -> list[Mail]:
    """Results for as many of the mails as one process manages."""
    limits = replace(limits, memory_mb=min(limits.memory_mb, MEMORY_MB), cpu_s=seconds, wall_s=2 * seconds)
    async with private_folder() as folder:
        names = [str(at) for at in range(len(mails))]
        request = {
            "limits": asdict(limits),
            "options": asdict(options),
            "mails": [{"name": name, "is_cut": mail.is_cut} for name, mail in zip(names, mails, strict=True)],
        }
        await asyncio.to_thread(_put, folder, names, mails)
        await _run(json.dumps(request), folder, limits.wall_s)
        found = await asyncio.to_thread(lambda: [_result(folder, name) for name in names])
        return [mail for mail in itertools.takewhile(lambda mail: mail is not None, found) if mail]


def _put(folder: Path, names: Sequence[str], mails: Sequence[RawMail]) -> None:
    try:
        for name, mail in zip(names, mails, strict=True):
            (folder / f"{name}.eml").write_bytes(mail.raw)
    except OSError as error:
        raise TransientError(NO_TEMP_SPACE) from error


async def _run(request: str, folder: Path, wall_s: float) -> None:
    try:
        exit_code = await run_child(_mail_child.__name__, request, folder, wall_s=wall_s)
    except PermanentError:  # it took too long: what it has finished counts
        exit_code = -1
    if exit_code == _mail_child.NO_SPACE_LEFT:
        raise TransientError(NO_TEMP_SPACE)
    if exit_code:
        log.warning("mail_reader_ended", exit_code=exit_code)


def _result(folder: Path, name: str) -> Mail | None:
    """What the child left for one mail, which is believed no more than the mail itself."""
    try:
        answer = json.loads(_content(folder / f"{name}.json"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError):
        return _NOT_BELIEVED
    try:
        attachments, left = [], MAX_FILE_BYTES
        for at, each in enumerate(answer["attachments"][: MAX_ATTACHMENTS + 2]):  # and two about others
            content = b"" if each["reason"] else _content(folder / f"{name}.{at}.bin", at_most=left)
            left -= len(content)
            attachments.append(Attachment(str(each["name"]), content, str(each["reason"])))
        return Mail(
            str(answer["subject"]),
            str(answer["text"]),
            tuple(attachments),
            str(answer["reason"]),
            bool(answer["is_damaged"]),
        )
    except (OSError, LookupError, TypeError, ValueError):
        return _NOT_BELIEVED


def _content(path: Path, *, at_most: int = MAX_FILE_BYTES) -> bytes:
    """A file of the child's: a regular one of no more than its size, and no link to another."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size > at_most:
            raise ValueError("no result of a mail")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read(at_most)
    finally:
        os.close(descriptor)
