"""Above every tab: what of the plan is nearly used up, until its owner has seen it."""

import reflex as rx

from rag_app.bootstrap import services
from rag_app.domain.limits import Budget, Meter, Plan
from rag_app.errors import NotSignedIn
from rag_app.ui import routes
from rag_app.ui.auth import current_owner
from rag_app.ui.components import banner, icon_button, link
from rag_app.ui.dashboard.settings.plan_view import budget_words, meter_words

MOST_NAMED = 2


class LimitNoticeState(rx.State):
    """What is said; what was dismissed is remembered in the browser and said no more."""

    text: str = ""
    dismissed: str = rx.LocalStorage("", name="rag_limit_notice")

    _about: str = ""

    @rx.event
    async def load(self) -> None:
        """Look how full the plan is."""
        try:
            owner_id = await current_owner(self)
        except NotSignedIn:  # AccountState leads to the log-in page
            return
        plan = await services().quotas.plan(owner_id)
        self._about = about(plan, owner_id)
        self.text = "" if self._about == self.dismissed else words(plan)

    @rx.event
    async def dismiss(self) -> None:
        """Say it no more, until something else is nearly used up."""
        await current_owner(self)
        self.dismissed, self.text = self._about, ""


def limit_notice() -> rx.Component:
    """Show the notice, while there is one."""
    return rx.cond(
        LimitNoticeState.text != "",
        banner(
            LimitNoticeState.text,
            " ",
            link("Plan and limits", href=f"{routes.SETTINGS}?tab=limits"),
            tone="warn",
            action=icon_button("close", label="Dismiss", size="sm", on_click=LimitNoticeState.dismiss),
            class_name="mb-6",
        ),
    )


def words(plan: Plan) -> str:
    """What is nearly used up, in a sentence; empty where nothing is."""
    close = _close(plan)
    if not close:
        return ""
    named = [meter_words(each) if isinstance(each, Meter) else budget_words(each) for each in close]
    more = f", and {len(named) - MOST_NAMED} more" if len(named) > MOST_NAMED else ""
    reached = any(_is_reached(each) for each in close)
    lead = "You have reached a limit" if reached else "You are close to a limit"
    return f"{lead}: {'; '.join(named[:MOST_NAMED])}{more}."


def about(plan: Plan, owner_id: int) -> str:
    """What the notice is about: the same until another limit is near, is reached, or begins anew."""
    parts = [_key(each) for each in _close(plan)]
    return f"{owner_id} {' '.join(parts)}" if parts else ""


def _close(plan: Plan) -> list[Meter | Budget]:
    found = [each for each in (*plan.meters, *plan.budgets) if each.is_close]
    return sorted(found, key=lambda each: not _is_reached(each))


def _is_reached(each: Meter | Budget) -> bool:
    if isinstance(each, Budget):
        return each.is_reached
    return each.share is not None and each.share >= 1


def _key(each: Meter | Budget) -> str:
    name = f"budget-{each.kb_id}" if isinstance(each, Budget) else each.limit.name
    since = f"@{each.resets_at:%Y-%m-%d}" if each.resets_at else ""
    return f"{name}{'!' if _is_reached(each) else ''}{since}"
