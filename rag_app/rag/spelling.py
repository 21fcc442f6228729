"""Words most like a mistyped one.

The distance counts missing, added, wrong and swapped letters (optimal string alignment, a restricted
Damerau–Levenshtein distance). Source: Damerau 1964, https://doi.org/10.1145/363958.363994
"""

from collections.abc import Iterable

MIN_LETTERS = 4  # shorter words are like too many others
MIN_STEM = 5
MAX_ENDING = 5
LONG_WORD = 8  # from here on two slips are forgiven


def allowed_distance(word: str) -> int:
    """How many slips a word of this length is forgiven; 0 for what is not a word, as a number or a code."""
    if len(word) < MIN_LETTERS or not word.isalpha():
        return 0
    return 2 if len(word) >= LONG_WORD else 1


def nearest_words(word: str, known: Iterable[str], *, limit: int) -> list[tuple[str, int]]:
    """The known words within the allowed distance with their distances, nearest first, then by alphabet."""
    most = allowed_distance(word)
    found = [(other, _slips(word, other, most)) for other in known if other.isalpha()]
    return sorted(((o, d) for o, d in found if d <= most), key=lambda pair: (pair[1], pair[0]))[:limit]


def _slips(word: str, other: str, most: int) -> int:
    """The distance; a slip in an ending may keep a word from its stem, so that counts as one more."""
    slips = distance(word, other, most=most)
    if MIN_STEM <= len(other) < len(word) <= len(other) + MAX_ENDING:
        slips = min(slips, 1 + distance(word[: len(other)], other, most=most))
    return slips


def distance(a: str, b: str, *, most: int) -> int:
    """Slips between two words; `most + 1` as soon as it is clear that there are more than `most`."""
    if abs(len(a) - len(b)) > most:
        return most + 1
    before_last: list[int] = []
    last = list(range(len(b) + 1))
    for i, letter in enumerate(a, start=1):
        row = [i]
        for j, other in enumerate(b, start=1):
            cost = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (letter != other))
            if i > 1 and j > 1 and letter == b[j - 2] and a[i - 2] == other:
                cost = min(cost, before_last[j - 2] + 1)
            row.append(cost)
        if min(row) > most:
            return most + 1
        before_last, last = last, row
    return min(last[-1], most + 1)
