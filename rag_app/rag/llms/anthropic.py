"""Answers from Anthropic's Messages API."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rag_app.domain.answers import Prompt
from rag_app.domain.models import OfferedModel
from rag_app.rag.llms._failures import Refusal, seconds
from rag_app.rag.llms._http import api_key, http_client
from rag_app.rag.llms._streams import (
    THINKING_TOKENS,
    FinishReason,
    HostedLLM,
    OpenStream,
    Piece,
    messages,
)
from rag_app.rag.llms.contract import LLM, LLMSettings
from rag_app.rag.model_table import model_table

if TYPE_CHECKING:
    from anthropic import AsyncAnthropic
    from anthropic.types import RawMessageStreamEvent, Usage

LABEL = "Anthropic"
NEEDS_KEY = True
BASE_URL = "https://api.anthropic.com"
MODELS = model_table().infos("anthropic")

# These models think unless told otherwise. Answering from passages needs little of it, and readers wait.
# Opus cannot be told not to; without tools, "between_tools" is never.
_THINKING: dict[str, dict[str, Any]] = {
    "claude-haiku-5-5": {"thinking": {"type": "disabled"}},
    "claude-sonnet-5-5": {"thinking": {"type": "between_tools"}},
    "claude-opus-5-5": {"output_config": {"effort": "low"}},
}
_FINISH_REASONS: dict[str, FinishReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "refusal": "filtered",
}


def build(settings: LLMSettings) -> LLM:
    """Make the client.

    Raises:
        PermanentError: there is no usable key.
    """
    import anthropic

    key = api_key(settings, LABEL)
    http = http_client(settings)
    client = anthropic.AsyncAnthropic(
        api_key=key,
        base_url=settings.base_url or BASE_URL,
        http_client=http,
        timeout=http.timeout,
        max_retries=0,
        open_telemetry=False,
    )
    return HostedLLM(LABEL, MODELS, settings, http, _Messages(client, (anthropic.AnthropicError,)))


@dataclass
class _Messages:
    client: AsyncAnthropic
    sdk_errors: tuple[type[Exception], ...]

    async def open(self, prompt: Prompt, *, model: str) -> OpenStream:
        thinking = _THINKING.get(model, {})
        room = 0 if "thinking" in thinking else THINKING_TOKENS
        request: dict[str, Any] = {
            "model": model,
            "messages": [{"role": role, "content": text} for role, text in messages(prompt)],
            "max_tokens": prompt.max_tokens + room,
            **({"system": prompt.system} if prompt.system else {}),
            **thinking,
        }
        stream = await self.client.messages.create(stream=True, **request)
        return OpenStream(stream, stream.close)

    def read(self, event: RawMessageStreamEvent) -> Piece:
        match event.type:
            case "message_start":
                if (usage := _usage(event.message)) is None:
                    return Piece()
                return Piece(
                    prompt_tokens=_prompt_tokens(usage), cached_tokens=usage.cache_read_input_tokens or 0
                )
            case "content_block_delta" if event.delta.type == "text_delta":
                return Piece(event.delta.text)
            case "message_delta":
                reason = _FINISH_REASONS.get(event.delta.stop_reason or "")
                return Piece(
                    finish_reason=reason, completion_tokens=getattr(_usage(event), "output_tokens", None)
                )
        return Piece()

    async def list(self) -> AsyncIterator[OfferedModel]:
        async for model in self.client.models.list(limit=1000):
            yield OfferedModel(model.id, model.display_name or model.id)

    def refusal(self, error: Exception) -> Refusal | None:
        status = getattr(error, "status_code", None)
        if status is None:
            return None
        response = getattr(error, "response", None)
        return Refusal(
            status=status,  # 200 for an error event inside a stream that began well
            codes=frozenset({str(getattr(error, "type", None)).lower()}),
            text=str(getattr(error, "api_message", "")).lower(),
            retry_after_s=seconds(response.headers.get("retry-after")) if response is not None else None,
        )


def _usage(part: Any) -> Any:
    """The counts of a message; a proxy in front of the API may leave out what the SDK takes for granted."""
    return getattr(part, "usage", None)


def _prompt_tokens(usage: Usage) -> int:
    """All tokens read: Anthropic counts those from and for its cache apart."""
    cached = (usage.cache_creation_input_tokens or 0) + (usage.cache_read_input_tokens or 0)
    return usage.input_tokens + cached
