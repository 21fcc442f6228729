"""Rerank with a cross-encoder from a model hub: it reads question and passage together.

Such weights come in no package, so this one needs the internet once. An operator names repository, revision
and hashes; the files are kept in the models folder, and nothing is loaded whose hash is another.

    RAG_CROSS_ENCODER_* ── first use: download, compare hash, keep ── ONNX graph ── scores
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rag_app.errors import PermanentError
from rag_app.rag.embedders._onnx import Once, load_session, load_tokenizer, padded, readable
from rag_app.rag.model_hub import HubFile, HubModel
from rag_app.rag.rerankers.contract import RerankerParts, RerankPassage, RerankResult, finite, unscored

if TYPE_CHECKING:
    from onnxruntime import InferenceSession
    from tokenizers import Tokenizer

NAME = "hub_cross_encoder"
LABEL = "A cross-encoder from a model hub"
WEIGHT = 2.0  # not measured: such models read question and passage together, so they outweigh the search

MAX_TOKENS = 512
MAX_CHARACTERS = 8000  # more than that many tokens have
BATCH = 4  # pairs between two looks at the clock


def build(parts: RerankerParts) -> "CrossEncoder":
    """Return the reranker; files are fetched and loaded when it is first used."""
    model = HubModel(
        what="cross-encoder",
        setting="RAG_CROSS_ENCODER",
        url=parts.hub_url,
        repo=parts.hub_repo,
        revision=parts.hub_revision,
        file=parts.hub_file,
        sha256=parts.hub_sha256,
        tokenizer_sha256=parts.hub_tokenizer_sha256,
    )
    model.check()
    if parts.models_dir is None:
        raise PermanentError("There is no folder to keep the cross-encoder in.")
    folder = parts.models_dir / "cross-encoder"
    return CrossEncoder(model.graph(folder), model.tokenizer(folder), threads=parts.threads)


class CrossEncoder:
    """A `Reranker` (see `contract.py`) around an ONNX graph; one thread of its own takes the pairs."""

    name = NAME

    def __init__(
        self, graph: HubFile, tokenizer: HubFile, *, threads: int, clock: Callable[[], float] = time.monotonic
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
