"""The window in which an answer of a conversation becomes an entry of the FAQ."""

from typing import Any

import reflex as rx

from rag_app.bootstrap import services
from rag_app.domain.faq import FaqEntry
from rag_app.errors import InvalidInput
from rag_app.ui import routes
from rag_app.ui.arguments import as_id, as_text
from rag_app.ui.auth import current_owner
from rag_app.ui.dashboard.faq.view import EntryErrors, EntryForm, error_at
from rag_app.ui.feedback import notify


class MakeFaqState(rx.State):
    """What is being made an entry; `existing_id` is an entry that has the question already.

    `made` leads from the answers that were made entries on this page to those.
    """

    is_open: bool = False
    is_saving: bool = False
    form: EntryForm = EntryForm()
    errors: EntryErrors = EntryErrors()
    existing_id: int = 0
    existing_answer: str = ""
    made: dict[str, str] = {}

    _kb_id: int = 0
    _message_ids: list[int] = []

    @rx.event
    async def begin(self, conversation_id: int, message_id: int) -> Any:
        """Offer an answer as an entry, to be corrected; one that is an entry already is gone to."""
        owner_id = await current_owner(self)
        message_id = as_id(message_id)
        draft = await services().faq.draft(as_id(conversation_id), message_id, owner_id=owner_id)
        if draft.entry_id is not None:
            return rx.redirect(routes.faq_entry(draft.entry_id, kb_id=draft.kb_id))
        offer(self, EntryForm(question=draft.question, answer=draft.answer), draft.kb_id, [message_id])
        return None

    @rx.event
    def close(self) -> None:
        """Make none."""
        self.is_open = False

    @rx.event
    async def save(self, form: dict[str, Any]) -> Any:
        """Keep what was typed; an entry with the same question is changed only after saying so."""
        if not self.is_open or self.is_saving:
            return
        owner_id = await current_owner(self)
        self.is_saving, self.errors = True, EntryErrors()
        yield
        try:
            entry = await _store(self, form, owner_id)
        except InvalidInput as error:
            self.errors = error_at(error)
            return
        finally:
            self.is_saving = False
        if entry is None:
            return
        self.is_open = False
        href = routes.faq_entry(entry.id, kb_id=entry.kb_id)
        self.made = {**self.made, **{str(message_id): href for message_id in self._message_ids}}
        yield notify("Saved in the FAQ. Whoever asks this gets your answer in a moment.")


def offer(state: MakeFaqState, form: EntryForm, kb_id: int, message_ids: list[int]) -> None:
    """Open the window with what is known already."""
    state.form, state.errors, state.is_open = form, EntryErrors(), True
    state.existing_id, state.existing_answer = 0, ""
    state._kb_id, state._message_ids = kb_id, message_ids


async def _store(state: MakeFaqState, form: Any, owner_id: int) -> FaqEntry | None:
    """Add or change an entry; None where there is one that the owner has not seen yet."""
    question, answer = as_text(form, "question"), as_text(form, "answer")
    faq, kb_id, message_ids = services().faq, state._kb_id, state._message_ids
    about: dict[str, Any] = {
        "owner_id": owner_id,
        "question": question,
        "answer": answer,
        "message_ids": message_ids,
    }
    existing = await faq.of_question(kb_id, question, owner_id=owner_id)
    if existing is None:
        return await faq.add(kb_id, **about)
    if existing.id == state.existing_id:
        return await faq.update(kb_id, existing.id, **about)
    state.form = EntryForm(question=question, answer=answer)
    state.existing_id, state.existing_answer = existing.id, existing.answer
    return None
