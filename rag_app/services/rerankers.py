"""The rerankers of this process, and what happens when one fails or takes too long: never worse than before.

A search must not fail because its last refinement did: whatever goes wrong, the fused order is used and
the trace says why.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import ModuleType

import structlog

from rag_app.domain.knowledge_bases import KnowledgeBase
from rag_app.errors import PermanentError, RagAppError
from rag_app.rag.rerankers.contract import Reranker, RerankPassage
from rag_app.services.trace import Note

log = structlog.get_logger()

GRACE_S = 0.25  # a reranker keeps its own time; this is for one that does not
TIME_WAS_UP = "The time was up, so this is the order from before it."
WENT_WRONG = "Something went wrong on our side, so this is the order from before it."
NOTHING_STORED = "These passages cannot be compared more closely, so this is the order from before it."

JUDGE, LATE = "llm_judge", "local_late"  # what they are made of differs between knowledge bases

_Key = tuple[str, str]


@dataclass(frozen=True)
class Rerankers:
    """Rerankers by name, made for a knowledge base's models when first needed."""

    modules: Mapping[str, ModuleType]
    make: Callable[[str, KnowledgeBase], Reranker]
    _made: dict[_Key, Reranker] = field(default_factory=dict)

    def get(self, name: str, kb: KnowledgeBase) -> Reranker:
        """A reranker.

        Raises:
            PermanentError: it is not known or not set up on this installation.
        """
        if name not in self.modules:
            raise PermanentError("This reranker does not exist on this installation.")
        if name == JUDGE:  # as many as there are models, and nothing to keep
            return self.make(name, kb)
        key = (name, kb.embedding_model if name == LATE else "")
        if key not in self._made:
            self._made[key] = self.make(name, kb)
        return self._made[key]

    def problems(self, kb: KnowledgeBase) -> dict[str, str]:
        """Why each reranker that cannot be used for a knowledge base cannot; those that can are left out."""
        found = {}
        for name in self.modules:
            try:
                self.get(name, kb)
            except PermanentError as error:
                found[name] = str(error)
        return found

    def weight(self, name: str) -> float:
        """What a reranker's scores count beside the fused ones, which count 1."""
        return float(self.modules[name].WEIGHT)

    async def scores(
        self,
        name: str,
        kb: KnowledgeBase,
        question: str,
        passages: Sequence[RerankPassage],
        *,
        budget_ms: int,
        note: Note,
    ) -> tuple[float, ...] | None:
        """A score for every passage, None where the fused order must do; `note` says why."""
        budget_s = budget_ms / 1000
        try:
            async with asyncio.timeout(budget_s + GRACE_S):
                result = await self.get(name, kb).rerank(question, passages, deadline_s=budget_s)
        except TimeoutError:
            note.was_done, note.text = False, TIME_WAS_UP
            return None
        except RagAppError as error:
            note.was_done, note.text = False, f"{error} This is the order from before it."
            log.info("rerank_failed", reranker=name, reason=str(error))
            return None
        except Exception:  # a search must not fail because its last refinement did
            note.was_done, note.text = False, WENT_WRONG
            log.exception("rerank_failed", reranker=name)
            return None
        scores = tuple(score for score in result.scores if score is not None)
        if len(scores) < len(passages):
            note.was_done, note.text = False, TIME_WAS_UP if result.spent else NOTHING_STORED
            return None
        return scores

    async def close(self) -> None:
        """Give back all connections."""
        for reranker in self._made.values():
            await reranker.close()
        self._made.clear()
