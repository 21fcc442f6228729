"""How documents are cut, as the API speaks of it."""

from typing import Self

from pydantic import BaseModel, Field

from rag_app.api.schemas import Body
from rag_app.domain.chunk_sizes import ChunkPreview, ChunkSettings, CutText


class ChunkPreviewBody(Body):
    document_id: int = Field(ge=1, le=2**63 - 1)
    chunk_tokens: int | None = Field(
        None, strict=True, description="As in `rag-config`; left out: as it is set."
    )
    overlap_tokens: int | None = Field(None, strict=True, description="Likewise.")


class CutChunkOut(BaseModel):
    position: int
    content: str
    heading: str
    page_first: int | None
    page_last: int | None
    n_tokens: int
    n_repeated: int = Field(description="How many of its first characters the chunk before ends with.")


class CutTextOut(BaseModel):
    chunk_tokens: int = Field(
        description="The size, or the most the embedding model reads where that is less."
    )
    overlap_tokens: int
    n_chunks: int
    n_tokens: int
    chunks: list[CutChunkOut] = Field(description="The first thirty.")

    @classmethod
    def of(cls, text: CutText) -> Self:
        return cls(
            chunk_tokens=text.size.tokens,
            overlap_tokens=text.size.overlap_tokens,
            n_chunks=text.n_chunks,
            n_tokens=text.n_tokens,
            chunks=[
                CutChunkOut(
                    position=chunk.position,
                    content=chunk.content,
                    heading=chunk.heading,
                    page_first=chunk.page_first,
                    page_last=chunk.page_last,
                    n_tokens=chunk.n_tokens,
                    n_repeated=n_repeated,
                )
                for chunk, n_repeated in zip(text.chunks, text.n_repeated, strict=True)
            ],
        )


class ChunkPreviewOut(BaseModel):
    document_id: int
    document_name: str
    n_characters: int = Field(description="How much of its text was cut.")
    is_excerpt: bool = Field(description="Whether the document goes on after that.")
    before: CutTextOut = Field(description="As the knowledge base is set.")
    after: CutTextOut = Field(description="As asked for.")

    @classmethod
    def of(cls, preview: ChunkPreview) -> Self:
        return cls(
            document_id=preview.document_id,
            document_name=preview.document_name,
            n_characters=preview.n_characters,
            is_excerpt=preview.is_excerpt,
            before=CutTextOut.of(preview.before),
            after=CutTextOut.of(preview.after),
        )


class ChunkSettingsOut(BaseModel):
    chunk_tokens: int
    overlap_tokens: int
    most_chunk_tokens: int = Field(description="What the embedding model can take.")
    n_documents: int
    n_cut_otherwise: int = Field(description="Documents whose chunks still have another size.")

    @classmethod
    def of(cls, found: ChunkSettings) -> Self:
        return cls(
            chunk_tokens=found.size.tokens,
            overlap_tokens=found.size.overlap_tokens,
            most_chunk_tokens=found.most_tokens,
            n_documents=found.n_documents,
            n_cut_otherwise=found.n_otherwise,
        )


class ReingestAllOut(BaseModel):
    n_queued: int
