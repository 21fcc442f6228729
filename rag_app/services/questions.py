"""What is searched for: a follow-up with its subject, and other ways to ask.

A language model does this where one answers for the knowledge base; else rules do what they can. A model
that fails or is slow costs its time limit and nothing more.
"""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass

import structlog

from rag_app.domain.answers import PriorTurn, Prompt, TextDelta
from rag_app.domain.knowledge_bases import KnowledgeBase
from rag_app.domain.usage import CallKind
from rag_app.errors import RagAppError
from rag_app.rag.follow_ups import needs_subject, standalone_question
from rag_app.rag.questions import MAX_VARIANTS, parts, read_lines, rewrite_prompt, variants_prompt
from rag_app.services.answer_in_progress import answer_ids
from rag_app.services.model_calls import ModelCalls
from rag_app.services.text import clean_text

log = structlog.get_logger()

BUDGET_S = 4.0  # then the answer would wait longer than the better search is worth
LOCAL = "local"  # quotes and cannot write


@dataclass(frozen=True)
class QuestionService:
    """Turns what was asked into what is searched for."""

    calls: ModelCalls

    async def standalone(self, question: str, history: Sequence[PriorTurn], kb: KnowledgeBase) -> str:
        """The question with the subject it takes from the conversation, or as it is."""
        if not history or not needs_subject(question):
            return question
        if kb.llm_provider != LOCAL:
            rewritten = await self._ask(rewrite_prompt(question, history), kb, "rewrite", limit=1)
            if rewritten:
                return rewritten[0]
        return standalone_question(question, history)

    async def variants(self, question: str, kb: KnowledgeBase) -> list[str]:
        """Other things to search for, without the question itself."""
        found = parts(question)
        if kb.llm_provider != LOCAL:
            found += await self._ask(variants_prompt(question), kb, "variants", limit=MAX_VARIANTS)
        return [variant for variant in dict.fromkeys(found) if variant != question][:MAX_VARIANTS]

    async def _ask(self, prompt: Prompt, kb: KnowledgeBase, kind: CallKind, *, limit: int) -> list[str]:
        text = ""
        try:
            async with asyncio.timeout(BUDGET_S):
                events = self.calls.stream(prompt, kb, kind=kind, **answer_ids())
                async with aclosing(events):
                    async for event in events:
                        if isinstance(event, TextDelta):
                            text += event.text
        except (TimeoutError, RagAppError) as error:
            log.info("question_not_rewritten", kb_id=kb.id, reason=type(error).__name__)
            return []
        return read_lines(clean_text(text), limit=limit)
