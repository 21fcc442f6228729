"""Answers from OpenAI, or from any server that speaks its chat completions (Ollama, vLLM, a gateway)."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

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
    import httpx2
    from openai import AsyncOpenAI

LABEL = "OpenAI"
NEEDS_KEY = True
OWN_SERVER = True
BASE_URL = "https://api.openai.com/v1"
MODELS = model_table().infos("openai")

# Answering from passages needs little thought, and readers wait: the least each model can do with.
# A temperature is accepted only together with "none".
_EFFORTS: dict[str, Literal["none", "low"]] = {
    "gpt-6-luna": "none",
    "gpt-6.1-terra": "none",
    "gpt-6-sol": "none",
    "gpt-6.1-sol": "low",
}
_FINISH_REASONS: dict[str, FinishReason] = {
    "stop": "stop",
    "length": "length",
    "content_filter": "filtered",
}
# The list says only names, and most of them make pictures or sound.
_OTHER_KINDS = re.compile(
    r"image|audio|realtime|transcribe|tts|whisper|dall-e|sora|moderation|live|babbage|davinci"
)
_NO_KEY = "none"  # the SDK insists on one; servers in one's own network often do not


def build(settings: LLMSettings) -> LLM:
    """Make the client.

    Raises:
        PermanentError: there is no usable key, and no server of one's own that may do without.
    """
    import openai

    client, http = make_client(settings)
    wire = _ChatCompletions(client, is_openai=settings.base_url is None, sdk_errors=(openai.OpenAIError,))
    return HostedLLM(LABEL, MODELS, settings, http, wire)


def make_client(settings: LLMSettings) -> tuple[AsyncOpenAI, httpx2.AsyncClient]:
    """Make the SDK's client and what it sends with. Raises as `build`."""
    import openai

    keyless = settings.base_url is not None and settings.api_key is None
    http = http_client(settings)
    client = openai.AsyncOpenAI(
        api_key=_NO_KEY if keyless else api_key(settings, LABEL),
        base_url=settings.base_url or BASE_URL,
        http_client=http,
        timeout=http.timeout,
        max_retries=0,
    )
    # Read from the environment by the SDK, they would bill one owner's question to another's account.
    client.organization = client.project = None
    return client, http


@dataclass
class _ChatCompletions:
    client: AsyncOpenAI
    is_openai: bool
    sdk_errors: tuple[type[Exception], ...]

    async def open(self, prompt: Prompt, *, model: str) -> OpenStream:
        turns = [("system", prompt.system), *messages(prompt)] if prompt.system else messages(prompt)
        from openai import AsyncStream

        request: dict[str, Any] = {
            "model": model,
            "stream": True,
            "messages": [{"role": role, "content": text} for role, text in turns],
            "stream_options": {"include_usage": True},
            **self._limits(prompt, model),
        }
        # As `chat.completions.create` does it, but for the type: making the SDK's objects of every word takes
        # half of all the processor time of an answer.
        stream = await self.client.post(
            "/chat/completions", body=request, cast_to=object, stream=True, stream_cls=AsyncStream[object]
        )
        return OpenStream(stream, stream.close)

    def read(self, event: dict[str, Any]) -> Piece:
        text, finish_reason = "", None
        for choice in event.get("choices") or ():  # the chunk with the token counts has none
            delta = choice.get("delta") or {}
            text = delta.get("content") or delta.get("refusal") or ""
            finish_reason = _FINISH_REASONS.get(choice.get("finish_reason") or "")
        if not (usage := event.get("usage")):
            return Piece(text, finish_reason)
        cached_tokens = (usage.get("prompt_tokens_details") or {}).get("cached_tokens")
        return Piece(
            text, finish_reason, usage.get("prompt_tokens"), usage.get("completion_tokens"), cached_tokens
        )

    async def list(self) -> AsyncIterator[OfferedModel]:
        async for model in self.client.models.list():
            if "embed" in model.id:
                yield OfferedModel(model.id, model.id, "embedding")
            elif not _OTHER_KINDS.search(model.id):
                yield OfferedModel(model.id, model.id)

    def refusal(self, error: Exception) -> Refusal | None:
        return refusal(error)

    def _limits(self, prompt: Prompt, model: str) -> dict[str, Any]:
        """How long and how varied the answer may be, in the words this model's server knows.

        OpenAI's models refuse `max_tokens`; Ollama and others silently ignore `max_completion_tokens`.
        A model of ours behind a gateway is taken to be OpenAI's.
        """
        effort = _EFFORTS.get(model)
        if not self.is_openai and effort is None:
            return {"max_tokens": prompt.max_tokens} | _given(temperature=prompt.temperature)
        room = 0 if effort == "none" else THINKING_TOKENS
        temperature = prompt.temperature if effort == "none" else None
        return {"max_completion_tokens": prompt.max_tokens + room} | _given(
            reasoning_effort=effort, temperature=temperature
        )


def refusal(error: Exception) -> Refusal | None:
    """Reduce an error of the SDK to what the provider said; None if it said nothing."""
    body = getattr(error, "body", None)
    status = getattr(error, "status_code", None)
    if status is None and body is None:
        return None
    codes = {getattr(error, "code", None), getattr(error, "type", None)}
    response = getattr(error, "response", None)
    return Refusal(
        status=status or 200,  # an error event inside a stream that began well
        codes=frozenset(str(code).lower() for code in codes if code),
        text=str(getattr(error, "message", "")).lower(),
        retry_after_s=seconds(response.headers.get("retry-after")) if response is not None else None,
    )


def _given(**arguments: Any) -> dict[str, Any]:
    return {name: value for name, value in arguments.items() if value is not None}
