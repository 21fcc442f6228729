"""Read an untrusted file in a process of its own, which can be stopped and cannot do harm.

parse_file ── starts ──► child (limits, no network, empty environment, own folder)
    ▲                        │ progress by pipe, result as a file
    └── result or reason ◄───┘ then everything of it is gone
"""

import asyncio
import contextlib
import fcntl
import json
import os
import shutil
import signal
import sys
import tempfile
from asyncio.subprocess import Process
from collections.abc import AsyncGenerator, Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import structlog

import rag_app
from rag_app.domain.documents import Page, ParsedDocument
from rag_app.errors import PermanentError, TransientError
from rag_app.rag.parsers import _child
from rag_app.rag.parsers.contract import ParseLimits

log = structlog.get_logger()

SOURCE_ROOT = Path(rag_app.__file__).parents[1]
# Isolated from environment and user's packages (-I), the child is told where our code is. It may write only
# so much, so it must not keep compiled modules (-B): one that was cut off would break everybody's.
_START = (
    "import sys; sys.path.insert(0, sys.argv[1]); "
    "import importlib; importlib.import_module(sys.argv[2]).main(sys.argv[3])"
)
_PREFIX = "simple-rag-parse-"
_DEBIAN_TESSDATA = "/usr/share/tesseract-ocr"
_OTHER_TESSDATA = ("/usr/share/tessdata", "/usr/local/share/tessdata", "/opt/homebrew/share/tessdata")
# How Python, Rust, C++ and the loader of shared libraries say it.
_MEMORY_SIGNS = (b"MemoryError", b"memory allocation", b"bad_alloc", b"failed to map segment")
_STDERR_TAIL_BYTES = 8 * 1024

TOO_SLOW = "Reading this file took too long. Split it into smaller files."
TOO_LONG = "This file holds more characters than are read. Split it into smaller files."
CRASHED = (
    "This file could not be read; it may be damaged. Save it again in the program that made it and upload it."
)
NO_TEMP_SPACE = "There is no space left on the server to read files. Try again later."
NOT_STARTED = "The server is too busy to read this file just now. Try again later."


async def parse_file(
    path: Path,
    *,
    file_name: str,
    limits: ParseLimits,
    ocr_data: Path | None = None,
    on_progress: Callable[[float], None] | None = None,
) -> ParsedDocument:
    """Read a file of any supported kind.

    Args:
        path: where the bytes are; they are only read.
        file_name: what its owner called it; what it is, its content decides.
        limits: what reading it may cost.
        ocr_data: see `find_tessdata`; None leaves scanned pages unread.
        on_progress: told the share of the work done, from 0 to 1.

    Returns:
        Text with at least one letter or digit, NFC, without characters that Postgres cannot store.

    Raises:
        PermanentError: the file cannot be read; the message says why and what to do.
        TransientError: no process, memory or disk space for it just now.
    """
    async with private_folder() as folder:
        request = _request(path, file_name, limits, ocr_data)
        exit_code = await run_child(
            _child.__name__, request, folder, wall_s=limits.wall_s, on_progress=on_progress
        )
        return await asyncio.to_thread(_result, folder, exit_code, _child.max_result_bytes(limits))


def find_tessdata() -> Path | None:
    """Return the folder of Tesseract's language data, or None where it is not installed."""
    debian = sorted(Path(_DEBIAN_TESSDATA).glob("*/tessdata"), reverse=True)
    configured = os.environ.get("TESSDATA_PREFIX")
    candidates = [Path(configured)] if configured else []
    candidates += [*debian, *map(Path, _OTHER_TESSDATA)]
    return next((folder for folder in candidates if any(folder.glob("[a-z]*.traineddata"))), None)


def _request(path: Path, file_name: str, limits: ParseLimits, ocr_data: Path | None) -> str:
    request = {
        "path": str(path.absolute()),
        "file_name": file_name,
        "limits": asdict(limits),
        "ocr_data": str(ocr_data.absolute()) if ocr_data else None,
    }
    return json.dumps(request)


@contextlib.asynccontextmanager
async def private_folder() -> AsyncGenerator[Path]:
    """A folder for one child; it is gone when the child is."""
    try:
        new = Path(tempfile.mkdtemp(prefix=f"new-{_PREFIX}"))
        lock = os.open(new, os.O_RDONLY)
        fcntl.flock(lock, fcntl.LOCK_EX)  # held while we live, see `remove_leftovers`
        folder = new.rename(new.with_name(new.name.removeprefix("new-")))
    except OSError as error:
        raise TransientError(NO_TEMP_SPACE) from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def remove_leftovers() -> int:
    """Delete the folders of killed processes, which hold texts of people; returns how many."""
    n_removed = 0
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):  # another user's, or in use
            lock = os.open(folder, os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder)
                n_removed += 1
            finally:
                os.close(lock)
    return n_removed


async def run_child(
    module: str,
    request: str,
    folder: Path,
    *,
    wall_s: float,
    on_progress: Callable[[float], None] | None = None,
) -> int:
    """Call `main` of a module in a child to its end and return the exit code; no process is left.

    The module confines itself (`_confinement`) before it looks at anything untrusted.

    Raises:
        PermanentError: it took longer than `wall_s`.
        TransientError: it could not be started.
    """
    process = await _start(module, request, folder)
    try:
        async with asyncio.timeout(wall_s):
            await _follow(process, on_progress)
            return await process.wait()
    except TimeoutError as error:
        raise PermanentError(TOO_SLOW) from error
    finally:
        await end(process)


async def _start(module: str, request: str, folder: Path) -> Process:
    try:
        with (folder / "stderr").open("wb") as stderr:
            return await asyncio.create_subprocess_exec(
                sys.executable,
                "-I",
                "-B",
                "-c",
                _START,
                str(SOURCE_ROOT),
                module,
                request,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=stderr,
                cwd=folder,
                env=environment(folder),
                start_new_session=True,
            )
    except OSError as error:
        raise TransientError(NOT_STARTED) from error


def environment(folder: Path) -> dict[str, str]:
    """Only what a parser needs: no keys, no addresses, no home."""
    return {
        "PATH": os.defpath,
        "LANG": "C.UTF-8",
        "HOME": str(folder),
        "TMPDIR": str(folder),
        # Each thread reserves address space, which is limited.
        "MALLOC_ARENA_MAX": "2",
        "OMP_THREAD_LIMIT": "1",
        "RAYON_NUM_THREADS": "2",
        "TOKIO_WORKER_THREADS": "2",
    }


async def _follow(process: Process, on_progress: Callable[[float], None] | None) -> None:
    assert process.stdout is not None
    async for line in process.stdout:
        if on_progress is not None:
            on_progress(float(line))


async def end(process: Process) -> None:
    """Kill the child and all it may have started; also when we are being cancelled."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    await asyncio.shield(process.wait())


def _result(folder: Path, exit_code: int, max_bytes: int) -> ParsedDocument:
    """Take a complete result even if the child crashed after writing it."""
    result = folder / _child.RESULT_NAME
    if not result.exists():
        stderr = _tail(folder / "stderr")
        log.warning("parser_left_no_result", exit_code=exit_code, error=_last_error(stderr))
        raise _failure(exit_code, stderr)
    if result.stat().st_size > max_bytes:
        raise PermanentError(TOO_LONG)
    answer = json.loads(result.read_bytes())
    if "error" in answer:
        raise PermanentError(answer["error"])
    return _document(answer["document"])


def _tail(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _STDERR_TAIL_BYTES))
        return file.read()


def _last_error(stderr: bytes) -> str:
    """Name the last error without its message, which may quote the file."""
    last_line = stderr.decode(errors="replace").rstrip().rpartition("\n")[2]
    return last_line.partition(":")[0][:80]


def _failure(exit_code: int, stderr: bytes) -> PermanentError | TransientError:
    """Say what an end without a result means."""
    if exit_code == _child.NO_SPACE_LEFT:
        return TransientError(NO_TEMP_SPACE)
    if exit_code == -signal.SIGXCPU:
        return PermanentError(TOO_SLOW)
    if any(sign in stderr for sign in _MEMORY_SIGNS):
        return PermanentError(_child.OUT_OF_MEMORY)
    if exit_code == -signal.SIGKILL:  # not by us: the machine ran out of memory
        return TransientError(NOT_STARTED)
    return PermanentError(CRASHED)


def _document(answer: dict[str, Any]) -> ParsedDocument:
    return ParsedDocument(
        pages=tuple(Page(**page) for page in answer["pages"]),
        media_type=answer["media_type"],
        title=answer["title"],
        used_ocr=answer["used_ocr"],
        warnings=tuple(answer["warnings"]),
    )
