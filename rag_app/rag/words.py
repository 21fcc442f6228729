"""Text as the word search sees it.

Postgres cuts words at spaces, which Chinese, Japanese and Thai do not write: runs of such characters
become overlapping pairs, on both the chunk's and the question's side.
"""

import re

_UNSPACED = re.compile(
    "[\u0e00-\u0e7f\u0e80-\u0eff\u1000-\u109f\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]+"
)


def text_for_words(text: str) -> str:
    """The text with runs of unspaced characters replaced by their pairs."""
    return _UNSPACED.sub(_pairs, text)


def _pairs(match: re.Match[str]) -> str:
    run = match.group()
    pairs = [run] if len(run) == 1 else [run[i : i + 2] for i in range(len(run) - 1)]
    return f" {' '.join(pairs)} "
