"""The same done to many documents."""

from dataclasses import dataclass
from typing import Literal

BulkAction = Literal["delete", "reingest", "retry", "add_tags", "remove_tags"]


@dataclass(frozen=True)
class Skipped:
    """A document that was left as it is, and why."""

    id: int
    name: str
    reason: str


@dataclass(frozen=True)
class BulkResult:
    """What came of it."""

    n_done: int
    skipped: tuple[Skipped, ...] = ()
