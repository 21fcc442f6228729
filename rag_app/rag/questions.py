"""Other ways to ask the same: the parts of a double question, and a language model's wordings.

What a model writes is only ever searched for, so the worst that a bad or hostile answer can do is to
find nothing; still it is cut to a few short lines.
"""

import re
from collections.abc import Sequence

from rag_app.domain.answers import PriorTurn, Prompt
from rag_app.rag.prompts import recent

MAX_VARIANTS = 3
MAX_CHARACTERS = 300
MIN_WORDS = 3  # of a part: "and why?" cannot be searched by itself

_REWRITE = """You prepare questions for a search engine. Rewrite the last question of the conversation so \
that it can be understood alone: put in the names and subjects it points back to. Keep its language and its \
meaning; do not answer it. Write only the rewritten question, on one line."""
_VARIANTS = f"""You prepare questions for a search engine. Write the question in {MAX_VARIANTS} other ways: \
with other words a document may use, and each part alone if it asks several things. Keep its language; do \
not answer it. Write one question on each line and nothing else."""

_JOINTS = re.compile(
    r"(?<=[?？])\s+|[;；]\s*|,?\s+(?:and|und|et|e|y|ed)\s+(?=(?:who|whom|what|when|where|which|why|how|wer|was|wann|"
    r"wo|warum|wie|welche[rsn]?|qui|que|quand|où|pourquoi|comment|chi|che|quando|dove|perché|come|quién|qué|"
    r"cuándo|dónde|por qué|cómo|quem|onde)\b)",
    re.IGNORECASE,
)


def parts(question: str) -> list[str]:
    """The questions that one question asks, when it asks several; else nothing."""
    found = [part.strip(" ,") for part in _JOINTS.split(" ".join(question.split()))]
    found = [part for part in found if len(part.split()) >= MIN_WORDS]
    return found[:MAX_VARIANTS] if len(found) > 1 else []


def rewrite_prompt(question: str, history: Sequence[PriorTurn]) -> Prompt:
    """Asks a model for a question that stands alone."""
    return _prompt(_REWRITE, question, history)


def variants_prompt(question: str) -> Prompt:
    """Asks a model for other wordings."""
    return _prompt(_VARIANTS, question, ())


def read_lines(answer: str, *, limit: int) -> list[str]:
    """The questions in a model's answer: without numbers, bullets, quotation marks and empty lines."""
    lines = (
        re.sub(r"^\s*(?:[-*•]|\d{1,2}[.)])\s*", "", line).strip(" \t\"“”'*") for line in answer.splitlines()
    )
    return [line for line in dict.fromkeys(lines) if line and len(line) <= MAX_CHARACTERS][:limit]


def _prompt(task: str, question: str, history: Sequence[PriorTurn]) -> Prompt:
    return Prompt(
        system=task,
        user=f"Question: {question}",
        history=recent(history),
        question=question,
        passages=(),
        max_tokens=200,
        temperature=0.0,
    )
