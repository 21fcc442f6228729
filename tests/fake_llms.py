"""A stand-in for OpenAI, Anthropic and Gemini that speaks their wire formats, with faults on demand.

    POST /openai/v1/chat/completions                         GET  /_fake/requests   what was asked
    POST /anthropic/v1/messages                              POST /_fake/reply      {"text": what to answer}
    POST /gemini/v1beta/models/{model}:streamGenerateContent POST /_fake/fault    {"provider": …, "fault": …}
    POST /openai/v1/embeddings
    POST /gemini/v1beta/models/{model}:batchEmbedContents
    GET  /openai/v1/models  /anthropic/v1/models  /gemini/v1beta/models

A marker in the last question, or in a text to be embedded, chooses a fault: `[[fault:stall]]`,
`[[fault:cut at=start]]`, `[[fault:rate_limit_429 times=1 retry_after=0]]`. `at=start` strikes before the
first word instead of in the middle; `times=n` only the first n requests with this marker; `only=gemini`
spares the other providers. `fail_with("gemini", "overloaded")` does the same to every request of a
provider. All faults: `FAULTS`.
`{now}` in the answer is the machine's clock (`time.monotonic`) at the moment its word is sent.

HTTP is written by hand here, because no server library lets a handler reset its TCP connection.
Bodies follow the vendors' SDK types and documentation; `docs/providers.md` says what real calls confirmed.

For another process: `python -m tests.fake_llms --port 8099`.
"""

import argparse
import asyncio
import base64
import hashlib
import json
import re
import socket
import struct
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol, Self

DEFAULT_ANSWER = "Employees have 25 days of leave a year [1]. Ask your manager first [2]."
PROMPT_TOKENS = 42  # what every prompt counts for
CACHED_TOKENS = 7  # of those, what the provider had read before
THOUGHT_TOKENS = 3  # billed on top of one token a word
PAUSE_S = 0.002  # between words, so that they travel one by one

REFUSALS = (
    "rate_limit_429", "overloaded", "server_error", "bad_key", "not_allowed", "quota", "context_too_long",
    "unknown_model", "refused",
)  # fmt: skip
EMBEDDING_FAULTS = ("fewer", "more_numbers", "no_numbers")
STREAM_FAULTS = ("slow_start", "stall", "cut", "error_event", "garbage", "no_done", "filtered", "no_usage")
FOREIGN = ("bad_gateway", "hang_up")  # what stands between us and the provider fails
FAULTS = (*STREAM_FAULTS, *REFUSALS, *FOREIGN, *EMBEDDING_FAULTS)
REFUSED_KEY = "sk-refused"  # what every list of models and no other request refuses

_MARKER = re.compile(r"\[\[fault:(?P<name>\w+)(?P<options>[^\]]*)\]\]")


@dataclass(frozen=True)
class Fault:
    """What shall go wrong: a name of `FAULTS` (or `ok`) and its options."""

    name: str = "ok"
    options: dict[str, str] = field(default_factory=dict)

    @property
    def at_start(self) -> bool:
        return self.options.get("at") == "start"

    @property
    def times(self) -> float:
        return float(self.options.get("times", "inf"))


@dataclass(frozen=True)
class RecordedRequest:
    """One request as it came over the wire; header names in lower case."""

    provider: str
    path: str
    headers: dict[str, str]
    body: Any


@dataclass(frozen=True)
class Response:
    """A whole answer, as refusals are."""

    status: int
    body: Any
    headers: dict[str, str] = field(default_factory=dict)


# ---- the three wire formats


class WireFormat(Protocol):
    """How one provider words things."""

    def objection(self, request: RecordedRequest) -> str | None:
        """Say why the real API would call the request invalid."""
        ...

    def last_user_text(self, body: Any) -> str: ...

    def opening(self, *, with_usage: bool) -> list[bytes]:
        """Events before the first word."""
        ...

    def word(self, text: str) -> bytes: ...

    def ending(self, n_words: int, *, finish: str, with_usage: bool) -> list[bytes]:
        """Events after the last word; `finish` is `stop` or `filtered`."""
        ...

    def error_event(self) -> bytes: ...

    def refusal(self, fault: str, *, key: str, retry_after: str) -> Response: ...

    def invalid(self, message: str) -> Response: ...

    def models(self) -> Any:
        """What the list of models answers."""
        ...


class EmbeddingFormat(Protocol):
    """How one provider words the embedding of texts."""

    def objection(self, request: RecordedRequest) -> str | None: ...

    def texts(self, body: Any) -> list[str]: ...

    def answer(self, body: Any, vectors: list[list[float]], *, n_tokens: int | None) -> Any: ...


class OpenAIFormat:
    """Chat completions."""

    def models(self) -> Any:
        ids = ["gpt-6-luna", "gpt-7-nova", "gpt-image-9", "text-embedding-3-small", "tts-3", "whisper-2"]
        data = [{"id": id, "object": "model", "created": 1_790_000_000, "owned_by": "openai"} for id in ids]
        return {"object": "list", "data": data}

    def objection(self, request: RecordedRequest) -> str | None:
        body = request.body
        if not request.headers.get("authorization", "").startswith("Bearer "):
            return "Missing bearer authentication in header."
        if body.get("stream") is not True:
            return "This stand-in only streams."
        is_openai_model = str(body.get("model")).startswith("gpt-6")
        if is_openai_model and "max_tokens" in body:
            return "Unsupported parameter: 'max_tokens' is not supported with this model."
        if is_openai_model and "temperature" in body and body.get("reasoning_effort") != "none":
            return "Unsupported parameter: 'temperature' is not supported with this model."
        return None

    def last_user_text(self, body: Any) -> str:
        return body["messages"][-1]["content"]

    def opening(self, *, with_usage: bool) -> list[bytes]:
        return [self._chunk({"role": "assistant", "content": ""})]

    def word(self, text: str) -> bytes:
        return self._chunk({"content": text})

    def ending(self, n_words: int, *, finish: str, with_usage: bool) -> list[bytes]:
        reason = {"stop": "stop", "filtered": "content_filter"}[finish]
        completion_tokens = n_words + THOUGHT_TOKENS
        usage = {
            "prompt_tokens": PROMPT_TOKENS,
            "completion_tokens": completion_tokens,
            "total_tokens": PROMPT_TOKENS + completion_tokens,
            "prompt_tokens_details": {"cached_tokens": CACHED_TOKENS, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": THOUGHT_TOKENS, "audio_tokens": 0},
        }
        counts = [_event(self._body([], usage))] if with_usage else []
        return [self._chunk({}, reason), *counts, b"data: [DONE]\n\n"]

    def error_event(self) -> bytes:
        message = "The server had an error while processing your request."
        return _event({"error": {"message": message, "type": "server_error", "param": None, "code": None}})

    def refusal(self, fault: str, *, key: str, retry_after: str) -> Response:
        status, kind, code, message = {
            "rate_limit_429": (429, "requests", "rate_limit_exceeded", "Rate limit reached for gpt-6."),
            "overloaded": (503, "service_unavailable_error", None, "The server is overloaded."),
            "server_error": (500, "server_error", None, "The server had an error."),
            "not_allowed": (403, "invalid_request_error", None, "Project does not have access to model."),
            "refused": (400, "invalid_request_error", "unsupported_value", "Unsupported value: 'messages'."),
            "bad_key": (401, "invalid_request_error", "invalid_api_key", f"Incorrect API key: {key}."),
            "quota": (429, "insufficient_quota", "insufficient_quota", "You exceeded your current quota."),
            "context_too_long": (
                400,
                "invalid_request_error",
                "context_length_exceeded",
                "This model's maximum context length is 1050000 tokens.",
            ),
            "unknown_model": (404, "invalid_request_error", "model_not_found", "No such model."),
        }[fault]
        error = {"message": message, "type": kind, "param": None, "code": code}
        headers = {"retry-after": retry_after} if fault in {"rate_limit_429", "overloaded"} else {}
        return Response(status, {"error": error}, headers)

    def invalid(self, message: str) -> Response:
        error = {"message": message, "type": "invalid_request_error", "param": None, "code": None}
        return Response(400, {"error": error})

    def _chunk(self, delta: dict[str, str], finish_reason: str | None = None) -> bytes:
        return _event(self._body([{"index": 0, "delta": delta, "finish_reason": finish_reason}], None))

    def _body(self, choices: list[Any], usage: dict[str, Any] | None) -> dict[str, Any]:
        return {
            "id": "chatcmpl-1",
            "object": "chat.completion.chunk",
            "created": 1_790_000_000,
            "model": "gpt-6-luna-2026-09-22",
            "choices": choices,
            "usage": usage,
        }


class OpenAIEmbeddings:
    """`/embeddings`, as OpenAI and compatible servers have it."""

    def objection(self, request: RecordedRequest) -> str | None:
        body = request.body
        if not request.headers.get("authorization", "").startswith("Bearer "):
            return "Missing bearer authentication in header."
        if not isinstance(body["input"], list) or not 1 <= len(body["input"]) <= 2048:
            return "'input' must be a list of 1 to 2048 texts."
        if any(not text for text in body["input"]):
            return "'$.input' is invalid: input cannot be an empty string."
        if any(len(text.encode()) > 8192 * 4 for text in body["input"]):
            return "This model's maximum context length is 8192 tokens."
        return None

    def texts(self, body: Any) -> list[str]:
        return body["input"]

    def answer(self, body: Any, vectors: list[list[float]], *, n_tokens: int | None) -> Any:
        is_base64 = body.get("encoding_format") == "base64"
        data = [
            {"object": "embedding", "index": index, "embedding": _base64(one) if is_base64 else one}
            for index, one in enumerate(vectors)
        ]
        counts = {} if n_tokens is None else {"usage": {"prompt_tokens": n_tokens, "total_tokens": n_tokens}}
        return {"object": "list", "data": data, "model": body["model"], **counts}


class GeminiEmbeddings:
    """`batchEmbedContents`."""

    def objection(self, request: RecordedRequest) -> str | None:
        entries = request.body["requests"]
        if "x-goog-api-key" not in request.headers:
            return "The request is missing a valid API key."
        if not 1 <= len(entries) <= 100:
            return "at most 100 requests can be in one batch"
        if any(not "".join(part["text"] for part in entry["content"]["parts"]) for entry in entries):
            return "EmbedContentRequest.content contains an empty Part."
        if "embedding-2" in request.path and any("taskType" in entry for entry in entries):
            return "task_type is not supported by this model."
        return None

    def texts(self, body: Any) -> list[str]:
        parts = (entry["content"]["parts"] for entry in body["requests"])
        return ["".join(part["text"] for part in each) for each in parts]

    def answer(self, body: Any, vectors: list[list[float]], *, n_tokens: int | None) -> Any:
        counts = {} if n_tokens is None else {"usageMetadata": {"promptTokenCount": n_tokens}}
        return {"embeddings": [{"values": one} for one in vectors], **counts}


class AnthropicFormat:
    """Messages."""

    def models(self) -> Any:
        ids = {"claude-haiku-5-5": "Claude Haiku 5.5", "claude-next-6": "Claude Next 6"}
        data = [
            {"id": id, "type": "model", "display_name": name, "created_at": "2026-09-01T00:00:00Z"}
            for id, name in ids.items()
        ]
        return {"data": data, "has_more": False, "first_id": data[0]["id"], "last_id": data[-1]["id"]}

    def objection(self, request: RecordedRequest) -> str | None:
        body = request.body
        if not {"x-api-key", "authorization"} & request.headers.keys():  # SDKs before 2.x sent the former
            return "x-api-key or authorization header is required"
        if "anthropic-version" not in request.headers:
            return "anthropic-version: header is required"
        if body.get("stream") is not True:
            return "This stand-in only streams."
        if not body.get("max_tokens"):
            return "max_tokens: Field required"
        if "temperature" in body:
            return "temperature: Extra inputs are not permitted"
        if any(not message["content"] for message in body["messages"]):
            return "messages: text content blocks must be non-empty"
        return None

    def last_user_text(self, body: Any) -> str:
        return body["messages"][-1]["content"]

    def opening(self, *, with_usage: bool) -> list[bytes]:
        usage = {
            "input_tokens": PROMPT_TOKENS - CACHED_TOKENS - 5,
            "cache_creation_input_tokens": 5,
            "cache_read_input_tokens": CACHED_TOKENS,
            "output_tokens": 1,
        }
        message = {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": "claude-haiku-5-5",
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            **({"usage": usage} if with_usage else {}),
        }
        block = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
        start = {"type": "message_start", "message": message}
        return [self._typed(event) for event in (start, {"type": "ping"}, block)]

    def word(self, text: str) -> bytes:
        delta = {"type": "text_delta", "text": text}
        return self._typed({"type": "content_block_delta", "index": 0, "delta": delta})

    def ending(self, n_words: int, *, finish: str, with_usage: bool) -> list[bytes]:
        reason = {"stop": "end_turn", "filtered": "refusal"}[finish]
        delta = {
            "type": "message_delta",
            "delta": {"stop_reason": reason, "stop_sequence": None},
            **({"usage": {"output_tokens": n_words + THOUGHT_TOKENS}} if with_usage else {}),
        }
        stop = {"type": "content_block_stop", "index": 0}
        return [self._typed(event) for event in (stop, delta, {"type": "message_stop"})]

    def error_event(self) -> bytes:
        error = {"type": "overloaded_error", "message": "Overloaded"}
        return self._typed({"type": "error", "error": error, "request_id": "req_1"})

    def refusal(self, fault: str, *, key: str, retry_after: str) -> Response:
        status, kind, message = {
            "rate_limit_429": (429, "rate_limit_error", "This request would exceed your rate limit."),
            "overloaded": (529, "overloaded_error", "Overloaded"),
            "server_error": (500, "api_error", "Internal server error"),
            "not_allowed": (403, "permission_error", "Your API key does not have permission."),
            "refused": (400, "invalid_request_error", "messages: roles must alternate"),
            "bad_key": (401, "authentication_error", f"invalid x-api-key {key}"),
            "quota": (
                400,
                "invalid_request_error",
                "Your credit balance is too low to access the Anthropic API.",
            ),
            "context_too_long": (
                400,
                "invalid_request_error",
                "prompt is too long: 1000001 tokens > 1000000 maximum",
            ),
            "unknown_model": (404, "not_found_error", "model: no-such-model"),
        }[fault]
        headers = {"retry-after": retry_after} if fault in {"rate_limit_429", "overloaded"} else {}
        return Response(status, self._error(kind, message), headers)

    def invalid(self, message: str) -> Response:
        return Response(400, self._error("invalid_request_error", message))

    def _error(self, kind: str, message: str) -> dict[str, Any]:
        return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}

    def _typed(self, event: dict[str, Any]) -> bytes:
        return f"event: {event['type']}\n".encode() + _event(event)


class GeminiFormat:
    """generateContent, streamed as server-sent events."""

    def models(self) -> Any:
        actions = {
            "gemini-3.5-flash-lite": ["generateContent", "countTokens"],
            "gemini-5-xenon": ["generateContent"],
            "gemini-embedding-2": ["embedContent", "batchEmbedContents"],
            "veo-9": ["predictLongRunning"],
        }
        return {
            "models": [
                {"name": f"models/{id}", "displayName": id.title(), "supportedGenerationMethods": methods}
                for id, methods in actions.items()
            ]
        }

    def objection(self, request: RecordedRequest) -> str | None:
        body = request.body
        if "x-goog-api-key" not in request.headers or "alt=sse" not in request.path:
            return "The request is missing a valid API key or alt=sse."
        if body["contents"][-1].get("role") == "model":
            return "Please ensure that the last turn is a user turn."
        return None

    def last_user_text(self, body: Any) -> str:
        return "".join(part.get("text", "") for part in body["contents"][-1]["parts"])

    def opening(self, *, with_usage: bool) -> list[bytes]:
        return []

    def word(self, text: str) -> bytes:
        return _event({"candidates": [{"content": {"parts": [{"text": text}], "role": "model"}, "index": 0}]})

    def ending(self, n_words: int, *, finish: str, with_usage: bool) -> list[bytes]:
        usage = {
            "promptTokenCount": PROMPT_TOKENS,
            "cachedContentTokenCount": CACHED_TOKENS,
            "candidatesTokenCount": n_words,
            "thoughtsTokenCount": THOUGHT_TOKENS,
            "totalTokenCount": PROMPT_TOKENS + n_words + THOUGHT_TOKENS,
        }
        counts = {"usageMetadata": usage} if with_usage else {}
        if finish == "filtered" and not n_words:
            return [_event({"promptFeedback": {"blockReason": "SAFETY"}, **counts})]
        reason = {"stop": "STOP", "filtered": "SAFETY"}[finish]
        content = {"parts": [{"text": ""}], "role": "model"}
        candidate = {"content": content, "finishReason": reason, "index": 0}
        return [_event({"candidates": [candidate], **counts})]

    def error_event(self) -> bytes:
        error = {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}
        return _event({"error": error})

    def refusal(self, fault: str, *, key: str, retry_after: str) -> Response:
        google = "type.googleapis.com/google.rpc."
        retry_info = {"@type": f"{google}RetryInfo", "retryDelay": f"{retry_after}s"}
        per_day = {"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier", "quotaValue": "50"}
        quota = {"@type": f"{google}QuotaFailure", "violations": [per_day]}
        bad_key = {"@type": f"{google}ErrorInfo", "reason": "API_KEY_INVALID", "domain": "googleapis.com"}
        status, name, message, details = {
            "rate_limit_429": (429, "RESOURCE_EXHAUSTED", "You exceeded your rate limit.", [retry_info]),
            "overloaded": (503, "UNAVAILABLE", "The model is overloaded.", [retry_info]),
            "server_error": (500, "INTERNAL", "An internal error has occurred.", []),
            "not_allowed": (403, "PERMISSION_DENIED", "Permission denied on resource project.", []),
            "refused": (400, "INVALID_ARGUMENT", "Invalid value at 'generation_config'.", []),
            "bad_key": (400, "INVALID_ARGUMENT", f"API key not valid: {key}.", [bad_key]),
            "quota": (429, "RESOURCE_EXHAUSTED", "You exceeded your current quota.", [quota, retry_info]),
            "context_too_long": (
                400,
                "INVALID_ARGUMENT",
                "The input token count (1048577) exceeds the maximum number of tokens allowed (1048576).",
                [],
            ),
            "unknown_model": (404, "NOT_FOUND", "models/no-such-model is not found", []),
        }[fault]
        return Response(status, self._error(status, name, message, details))

    def invalid(self, message: str) -> Response:
        return Response(400, self._error(400, "INVALID_ARGUMENT", message, []))

    def _error(self, code: int, status: str, message: str, details: list[Any]) -> dict[str, Any]:
        return {"error": {"code": code, "message": message, "status": status, "details": details}}


FORMATS: dict[str, WireFormat] = {
    "openai": OpenAIFormat(),
    "anthropic": AnthropicFormat(),
    "gemini": GeminiFormat(),
}
EMBEDDING_FORMATS: dict[str, EmbeddingFormat] = {"openai": OpenAIEmbeddings(), "gemini": GeminiEmbeddings()}
_BASE_PATHS = {"openai": "/openai/v1", "anthropic": "/anthropic", "gemini": "/gemini"}
_N_NUMBERS = {"3-small": 1536, "3-large": 3072, "gemini-embedding": 3072}
_GARBAGE = b"event: message_start\ndata: <html>502 Bad Gateway</html>\n\n"
_ERROR_PAGE = b"<html><body><h1>502 Bad Gateway</h1></body></html>"


def _event(data: Any) -> bytes:
    return b"data: " + json.dumps(data).encode() + b"\n\n"


def _base64(vector: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def embedding_of(text: str, n_numbers: int) -> list[float]:
    """A vector that says which words a text has, three times as long as it should be."""
    vector = [1e-3] * n_numbers
    for word in re.findall(r"\w+", text.lower()):
        vector[int.from_bytes(hashlib.sha256(word.encode()).digest()[:4]) % n_numbers] += 1.0
    length = sum(number * number for number in vector) ** 0.5
    return [3 * number / length for number in vector]


# ---- the server


class FakeLLMServer:
    """Serves all three providers on a loopback port; use it as an async context manager."""

    def __init__(
        self,
        answer: str = DEFAULT_ANSWER,
        *,
        port: int = 0,
        key: str | None = None,
        pause_s: float = PAUSE_S,
    ) -> None:
        self.answer = answer
        self.pause_s = pause_s
        self.key = key  # the only one that is accepted; any where there is none
        self.port = port
        self.requests: list[RecordedRequest] = []
        self.disconnects: list[RecordedRequest] = []
        self._news = asyncio.Condition()
        self._struck: Counter[str] = Counter()
        self._standing: dict[str, str] = {}
        self._connections: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._converse, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await self._server.wait_closed()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def base_url(self, provider: str) -> str:
        """What to set as the provider's base URL."""
        return self.url + _BASE_PATHS[provider]

    def reply_with(self, text: str) -> None:
        """Answer with this text from now on."""
        self.answer = text

    def fail_with(self, provider: str, fault: str) -> None:
        """Let every request of a provider fail like `"overloaded retry_after=7"` from now on; "" ends it."""
        self._standing[provider] = f"[[fault:{fault}]]" if fault else ""

    async def wait_for_requests(self, count: int = 1) -> None:
        """Wait until that many requests have come."""
        async with self._news:
            await self._news.wait_for(lambda: len(self.requests) >= count)

    async def wait_until(self, is_so: Callable[[list[RecordedRequest]], bool]) -> None:
        """Wait until something holds for the requests so far."""
        async with self._news:
            await self._news.wait_for(lambda: is_so(self.requests))

    async def wait_for_disconnects(self, count: int = 1) -> None:
        """Wait until that many clients left before their answer was complete."""
        async with self._news:
            await self._news.wait_for(lambda: len(self.disconnects) >= count)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection, one after the other."""
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            while request := await _read_request(reader):
                await self._answer(request, reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client has left, or the server is closing
        finally:
            self._connections.discard(task)
            writer.close()

    async def _answer(
        self, request: RecordedRequest, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if request.provider == "_fake":
            return await _send(writer, self._control(request))
        wire = FORMATS.get(request.provider)
        if wire is None:
            return await _send(writer, Response(404, {"error": {"message": "Not found"}}))
        await self._note(self.requests, request)
        if request.path.partition("?")[0].endswith("/models"):
            if REFUSED_KEY in str(request.headers):
                return await _send(writer, wire.refusal("bad_key", key=REFUSED_KEY, retry_after="0"))
            return await _send(writer, Response(200, wire.models()))
        if request.path.endswith(("/embeddings", ":batchEmbedContents")):
            return await self._embed(request, reader, writer)
        if objection := wire.objection(request):
            return await _send(writer, wire.invalid(objection))
        fault = self._fault(request, wire.last_user_text(request.body))
        if fault.name in REFUSALS:
            key = request.headers.get("x-api-key") or request.headers.get("x-goog-api-key")
            key = key or request.headers.get("authorization", "")
            retry_after = fault.options.get("retry_after", "0")
            return await _send(writer, wire.refusal(fault.name, key=key, retry_after=retry_after))
        if fault.name == "bad_gateway":
            return await _send(writer, Response(502, _ERROR_PAGE, {"content-type": "text/html"}))
        if fault.name == "hang_up":
            raise ConnectionResetError
        left = asyncio.create_task(_left(reader))
        try:
            if not await _Stream(writer, left, self.pause_s).send(wire, self.answer, fault):
                raise ConnectionResetError
        except ConnectionError:  # raised above, or by a write that came too late
            await self._note(self.disconnects, request)
            raise
        finally:
            left.cancel()
            await asyncio.wait({left})  # two may not read from one connection
        return None

    async def _embed(
        self, request: RecordedRequest, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        wire, embeddings = FORMATS[request.provider], EMBEDDING_FORMATS[request.provider]
        if objection := embeddings.objection(request):
            return await _send(writer, wire.invalid(objection))
        texts = embeddings.texts(request.body)
        fault = self._fault(request, "\n".join(texts))
        if fault.name in REFUSALS:
            key = request.headers.get("x-goog-api-key") or request.headers.get("authorization", "")
            retry_after = fault.options.get("retry_after", "0")
            return await _send(writer, wire.refusal(fault.name, key=key, retry_after=retry_after))
        model = f"{request.path} {request.body.get('model')}"
        n_numbers = next((n for name, n in _N_NUMBERS.items() if name in model), 768)
        vectors = [embedding_of(text, n_numbers) for text in texts]
        if fault.name == "fewer":
            vectors = vectors[:-1]
        if fault.name == "more_numbers":
            vectors = [[*vector, 0.0] for vector in vectors]
        if fault.name == "no_numbers":
            vectors = [[0.0] * n_numbers for _ in vectors]
        n_tokens = None if fault.name == "no_usage" else sum(len(text.split()) for text in texts)
        body = json.dumps(embeddings.answer(request.body, vectors, n_tokens=n_tokens)).encode()
        if fault.name == "garbage":
            body = _GARBAGE
        if fault.name == "stall":
            left = asyncio.create_task(_left(reader))
            await left
            await self._note(self.disconnects, request)
            raise ConnectionResetError
        writer.write(_head(200, {"content-type": "application/json", "content-length": str(len(body))}))
        if fault.name == "cut":
            writer.write(body[: len(body) // 2])
            await writer.drain()
            raise ConnectionResetError
        writer.write(body)
        await writer.drain()
        return None

    def _fault(self, request: RecordedRequest, text: str) -> Fault:
        """Find the fault the question or the test asks for, unless it has struck often enough."""
        if self.key is not None and not any(self.key in value for value in request.headers.values()):
            return Fault("bad_key")
        if "no-such-model" in f"{request.path} {request.body.get('model')}":
            return Fault("unknown_model")
        match = _MARKER.search(self._standing.get(request.provider, "")) or _MARKER.search(text)
        if not match:
            return Fault()
        assert match["name"] in FAULTS, f"{match['name']} is not one of {FAULTS}"
        options = dict(option.split("=") for option in match["options"].split())
        fault = Fault(match["name"], options)
        if options.get("only", request.provider) != request.provider:
            return Fault()
        struck = f"{request.provider} {match[0]}"
        self._struck[struck] += 1
        return fault if self._struck[struck] <= fault.times else Fault()

    def _control(self, request: RecordedRequest) -> Response:
        if request.path == "/_fake/reply":
            self.reply_with(request.body["text"])
        if request.path == "/_fake/fault":
            self.fail_with(request.body["provider"], request.body["fault"])
        return Response(200, {"requests": [asdict(one) for one in self.requests]})

    async def _note(self, requests: list[RecordedRequest], request: RecordedRequest) -> None:
        async with self._news:
            requests.append(request)
            self._news.notify_all()


@dataclass
class _Stream:
    """One streamed answer; stops as soon as the client has left."""

    writer: asyncio.StreamWriter
    left: asyncio.Task[None]
    pause_s: float

    async def send(self, wire: WireFormat, answer: str, fault: Fault) -> bool:
        """Stream the answer as the fault has it; return False if the client left before the end."""
        if fault.name == "slow_start" and not await self._pause(float(fault.options.get("seconds", 0.2))):
            return False
        self.writer.write(_head(200, {"content-type": "text/event-stream", "transfer-encoding": "chunked"}))
        words = [] if fault.name == "filtered" and fault.at_start else re.findall(r"\S+\s*", answer)
        struck_at = 0 if fault.at_start else len(words) // 2
        strike = _STRIKES.get(fault.name)
        with_usage = fault.name != "no_usage"
        for event in wire.opening(with_usage=with_usage):
            await self._chunk(event)
        for position, word in enumerate(words):
            if strike and position == struck_at:
                return await strike(self, wire)
            await self._chunk(wire.word(word.replace("{now}", f"{time.monotonic():.6f}")))
            if not await self._pause(self.pause_s):
                return False
        finish = "filtered" if fault.name == "filtered" else "stop"
        for event in wire.ending(len(words), finish=finish, with_usage=with_usage):
            await self._chunk(event)
        await self._end()
        return True

    async def stall(self, _: WireFormat) -> bool:
        await self.left
        return False

    async def cut(self, _: WireFormat) -> bool:
        await self._pause(0.05)  # let what was sent arrive: a reset discards what is still under way
        on, seconds = 1, 0  # to linger no time at all is what makes the kernel send a reset
        connection = self.writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", on, seconds))
        self.writer.transport.abort()
        return True

    async def error_event(self, wire: WireFormat) -> bool:
        await self._chunk(wire.error_event())
        return await self._end()

    async def garbage(self, _: WireFormat) -> bool:
        await self._chunk(_GARBAGE)
        return await self._end()

    async def no_done(self, _: WireFormat) -> bool:
        return await self._end()

    async def _chunk(self, data: bytes) -> None:
        self.writer.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        await self.writer.drain()

    async def _end(self) -> bool:
        self.writer.write(b"0\r\n\r\n")
        await self.writer.drain()
        return True

    async def _pause(self, seconds: float) -> bool:
        done, _ = await asyncio.wait({self.left}, timeout=seconds)
        return not done


_STRIKES: dict[str, Callable[[_Stream, WireFormat], Any]] = {
    "stall": _Stream.stall,
    "cut": _Stream.cut,
    "error_event": _Stream.error_event,
    "garbage": _Stream.garbage,
    "no_done": _Stream.no_done,
}


# ---- HTTP by hand


async def _read_request(reader: asyncio.StreamReader) -> RecordedRequest | None:
    """Read one request; None when the client closed the connection between two."""
    head = await _until_blank_line(reader)
    if not head:
        return None
    request_line, *lines = head.decode("latin-1").split("\r\n")
    _, path, _ = request_line.split(" ")
    headers = dict(_header_pairs(lines))
    raw = await reader.readexactly(int(headers.get("content-length", 0)))
    return RecordedRequest(path.split("/")[1], path, headers, json.loads(raw) if raw else None)


async def _until_blank_line(reader: asyncio.StreamReader) -> bytes:
    try:
        return (await reader.readuntil(b"\r\n\r\n")).removesuffix(b"\r\n\r\n")
    except asyncio.IncompleteReadError as closed:
        if closed.partial:
            raise
        return b""


def _header_pairs(lines: list[str]) -> Iterator[tuple[str, str]]:
    for line in lines:
        name, _, value = line.partition(":")
        yield name.lower(), value.strip()


async def _send(writer: asyncio.StreamWriter, response: Response) -> None:
    body = response.body if isinstance(response.body, bytes) else json.dumps(response.body).encode()
    headers = {"content-type": "application/json", "content-length": str(len(body)), **response.headers}
    writer.write(_head(response.status, headers) + body)
    await writer.drain()


def _head(status: int, headers: dict[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status} Fake", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode()


async def _left(reader: asyncio.StreamReader) -> None:
    """Return when the client closes the connection; it sends nothing while an answer streams."""
    try:
        await reader.read(1)
    except ConnectionError:
        return


async def _serve(port: int, answer: str, pause_s: float) -> None:
    async with FakeLLMServer(answer, port=port, pause_s=pause_s) as server:
        sys.stdout.write(f"ready {server.url}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--answer", default=DEFAULT_ANSWER)
    parser.add_argument("--pause", type=float, default=PAUSE_S, help="seconds between two words")
    arguments = parser.parse_args()
    asyncio.run(_serve(arguments.port, arguments.answer, arguments.pause))
