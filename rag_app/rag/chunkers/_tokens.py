"""How many tokens lie between two characters of a text that is tokenised once."""

from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

TokenOffsets = Callable[[str], list[tuple[int, int]]]

_WINDOW_CHARS = 20_000  # tokenisers slow down on very long texts


@dataclass(frozen=True)
class TokenIndex:
    """Where each token of a text starts."""

    starts: Sequence[int]

    @classmethod
    def of(cls, text: str, token_offsets: TokenOffsets) -> "TokenIndex":
        """Tokenise a text window by window; near their edges the count may be off by one."""
        starts = array("q")
        for start, end in _windows(text):
            starts.extend(start + first for first, _ in token_offsets(text[start:end]))
        return cls(starts)

    def count(self, start: int, end: int) -> int:
        """Tokens that start within `[start, end)`."""
        return bisect_left(self.starts, end) - bisect_left(self.starts, start)

    def advance(self, start: int, n_tokens: int, *, end: int) -> int:
        """Return the place `n_tokens` after `start`, at most `end`; negative numbers go back."""
        at = bisect_left(self.starts, start) + n_tokens
        if at < 0:
            return 0
        return min(self.starts[at], end) if at < len(self.starts) else end


def _windows(text: str) -> Iterator[tuple[int, int]]:
    start = 0
    while start < len(text):
        end = min(start + _WINDOW_CHARS, len(text))
        if end < len(text):
            blank = max(text.rfind("\n", start + 1, end), text.rfind(" ", start + 1, end))
            end = blank if blank > start else end
        yield start, end
        start = end
