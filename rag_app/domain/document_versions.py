"""The files a document has had, one after the other."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

VersionState = Literal["current", "earlier", "waiting", "reading", "failed", "cancelled"]


@dataclass(frozen=True)
class DocumentVersion:
    """One file of a document; `number` counts from 1 and never belongs to other bytes.

    The `current` one answers questions. `error_message` says why one could not be read.
    """

    document_id: int
    number: int
    name: str
    size_bytes: int
    sha256: str
    created_at: datetime
    state: VersionState
    error_message: str | None = None
