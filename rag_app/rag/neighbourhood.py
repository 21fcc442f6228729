"""The text around a passage, for a model that reads more than was found.

Neighbouring chunks overlap: what the one before ends with, the next begins with. It is put in once.
"""

from collections.abc import Mapping, Set

MAX_OVERLAP = 1000  # characters looked at


def around(position: int, texts: Mapping[int, str], *, reach: int, taken: Set[int]) -> tuple[str, str]:
    """What stands before and after a chunk.

    Args:
        texts: the chunks of its section by position, itself included.
        reach: how many chunks on either side; a missing one ends the side.
        taken: positions that are passages of their own and are not repeated.
    """
    before, after = "", ""
    edge = texts.get(position, "")
    for at in range(position - 1, position - reach - 1, -1):
        if at not in texts or at in taken:
            break
        before = without_overlap(texts[at], before or edge)[0] + ("\n" + before if before else "")
    for at in range(position + 1, position + reach + 1):
        if at not in texts or at in taken:
            break
        after = (after + "\n" if after else "") + without_overlap(after or edge, texts[at])[1]
    return before.strip(), after.strip()


def without_overlap(first: str, second: str) -> tuple[str, str]:
    """Two texts of which the first's end is the second's beginning, each without that piece."""
    for size in range(min(len(first), len(second), MAX_OVERLAP), 0, -1):
        if first.endswith(second[:size]):
            return first[: len(first) - size], second[size:]
    return first, second
