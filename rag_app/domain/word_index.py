"""Words and the chunks that have them, as the database keeps them and the ranking reads them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

POSTING = np.dtype([("ordinal", ">u4"), ("frequency", ">u2"), ("length", ">u2")])
"""One posting: 8 bytes, big-endian; the chunk's ordinal, how often it has the word, its length in words."""

Range = tuple[int, int]
"""First ordinal and number of ordinals."""


@dataclass(frozen=True)
class Term:
    """A word of the question with its postings; no chunk comes twice in them.

    `weight` is below 1 for a word that only resembles what was asked, `corrected_from`. Terms of one
    `position` are one word of the question, stemmed as different languages do it.
    """

    text: str
    postings: NDArray[np.void]
    weight: float = 1.0
    corrected_from: str = ""
    position: int = 0


@dataclass(frozen=True)
class Corpus:
    """What a knowledge base's words are measured against.

    `gaps` are chunks that were deleted or switched off but still have postings; they count nowhere.
    """

    n_chunks: int
    average_length: float
    gaps: tuple[Range, ...] = ()
