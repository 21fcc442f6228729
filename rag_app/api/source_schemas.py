"""Shapes that all kinds of sources share; each kind adds its own settings."""

from dataclasses import asdict
from datetime import datetime
from typing import Self

from pydantic import BaseModel, Field

from rag_app.domain.sources import Check, Item, Run, RunEvent, Source


class RunOut(BaseModel):
    """One reading of a source."""

    id: int
    reason: str = Field(description="`created`, `manual`, `schedule` or `retry`.")
    status: str = Field(description="`waiting`, `running`, `completed`, `failed` or `cancelled`.")
    stage: str = Field(description="What is being done, in words.")
    n_expected: int | None = Field(description="How many items there will be, where that is known.")
    n_seen: int
    n_added: int
    n_changed: int
    n_unchanged: int
    n_removed: int
    n_failed: int
    n_skipped: int
    error_message: str | None
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None

    @classmethod
    def of(cls, run: Run) -> Self:
        values = asdict(run)
        return cls(**values.pop("counts"), **values)


class SourceOut(BaseModel):
    """A source with its schedule and its newest run."""

    id: int
    kb_id: int
    name: str
    is_scheduled: bool
    frequency_hours: int
    grace_hours: int = Field(description="Until what has vanished is removed.")
    is_paused: bool
    next_run_at: datetime | None
    last_run_at: datetime | None
    problem: str = Field(description="Why it cannot be read, empty when all is well.")
    n_items: int
    n_failed: int
    n_missing: int
    run: RunOut | None
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, source: Source) -> Self:
        run = RunOut.of(source.run) if source.run is not None else None
        values = {name: getattr(source, name) for name in SourceOut.model_fields if name != "run"}
        return cls.model_validate(values | cls.settings_of(source) | {"run": run})

    @classmethod
    def settings_of(cls, source: Source) -> dict[str, object]:
        """What a kind shows of its settings."""
        own = cls.model_fields.keys() - SourceOut.model_fields.keys()
        return {name: source.config.get(name) for name in own}


class ItemOut(BaseModel):
    """A page, mail or attachment, and what became of it."""

    id: int
    key: str
    parent: str
    name: str
    url: str
    document_id: int | None
    document_status: str | None
    document_error: str | None
    status: str = Field(description="`kept`, `failed`, `skipped` or `missing`.")
    reason: str
    seen_at: datetime
    changed_at: datetime
    missing_since: datetime | None

    @classmethod
    def of(cls, item: Item) -> Self:
        return cls(**{name: getattr(item, name) for name in cls.model_fields})


class RunEventOut(BaseModel):
    """One line of a run's history."""

    id: int
    kind: str = Field(
        description="`added`, `changed`, `removed`, `missing`, `back`, `failed`, `skipped` or `note`."
    )
    key: str
    name: str
    detail: str
    diff: str = Field(description="What changed in a text, as unified diff.")
    created_at: datetime

    @classmethod
    def of(cls, event: RunEvent) -> Self:
        return cls(**{name: getattr(event, name) for name in cls.model_fields})


class CheckOut(BaseModel):
    """What came of trying a connection."""

    is_ok: bool
    message: str
    details: list[str]

    @classmethod
    def of(cls, check: Check) -> Self:
        return cls(is_ok=check.is_ok, message=check.message, details=list(check.details))
