"""Embed with any sentence-embedding model of a model hub that is published as an ONNX graph.

Such weights come in no package, so this one needs the internet once. An operator names repository, revision,
hashes and how the model was trained to be used (`RAG_HUB_EMBEDDER_*`); docs/providers.md has an example.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from rag_app.errors import PermanentError
from rag_app.rag.embedders._onnx import Encoder, OnnxEmbedder, load_session, load_tokenizer, padded
from rag_app.rag.embedders.contract import Embedder
from rag_app.rag.model_hub import HubFile, HubModel

if TYPE_CHECKING:
    from onnxruntime import InferenceSession
    from tokenizers import Tokenizer

NAME = "hub_onnx"
LABEL = "from the model hub"

Pooling = Literal["mean", "cls"]

_INPUTS = {"input_ids", "attention_mask", "token_type_ids"}
_UNREADABLE = "The embedding model's files are no tokenizer and ONNX graph that run here."


@dataclass(frozen=True)
class HubEmbedderModel:
    """A model of the hub and how it is to be used.

    `pooling` makes one vector of the tokens': their mean, or the first one's. The prefixes are words the
    model was trained to see before every text.
    """

    files: HubModel
    dimensions: int
    max_tokens: int
    pooling: Pooling
    query_prefix: str
    document_prefix: str

    @property
    def name(self) -> str:
        """What its vectors are known by: another name for everything that makes other vectors."""
        makes_vectors = [
            self.files.sha256,
            self.files.tokenizer_sha256,
            self.dimensions,
            self.max_tokens,
            self.pooling,
            self.query_prefix,
            self.document_prefix,
        ]
        return f"{NAME}_{hashlib.sha256(json.dumps(makes_vectors).encode()).hexdigest()[:12]}"

    @property
    def label(self) -> str:
        """Its name for people."""
        return f"{self.files.repo} ({LABEL})"


@cache  # every caller shares the loaded weights
def build(model: HubEmbedderModel, *, models_dir: Path, threads: int) -> Embedder:
    """Return the embedder; files are fetched, compared and loaded when the first text arrives."""
    folder = models_dir / "hub-embedder"
    return OnnxEmbedder(
        name=model.name,
        dimensions=model.dimensions,
        max_tokens=model.max_tokens,
        load_tokenizer=partial(_load_tokenizer, model.files.tokenizer(folder)),
        load_encoder=partial(_load_encoder, model, model.files.graph(folder), threads),
        query_prefix=model.query_prefix,
        document_prefix=model.document_prefix,
    )


class HubEncoder:
    """Runs a graph that makes a vector of each token, or one of each text."""

    def __init__(self, session: "InferenceSession", *, dimensions: int, pooling: Pooling) -> None:
        self._session = session
        self._inputs = [one.name for one in session.get_inputs()]
        self._dimensions = dimensions
        self._pooling = pooling
        if unknown := sorted(set(self._inputs) - _INPUTS):
            raise PermanentError(f"The embedding model asks for {unknown[0]}, which sentences do not have.")

    def encode(self, batch: Sequence[Sequence[int]]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """See `Encoder`.

        Raises:
            PermanentError: the model makes vectors of another size, or none.
        """
        ids, mask = padded([tokens or [0] for tokens in batch])
        states = self._run(ids, mask)
        vectors = states if states.ndim == 2 else self._pooled(states, mask)
        if vectors.shape[1] != self._dimensions:
            raise PermanentError(
                f"The embedding model makes vectors of {vectors.shape[1]:,} numbers, "
                f"but RAG_HUB_EMBEDDER_DIMENSIONS says {self._dimensions:,}."
            )
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        if not np.all(np.isfinite(lengths) & (lengths > 0)):
            raise PermanentError("The embedding model makes vectors that cannot be compared.")
        return vectors / lengths, states

    def _run(self, ids: NDArray[np.int64], mask: NDArray[np.int64]) -> NDArray[np.float32]:
        columns = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        inputs = {name: columns[name] for name in self._inputs}
        try:
            states = np.asarray(self._session.run(None, inputs)[0], np.float32)
        except Exception as error:  # the library has no type of its own for texts a graph cannot take
            raise PermanentError(
                "The embedding model cannot read this text. Is RAG_HUB_EMBEDDER_MAX_TOKENS too high?"
            ) from error
        if states.ndim not in {2, 3}:
            raise PermanentError("The embedding model's first output is no vectors of tokens or texts.")
        return states

    def _pooled(self, states: NDArray[np.float32], mask: NDArray[np.int64]) -> NDArray[np.float32]:
        if self._pooling == "cls":
            return states[:, 0]
        # The sum and not the mean: the length is set to 1 anyway.
        return np.einsum("nth,nt->nh", states, mask.astype(np.float32))


def _load_tokenizer(file: HubFile) -> "Tokenizer":
    path = file.ready()
    try:
        return load_tokenizer(path)
    except Exception as error:  # nor has this one for files it cannot read
        raise PermanentError(_UNREADABLE) from error


def _load_encoder(model: HubEmbedderModel, file: HubFile, threads: int) -> Encoder:
    path = file.ready()
    try:
        session = load_session(path, threads=threads)
    except Exception as error:
        raise PermanentError(_UNREADABLE) from error
    return HubEncoder(session, dimensions=model.dimensions, pooling=model.pooling)
