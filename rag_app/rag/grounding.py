"""How much of an answer is supported by what it cites, sentence by sentence.

A sentence counts as supported when it cites a passage that has most of its words. This is a floor that
needs no model: a paraphrase may be judged unsupported, an unsupported claim hardly ever supported.
"""

import re
from collections.abc import Mapping

from rag_app.domain.conversations import Grounded
from rag_app.domain.retrieval import Passage
from rag_app.rag.citations import split_sentences, support

_FENCED = re.compile(r"(```|~~~).*?(\1|\Z)", re.DOTALL)  # code states nothing
SUPPORTED_FROM = 0.6  # share of the sentence's words found in the cited passages


def ground(answer: str, passages: Mapping[int, Passage]) -> Grounded:
    """Count an answer's sentences and those that what they cite supports."""
    sentences = [s for s in split_sentences(_FENCED.sub("\n", answer)) if _is_statement(s)]
    return Grounded(len(sentences), sum(_is_supported(sentence, passages) for sentence in sentences))


def _is_statement(text: str) -> bool:
    """Whether a piece says something of its own: a table's row without a citation belongs to the rest."""
    return bool(re.search(r"\w", text)) and (not text.startswith("|") or bool(re.search(r"\[\d+\]", text)))


def _read(passage: Passage) -> str:
    """All that the model was given under a passage's number."""
    return f"{passage.heading} {passage.before} {passage.content} {passage.after}"


def _is_supported(sentence: str, passages: Mapping[int, Passage]) -> bool:
    cited = [int(n) for n in re.findall(r"\[(\d{1,3})\]", sentence)]
    texts = [_read(passages[n]) for n in cited if n in passages]
    return bool(texts) and support(sentence, texts) >= SUPPORTED_FROM
