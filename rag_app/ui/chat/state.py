"""What every chat remembers and does; who asks and where is said by the two that build on it.

How answers are made: `services/chat.py`. Here they are only followed: a run goes on until it ends, is
stopped, is replaced (its number is no longer the state's), or nobody looks any more.
"""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import reflex as rx
from reflex.event import EventSpec

from rag_app.bootstrap import services
from rag_app.domain.conversations import AnswerEvent, Conversation
from rag_app.errors import InvalidInput, NotFound, RagAppError
from rag_app.services.askers import Asker
from rag_app.ui.chat.rendering import plain_text
from rag_app.ui.chat.streaming import Audience, batches
from rag_app.ui.chat.view import (
    SEARCHING,
    Growing,
    PassageView,
    PastConversation,
    Turn,
    grown,
    passage_view,
    past_conversations,
    rated,
    turns,
)
from rag_app.ui.feedback import notify

LOADING_ROUND_S, LOADING_ROUNDS = 0.1, 30
LOST_AFTER_S = 20  # an answer that has not moved for so long has lost its process


class CitationState(rx.State, mixin=True):
    """Opens the passage behind a citation of the conversation on show."""

    conversation_id: int = 0
    passage: PassageView = PassageView()
    passage_open: bool = False

    @rx.event
    async def show_citation(self, message_id: int, marker: int) -> None:
        """Open the passage behind a marker of an answer."""
        asker = await self._asker()
        found = await services().sharing.cited_passage(
            positive(self.conversation_id), positive(message_id), positive(marker), asker=asker
        )
        self.passage = passage_view(found, kb_id=self._kb_of_documents())
        self.passage_open = True

    @rx.event
    def close_passage(self) -> None:
        """Put the passage away."""
        self.passage_open = False

    async def _asker(self) -> Asker:
        """Who is looking, asked anew each time. Raises when they may not."""
        raise NotImplementedError

    def _kb_of_documents(self) -> int | None:
        """The knowledge base whose documents the reader may open."""
        return None


class ChatState(CitationState, mixin=True):
    """One conversation and the answer that is being made."""

    loaded: bool = False
    kb_name: str = ""
    kb_description: str = ""
    turns: list[Turn] = []
    past: list[PastConversation] = []
    closed: bool = False

    answering: bool = False
    stopping: bool = False
    question: str = ""
    phase: str = ""
    searched: str = ""
    partial_html: str = ""
    announcement: str = ""
    draft: str = ""
    reason_for: int = 0

    _run: int = 0
    _moved_at: float = 0
    _begun_anew: str = ""  # the page whose new conversation has no question yet

    @rx.event(background=True)
    async def ask(self, form: dict[str, Any]) -> None:
        """Answer the form's question in this conversation, or in a new one."""
        question = text_of(form, "question")
        if not question:
            return
        await until_loaded(self)
        try:
            asker = await self._asker()
            conversation_id = self.conversation_id or (await self._begin()).id
        except RagAppError:
            await give_back(self, question)
            raise
        async with self:
            run = begin(self, question)
            if run is None:
                return
            self.conversation_id, self._begun_anew = conversation_id, ""
        events = services().chat.answer(question, conversation_id=conversation_id, asker=asker)
        await follow(self, events, run, asker)

    @rx.event(background=True)
    async def retry(self, message_id: int) -> None:
        """Answer a question once more; its old answer and what came after it go."""
        message_id, asker = positive(message_id), await self._asker()
        at = next((n for n, t in enumerate(self.turns) if message_id in {t.answer_id, t.question_id}), None)
        if at is None:
            raise NotFound("question")
        async with self:
            run = begin(self, self.turns[at].question)
            if run is None:
                return
            self.turns = self.turns[:at]
        events = services().chat.answer_again(
            conversation_id=self.conversation_id, message_id=message_id, asker=asker
        )
        await follow(self, events, run, asker)

    @rx.event
    def stop(self) -> None:
        """Stop the answer; what has come of it stays."""
        self.stopping = self.answering

    @rx.event
    async def new_conversation(self) -> None:
        """Begin anew; the conversation is stored with its first question."""
        await self._asker()
        show_nothing(self)
        self._begun_anew = on_page(self)
        self.past = past_conversations(await self._earlier())

    @rx.event
    async def open_conversation(self, conversation_id: int) -> None:
        """Go on with an earlier conversation."""
        asker, conversation_id = await self._asker(), positive(conversation_id)
        if conversation_id not in {conversation.id for conversation in await self._earlier()}:
            raise NotFound("conversation")
        show_nothing(self)
        await show_conversation(self, conversation_id, asker)

    @rx.event
    async def rate(self, message_id: int, feedback: int) -> None:
        """Keep a thumb up (1) or down (-1); the same one again takes it back."""
        asker, message_id = await self._asker(), positive(message_id)
        if feedback not in (1, -1):
            raise InvalidInput("Feedback is a thumb up or down.")
        before = next((turn.feedback for turn in self.turns if turn.answer_id == message_id), 0)
        given = 0 if feedback == before else feedback
        await services().conversations.give_feedback(
            self.conversation_id, message_id, asker=asker, feedback=given or None
        )
        self.turns = rated(self.turns, message_id, given)
        self.reason_for = message_id if given == -1 else 0

    @rx.event
    async def send_reason(self, form: dict[str, Any]) -> EventSpec:
        """Say why an answer did not help."""
        asker = await self._asker()
        await services().conversations.give_feedback(
            self.conversation_id,
            positive(self.reason_for),
            asker=asker,
            feedback=-1,
            reason=text_of(form, "reason"),
        )
        self.reason_for = 0
        return notify("Thank you. Your remark was sent.")

    @rx.event
    def skip_reason(self) -> None:
        """Leave the thumb without a reason."""
        self.reason_for = 0

    async def _begin(self) -> Conversation:
        """Store a new conversation."""
        raise NotImplementedError

    async def _earlier(self) -> list[Conversation]:
        """The asker's conversations here, newest first."""
        raise NotImplementedError


def positive(number: object) -> int:
    """An id or a marker; what comes from a browser may be anything."""
    if not isinstance(number, int) or isinstance(number, bool) or not 0 < number < 2**31:
        raise NotFound("entry")
    return number


def text_of(form: object, name: str) -> str:
    """A field of a form, without space around it."""
    value = form.get(name) if isinstance(form, dict) else None
    if not isinstance(value, str):
        raise InvalidInput("Please enter a text.")
    return value.strip()


def begin(state: ChatState, question: str) -> int | None:
    """Show the question and take the next number; None while another answer is being made."""
    if is_answering(state):
        return None
    state._run += 1
    state._moved_at = time.time()
    state.answering, state.stopping = True, False
    state.question, state.draft, state.announcement = question, "", ""
    state.reason_for = 0
    show(state, SEARCHING)
    return state._run


async def until_loaded(state: Any) -> None:
    """Wait while the page is still being read: quick people ask before it knows which chat it is."""
    for _ in range(LOADING_ROUNDS):
        async with state:
            if state.loaded:
                return
        await asyncio.sleep(LOADING_ROUND_S)


async def give_back(state: ChatState, question: str) -> None:
    """Put a question that could not be sent into the field again; only a change is noticed there."""
    for draft in ("", question):
        async with state:
            state.draft = draft


def is_answering(state: ChatState) -> bool:
    """Whether an answer is being made, by a process that still lives."""
    return state.answering and time.time() - state._moved_at < LOST_AFTER_S


def show(state: ChatState, answer: Growing, html: str = "") -> None:
    """Show how far an answer has come."""
    state.phase = "Stopping…" if state.stopping else answer.phase
    state.searched, state.partial_html = answer.searched, html


def end(state: ChatState, run: int) -> None:
    """Show that nothing is being made any more."""
    if state._run == run:
        state.answering = state.stopping = False
        state.question = state.phase = state.searched = state.partial_html = ""


def show_nothing(state: ChatState) -> None:
    """Empty the chat; a run that goes on has lost its place in it."""
    state._run += 1
    end(state, state._run)
    state.conversation_id, state.turns, state.closed = 0, [], False
    state.passage_open, state.reason_for = False, 0


async def show_conversation(state: ChatState, conversation_id: int, asker: Asker) -> None:
    """Show a stored conversation. Raises NotFound."""
    conversation, messages = await services().conversations.read(conversation_id, asker=asker)
    shown = await asyncio.to_thread(turns, messages, for_owner=asker.owner_id is not None)
    state.conversation_id, state.turns, state._begun_anew = conversation.id, shown, ""
    state.closed = conversation.status == "closed"


async def follow(state: ChatState, events: AsyncGenerator[AnswerEvent], run: int, asker: Asker) -> None:
    """Show an answer while it is made, then as it was stored."""
    answer = SEARCHING
    audience = Audience(state.router.session.client_token)
    try:
        async with aclosing(batches(events)) as batched:
            async for batch in batched:
                answer = grown(answer, batch)
                html = answer.html
                async with state:
                    if state._run != run:
                        return
                    state._moved_at = time.time()
                    show(state, answer, html)
                    is_over = state.stopping
                if is_over or audience.has_left():
                    break
    finally:
        await _settle(state, run, answer, asker)


async def _settle(state: ChatState, run: int, answer: Growing, asker: Asker) -> None:
    read = services().conversations.read(state.conversation_id, asker=asker, limit=2)
    conversation, messages = await _quietly(read) or (None, [])
    past = past_conversations(await _quietly(state._earlier()) or [])
    last = next(reversed(turns(messages, for_owner=asker.owner_id is not None, reason=answer.reason)), None)
    async with state:
        if state._run != run:
            return
        if last is None or last.question_id in {turn.question_id for turn in state.turns}:
            state.draft = state.question  # it was never stored, so it can be sent again
        else:
            state.turns = [*state.turns, last]
            state.announcement = f"Answer: {plain_text(last.html)}" if last.html else last.reason
        state.past = past
        state.closed = conversation is not None and conversation.status == "closed"
        end(state, run)


async def _quietly(reading: Any) -> Any:
    """What was read, None where the reader lost the right to it meanwhile."""
    try:
        return await reading
    except RagAppError:
        return None


def has_begun_anew(state: ChatState) -> bool:
    """Whether this page's reader wanted a new conversation and has not asked in it yet."""
    return state._begun_anew == on_page(state)


def on_page(state: rx.State) -> str:
    """The last part of the page's address: which knowledge base, conversation or link it is about."""
    return state.router.url.path.rstrip("/").rsplit("/", 1)[-1]
