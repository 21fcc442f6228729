"""How large chunks are, and how much of one stands again in the next."""

from dataclasses import dataclass

from rag_app.domain.knowledge_bases import StoredChunk
from rag_app.domain.rag_config import RagConfig

RESERVED_TOKENS = 8  # the embedding model's own prefix and marks


@dataclass(frozen=True)
class ChunkSize:
    """The most tokens of a chunk, and the most of them that are repeated from the one before."""

    tokens: int
    overlap_tokens: int

    @classmethod
    def of(cls, config: RagConfig) -> "ChunkSize":
        """The size a knowledge base is set to."""
        return cls(config.chunk_tokens, config.overlap_tokens)

    def within(self, model_tokens: int) -> "ChunkSize":
        """The size that a model which reads so many tokens can embed."""
        tokens = min(self.tokens, most_tokens(model_tokens))
        return ChunkSize(tokens, min(self.overlap_tokens, most_overlap(tokens)))


def most_tokens(model_tokens: int) -> int:
    """The largest chunk that a model can embed."""
    return model_tokens - RESERVED_TOKENS


def most_overlap(tokens: int) -> int:
    """The most that may be repeated: less than half, or a text would never get on."""
    return (tokens - 1) // 2


@dataclass(frozen=True)
class CutText:
    """What a text looks like, cut into chunks of one size; `n_repeated` tells of each how many of its first
    characters are those the one before ends with."""

    size: ChunkSize
    n_chunks: int
    n_tokens: int
    chunks: tuple[StoredChunk, ...]
    n_repeated: tuple[int, ...]


@dataclass(frozen=True)
class ChunkPreview:
    """A document's text cut as now and as it would be; of a long document only the beginning."""

    document_id: int
    document_name: str
    n_characters: int
    is_excerpt: bool
    before: CutText
    after: CutText


@dataclass(frozen=True)
class ChunkSettings:
    """How documents are cut; `n_otherwise` are those whose chunks still have another size."""

    size: ChunkSize
    most_tokens: int
    n_documents: int
    n_otherwise: int
