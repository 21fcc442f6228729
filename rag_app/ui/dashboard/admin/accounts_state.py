"""The accounts of the installation, and the one that is being changed.

Every handler asks the database whether the caller is the super admin: `services/admin.py`.
"""

from typing import Any

import reflex as rx

from rag_app.bootstrap import services
from rag_app.domain.limits import LIMITS, OwnerUsage
from rag_app.errors import InvalidInput, NotFound, NotSignedIn
from rag_app.ui.arguments import as_id, as_text, one_of
from rag_app.ui.auth import current_owner
from rag_app.ui.dashboard.admin.view import (
    AccountView,
    account_view,
    limit_words,
    no_problems,
    overrides_in,
    problems_of,
    typed_overrides,
)
from rag_app.ui.feedback import notify

PAGE = 25
LOOK = "Please look at the marked fields above."
TABS = ("accounts", "plans")


class AccountsState(rx.State):
    """The list, and the windows over it; `missing` for who is no super admin."""

    tab: str = "accounts"
    loaded: bool = False
    missing: bool = False
    accounts: list[AccountView] = []
    has_more: bool = False
    query: str = ""

    editing_id: int = 0
    editing_name: str = ""
    plans: list[tuple[str, str]] = []
    chosen_plan: str = ""
    values: dict[str, str] = no_problems()
    of_plan: dict[str, str] = no_problems()  # what holds where a field is left empty
    errors: dict[str, str] = no_problems()
    problem: str = ""
    is_saving: bool = False

    switching_id: int = 0
    switching_name: str = ""

    _plan_limits: dict[str, dict[str, int | None]] = {}
    _before: dict[str, int | None] = {}

    @rx.event
    async def load(self) -> None:
        """Read the newest accounts."""
        try:
            admin_id = await current_owner(self)
        except NotSignedIn:  # AccountState leads to the log-in page
            return
        self.reset()
        try:
            await _show(self, admin_id)
        except NotFound:
            self.missing = True
        self.loaded = True

    @rx.event
    async def open_tab(self, tab: str) -> None:
        """Show accounts or plans."""
        await _admin(self)
        self.tab = one_of(tab, TABS)

    @rx.event
    async def search(self, form: dict[str, Any]) -> None:
        """Show those in whose name or address a text occurs."""
        self.query = as_text(form, "query").strip()[:200]
        await _show(self, await current_owner(self))

    @rx.event
    async def show_all(self) -> None:
        """Take the search away."""
        self.query = ""
        await _show(self, await current_owner(self))

    @rx.event
    async def show_more(self) -> None:
        """Read the next, older ones."""
        admin_id = await current_owner(self)
        await _show(self, admin_id, before=self.accounts[-1].id if self.accounts else None)

    @rx.event
    async def edit(self, account_id: int) -> None:
        """Open the window of an account with what is set now."""
        admin_id = await current_owner(self)
        owner = await services().admin.owner(admin_id, as_id(account_id))
        tiers = await services().admin.tiers(admin_id)
        self.plans = [(tier.name, tier.label) for tier in tiers]
        self._plan_limits = {tier.name: dict(tier.limits) for tier in tiers}
        self._before = dict(owner.overrides)
        self.editing_id, self.editing_name = owner.id, owner.name or owner.email
        self.values, self.errors = typed_overrides(owner.overrides), no_problems()
        self.problem = ""
        _choose(self, owner.tier)

    @rx.event
    async def choose_plan(self, plan: str) -> None:
        """Look at another plan; it holds once it is saved."""
        await _admin(self)
        _choose(self, one_of(plan, dict(self.plans)))

    @rx.event
    def close(self) -> None:
        """Change nothing."""
        self.editing_id = self.switching_id = 0

    @rx.event
    async def save(self, form: dict[str, Any]) -> Any:
        """Keep plan and own limits."""
        if not self.editing_id or self.is_saving:
            return
        admin_id = await current_owner(self)
        self.is_saving, self.errors, self.problem = True, no_problems(), ""
        yield
        try:
            wanted = {"tier": self.chosen_plan, "overrides": overrides_in(form, self._before)}
            changed = await services().admin.change_owner(admin_id, self.editing_id, wanted)
        except InvalidInput as error:
            if not error.problems:
                raise
            self.errors, self.problem = problems_of(error), LOOK
            return
        finally:
            self.is_saving = False
        self.editing_id = 0
        _replace(self, changed)
        yield notify(f"Saved. “{changed.name or changed.email}” has the plan “{changed.tier_label}”.")

    @rx.event
    async def ask_to_switch_off(self, account_id: int) -> None:
        """Ask before somebody is shut out."""
        owner = await services().admin.owner(await current_owner(self), as_id(account_id))
        self.switching_id, self.switching_name = owner.id, owner.name or owner.email

    @rx.event
    async def switch_off(self) -> Any:
        """Shut an account out; nothing of it is lost."""
        if not self.switching_id:
            return None
        admin_id, account_id = await current_owner(self), self.switching_id
        self.switching_id = 0
        changed = await services().admin.change_owner(admin_id, account_id, {"is_active": False})
        _replace(self, changed)
        return notify(f"“{changed.name or changed.email}” is switched off.")

    @rx.event
    async def switch_on(self, account_id: int) -> Any:
        """Let an account in again."""
        admin_id = await current_owner(self)
        changed = await services().admin.change_owner(admin_id, as_id(account_id), {"is_active": True})
        _replace(self, changed)
        return notify(f"“{changed.name or changed.email}” can sign in again.")


async def _admin(state: rx.State) -> int:
    """The super admin who is looking. Raises NotFound for anybody else."""
    admin_id = await current_owner(state)
    await services().admin.check(admin_id)
    return admin_id


async def _show(state: AccountsState, admin_id: int, *, before: int | None = None) -> None:
    found = await services().admin.owners(admin_id, query=state.query or None, before=before, limit=PAGE + 1)
    shown = [account_view(owner) for owner in found[:PAGE]]
    state.accounts = [*state.accounts, *shown] if before is not None else shown
    state.has_more = len(found) > PAGE


def _replace(state: AccountsState, changed: OwnerUsage) -> None:
    view = account_view(changed)
    state.accounts = [view if account.id == view.id else account for account in state.accounts]


def _choose(state: AccountsState, plan: str) -> None:
    limits = state._plan_limits.get(plan, {})
    state.chosen_plan = plan
    state.of_plan = {name: limit_words(limit, limits.get(name)) for name, limit in LIMITS.items()}
