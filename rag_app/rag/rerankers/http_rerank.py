"""Rerank on any server with a `/rerank` address: Cohere, Jina, Voyage, vLLM, Infinity, TEI and their like.

    {"model", "query", "documents"}  or, for TEI,  {"query", "texts"}
                    │
    {"results": [{"index", "relevance_score"}]}  or  {"data": […]}  or  [{"index", "score"}]

Which of the two requests a server takes is found out at the first one and remembered. Servers put their
scores on scales of their own, logits among them: only their order and distances are used.
"""

import asyncio
import ssl
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

import httpx2
import structlog

from rag_app.errors import PermanentError, TransientError
from rag_app.rag.embedders._onnx import readable
from rag_app.rag.rerankers.contract import RerankerParts, RerankPassage, RerankResult, finite, unscored

log = structlog.get_logger()

NAME = "http_rerank"
LABEL = "A rerank server or provider"
WEIGHT = 2.0  # not measured: such models read question and passage together, so they outweigh the search

CONNECT_TIMEOUT_S = 5
_UNKNOWN_SHAPE = {400, 422}  # what servers answer that look for the passages under the other name
_BUSY = {408, 409, 425, 429, *range(500, 600)}


def build(parts: RerankerParts) -> "HttpReranker":
    """Return the reranker; it connects when it is first used."""
    if not parts.url:
        raise PermanentError("No rerank server is set up here. Set RAG_RERANK_URL to the address of one.")
    key = parts.api_key.get_secret_value().strip() if parts.api_key else ""
    if not key.isascii() or not key.isprintable() or " " in key:
        raise PermanentError("RAG_RERANK_API_KEY has characters no key has. Copy it again.")
    return HttpReranker(_address(parts.url), key, parts.model)


class HttpReranker:
    """A `Reranker` (see `contract.py`) on another machine."""

    name = NAME

    def __init__(self, url: str, key: str, model: str) -> None:
        self._url = url
        self._model = model
        self._passages_key = "documents"
        self._http = httpx2.AsyncClient(
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=httpx2.Timeout(None, connect=CONNECT_TIMEOUT_S),
            verify=_trusted(),
            follow_redirects=False,  # a redirect could carry key and passages anywhere
        )

    async def rerank(
        self, question: str, passages: Sequence[RerankPassage], *, deadline_s: float
    ) -> RerankResult:
        """See `Reranker`."""
        if not passages:
            return unscored(0)
        texts = [readable(passage.text) for passage in passages]
        try:
            async with asyncio.timeout(deadline_s):
                answer = await self._answer(readable(question), texts)
        except TimeoutError:
            return unscored(len(passages), spent=True)
        scores = dict(_scores(answer, len(passages)))
        return RerankResult(tuple(scores.get(place) for place in range(len(passages))))

    async def close(self) -> None:
        """Give back connections."""
        await self._http.aclose()

    async def _answer(self, question: str, texts: Sequence[str]) -> Any:
        response = await self._send(question, texts, self._passages_key)
        if response.status_code in _UNKNOWN_SHAPE:
            other = "texts" if self._passages_key == "documents" else "documents"
            second = await self._send(question, texts, other)
            if second.is_success:
                self._passages_key, response = other, second
        if not response.is_success:
            raise _refusal(response)
        try:
            return response.json()
        except ValueError:
            raise TransientError("The rerank server sent something that is not an answer.") from None

    async def _send(self, question: str, texts: Sequence[str], passages_key: str) -> httpx2.Response:
        body: dict[str, Any] = {"query": question, passages_key: list(texts)}
        if self._model:
            body["model"] = self._model
        try:
            return await self._http.post(self._url, json=body)
        except httpx2.TransportError as error:
            log.warning("rerank_failed", kind="unreachable", error=type(error).__name__)
            raise TransientError("The rerank server cannot be reached. Try again in a moment.") from None


def _address(url: str) -> str:
    url = url.rstrip("/")
    return url if url.endswith("/rerank") else f"{url}/rerank"


def _scores(answer: Any, n_passages: int) -> Iterator[tuple[int, float | None]]:
    """Place and score of each passage the server named, whatever else it sent."""
    if isinstance(answer, dict):
        answer = answer.get("results", answer.get("data"))
    for one in answer if isinstance(answer, list) else ():
        if not isinstance(one, dict):
            continue
        place, score = one.get("index"), one.get("relevance_score", one.get("score"))
        if isinstance(place, int) and 0 <= place < n_passages and isinstance(score, int | float):
            yield place, finite(float(score))


def _refusal(response: httpx2.Response) -> TransientError | PermanentError:
    """Explain a refusal; the server's own words may repeat passages or the key, and go no further."""
    status = response.status_code
    log.warning("rerank_failed", kind="refused", status=status)
    if status in _BUSY:
        return TransientError("The rerank server is busy. Try again in a moment.")
    if status in {401, 403}:
        return PermanentError("The rerank server refused the API key. Check RAG_RERANK_API_KEY.")
    if status == 404:
        return PermanentError(
            "The rerank server does not know the address or model. Check RAG_RERANK_URL and RAG_RERANK_MODEL."
        )
    if status == 413:
        return PermanentError("The passages are too many or too long for the rerank server.")
    return PermanentError("The rerank server did not accept the request. Check RAG_RERANK_MODEL.")


@lru_cache
def _trusted() -> ssl.SSLContext:
    """The operating system's trusted certificates, read once."""
    return httpx2.create_ssl_context()
