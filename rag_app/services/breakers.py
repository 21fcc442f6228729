"""Stop asking a provider that keeps failing, for everybody who uses the same key.

            failures in a row                       pause is over
    closed ───────────────────► open ──────────────────────────────► half open: one call may try
       ▲                          ▲                                     │            │
       └──────── success ─────────┼─────────────────────────────────────┘            │
                                  └──────────── fails again: twice the pause ────────┘

A model that its provider asks not to be called again for a while (Retry-After) rests for that time alone:
providers limit by model. In the memory of one process: each finds out for itself.
"""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from math import ceil
from typing import Literal

from rag_app.errors import TransientError
from rag_app.services.provider_keys import ProviderAccess

N_FAILURES = 5
WITHIN_S = 120.0  # failures further apart are no row
PAUSE_S = 15.0
MAX_PAUSE_S = 300.0
MIN_REST_S = 1.0  # waits shorter than this have been sat out already

# What says that the provider is in trouble, and not that the request or the key is.
TROUBLES = frozenset({"rate_limit", "overloaded", "unreachable", "slow", "unreadable", "interrupted"})

Line = tuple[str, str | None, bytes]
Verdict = Literal["answered", "trouble", "nothing"]


@dataclass
class _Line:
    """How one provider fares with one key; times are the clock's."""

    failed_at: list[float] = field(default_factory=list)
    open_until: float | None = None
    pause_s: float = PAUSE_S
    is_trying: bool = False
    resting: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Breakers:
    """The state of every provider and key that was called."""

    clock: Callable[[], float] = time.monotonic
    _lines: dict[Line, _Line] = field(default_factory=dict)

    def begin(self, access: ProviderAccess, label: str, model: str) -> "Attempt":
        """Ask to make a call; say afterwards how it went, whatever happens.

        Raises:
            TransientError: not now; `kind` is `paused`, and `retry_after_s` says when.
        """
        line, now = self._lines.setdefault(line_of(access), _Line()), self.clock()
        if line.resting.get(model, now) > now:
            raise _paused(f"{label} asked not to be sent more for now.", line.resting[model] - now)
        line.resting.pop(model, None)
        if line.open_until is None:
            return Attempt(self.clock, line, model, is_trial=False)
        if line.is_trying or line.open_until > now:
            raise _paused(f"{label} has failed several times in a row.", max(line.open_until - now, 1))
        line.is_trying = True
        return Attempt(self.clock, line, model, is_trial=True)


@dataclass
class Attempt:
    """One call that was let through; only the first thing said about it counts."""

    clock: Callable[[], float]
    line: _Line
    model: str
    is_trial: bool
    is_over: bool = False

    def answered(self) -> None:
        """The provider answers, be it with a refusal."""
        if self._ends():
            self.line.failed_at.clear()
            self.line.open_until, self.line.pause_s = None, PAUSE_S

    def failed(self, kind: str, retry_after_s: float | None) -> None:
        """It did not come to an answer."""
        if kind not in TROUBLES:
            return self.answered()
        if not self._ends():
            return None
        now, line = self.clock(), self.line
        if retry_after_s is not None and retry_after_s >= MIN_REST_S:
            line.resting[self.model] = now + min(retry_after_s, MAX_PAUSE_S)
        line.failed_at = [*(at for at in line.failed_at if now - at <= WITHIN_S), now]
        if self.is_trial:
            line.pause_s = min(line.pause_s * 2, MAX_PAUSE_S)
        if self.is_trial or len(line.failed_at) >= N_FAILURES:
            line.open_until = now + line.pause_s
        return None

    def given_up(self) -> None:
        """Whoever asked has left; that says nothing about the provider."""
        self._ends()

    def _ends(self) -> bool:
        if self.is_over:
            return False
        self.is_over = True
        if self.is_trial:
            self.line.is_trying = False
        return True


def line_of(access: ProviderAccess) -> Line:
    """What tells providers and keys apart, without the key."""
    key = access.api_key.get_secret_value() if access.api_key else ""
    return access.provider, access.base_url, hashlib.sha256(key.encode()).digest()


def _paused(why: str, wait_s: float) -> TransientError:
    seconds = ceil(wait_s)
    return TransientError(
        f"{why} It is asked again in {seconds} {'second' if seconds == 1 else 'seconds'}.",
        retry_after_s=seconds,
        kind="paused",
    )
