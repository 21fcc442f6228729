"""The plans of the installation, and the one that is being changed.

Every handler asks the database whether the caller is the super admin: `services/admin.py`.
"""

from typing import Any

import reflex as rx

from rag_app.bootstrap import services
from rag_app.domain.limits import check_limits
from rag_app.errors import InvalidInput, NotFound, NotSignedIn
from rag_app.ui.auth import current_owner
from rag_app.ui.dashboard.admin.accounts_state import LOOK
from rag_app.ui.dashboard.admin.view import (
    PlanView,
    changes_between,
    limits_in,
    no_problems,
    plan_view,
    problems_of,
    values_of,
)
from rag_app.ui.feedback import notify
from rag_app.ui.wording import counted


class PlansState(rx.State):
    """The cards, the form over them, and the question before it is kept."""

    plans: list[PlanView] = []

    editing: str = ""
    label: str = ""
    accounts: str = ""
    values: dict[str, str] = no_problems()
    errors: dict[str, str] = no_problems()
    problem: str = ""
    changes: list[str] = []  # asked about
    is_asking: bool = False
    is_saving: bool = False

    _before: dict[str, int | None] = {}
    _wanted: dict[str, int | None] = {}

    @rx.event
    async def load(self) -> None:
        """Read the plans."""
        try:
            admin_id = await current_owner(self)
            await _show(self, admin_id)
        except (NotSignedIn, NotFound):  # AccountsState says that there is nothing
            self.reset()

    @rx.event
    async def edit(self, name: str) -> None:
        """Open the form of a plan with what is set now."""
        tier = await services().admin.tier(await current_owner(self), str(name))
        self.editing, self.label = tier.name, tier.label
        self.accounts = counted(tier.n_owners, "account")
        self._before, self._wanted = dict(tier.limits), {}
        self.values, self.errors, self.problem = values_of(tier.limits), no_problems(), ""
        self.changes, self.is_asking = [], False

    @rx.event
    def close(self) -> None:
        """Change nothing."""
        self.editing, self.is_asking = "", False

    @rx.event
    def back(self) -> None:
        """Go back from the question to the form, with what was typed."""
        self.is_asking = False
        self.values = values_of(self._wanted)

    @rx.event
    async def ask(self, form: dict[str, Any]) -> Any:
        """Say what would change and for how many, before it does."""
        admin_id = await current_owner(self)
        if not self.editing:
            return None
        await services().admin.check(admin_id)
        self.errors, self.problem = no_problems(), ""
        try:
            self._wanted = check_limits(limits_in(form, self._before))
        except InvalidInput as error:
            self.errors, self.problem = problems_of(error), LOOK
            return None
        self.changes = changes_between(self._before, self._wanted)
        if not self.changes:
            self.editing = ""
            return notify("Nothing was changed.", tone="info")
        self.is_asking = True
        return None

    @rx.event
    async def save(self) -> Any:
        """Keep the plan as it was asked about."""
        if not (self.editing and self.is_asking) or self.is_saving:
            return
        admin_id = await current_owner(self)
        self.is_saving = True
        yield
        try:
            changed = await services().admin.change_tier(admin_id, self.editing, self._wanted)
        finally:
            self.is_saving = False
        self.editing, self.is_asking = "", False
        await _show(self, admin_id)
        yield notify(f"The plan “{changed.label}” was changed.")


async def _show(state: PlansState, admin_id: int) -> None:
    state.plans = [plan_view(tier) for tier in await services().admin.tiers(admin_id)]
