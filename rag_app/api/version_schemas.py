"""Versions of documents, as the API speaks of them."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, Field

from rag_app.api.schemas import Body, JobOut, Text
from rag_app.domain.document_versions import DocumentVersion, VersionState
from rag_app.services.document_versions import AddedVersion


class VersionOut(BaseModel):
    number: int
    name: str
    size_bytes: int
    sha256: str
    created_at: datetime
    state: VersionState = Field(description="The current one answers questions.")
    error_message: str | None

    @classmethod
    def of(cls, version: DocumentVersion) -> Self:
        return cls(**{name: value for name, value in asdict(version).items() if name != "document_id"})


class AddedVersionOut(BaseModel):
    document_id: int
    number: int
    is_new: bool = Field(description="False for the very bytes that the document has already.")
    job: JobOut

    @classmethod
    def of(cls, added: AddedVersion) -> Self:
        return cls(
            document_id=added.document.id,
            number=added.number,
            is_new=added.is_new,
            job=JobOut.of(added.job, is_duplicate=not added.is_new),
        )


class NamesBody(Body):
    names: list[Annotated[Text, Field(max_length=1000)]] = Field(max_length=5000)


class NamesOut(BaseModel):
    names: list[str] = Field(description="Those that documents have already.")
