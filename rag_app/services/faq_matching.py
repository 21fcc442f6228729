"""Find the FAQ entry that was asked for, among what a search has found."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from rag_app.db.engine import Sessions
from rag_app.db.queries import access, faq
from rag_app.domain.faq import SOURCE, CuratedAnswer
from rag_app.domain.knowledge_bases import KbScope
from rag_app.rag.embedders.contract import Embedder
from rag_app.rag.faq import match
from rag_app.services.candidates import Candidate
from rag_app.services.trace import Trace

log = structlog.get_logger()

COMPARED = 5  # entries; the one that was asked for is among the first that a search finds


@dataclass(frozen=True)
class FaqMatcher:
    """Compares questions with the built-in embedder, whatever the knowledge base's own one costs."""

    sessions: Sessions
    embedder: Callable[[], Embedder]

    async def find(
        self,
        scope: KbScope,
        question: str,
        candidates: Sequence[Candidate],
        *,
        threshold: float,
        trace: Trace,
    ) -> CuratedAnswer | None:
        """The entry whose question is nearest, None where none is as near as `threshold`."""
        document_ids = [one.chunk.document_id for one in candidates if one.chunk.source == SOURCE]
        nearest = list(dict.fromkeys(document_ids))[:COMPARED]
        if not nearest:
            return None
        with trace.step("faq") as note:
            async with self.sessions() as session:
                await access.enter(session, scope)
                entries = await faq.of_documents(session, scope, document_ids=nearest)
            embedder = self.embedder()
            asked = await embedder.embed_query(question)
            best: CuratedAnswer | None = None
            for entry in entries.values():
                near = match(question, entry.question, (asked, await embedder.embed_query(entry.question)))
                if best is None or near > best.match:
                    best = CuratedAnswer(entry.id, entry.document_id, entry.question, entry.answer, near)
            if best is None or best.match < threshold:
                note.text = "No entry of the FAQ asks the same."
                return None
            note.text = f"Asks the same as the FAQ’s “{best.question}” ({best.match:.0%})."
            return best
