"""Fit the directions by which the built-in embedders code the words of a chunk.

    python benchmarks/token_codes.py --data FOLDER        writes rag_app/rag/embedders/*_token_directions.npz

Uses passages only, no questions: 2Wiki, English, every sixth passage. All other sets, and German, are new to
the directions. A model whose file is written anew needs a new `CODES_VERSION`.
"""

import argparse
import asyncio
import json
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rag_app.rag.embedders import local_e5, local_minilm
from rag_app.rag.embedders._onnx import LateOnnxEmbedder
from rag_app.rag.embedders._token_codes import N_BITS, TokenCodes

REPOSITORY = Path(__file__).resolve().parent.parent
EVERY = 6
N_TURNS = 40  # of the fit; it hardly changes after half of them
SEED = 0
LEVELS = 127  # directions are kept in one byte a number


def embedder(module, models_dir: Path) -> LateOnnxEmbedder:
    """The module's model with codes that keep token vectors as they are."""
    load = {
        local_e5: partial(local_e5._load_encoder, models_dir, 2),
        local_minilm: partial(local_minilm._load_encoder, 2),
    }[module]
    whole = TokenCodes(
        0, np.zeros(module.DIMENSIONS, np.float32), np.eye(module.DIMENSIONS, dtype=np.float32)
    )
    return LateOnnxEmbedder(
        name=module.NAME,
        dimensions=module.DIMENSIONS,
        max_tokens=module.MAX_TOKENS,
        load_tokenizer=module._load_tokenizer,
        load_encoder=load,
        token_codes=whole,
        document_prefix=getattr(module, "DOCUMENT_PREFIX", ""),
    )


async def token_vectors(model: LateOnnxEmbedder, texts: list[str]) -> NDArray[np.float32]:
    """Vectors of the telling tokens, of length 1."""
    _, vectors = await model._embed(texts, model._document_prefix, model._codes.project)
    return np.concatenate(vectors)


def fit(vectors: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean, and principal directions turned so that signs lose least (iterative quantisation)."""
    mean = vectors.mean(axis=0)
    centred = vectors - mean
    centred /= np.linalg.norm(centred, axis=1, keepdims=True)
    _, directions = np.linalg.eigh(centred.T @ centred / len(centred))
    principal = directions[:, ::-1][:, :N_BITS]
    projected = centred @ principal
    turn, _ = np.linalg.qr(np.random.default_rng(SEED).standard_normal((N_BITS, N_BITS)))
    for _ in range(N_TURNS):
        left, _, right = np.linalg.svd(projected.T @ np.sign(projected @ turn))
        turn = left @ right
    return mean, principal @ turn


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, default=REPOSITORY.parent / "shared" / "data")
    parser.add_argument("--models", type=Path, default=Path(tempfile.gettempdir()) / "simple-rag-models")
    options = parser.parse_args()
    documents = json.loads((options.data / "twowiki_101.json").read_text())["docs"][::EVERY]
    texts = [f"{document['title']}\n{document['text']}" for document in documents]
    for module in (local_e5, local_minilm):
        vectors = await token_vectors(embedder(module, options.models), texts)
        mean, directions = fit(vectors)
        # Only signs and cosines are used: one scale for all does.
        rounded = np.rint(directions * (LEVELS / np.abs(directions).max())).astype(np.int8)
        np.savez_compressed(module.DIRECTIONS, mean=mean.astype(np.float32), directions=rounded)
        print(
            f"{module.DIRECTIONS.name}: {len(vectors):,} tokens, {module.DIRECTIONS.stat().st_size:,} bytes"
        )


if __name__ == "__main__":
    asyncio.run(main())
