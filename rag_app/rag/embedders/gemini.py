"""Embed with Google's Gemini API, through `google-genai`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rag_app.domain.models import Model
from rag_app.rag.embedders._hosted import BatchLimits, Embedded, HostedEmbedder, TokenOffsets
from rag_app.rag.llms import gemini as answers
from rag_app.rag.llms._failures import Refusal
from rag_app.rag.llms.contract import LLMSettings

if TYPE_CHECKING:
    from google.genai import Client

NAME = PROVIDER = "gemini"
LABEL = answers.LABEL

# At most 100 texts; what is too long is cut by the provider, at tokens we cannot count.
LIMITS = BatchLimits(texts=100, n_bytes=300_000, bytes_per_text=32_768)

# The first generation is told its task by a parameter; for the second it is written before the text.
_TAKES_TASK_TYPE = {"gemini-embedding-001"}
_QUESTION, _DOCUMENT = "task: search result | query: ", "title: none | text: "


def build(settings: LLMSettings, *, model: Model, offsets: TokenOffsets) -> HostedEmbedder:
    """Make the client.

    Raises:
        PermanentError: there is no usable key.
    """
    from google.genai import errors

    client, http = answers.make_client(settings)
    return HostedEmbedder(LABEL, model, http, _EmbedContent(client, (errors.APIError,)), LIMITS, offsets)


@dataclass
class _EmbedContent:
    client: Client
    sdk_errors: tuple[type[Exception], ...]

    async def embed(self, texts: list[str], *, model: str, is_question: bool) -> Embedded:
        from google.genai import types

        config: dict[str, Any] = {}
        if model in _TAKES_TASK_TYPE:
            config["task_type"] = "RETRIEVAL_QUERY" if is_question else "RETRIEVAL_DOCUMENT"
        else:
            texts = [(_QUESTION if is_question else _DOCUMENT) + text for text in texts]
        # Bare strings would be taken as the parts of one text, and make one vector.
        contents: Any = [types.Content(role="user", parts=[types.Part(text=text)]) for text in texts]
        reply = await self.client.aio.models.embed_content(
            model=model, contents=contents, config=types.EmbedContentConfig(**config)
        )
        usage = reply.usage_metadata
        return Embedded(
            [list(one.values or ()) for one in reply.embeddings or ()],
            usage.prompt_token_count if usage else None,
        )

    def refusal(self, error: Exception) -> Refusal | None:
        return answers.refusal(error)
