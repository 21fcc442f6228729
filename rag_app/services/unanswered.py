"""Questions nobody could answer, in groups that ask the same.

answer stored ── refused, without citation, or a thumb down ──► a row with the question
a look at them ── the newest 1,000 of 90 days ── vectors (kept) ── groups
an FAQ entry is ready ── alike? ──► the question is answered, and its group goes away
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import structlog

from rag_app.db.engine import Sessions
from rag_app.db.queries import access, accounts, conversations, faq, knowledge_bases, unanswered
from rag_app.db.queries.unanswered import KnownQuestion
from rag_app.domain.faq import FaqDraft
from rag_app.domain.knowledge_bases import KbScope
from rag_app.domain.unanswered import QuestionGroup, UnansweredQuestion
from rag_app.errors import InvalidInput
from rag_app.rag.citations import without_markers
from rag_app.rag.embedders.contract import Embedder
from rag_app.rag.faq import match, normalised
from rag_app.rag.likeness import Asked, are_alike, group

log = structlog.get_logger()

WINDOW = 1000  # questions looked at; with more, the newest say what people ask now
EMBEDDED_AT_ONCE = 32  # while somebody waits; the worker has the others done within a minute
EMBEDDED_A_MINUTE = 500


@dataclass(frozen=True)
class UnansweredService:
    """What an owner's knowledge bases could not say; compared with the built-in embedder."""

    sessions: Sessions
    embedder: Callable[[], Embedder]

    async def groups(self, kb_id: int, *, owner_id: int, dismissed: bool = False) -> list[QuestionGroup]:
        """Open questions that ask the same, those asked most first, or those that were dismissed.

        A question that asks the same as a dismissed one is dismissed with it.

        Raises:
            NotFound: the knowledge base is not this owner's.
        """
        async with self.sessions() as session:
            scope = await access.owned(session, kb_id=kb_id, owner_id=owner_id)
        known = await self._known(scope, most=EMBEDDED_AT_ONCE)
        found = await asyncio.to_thread(_groups, known)
        return [one for one in found if one.is_dismissed == dismissed]

    async def dismiss(
        self, kb_id: int, message_ids: Sequence[int], *, owner_id: int, undo: bool = False
    ) -> None:
        """Put questions away, or bring them back; all of them or none. Raises NotFound, InvalidInput."""
        if not message_ids:
            raise InvalidInput("Please name at least one question.", field="message_ids")
        async with self.sessions.begin() as session:
            scope = await access.owned(session, kb_id=kb_id, owner_id=owner_id, hold=True)
            await unanswered.dismiss(session, scope, message_ids=message_ids, is_dismissed=not undo)
            await accounts.write_audit(
                session,
                user_id=owner_id,
                kb_id=kb_id,
                action="questions_restored" if undo else "questions_dismissed",
                n_questions=len(message_ids),
            )

    async def draft(self, kb_id: int, of: QuestionGroup, *, owner_id: int) -> FaqDraft:
        """What an entry that answers a group begins with: the answer, too, where it was only disliked.

        Raises:
            NotFound: knowledge base or question are not this owner's.
        """
        newest = of.questions[0]
        async with self.sessions() as session:
            scope = await access.owned(session, kb_id=kb_id, owner_id=owner_id)
            answer = await conversations.message(
                session, scope, conversation_id=newest.conversation_id, message_id=newest.message_id
            )
        text = without_markers(answer.content).strip() if newest.reason == "disliked" else ""
        return FaqDraft(kb_id, of.question, text)

    # The worker's side

    async def entry_is_ready(self, scope: KbScope, document_id: int) -> None:
        """Take an entry that can be found now for the answer of the questions it answers."""
        try:
            n_answered = await self._answer(scope, document_id)
        except Exception:  # the entry is ready all the same
            log.warning("questions_not_compared", kb_id=scope.kb_id, exc_info=True)
            return
        if n_answered:
            log.info("questions_answered", kb_id=scope.kb_id, n_questions=n_answered)

    async def _answer(self, scope: KbScope, document_id: int) -> int:
        async with self.sessions() as session:
            await access.enter(session, scope)
            entry = (await faq.of_documents(session, scope, document_ids=[document_id])).get(document_id)
            kb = await knowledge_bases.get(session, scope, counted=False)
        known = await self._known(scope, most=EMBEDDED_A_MINUTE) if entry else []
        if entry is None or not known:
            return 0
        vector = await self.embedder().embed_query(entry.question)
        asks = Asked.of(entry.question, vector)

        def is_answered(one: KnownQuestion) -> bool:
            asked = _asked(one)
            if are_alike(asked, asks):
                return True
            near = 0.0 if asked.vector is None else match(asked.words, asks.words, (asked.vector, vector))
            return near >= kb.rag_config.faq_threshold

        answered = [one.question.message_id for one in known if is_answered(one)]
        if answered:
            async with self.sessions.begin() as session:
                await access.hold(session, scope)
                await faq.mark_answers(session, scope, entry_id=entry.id, message_ids=answered)
        return len(answered)

    async def tend(self) -> None:
        """Embed what was asked lately, so that nobody waits for it."""
        embedder = self.embedder()
        async with self.sessions() as session:
            waiting = await unanswered.waiting(session, limit=EMBEDDED_A_MINUTE)
        made: dict[int, dict[int, bytes]] = {}
        for kb_id, message_id, question in waiting:
            made.setdefault(kb_id, {})[message_id] = await _vector(embedder, question)
        for kb_id, vectors in made.items():
            async with self.sessions.begin() as session:
                scope = await access.for_job(session, kb_id=kb_id)
                if scope is not None:
                    await unanswered.keep_vectors(session, scope, embedder=embedder.name, vectors=vectors)

    async def _known(self, scope: KbScope, *, most: int) -> list[KnownQuestion]:
        """The open questions, at most so many of them embedded now."""
        embedder = self.embedder()
        async with self.sessions() as session:
            await access.enter(session, scope)
            known = await unanswered.open_ones(session, scope, embedder=embedder.name, limit=WINDOW)
        missing = [one.question for one in known if one.vector is None][:most]
        if not missing:
            return known
        made = {one.message_id: await _vector(embedder, one.question) for one in missing}
        async with self.sessions.begin() as session:
            await access.hold(session, scope)
            await unanswered.keep_vectors(session, scope, embedder=embedder.name, vectors=made)
        return [KnownQuestion(one.question, made.get(one.question.message_id, one.vector)) for one in known]


async def note_answer(session: Any, scope: KbScope, *, message_id: int, question: str, outcome: str) -> None:
    """Remember the question of an answer that was none, in the transaction that stores it."""
    if outcome != "answered":
        about = {"message_id": message_id, "question": question, "outcome": outcome}
        await unanswered.note(session, scope, **about)


def _groups(known: Sequence[KnownQuestion]) -> list[QuestionGroup]:
    """Dismissed questions come first, so that what asks the same joins them."""
    ordered = sorted(known, key=lambda one: not one.question.is_dismissed)
    found = group([_asked(one) for one in ordered])
    groups = [_group([ordered[at].question for at in sorted(indices)]) for indices in found]
    return sorted(groups, key=lambda one: (len(one.questions), one.questions[0].asked_at), reverse=True)


def _group(questions: list[UnansweredQuestion]) -> QuestionGroup:
    is_dismissed = questions[0].is_dismissed
    newest_first = sorted(questions, key=lambda one: (one.asked_at, one.message_id), reverse=True)
    return QuestionGroup(
        _most_used([one.question for one in newest_first]), tuple(newest_first), is_dismissed
    )


def _most_used(questions: Sequence[str]) -> str:
    """The wording used most, the newest of equals, as its most careful writer spelt it."""
    [(key, _)] = Counter(map(normalised, questions)).most_common(1)
    return max((one for one in questions if normalised(one) == key), key=_care)


def _care(question: str) -> tuple[bool, bool, int]:
    """How carefully a question is written: a sentence, and not shouted."""
    return question[:1].isupper(), question.endswith(("?", "？", "؟")), -sum(map(str.isupper, question))


def _asked(one: KnownQuestion) -> Asked:
    vector = None if one.vector is None else np.frombuffer(one.vector, dtype=np.float16).astype(np.float32)
    return Asked.of(one.question.question, vector)


async def _vector(embedder: Embedder, question: str) -> bytes:
    return (await embedder.embed_query(question)).astype(np.float16).tobytes()
