"""The owner's plan, and the budget of the chosen knowledge base."""

from typing import Any

import reflex as rx

from rag_app.bootstrap import services
from rag_app.errors import InvalidInput, NotFound, NotSignedIn
from rag_app.ui.arguments import as_text
from rag_app.ui.auth import current_owner
from rag_app.ui.dashboard.current_kb import CurrentKbState
from rag_app.ui.dashboard.limit_notice import LimitNoticeState
from rag_app.ui.dashboard.settings.plan_view import (
    BudgetView,
    MeterView,
    budget_of,
    budget_view,
    meter_view,
)
from rag_app.ui.feedback import notify


class PlanState(rx.State):
    """What stands on the cards; `kb_id` is 0 while the owner has no knowledge base."""

    plan: str = ""
    meters: list[MeterView] = []
    kb_id: int = 0
    kb_name: str = ""
    budget: BudgetView = BudgetView()
    error: str = ""
    n_saved: int = 0
    is_loading: bool = True

    @rx.event
    async def load(self) -> None:
        """Read what is used."""
        try:
            owner_id = await current_owner(self)
        except NotSignedIn:  # AccountState leads to the log-in page
            return
        self.reset()
        found = await services().quotas.plan(owner_id)
        self.plan = found.owner.label
        self.meters = [meter_view(meter) for meter in found.meters]
        self.is_loading = False
        await _show_budget(self, (await self.get_state(CurrentKbState)).kb_id, owner_id)

    @rx.event
    async def save_budget(self, form: dict[str, Any]) -> Any:
        """Keep what the knowledge base may spend a month; nothing in the field takes the budget away."""
        if not self.kb_id:
            return None
        owner_id = await current_owner(self)
        self.error = ""
        try:
            amount = budget_of(as_text(form, "budget"))
            await services().knowledge_bases.update(
                self.kb_id, owner_id=owner_id, changes={"monthly_budget_usd": amount}
            )
        except InvalidInput as error:
            self.error = str(error)
            return None
        await _show_budget(self, self.kb_id, owner_id)
        self.n_saved += 1  # the field shows the amount as it was kept
        said = "The budget was taken away." if amount is None else "The budget was saved."
        return [notify(said), LimitNoticeState.load]


async def _show_budget(state: PlanState, kb_id: int, owner_id: int) -> None:
    try:
        kb = await services().knowledge_bases.get(kb_id, owner_id=owner_id)
        found = await services().quotas.budget(kb_id, owner_id=owner_id)
    except NotFound:  # the owner has none yet
        return
    state.kb_id, state.kb_name = kb.id, kb.name
    state.budget = budget_view(found, is_priced=services().calls.is_priced(kb))
