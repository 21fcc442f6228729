"""Rerank with a cross-encoder from a model hub: it reads question and passage together.

Such weights come in no package, so this one needs the internet once. An operator names repository, revision
and hashes; the files are kept in the models folder, and nothing is loaded whose hash is another.

    RAG_CROSS_ENCODER_* ── first use: download, compare hash, keep ── ONNX graph ── scores
"""

import asyncio
import hashlib
import re
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import httpx2
import numpy as np
import structlog
from numpy.typing import NDArray

from rag_app.errors import PermanentError, TransientError
from rag_app.rag.embedders._onnx import Once, load_session, load_tokenizer, padded, readable
from rag_app.rag.embedders._wheels import sha256_of
from rag_app.rag.rerankers.contract import RerankerParts, RerankPassage, RerankResult, finite, unscored

if TYPE_CHECKING:
    from onnxruntime import InferenceSession
    from tokenizers import Tokenizer

log = structlog.get_logger()

NAME = "hub_cross_encoder"
LABEL = "A cross-encoder from a model hub"
WEIGHT = 2.0  # not measured: such models read question and passage together, so they outweigh the search

MAX_TOKENS = 512
MAX_CHARACTERS = 8000  # more than that many tokens have
BATCH = 4  # pairs between two looks at the clock
TOKENIZER_FILE = "tokenizer.json"
CONNECT_TIMEOUT_S = 10
READ_TIMEOUT_S = 60

_COMMIT = re.compile(r"[0-9a-f]{40}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


def build(parts: RerankerParts) -> "CrossEncoder":
    """Return the reranker; files are fetched and loaded when it is first used."""
    if not parts.hub_repo or not parts.hub_file or parts.models_dir is None:
        raise PermanentError("No cross-encoder is set up here. Set RAG_CROSS_ENCODER_REPO and its hashes.")
    if not _COMMIT.fullmatch(parts.hub_revision):
        raise PermanentError("RAG_CROSS_ENCODER_REVISION must be a commit, 40 hexadecimal digits.")
    for name, value in (("", parts.hub_sha256), ("_TOKENIZER", parts.hub_tokenizer_sha256)):
        if not _SHA256.fullmatch(value):
            raise PermanentError(f"RAG_CROSS_ENCODER{name}_SHA256 must be 64 hexadecimal digits.")
    base = f"{parts.hub_url.rstrip('/')}/{parts.hub_repo}/resolve/{parts.hub_revision}"
    folder = parts.models_dir / "cross-encoder"
    return CrossEncoder(
        graph=HubFile(f"{base}/{parts.hub_file}", parts.hub_sha256, folder),
        tokenizer=HubFile(f"{base}/{TOKENIZER_FILE}", parts.hub_tokenizer_sha256, folder),
        threads=parts.threads,
    )


@dataclass(frozen=True)
class HubFile:
    """A file of a hub, kept under the hash it must have."""

    url: str
    sha256: str
    folder: Path

    def ready(self) -> Path:
        """Return where the file is, after fetching it where needed.

        Raises:
            TransientError: the hub cannot be reached.
            PermanentError: it has no such file, or another one than expected.
        """
        path = self.folder / self.sha256
        if not path.is_file():
            self.folder.mkdir(parents=True, exist_ok=True)
            self._fetch(path)
        elif sha256_of(path) != self.sha256:
            path.unlink()
            raise TransientError("The cross-encoder's file was damaged on disk and will be fetched again.")
        return path

    def _fetch(self, path: Path) -> None:
        part = path.with_name(f"{path.name}.{time.monotonic_ns()}.part")
        log.info("model_download_started", url=self.url)
        try:
            if self._download(part) != self.sha256:
                raise PermanentError(
                    "The hub's file is not the one RAG_CROSS_ENCODER_* names: its hash differs."
                )
            part.replace(path)
        except httpx2.HTTPError as error:
            log.warning("model_download_failed", error=type(error).__name__)
            raise TransientError("The cross-encoder cannot be fetched from the model hub now.") from None
        finally:
            part.unlink(missing_ok=True)

    def _download(self, part: Path) -> str:
        digest = hashlib.sha256()
        timeout = httpx2.Timeout(READ_TIMEOUT_S, connect=CONNECT_TIMEOUT_S)
        # Hubs redirect to where large files lie; no key is sent, and the hash decides what is taken.
        with (
            httpx2.stream("GET", self.url, timeout=timeout, follow_redirects=True) as response,
            part.open("wb") as file,
        ):
            if 400 <= response.status_code < 500:
                raise PermanentError("The model hub has no such file. Check RAG_CROSS_ENCODER_*.")
            response.raise_for_status()
            for block in response.iter_bytes():
                digest.update(block)
                file.write(block)
        return digest.hexdigest()


class CrossEncoder:
    """A `Reranker` (see `contract.py`) around an ONNX graph; one thread of its own takes the pairs."""

    name = NAME

    def __init__(
        self, *, graph: HubFile, tokenizer: HubFile, threads: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._model = Once(partial(_load, graph, tokenizer, threads))
        self._clock = clock
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=NAME)

    async def rerank(
        self, question: str, passages: Sequence[RerankPassage], *, deadline_s: float
    ) -> RerankResult:
        """See `Reranker`; a first use that takes longer than allowed goes on loading for the next."""
        ends = self._clock() + deadline_s
        loop = asyncio.get_running_loop()
        scores: list[float | None] = [None] * len(passages)
        try:
            async with asyncio.timeout(deadline_s):
                model = await loop.run_in_executor(self._thread, self._model)
        except TimeoutError:
            return unscored(len(passages), spent=True)
        for start in range(0, len(passages), BATCH):
            if self._clock() >= ends:
                return RerankResult(tuple(scores), spent=True)
            texts = [passage.text for passage in passages[start : start + BATCH]]
            found = await loop.run_in_executor(self._thread, model.scores, question, texts)
            scores[start : start + BATCH] = [finite(float(score)) for score in found]
        return RerankResult(tuple(scores))

    async def close(self) -> None:
        """Let the thread end."""
        self._thread.shutdown(wait=False, cancel_futures=True)


@dataclass(frozen=True)
class LoadedModel:
    """A graph that takes token ids of pairs and gives one score, or one for "no" and one for "yes"."""

    tokenizer: "Tokenizer"
    session: "InferenceSession"

    def scores(self, question: str, texts: Sequence[str]) -> NDArray[np.float64]:
        """Shape `(n,)`, one score for each text."""
        asked = readable(question[:MAX_CHARACTERS])
        # One by one: `encode_batch` starts threads of its own, which do not survive a fork.
        encoded = [self.tokenizer.encode(asked, readable(text[:MAX_CHARACTERS])) for text in texts]
        ids, mask = padded([one.ids for one in encoded])
        types, _ = padded([one.type_ids for one in encoded])
        columns = {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}
        inputs = {one.name: columns[one.name] for one in self.session.get_inputs()}
        logits = np.asarray(self.session.run(None, inputs)[0], np.float64).reshape(len(texts), -1)
        return logits[:, -1] - logits[:, 0] if logits.shape[1] == 2 else logits[:, 0]


def _load(graph: HubFile, tokenizer: HubFile, threads: int) -> LoadedModel:
    files = tokenizer.ready(), graph.ready()
    try:
        reader = load_tokenizer(files[0])
        reader.enable_truncation(MAX_TOKENS, strategy="longest_first")
        return LoadedModel(reader, load_session(files[1], threads=threads))
    except Exception as error:  # neither library has a type of its own for files it cannot read
        raise PermanentError(
            "The cross-encoder's files are no tokenizer and ONNX graph that run here."
        ) from error
