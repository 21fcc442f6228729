"""Answers from OpenAI, or from any server that speaks its chat completions (Ollama, vLLM, a gateway)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from rag_app.domain.answers import ModelInfo, Prompt
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

if TYPE_CHECKING:
    from openai import AsyncOpenAI
    from openai.types.chat import ChatCompletionChunk

LABEL = "OpenAI"
NEEDS_KEY = True
OWN_SERVER = True
BASE_URL = "https://api.openai.com/v1"
MODELS = (
    ModelInfo("gpt-6-luna", "GPT-6 Luna", context_tokens=1_050_000, max_output_tokens=128_000),
    ModelInfo("gpt-6.1-terra", "GPT-6.1 Terra", context_tokens=1_050_000, max_output_tokens=128_000),
    ModelInfo("gpt-6-sol", "GPT-6 Sol", context_tokens=1_050_000, max_output_tokens=128_000),
    ModelInfo("gpt-6.1-sol", "GPT-6.1 Sol", 1_050_000, 128_000, takes_temperature=False),
)

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
_NO_KEY = "none"  # the SDK insists on one; servers in one's own network often do not


def build(settings: LLMSettings) -> LLM:
    """Make the client.

    Raises:
        PermanentError: there is no usable key, and no server of one's own that may do without.
    """
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
    wire = _ChatCompletions(client, is_openai=settings.base_url is None, sdk_errors=(openai.OpenAIError,))
    return HostedLLM(LABEL, MODELS, settings, http, wire)


@dataclass
class _ChatCompletions:
    client: AsyncOpenAI
    is_openai: bool
    sdk_errors: tuple[type[Exception], ...]

    async def open(self, prompt: Prompt, *, model: str) -> OpenStream:
        turns = [("system", prompt.system), *messages(prompt)] if prompt.system else messages(prompt)
        request: dict[str, Any] = {
            "model": model,
            "messages": [{"role": role, "content": text} for role, text in turns],
            "stream_options": {"include_usage": True},
            **self._limits(prompt, model),
        }
        stream = await self.client.chat.completions.create(stream=True, **request)
        return OpenStream(stream, stream.close)

    def read(self, event: ChatCompletionChunk) -> Piece:
        text, finish_reason = "", None
        for choice in event.choices or ():  # the chunk with the token counts has none
            text = (choice.delta.content or choice.delta.refusal or "") if choice.delta else ""
            finish_reason = _FINISH_REASONS.get(choice.finish_reason or "")
        if not event.usage:
            return Piece(text, finish_reason)
        return Piece(text, finish_reason, event.usage.prompt_tokens, event.usage.completion_tokens)

    def refusal(self, error: Exception) -> Refusal | None:
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


def _given(**arguments: Any) -> dict[str, Any]:
    return {name: value for name, value in arguments.items() if value is not None}
