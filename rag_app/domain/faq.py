"""Questions with curated answers."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

SOURCE = "faq"  # what kind of document holds an entry

Origin = Literal["typed", "import", "conversation"]


@dataclass(frozen=True)
class FaqEntry:
    """One pair; it can be found when its document is `ready`, and `error_message` says why it is not."""

    id: int
    kb_id: int
    document_id: int
    question: str
    answer: str
    origin: Origin
    status: str
    error_message: str | None
    tags: tuple[str, ...]
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True)
class FaqDraft:
    """What an entry made from an answer begins with; `entry_id` is the one that was made from it already."""

    kb_id: int
    question: str
    answer: str
    entry_id: int | None = None


@dataclass(frozen=True)
class FaqPair:
    """A pair on its way in."""

    question: str
    answer: str


@dataclass(frozen=True)
class FaqRow:
    """One row of a file to import: the pair, or in `problem` why it cannot be taken.

    `number` is its line as a spreadsheet counts, the header being 1; `exists` says that the question is
    there already, with another answer or the same.
    """

    number: int
    question: str
    answer: str
    problem: str = ""
    exists: bool = False


@dataclass(frozen=True)
class FaqImport:
    """What came of an import; with `is_preview` nothing was kept."""

    columns: tuple[str, ...]
    question_column: int
    answer_column: int
    rows: tuple[FaqRow, ...]
    n_added: int
    n_changed: int
    n_unchanged: int
    is_preview: bool

    @property
    def problems(self) -> tuple[FaqRow, ...]:
        """The rows that cannot be taken."""
        return tuple(row for row in self.rows if row.problem)


@dataclass(frozen=True)
class CuratedAnswer:
    """An entry whose question is so near to what was asked that its answer is given as it is.

    `match` is how near, from 0 to 1.
    """

    entry_id: int
    document_id: int
    question: str
    answer: str
    match: float
