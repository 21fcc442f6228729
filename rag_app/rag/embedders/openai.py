"""Embed with OpenAI, or with any server that speaks its `/embeddings` (Ollama, vLLM, a gateway)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rag_app.domain.models import Model
from rag_app.rag.embedders._hosted import BatchLimits, Embedded, HostedEmbedder, TokenOffsets
from rag_app.rag.llms import openai as answers
from rag_app.rag.llms._failures import Refusal
from rag_app.rag.llms.contract import LLMSettings

if TYPE_CHECKING:
    from openai import AsyncOpenAI

NAME = PROVIDER = "openai"
LABEL = answers.LABEL

# 2,048 texts and 300,000 tokens; a longer text is refused rather than cut, so it is cut here, for certain.
LIMITS = BatchLimits(texts=2_048, n_bytes=300_000, bytes_per_text=8_192)


def build(settings: LLMSettings, *, model: Model, offsets: TokenOffsets) -> HostedEmbedder:
    """Make the client.

    Raises:
        PermanentError: there is no usable key, and no server of one's own that may do without.
    """
    import openai

    client, http = answers.make_client(settings)
    wire = _Embeddings(client, is_openai=settings.base_url is None, sdk_errors=(openai.OpenAIError,))
    return HostedEmbedder(LABEL, model, http, wire, LIMITS, offsets)


@dataclass
class _Embeddings:
    client: AsyncOpenAI
    is_openai: bool
    sdk_errors: tuple[type[Exception], ...]

    async def embed(self, texts: list[str], *, model: str, is_question: bool) -> Embedded:
        # A quarter of the bytes; other servers may not know it.
        encoding = "base64" if self.is_openai else "float"
        reply = await self.client.embeddings.create(model=model, input=texts, encoding_format=encoding)
        rows = sorted(reply.data, key=lambda row: row.index)
        return Embedded([row.embedding for row in rows], reply.usage.prompt_tokens if reply.usage else None)

    def refusal(self, error: Exception) -> Refusal | None:
        return answers.refusal(error)
