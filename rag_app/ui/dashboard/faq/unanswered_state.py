"""The questions that nobody could answer, and what an owner does about them."""

import reflex as rx

from rag_app.bootstrap import services
from rag_app.domain.unanswered import QuestionGroup
from rag_app.errors import NotFound, NotSignedIn
from rag_app.ui.arguments import as_id
from rag_app.ui.auth import current_owner
from rag_app.ui.dashboard.current_kb import CurrentKbState
from rag_app.ui.dashboard.faq.maker_state import MakeFaqState, offer
from rag_app.ui.dashboard.faq.unanswered_view import MOST_GROUPS, GroupView, group_views
from rag_app.ui.dashboard.faq.view import EntryForm
from rag_app.ui.wording import counted


class UnansweredState(rx.State):
    """The groups on show; `dismissed` shows those that were put away instead."""

    kb_id: int = 0
    groups: list[GroupView] = []
    n_groups: int = 0
    is_loading: bool = True
    dismissed: bool = False
    put_away: str = ""  # the question whose dismissal can be taken back

    _message_ids: list[int] = []

    @rx.var
    def count_words(self) -> str:
        """How many groups there are."""
        if not self.n_groups:
            return ""
        words = counted(self.n_groups, "unanswered question")
        return f"{words}; the {MOST_GROUPS} asked most are shown" if self.n_groups > MOST_GROUPS else words

    @rx.event
    async def load(self) -> None:
        """Show what is open in the chosen knowledge base."""
        try:
            owner_id = await current_owner(self)
        except NotSignedIn:  # AccountState leads to the log-in page
            return
        self.kb_id = (await self.get_state(CurrentKbState)).kb_id
        self.dismissed, self.put_away, self._message_ids = False, "", []
        await _show(self, owner_id)
        self.is_loading = False

    @rx.event
    async def refresh(self) -> None:
        """Look again: an entry may have answered something."""
        await _show(self, await current_owner(self))

    @rx.event
    async def show_dismissed(self, dismissed: bool) -> None:
        """Show what was put away, or what is open."""
        owner_id = await current_owner(self)
        self.dismissed, self.put_away = dismissed is True, ""
        await _show(self, owner_id)

    @rx.event
    async def answer(self, message_id: int) -> None:
        """Write the entry that answers a group."""
        owner_id = await current_owner(self)
        group = await _group_of(self, as_id(message_id), owner_id)
        draft = await services().unanswered.draft(self.kb_id, group, owner_id=owner_id)
        window = await self.get_state(MakeFaqState)
        offer(window, EntryForm(question=draft.question, answer=draft.answer), self.kb_id, group.message_ids)

    @rx.event
    async def dismiss(self, message_id: int) -> None:
        """Put a group away."""
        owner_id = await current_owner(self)
        group = await _group_of(self, as_id(message_id), owner_id)
        await services().unanswered.dismiss(self.kb_id, group.message_ids, owner_id=owner_id)
        self.put_away, self._message_ids = group.question, group.message_ids
        await _show(self, owner_id)

    @rx.event
    async def undo(self) -> None:
        """Bring back what was put away last."""
        owner_id = await current_owner(self)
        message_ids, self._message_ids, self.put_away = self._message_ids, [], ""
        if message_ids:
            await services().unanswered.dismiss(self.kb_id, message_ids, owner_id=owner_id, undo=True)
        await _show(self, owner_id)

    @rx.event
    async def bring_back(self, message_id: int) -> None:
        """Bring a group back."""
        owner_id = await current_owner(self)
        group = await _group_of(self, as_id(message_id), owner_id)
        await services().unanswered.dismiss(self.kb_id, group.message_ids, owner_id=owner_id, undo=True)
        await _show(self, owner_id)


async def _show(state: UnansweredState, owner_id: int) -> None:
    found: list[QuestionGroup] = []
    if state.kb_id:
        found = await services().unanswered.groups(state.kb_id, owner_id=owner_id, dismissed=state.dismissed)
    state.groups, state.n_groups = group_views(found[:MOST_GROUPS]), len(found)


async def _group_of(state: UnansweredState, message_id: int, owner_id: int) -> QuestionGroup:
    """The group that a question is in at this moment. Raises NotFound."""
    found = await services().unanswered.groups(state.kb_id, owner_id=owner_id, dismissed=state.dismissed)
    for group in found:
        if message_id in group.message_ids:
            return group
    raise NotFound("question any more")
