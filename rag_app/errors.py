"""Every error this app raises on purpose.

RagAppError
├── InvalidInput      the caller can fix it; the message says how
│   ├── TooLarge      more bytes than allowed
│   ├── Conflict      it clashes with what is there already
│   │   └── PlanFull  the owner's plan allows no more of it
│   └── Unsupported   a kind of file or request this installation cannot take
├── NotSignedIn       no valid sign-in, or it has ended
├── NotAllowed        the caller may know of it, but may not do this
├── NotFound          it does not exist, or belongs to another owner
├── LimitReached      a limit of speed or of a period; says when to try again
├── StorageFull       no space left to keep what was sent
├── TransientError    trying again may help: timeout, rate limit, lost connection
└── PermanentError    trying again cannot help: unreadable file, unknown source
"""

from collections.abc import Mapping


class RagAppError(Exception):
    """Base of every deliberate error; `str(error)` is fit for the reader.

    `kind` is for programs: a provider's failures have one (`rag/llms/_failures.py`), most others none.
    """

    kind: str = ""


class InvalidInput(RagAppError):
    """The caller can fix it; `field` names the input at fault, where one is.

    `problems` has a sentence for each input at fault, where several were looked at together.
    """

    def __init__(
        self, message: str, *, field: str | None = None, problems: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.field = field
        self.problems: Mapping[str, str] = problems or {}


class TooLarge(InvalidInput):
    """More bytes than allowed."""


class Conflict(InvalidInput):
    """It clashes with what is there already."""


class PlanFull(Conflict):
    """The owner's plan allows no more of it; `limit` names what is full."""

    def __init__(self, message: str, *, limit: str) -> None:
        super().__init__(message)
        self.limit = limit


class Unsupported(InvalidInput):
    """A kind of file or request this installation cannot take."""


class NotSignedIn(RagAppError):
    """There is no valid sign-in, or it has ended."""

    def __init__(self, message: str = "Please sign in.") -> None:
        super().__init__(message)


class NotAllowed(RagAppError):
    """The caller may know of it, but may not do this."""


class NotFound(RagAppError):
    """It does not exist, or belongs to another owner: the two look the same."""

    def __init__(self, what: str) -> None:
        super().__init__(f"There is no such {what}.")


class LimitReached(RagAppError):
    """A limit of speed or of a period; `retry_after_s` says when to try again, `limit` names it."""

    def __init__(self, message: str, *, retry_after_s: int, limit: str | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        self.limit = limit


class StorageFull(RagAppError):
    """No space is left to keep what was sent."""


class TransientError(RagAppError):
    """Trying again may help: timeout, rate limit, lost connection."""

    def __init__(self, message: str, *, retry_after_s: float | None = None, kind: str = "") -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        self.kind = kind


class PermanentError(RagAppError):
    """Trying again cannot help: unreadable file, unknown source, bad key."""

    def __init__(self, message: str, *, kind: str = "") -> None:
        super().__init__(message)
        self.kind = kind
