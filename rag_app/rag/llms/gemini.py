"""Answers from Google's Gemini API, through `google-genai`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import httpx2

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
    from google.genai import Client
    from google.genai.types import GenerateContentResponse

LABEL = "Google Gemini"
NEEDS_KEY = True
BASE_URL = "https://generativelanguage.googleapis.com/"
MODELS = model_table().infos("gemini")

# Answering from passages needs little thought, and readers wait: the least each model can do with.
_THINKING: dict[str, Literal["minimal", "low"]] = {
    "gemini-3.5-flash-lite": "minimal",
    "gemini-3.8-flash": "low",
    "gemini-4-argon": "low",
}
_FINISH_REASONS: dict[str, FinishReason] = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "SAFETY": "filtered",
    "RECITATION": "filtered",
    "LANGUAGE": "filtered",
    "BLOCKLIST": "filtered",
    "PROHIBITED_CONTENT": "filtered",
    "SPII": "filtered",
    "MODEL_ARMOR": "filtered",
}

_caught: ContextVar[list[httpx2.Response] | None] = ContextVar("_caught", default=None)


def build(settings: LLMSettings) -> LLM:
    """Make the client.

    Raises:
        PermanentError: there is no usable key.
    """
    from google.genai import errors

    client, http = make_client(settings)
    return HostedLLM(LABEL, MODELS, settings, http, _GenerateContent(client, (errors.APIError,)))


def make_client(settings: LLMSettings) -> tuple[Client, httpx2.AsyncClient]:
    """Make the SDK's client and what it sends with. Raises as `build`."""
    from google import genai
    from google.genai import types

    key = api_key(settings, LABEL)
    http = http_client(settings)
    _keep_timeout(http)
    _show_responses(http)
    client = genai.Client(
        api_key=key,
        vertexai=False,  # or the environment could turn it on
        http_options=types.HttpOptions(base_url=settings.base_url or BASE_URL, httpx_async_client=http),
    )
    return client, http


@dataclass
class _GenerateContent:
    client: Client
    sdk_errors: tuple[type[Exception], ...]

    async def open(self, prompt: Prompt, *, model: str) -> OpenStream:
        contents: Any = [
            {"role": "user" if role == "user" else "model", "parts": [{"text": text}]}
            for role, text in messages(prompt)
        ]
        events = await self.client.aio.models.generate_content_stream(
            model=model, contents=contents, config=_config(prompt, model)
        )
        request = _Request(events)
        return OpenStream(request.events(), request.close)

    def read(self, event: GenerateContentResponse) -> Piece:
        text, finish_reason = "", None
        if event.prompt_feedback and event.prompt_feedback.block_reason:
            finish_reason = "filtered"
        for candidate in event.candidates or ():
            parts = candidate.content.parts or () if candidate.content else ()
            text = "".join(part.text for part in parts if part.text and not part.thought)
            finish_reason = _FINISH_REASONS.get(getattr(candidate.finish_reason, "value", ""))
        usage = event.usage_metadata
        if not usage:
            return Piece(text, finish_reason)
        # Thoughts are billed as output, but counted apart from the answer.
        completion_tokens = (usage.candidates_token_count or 0) + (usage.thoughts_token_count or 0)
        return Piece(
            text,
            finish_reason,
            usage.prompt_token_count,
            completion_tokens,
            usage.cached_content_token_count or 0,
        )

    async def list(self) -> AsyncIterator[OfferedModel]:
        async for model in await self.client.aio.models.list(config={"page_size": 1000}):
            name = (model.name or "").removeprefix("models/")
            actions = model.supported_actions or ()
            if name and "generateContent" in actions:
                yield OfferedModel(name, model.display_name or name)
            elif name and {"embedContent", "batchEmbedContents"} & set(actions):
                yield OfferedModel(name, model.display_name or name, "embedding")

    def refusal(self, error: Exception) -> Refusal | None:
        return refusal(error)


@dataclass
class _Request:
    """One request, with a way to end it.

    The SDK's stream is six generators deep: closing the outer one leaves the connection open until the
    garbage collector comes by. So the HTTP response is caught on its way in, and closed itself.
    """

    stream: AsyncIterator[GenerateContentResponse]
    responses: list[httpx2.Response] = field(default_factory=list)

    async def events(self) -> AsyncIterator[GenerateContentResponse]:
        while (event := await self._next()) is not None:
            yield event

    async def close(self) -> None:
        for response in self.responses:
            await response.aclose()

    async def _next(self) -> GenerateContentResponse | None:
        token = _caught.set(self.responses)
        try:
            return await anext(self.stream, None)
        finally:
            _caught.reset(token)


def _show_responses(http: httpx2.AsyncClient) -> None:
    async def show(response: httpx2.Response) -> None:
        if (caught := _caught.get()) is not None:
            caught.append(response)

    http.event_hooks["response"].append(show)


def _keep_timeout(http: httpx2.AsyncClient) -> None:
    """Put back the client's own time-outs, which the SDK overrides with one for everything, or none."""
    timeout = http.timeout.as_dict()

    async def keep(request: httpx2.Request) -> None:
        request.extensions["timeout"] = timeout

    http.event_hooks["request"].append(keep)


def _config(prompt: Prompt, model: str) -> Any:
    level = _THINKING.get(model)
    room = 0 if level == "minimal" else THINKING_TOKENS
    config: dict[str, Any] = {
        "max_output_tokens": prompt.max_tokens + room,
        "automatic_function_calling": {"disable": True},
        "automatic_continuation": False,  # one request an answer: that is what is timed and retried
    }
    if prompt.system:
        config["system_instruction"] = prompt.system
    if level is None:  # a model not listed here: whether it takes a temperature is for the owner to know
        config["temperature"] = prompt.temperature
    else:
        config["thinking_config"] = {"thinking_level": level}
    return config


def refusal(error: Exception) -> Refusal | None:
    """Reduce an error of the SDK to what the provider said; None if it said nothing."""
    code = getattr(error, "code", None)
    if not isinstance(code, int):
        return None
    details = list(_details(getattr(error, "details", None)))
    reasons = {getattr(error, "status", None), *(detail.get("reason") for detail in details)}
    if any("PerDay" in str(detail.get("violations")) for detail in details):
        reasons.add("daily_quota")
    delays = (seconds(detail["retryDelay"]) for detail in details if "retryDelay" in detail)
    return Refusal(
        status=code,
        codes=frozenset(str(reason).lower() for reason in reasons if reason),
        text=str(getattr(error, "message", "")).lower(),
        retry_after_s=next(delays, None),
    )


def _details(body: object) -> Iterator[dict[str, Any]]:
    """The typed details of a Google error: reason, retry delay, quota."""
    error = body.get("error", body) if isinstance(body, dict) else {}
    details = error.get("details") if isinstance(error, dict) else None
    yield from (detail for detail in details or () if isinstance(detail, dict))
