"""Answer one question: the one path that preview, shared chat and API take.

question stored ── rewrite ── retrieve ── prompt ── model ── citations checked ── answer stored
                                              └ stopped, cut or refused: stored as interrupted
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import asdict, dataclass, field, replace
from typing import Any
from uuid import UUID, uuid4

import structlog

from rag_app.db.engine import Sessions
from rag_app.db.queries import access, conversations, knowledge_bases
from rag_app.domain.answers import (
    Answering,
    Completed,
    Interrupted,
    PriorTurn,
    Prompt,
    TextDelta,
    Usage,
    passages_by_marker,
)
from rag_app.domain.conversations import (
    AnswerEvent,
    Asked,
    Broken,
    Cited,
    Delta,
    Finished,
    Message,
    MessageStatus,
    Retrieved,
    Rewritten,
)
from rag_app.domain.faq import CuratedAnswer
from rag_app.domain.knowledge_bases import KbScope, KnowledgeBase
from rag_app.domain.retrieval import Passage
from rag_app.errors import Conflict, InvalidInput, LimitReached, NotFound, PermanentError, RagAppError
from rag_app.rag.citations import CitationStream, citations
from rag_app.rag.grounding import ground
from rag_app.rag.prompts import build_prompt
from rag_app.rag.refusals import outcome
from rag_app.services.answer_in_progress import in_progress
from rag_app.services.askers import Asker, admit
from rag_app.services.limits import LimitService, told_to_visitors
from rag_app.services.model_calls import ModelCalls
from rag_app.services.outages import as_outage
from rag_app.services.questions import QuestionService
from rag_app.services.rate_limits import RateLimits
from rag_app.services.retrieval import RetrievalService, check_question
from rag_app.services.stopping import Stopping
from rag_app.services.trace import Trace
from rag_app.services.unanswered import note_answer

log = structlog.get_logger()

OUR_FAULT = "Something went wrong on our side. Please try again."
CURATED_MODEL = "curated"  # said in the place of a model where the FAQ answered
STOPPED = "The answer was stopped."
VISITORS_REASON = "The answer could not be completed. Please try again in a moment."
VISITOR_QUESTIONS_PER_MINUTE = 30
OWNER_QUESTIONS_PER_MINUTE = 1200  # an owner's own script may ask a whole list of questions
PAUSES_S = (0.5, 1, 2, 4)  # before a finished answer is stored once more: a restart of the database


@dataclass
class _Answer:
    """What has come so far; `request_id` is kept with everything its calls cost."""

    request_id: UUID = field(default_factory=uuid4)
    question: str = ""
    searched: str = ""
    text: str = ""
    markers: list[int] = field(default_factory=list)
    passages: tuple[Passage, ...] = ()
    answering: Answering | None = None
    completed: Completed | None = None
    curated: CuratedAnswer | None = None
    first_token_ms: float | None = None
    retrieval_ms: float = 0
    started: float = field(default_factory=time.perf_counter)


@dataclass(frozen=True)
class ChatService:
    """Answers questions of owners and visitors."""

    sessions: Sessions
    retrieval: RetrievalService
    questions: QuestionService
    calls: ModelCalls
    stopping: Stopping
    limits: RateLimits
    quotas: LimitService

    async def answer(
        self, question: str, *, conversation_id: int, asker: Asker
    ) -> AsyncGenerator[AnswerEvent]:
        """Answer a question, telling each step.

        Closing the generator early stops the model and stores what has come as interrupted.

        Raises:
            NotFound: the conversation is not this asker's.
            InvalidInput: no question, or one that is too long.
            Conflict: the conversation is closed.
            LimitReached: too many questions within a minute, or more than the plan allows.
        """
        question = check_question(question)
        scope, asker, kb, history = await self._open(conversation_id, asker)
        self._count(asker)
        events = self._ask(question, scope, kb, history, conversation_id, asker)
        async with aclosing(events):
            async for event in events:
                yield event

    async def answer_again(
        self, *, conversation_id: int, message_id: int, asker: Asker
    ) -> AsyncGenerator[AnswerEvent]:
        """Ask a question of the conversation once more; its old answer and what came after it go.

        Raises:
            NotFound: conversation or message is not this asker's.
            InvalidInput: it is a visitor's conversation, in which an owner does not speak.
            Conflict: the conversation is closed.
        """
        question_id, question = await self._question(conversation_id, message_id, asker)
        scope, asker, kb, history = await self._open(conversation_id, asker, before=question_id)
        self._count(asker)
        events = self._ask(question, scope, kb, history, conversation_id, asker, instead_of=question_id)
        async with aclosing(events):
            async for event in events:
                yield event

    def _count(self, asker: Asker) -> None:
        """Keep one person from asking faster than anybody reads; every question costs a model call."""
        if asker.visitor_token_hash is not None:
            key = asker.visitor_token_hash.hex()
            self.limits.hit("questions", f"visitor {key}", per_minute=VISITOR_QUESTIONS_PER_MINUTE)
        else:
            self.limits.hit("questions", f"owner {asker.owner_id}", per_minute=OWNER_QUESTIONS_PER_MINUTE)

    async def _question(self, conversation_id: int, message_id: int, asker: Asker) -> tuple[int, str]:
        """A question, or the one an answer belongs to."""
        async with self.sessions() as session:
            scope, _ = await admit(session, conversation_id=conversation_id, asker=asker)
            where = {"conversation_id": conversation_id}
            message = await conversations.message(session, scope, message_id=message_id, **where)
            if message.sender == "assistant":
                earlier = await conversations.messages(session, scope, before=message_id, limit=1, **where)
                if not earlier or earlier[-1].sender != "user":
                    raise NotFound("question")
                message = earlier[-1]
        assert message.id is not None
        return message.id, message.content

    async def _open(
        self, conversation_id: int, asker: Asker, *, before: int | None = None
    ) -> tuple[KbScope, Asker, KnowledgeBase, list[PriorTurn]]:
        async with self.sessions() as session:
            scope, asker = await admit(session, conversation_id=conversation_id, asker=asker)
            conversation = await conversations.get(session, scope, conversation_id=conversation_id)
            # An owner reads visitors' conversations but does not speak in them.
            if asker.is_owner and not conversation.is_preview:
                raise InvalidInput("This is a visitor's conversation; start your own to try the chat.")
            if conversation.status == "closed":
                raise Conflict("This conversation is closed. Start a new one.")
            kb = await knowledge_bases.get(session, scope, counted=False)
            earlier = await conversations.messages(
                session, scope, conversation_id=conversation_id, before=before, limit=20
            )
        return scope, asker, kb, prior_turns(earlier)

    async def _ask(
        self,
        question: str,
        scope: KbScope,
        kb: KnowledgeBase,
        history: list[PriorTurn],
        conversation_id: int,
        asker: Asker,
        *,
        instead_of: int | None = None,
    ) -> AsyncGenerator[AnswerEvent]:
        await self._check_model(kb, asker)
        async with self.sessions.begin() as session:  # the old question goes only when the new one is kept
            await access.hold(session, scope)
            if instead_of is not None:
                await conversations.delete_messages_from(
                    session, scope, conversation_id=conversation_id, message_id=instead_of
                )
            asked = await conversations.add_message(
                session, scope, conversation_id=conversation_id, sender="user", content=question
            )
            await self.quotas.take_message(session, scope, conversation_id=conversation_id)
        yield Asked(asked.id)
        events = self._answer(question, scope, kb, history, conversation_id)
        async with aclosing(events):
            async for event in events:
                yield told_to(asker, event)

    async def _check_model(self, kb: KnowledgeBase, asker: Asker) -> None:
        """Refuse a question whose answer may not be paid for, before it is kept. Raises LimitReached."""
        try:
            await self.calls.check(kb)
        except LimitReached as error:
            raise error if asker.is_owner else told_to_visitors(error) from error
        except PermanentError:
            return  # the answer says what is missing

    async def _answer(
        self,
        question: str,
        scope: KbScope,
        kb: KnowledgeBase,
        history: list[PriorTurn],
        conversation_id: int,
    ) -> AsyncGenerator[AnswerEvent]:
        answer = _Answer(question=question)
        store = _Store(self.sessions, scope, kb, conversation_id)
        try:
            trace = Trace()
            with in_progress(conversation_id, answer.request_id):
                searched = await self._searched(question, history, kb, trace)
            if searched != question:
                answer.searched = searched
                yield Rewritten(searched)
            with in_progress(conversation_id, answer.request_id):
                found = await self.retrieval.retrieve(scope, kb, searched, trace=trace)
            answer.passages, answer.retrieval_ms = found.passages, found.timings_ms["total"]
            yield Retrieved(found.passages, found.timings_ms)
            if found.curated is not None:
                deltas = _given(found.curated, found.passages[:1], answer)
            else:
                prompt = build_prompt(
                    question,
                    found.passages,
                    history=history,
                    standalone_question=searched,
                    system_prompt=kb.system_prompt,
                    max_tokens=kb.max_tokens,
                    temperature=kb.temperature,
                    language=kb.answer_language,
                )
                deltas = self._stream(prompt, kb, answer, conversation_id)
            async with aclosing(deltas):
                async for delta in deltas:
                    yield delta
            message = await asyncio.shield(store.answer(answer, "complete"))
        except (asyncio.CancelledError, GeneratorExit):
            await asyncio.shield(store.broken(answer, "interrupted", STOPPED))
            raise
        except Exception as error:
            known = error if isinstance(error, RagAppError) else as_outage(error)
            reason = str(known) if known else OUR_FAULT
            if known is None:
                log.exception("answer_failed", kb_id=kb.id, conversation_id=conversation_id)
            log.info("answer_broken", kb_id=kb.id, conversation_id=conversation_id, reason=reason)
            status: MessageStatus = "interrupted" if answer.text else "failed"
            yield Broken(reason, await store.broken(answer, status, reason))
            return
        if message.citations:
            yield Cited(message.citations)
        yield ground(message.content, passages_by_marker(answer.passages))
        yield Finished(message)

    async def _searched(
        self, question: str, history: list[PriorTurn], kb: KnowledgeBase, trace: Trace
    ) -> str:
        """What is searched for: a follow-up is searched with its subject."""
        if not kb.rag_config.rewrite_follow_ups:
            trace.skipped("rewrite", "Switched off.")
            return question
        with trace.step("rewrite") as note:
            searched = await self.questions.standalone(question, history, kb)
            note.text = f"Searched as: {searched}" if searched != question else "The question stands alone."
        return searched

    async def _stream(
        self, prompt: Prompt, kb: KnowledgeBase, answer: _Answer, conversation_id: int
    ) -> AsyncGenerator[Delta]:
        checked = CitationStream(())
        events = self.calls.stream(
            prompt, kb, kind="chat", conversation_id=conversation_id, request_id=answer.request_id
        )
        async with aclosing(events):
            while True:
                async with self.stopping.interruptible():
                    event = await anext(events, None)
                if event is None:
                    break
                if isinstance(event, Answering):
                    answer.answering = event
                    checked = CitationStream(prompt.passages[: event.n_passages])
                    answer.markers = checked.markers
                elif isinstance(event, Completed):
                    answer.completed = event
                elif isinstance(event, TextDelta):
                    if answer.first_token_ms is None:
                        answer.first_token_ms = (time.perf_counter() - answer.started) * 1000
                    if text := checked.feed(event.text):
                        answer.text += text
                        yield Delta(text)
        if rest := checked.close():
            answer.text += rest
            yield Delta(rest)
        if answer.completed is None:
            raise Interrupted("The answer broke off before it was complete.")


@dataclass(frozen=True)
class _Store:
    """Keeps answers of one conversation."""

    sessions: Sessions
    scope: KbScope
    kb: KnowledgeBase
    conversation_id: int

    async def answer(self, answer: _Answer, status: MessageStatus, reason: str | None = None) -> Message:
        """Store an answer; an outage of a moment is sat out."""
        for pause_s in PAUSES_S:
            try:
                return await self._answer(answer, status, reason)
            except Exception as error:
                if as_outage(error) is None:
                    raise
                log.info("answer_waits_for_database", conversation_id=self.conversation_id)
            await asyncio.sleep(pause_s)
        return await self._answer(answer, status, reason)

    async def _answer(self, answer: _Answer, status: MessageStatus, reason: str | None) -> Message:
        numbered = passages_by_marker(answer.passages)
        cited = citations(answer.text, answer.markers, numbered)
        grounded = ground(answer.text, numbered)
        usage = answer.completed.usage if answer.completed else _estimate(answer)
        timings = {
            "retrieval": answer.retrieval_ms,
            "first_token": round(answer.first_token_ms or 0, 1),
            "total": round((time.perf_counter() - answer.started) * 1000, 1),
        }
        answerable = answer.completed.answerable if answer.completed else None
        came_to = outcome(answer.text, is_cited=bool(cited), answerable=answerable)
        details: dict[str, Any] = {
            **self._by_whom(answer),
            "usage": asdict(usage),
            "timings_ms": timings,
            "grounding": asdict(grounded),
            "answerable": answerable,
            "outcome": came_to if status == "complete" else None,
            "finish_reason": answer.completed.finish_reason if answer.completed else None,
            "curated": answer.curated
            and {
                "entry_id": answer.curated.entry_id,
                "question": answer.curated.question,
                "match": answer.curated.match,
            },
            "searched": answer.searched or None,
            "reason": reason,
            "request_id": str(answer.request_id),
        }
        async with self.sessions.begin() as session:
            await access.hold(session, self.scope)
            message = await conversations.add_message(
                session,
                self.scope,
                conversation_id=self.conversation_id,
                sender="assistant",
                content=answer.text,
                status=status,
                citations=[asdict(citation) for citation in cited],
                details=details,
            )
            if status == "complete":
                asked = answer.searched or answer.question
                about = {"message_id": message.id, "question": asked, "outcome": came_to}
                await note_answer(session, self.scope, **about)
        return message

    def _by_whom(self, answer: _Answer) -> dict[str, Any]:
        """The model that answered, or the one that was to, where nobody has begun."""
        if answer.curated is not None:
            return {"provider": None, "model": CURATED_MODEL}
        by = answer.answering
        if by is None:
            return {"provider": self.kb.llm_provider, "model": self.kb.llm_model}
        model = answer.completed.model if answer.completed else by.model
        return {
            "provider": by.provider,
            "model": model,
            "model_label": by.model_label if model == by.model else model,
            "instead_of": asdict(by.instead_of) if by.instead_of else None,
        }

    async def broken(self, answer: _Answer, status: MessageStatus, reason: str) -> Message | None:
        """Store what came of a broken answer; None when even that failed."""
        try:
            return await self.answer(answer, status, reason)
        except Exception as error:
            is_known = isinstance(error, RagAppError) or as_outage(error) is not None
            log.warning("answer_not_saved", conversation_id=self.conversation_id, exc_info=not is_known)
            return None


async def _given(
    curated: CuratedAnswer, passages: tuple[Passage, ...], answer: _Answer
) -> AsyncGenerator[Delta]:
    """An answer of the FAQ as it is, with its entry as the one passage it cites."""
    answer.passages, answer.curated = passages, curated
    checked = CitationStream(passages)
    answer.markers = checked.markers
    answer.first_token_ms = (time.perf_counter() - answer.started) * 1000
    answer.text = checked.feed(f"{curated.answer} [1]") + checked.close()
    answer.completed = Completed(Usage(), "stop", CURATED_MODEL, answerable=True)
    yield Delta(answer.text)


def told_to(asker: Asker, event: AnswerEvent) -> AnswerEvent:
    """An event in the words fit for whoever asks."""
    if asker.is_owner:
        return event
    if isinstance(event, Finished):
        return Finished(shown_to(asker, event.message))
    if isinstance(event, Broken):
        message = None if event.message is None else shown_to(asker, event.message)
        return Broken(VISITORS_REASON, message)
    return event


def shown_to(asker: Asker, message: Message) -> Message:
    """A message as its reader may see it: why a model failed is the owner's business, not a visitor's."""
    if asker.is_owner:
        return message
    reason = message.metadata.get("reason")
    hidden = {"instead_of": None, "reason": reason if reason in {None, STOPPED} else VISITORS_REASON}
    return replace(message, metadata=message.metadata | hidden, faq_entry_id=None)


def prior_turns(messages: Sequence[Message]) -> list[PriorTurn]:
    """Questions with the answers that came to them, oldest first."""
    turns: list[PriorTurn] = []
    question: str | None = None
    for message in messages:
        if message.sender == "user":
            question = message.content
        elif question is not None and message.content:
            turns.append(PriorTurn(question, message.content))
            question = None
    return turns


def _estimate(answer: _Answer) -> Usage:
    """Tokens of a stream that never told; about three bytes make a token, passages included."""
    read = sum(len(passage.content.encode()) for passage in answer.passages)
    return Usage(read // 3, len(answer.text.encode()) // 3, estimated=True)
