"""Keep what a model made of each word of a chunk in 16 bytes, and compare a question's words with it.

    token vectors ── length 1 ── minus the mean of all ── 128 directions ── signs ── packed bits

A vector says what a chunk is about as a whole; its words' vectors say whether it has what each word of
the question asks for. Only words that tell something are kept: no stop words, no punctuation. The
directions are the principal ones, turned so that their signs keep the most; mean and directions were
fitted by `benchmarks/token_codes.py`. The question's side is not rounded.

Layout of a chunk's codes: one byte for the version, which names model and directions, then 16 bytes for
each kept token in order of the text, most significant bit first, 1 for positive.

Sources: MaxSim of Khattab & Zaharia 2020, https://arxiv.org/abs/2004.12832; the turning is ITQ of Gong &
Lazebnik 2011, https://doi.org/10.1109/CVPR.2011.5995432
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeGuard

import numpy as np
from numpy.typing import NDArray

from rag_app.rag.stems import ALL_STOP_WORDS, WORD

N_BITS = 128
_CODE_BYTES = N_BITS // 8

ONE_THREAD = 200_000  # multiplications; OpenBLAS shares out what takes more than 262,144


@dataclass(frozen=True)
class TokenCodes:
    """How one model's token vectors are coded; `version` is at most 255 and never used for another."""

    version: int
    mean: NDArray[np.float32]
    directions: NDArray[np.float32]

    def project(self, states: NDArray[np.float32]) -> NDArray[np.float32]:
        """Turn `(n, hidden)` token vectors into `(n, 128)`, of length 1."""
        return _of_length_one(_product(_of_length_one(states) - self.mean, self.directions))

    def pack(self, states: NDArray[np.float32]) -> bytes:
        """Code `(n, hidden)` token vectors."""
        return bytes([self.version]) + np.packbits(self.project(states) > 0, axis=1).tobytes()


@cache
def load_token_codes(path: Path, *, version: int) -> TokenCodes:
    """Read mean and directions from the file `benchmarks/token_codes.py` wrote."""
    with np.load(path) as file:
        return TokenCodes(version, file["mean"], file["directions"].astype(np.float32))


def similarities(
    question: NDArray[np.float32], codes: Sequence[bytes | None], *, version: int
) -> list[float | None]:
    """How well each chunk has what the question's words ask for, as cosines.

    Args:
        question: `(m, 128)` from `TokenCodes.project`.
        codes: of the chunks; None, another version's, or damaged ones have no similarity.

    Returns:
        For each chunk the mean over the question's tokens of the best cosine among the chunk's.
    """
    return [_similarity(question, one) if _is_readable(one, version) else None for one in codes]


def content_tokens(text: str, offsets: Sequence[tuple[int, int]], *, start: int) -> NDArray[np.intp]:
    """Places of the tokens that belong to telling words; where there are none, of all in the text.

    Args:
        text: what was tokenised, of which the first `start` characters are a prefix of ours.
        offsets: character range of each token; empty for marks that are not in the text.
    """
    words = [(match.end(), match[0].casefold() in ALL_STOP_WORDS) for match in WORD.finditer(text, start)]
    ends = [end for end, _ in words]
    firsts, lasts = (np.array([offset[side] for offset in offsets], np.intp) for side in (0, 1))
    in_text = (lasts > firsts) & (lasts > start)
    # The word a token's last character lies in or, for punctuation, comes before.
    places = np.searchsorted(ends, lasts, side="left")
    is_stop = np.array([is_stop for _, is_stop in words] + [True])[places]
    has_letters = np.array([bool(WORD.search(text, max(a, start), b)) for a, b in offsets], bool)
    telling = np.flatnonzero(in_text & has_letters & ~is_stop)
    return telling if telling.size else np.flatnonzero(in_text)


def _is_readable(codes: bytes | None, version: int) -> TypeGuard[bytes]:
    return codes is not None and len(codes) > 1 and codes[0] == version and len(codes) % _CODE_BYTES == 1


def _similarity(question: NDArray[np.float32], codes: bytes) -> float | None:
    if not len(question):
        return None
    bits = np.unpackbits(np.frombuffer(codes, np.uint8, offset=1).reshape(-1, _CODE_BYTES), axis=1)
    signs = bits.astype(np.float32) * 2 - 1
    return float(_product(question, signs.T).max(axis=1).mean() / N_BITS**0.5)


def _product(rows: NDArray[np.float32], matrix: NDArray[np.float32]) -> NDArray[np.float32]:
    """The matrix product, in pieces that OpenBLAS leaves to one thread.

    The threads it would start for more go on waiting busily, at 10 ms of a core for each chunk: a quarter
    of what embedding it takes.
    """
    n_pieces = max(1, math.ceil(len(rows) * matrix.size / ONE_THREAD))
    return np.concatenate([piece @ matrix for piece in np.array_split(rows, n_pieces)])


def _of_length_one(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    return rows / np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), 1e-9)
