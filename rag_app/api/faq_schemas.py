"""Shapes of the FAQ's requests and answers."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from rag_app.domain.faq import FaqEntry, FaqImport

MAX_SELECTED = 200

MessageIds = Annotated[
    list[Annotated[int, Field(ge=1, le=2**31 - 1)]],
    Field(
        max_length=1000,
        description="Answers of conversations it is made from; they then name it in `faq_entry_id`.",
    ),
]


class FaqEntryBody(BaseModel):
    """A new pair."""

    model_config = ConfigDict(extra="forbid")

    question: str = Field(description="At most 1,000 characters, on one line.")
    answer: str = Field(description="At most 20,000 characters; Markdown is shown as such.")
    tags: list[str] = Field([], max_length=100)
    message_ids: MessageIds = []


class ChangeFaqEntryBody(BaseModel):
    """What shall be different; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    question: str | None = None
    answer: str | None = None
    tags: list[str] | None = Field(None, max_length=100)
    message_ids: MessageIds = []


class FaqBulkBody(BaseModel):
    """What to do to which entries."""

    model_config = ConfigDict(extra="forbid")

    action: Literal["delete"]
    ids: list[Annotated[int, Field(ge=1, le=2**31 - 1)]] = Field(min_length=1, max_length=MAX_SELECTED)


class FaqBulkOut(BaseModel):
    n_done: int


class FaqEntryOut(BaseModel):
    id: int
    kb_id: int
    document_id: int = Field(description="Names the entry in search results and citations.")
    question: str
    answer: str
    origin: str = Field(description="`typed`, `import` or `conversation`.")
    status: str = Field(description="`ready` when it can be found.")
    error_message: str | None
    tags: list[str]
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, entry: FaqEntry) -> Self:
        return cls(**asdict(entry))


class FaqRowOut(BaseModel):
    number: int = Field(description="The row in the file, the header being 1.")
    question: str
    answer: str
    problem: str
    exists: bool = Field(description="The question is there already.")


class FaqImportOut(BaseModel):
    columns: list[str]
    question_column: int
    answer_column: int
    n_added: int
    n_changed: int
    n_unchanged: int
    is_preview: bool
    problems: list[FaqRowOut] = Field(description="The rows that cannot be taken, at most 200.")
    rows: list[FaqRowOut] = Field(description="The first rows as they were read, at most 20.")

    @classmethod
    def of(cls, result: FaqImport) -> Self:
        return cls(
            columns=list(result.columns),
            question_column=result.question_column,
            answer_column=result.answer_column,
            n_added=result.n_added,
            n_changed=result.n_changed,
            n_unchanged=result.n_unchanged,
            is_preview=result.is_preview,
            problems=[FaqRowOut(**asdict(row)) for row in result.problems[:200]],
            rows=[FaqRowOut(**asdict(row)) for row in result.rows[:20]],
        )
