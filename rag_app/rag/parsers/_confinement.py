"""Take away from the child process what reading a file does not need.

Everything here is best effort but the limits of memory, time and output: an operating system that knows no
seccomp still gets those.
"""

import contextlib
import ctypes
import os
import platform
import resource
import signal
import struct
import sys

from rag_app.rag.parsers.contract import ParseLimits

_CPU_GRACE_S = 5  # between the signal that names the reason and the one that cannot be survived

# Numbers from Linux's headers (asm/unistd.h, linux/seccomp.h, linux/audit.h); they never change.
_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 1, 38, 22, 2
_LOAD_WORD, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000 | 1  # the call fails with EPERM
_OFFSET_OF_NUMBER, _OFFSET_OF_ARCHITECTURE = 0, 4
# Architecture → its audit number, and socket, execve, execveat, ptrace, io_uring_setup in its call table.
_REFUSED_CALLS = {
    "x86_64": (0xC000003E, (41, 59, 322, 101, 425)),
    "aarch64": (0xC00000B7, (198, 221, 281, 117, 425)),
}


def confine(limits: ParseLimits, *, max_file_bytes: int) -> None:
    """Limit memory, time and output; open no connection, start no program, outlive no parent."""
    _limit(resource.RLIMIT_AS, limits.memory_mb * 1024 * 1024)
    _limit(resource.RLIMIT_CPU, max(1, int(limits.cpu_s)), hard=int(limits.cpu_s) + _CPU_GRACE_S)
    _limit(resource.RLIMIT_FSIZE, max_file_bytes)
    _limit(resource.RLIMIT_CORE, 0)
    with contextlib.suppress(OSError):
        os.nice(10)
    if sys.platform == "linux":
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        _refuse_calls()


def _limit(kind: int, soft: int, *, hard: int | None = None) -> None:
    with contextlib.suppress(ValueError, OSError):  # macOS has no limit of address space
        resource.setrlimit(kind, (soft, soft if hard is None else hard))


def _refuse_calls() -> None:
    """Install a seccomp filter that makes some system calls fail; see seccomp(2)."""
    architecture, calls = _REFUSED_CALLS.get(platform.machine(), (0, ()))
    if not calls or not _prctl(_PR_SET_NO_NEW_PRIVS, 1):
        return
    steps = [(_LOAD_WORD, 0, 0, _OFFSET_OF_ARCHITECTURE), (_JUMP_IF_EQUAL, 0, len(calls) + 1, architecture)]
    steps.append((_LOAD_WORD, 0, 0, _OFFSET_OF_NUMBER))
    steps += [(_JUMP_IF_EQUAL, len(calls) - at, 0, number) for at, number in enumerate(calls)]
    steps += [(_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _REFUSE)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
    program = struct.pack("HxxxxxxP", len(steps), ctypes.addressof(code))
    _prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.create_string_buffer(program))


def _prctl(option: int, *arguments: object) -> bool:
    """Call prctl(2); False where the kernel refuses."""
    padded = [*arguments, 0, 0, 0, 0][:4]
    values = [ctypes.c_ulong(value) if isinstance(value, int) else value for value in padded]
    return ctypes.CDLL(None, use_errno=True).prctl(option, *values) == 0
