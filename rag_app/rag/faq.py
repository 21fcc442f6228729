"""FAQ entries as documents, and how near a question comes to one of theirs.

Two questions that mean the same have the same content words, in other forms perhaps, and lie close
together in the embedder's space. Either alone is fooled: "How do I reset my PIN?" lies close to "How do I
reset my password?", and "Can I cancel my order?" shares all its words with "Can my order cancel itself?".
"""

import json
import re
import unicodedata

import numpy as np
from numpy.typing import NDArray

from rag_app.domain.documents import Page, ParsedDocument
from rag_app.errors import PermanentError
from rag_app.rag.stems import stems

MEDIA_TYPE = "application/vnd.simple-rag.faq+json"
# Cosines of unrelated and of equal questions with the built-in embedder, both asked as questions.
UNRELATED, EQUAL = 0.8, 1.0
NEGATIONS = frozenset(
    "no not never without cannot cant dont doesnt isnt arent wont nicht kein keine keinen nie ohne "
    "ne pas jamais sans non mai senza nunca sin não nem sem".split()
)
# Small words that turn a question round although it stays alike in all else.
DIRECTIONS = frozenset(
    "before after from on off in out up down over under between during each all both only more less most "
    "least vor nach aus ein bis über unter nur mehr weniger alle avant après depuis hors plus moins tous "
    "seulement prima dopo fuori più meno tutti solo antes después desde fuera más menos todos sólo depois "
    "fora mais apenas".split()
)
OTHER_WORD = 0.75  # the most where each question has a word that the other lacks: a PIN is no password

_WORD = re.compile(r"\w+")
_APOSTROPHE = re.compile(r"['’`]")


def to_bytes(question: str, answer: str) -> bytes:
    """The file an entry is kept as."""
    return json.dumps({"question": question, "answer": answer}, ensure_ascii=False).encode()


def parse(content: bytes) -> ParsedDocument:
    """Read such a file: the question is the heading over its answer.

    Raises:
        PermanentError: it is not one.
    """
    try:
        pair = json.loads(content)
        question, answer = str(pair["question"]), str(pair["answer"])
    except (ValueError, KeyError, TypeError) as error:
        raise PermanentError("This entry cannot be read. Delete it and add it again.") from error
    return ParsedDocument((Page(None, f"# {question}\n\n{answer}"),), MEDIA_TYPE, title=question)


def normalised(question: str) -> str:
    """A question without what does not change it: case, accents' encoding, punctuation, spaces."""
    folded = unicodedata.normalize("NFKC", question).casefold()
    return " ".join(_WORD.findall(_APOSTROPHE.sub("", folded)))


def match(asked: str, question: str, vectors: tuple[NDArray[np.float32], NDArray[np.float32]]) -> float:
    """How near two questions are, from 0 to 1; 1 where only case and punctuation differ.

    Args:
        asked: what was asked.
        question: an entry's.
        vectors: of both, each of length 1, embedded as questions.
    """
    first, second = normalised(asked), normalised(question)
    if first == second:
        return 1.0
    if _negations(first) != _negations(second):
        return 0.0
    cosine = float(vectors[0] @ vectors[1])
    near = min(1.0, max(0.0, (cosine - UNRELATED) / (EQUAL - UNRELATED)))
    ours, theirs = stems(first), stems(second)
    shared = 2 * len(ours & theirs) / (len(ours) + len(theirs)) if ours or theirs else 0.0  # Dice
    is_turned = DIRECTIONS & set(first.split()) != DIRECTIONS & set(second.split())
    most = OTHER_WORD if is_turned or (ours - theirs and theirs - ours) else 1.0
    return round(min(most, (near + shared) / 2), 4)


def _negations(question: str) -> bool:
    return bool(NEGATIONS.intersection(question.split()))
