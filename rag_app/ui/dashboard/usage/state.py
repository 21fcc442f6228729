"""What the Usage page shows: a report of the days and filters that are chosen.

Handlers of filters only remember; `refresh` asks who looks, and reads.
"""

from datetime import date
from typing import Any

import reflex as rx

from rag_app.bootstrap import services
from rag_app.domain.usage_reports import Span, Viewer, last_days
from rag_app.errors import InvalidInput, NotFound, NotSignedIn
from rag_app.services.text import clean_text
from rag_app.ui.arguments import as_text, one_of
from rag_app.ui.auth import current_sign_in
from rag_app.ui.dashboard.usage.view import (
    DELETED,
    GROUPINGS,
    RANGES,
    ChartsView,
    LineView,
    Narrowed,
    OptionsView,
    StatView,
    charts,
    errors,
    file_link,
    options,
    stats,
    table_lines,
)

PAGE = 15  # lines shown at once
MAX_CHOICE = 1000  # characters
MAX_ID = 2**31 - 1


class UsageState(rx.State):
    """Usage of some days, narrowed or not; `all_owners` holds for super admins only."""

    loaded: bool = False
    busy: bool = False
    is_admin: bool = False
    all_owners: bool = False
    days: str = "30"
    first_day: str = ""
    last_day: str = ""
    group_by: str = "day"
    narrowed: Narrowed = Narrowed()

    options: OptionsView = OptionsView()
    groupings: list[tuple[str, str]] = []
    group_title: str = ""
    stats: list[StatView] = []
    charts: ChartsView = ChartsView()
    errors: list[str] = []
    lines: list[LineView] = []
    n_hidden: int = 0
    is_empty: bool = False
    is_narrowed: bool = False
    table_file: str = ""
    calls_file: str = ""

    _n_shown: int = PAGE

    @rx.event
    async def load(self) -> None:
        """Read what the page begins with."""
        try:
            await _refresh(self)
        except NotSignedIn:  # AccountState leads to the log-in page
            return
        self.loaded = True

    @rx.event
    async def refresh(self) -> None:
        """Read the report that is asked for."""
        try:
            await _refresh(self)
        finally:
            self.busy = False

    @rx.event
    def choose_range(self, days: str) -> Any:
        """Report on the last days, or ask for the first and the last one."""
        self.days = one_of(days, RANGES)
        return None if self.days == "custom" else _again(self)

    @rx.event
    def choose_days(self, form: dict[str, Any]) -> Any:
        """Report from one day until another."""
        span = Span(_day(form, "from"), _day(form, "to"))
        self.days, self.first_day, self.last_day = "custom", span.first.isoformat(), span.last.isoformat()
        return _again(self)

    @rx.event
    def narrow(self, what: str, value: str) -> Any:
        """Count only the calls of one knowledge base, provider, model, purpose or owner; empty for all."""
        chosen = {name: getattr(self.narrowed, name) for name in ("kb", "provider", "model", "kind", "owner")}
        chosen[one_of(what, chosen)] = _choice(what, value)
        self.narrowed = Narrowed(**chosen)
        return _again(self)

    @rx.event
    def show_all(self) -> Any:
        """Take all filters away, and days that were chosen by hand."""
        self.narrowed = Narrowed()
        self.days = "30" if self.days == "custom" else self.days
        return _again(self)

    @rx.event
    def group(self, by: str) -> Any:
        """Put the calls of the table together in another way."""
        self.group_by = one_of(by, GROUPINGS)
        return _again(self)

    @rx.event
    def show_owners(self, shown: bool) -> Any:
        """Report on all owners, which only super admins may, or on oneself."""
        self.all_owners, self.narrowed = shown is True, Narrowed()
        return _again(self)

    @rx.event
    def show_more(self) -> Any:
        """Show more lines of the table."""
        n_shown = self._n_shown + PAGE
        refresh = _again(self)
        self._n_shown = n_shown
        return refresh


def _again(state: UsageState) -> Any:
    state.busy, state._n_shown = True, PAGE
    return UsageState.refresh


async def _refresh(state: UsageState) -> None:
    user = (await current_sign_in(state)).user
    state.is_admin = user.is_admin
    if not user.is_admin:
        state.all_owners = False
    if not state.all_owners and state.group_by == "owner":
        state.group_by = "day"
    try:
        await _read(state, Viewer(user.id, state.all_owners))
    except NotFound:  # the knowledge base was deleted meanwhile, or the role was taken away
        state.narrowed, state.all_owners = Narrowed(), False
        await _read(state, Viewer(user.id))


async def _read(state: UsageState, viewer: Viewer) -> None:
    reports, span, filters = services().usage_reports, _span(state), state.narrowed.filters
    modules = services().llms.modules
    labels = {name: str(modules[name].LABEL).partition(" (")[0] for name in modules}
    group_by: Any = state.group_by
    days = await reports.report(viewer, span, group_by="day", filters=filters)
    grouped = (
        days if group_by == "day" else await reports.report(viewer, span, group_by=group_by, filters=filters)
    )
    lines = table_lines(grouped, labels)
    state.options = options(await reports.choices(viewer, span), state.narrowed, labels)
    state.groupings = [(key, text) for key, text in GROUPINGS.items() if viewer.all_owners or key != "owner"]
    state.group_title = GROUPINGS[group_by]
    state.stats, state.charts, state.errors = stats(days.totals), charts(days), errors(days.totals)
    state.lines, state.n_hidden = lines[: state._n_shown], max(0, grouped.n_groups - state._n_shown)
    state.is_empty = not days.totals.n_calls
    state.is_narrowed = state.narrowed != Narrowed() or state.days == "custom"
    state.first_day, state.last_day = span.first.isoformat(), span.last.isoformat()
    state.table_file = file_link(span, filters, group_by, all_owners=viewer.all_owners)
    state.calls_file = file_link(span, filters, "call", all_owners=viewer.all_owners)


def _span(state: UsageState) -> Span:
    if state.days == "custom" and state.first_day and state.last_day:
        return Span(date.fromisoformat(state.first_day), date.fromisoformat(state.last_day))
    return last_days(int(state.days) if state.days.isdigit() else 30)


def _day(form: object, name: str) -> date:
    try:
        return date.fromisoformat(as_text(form, name))
    except ValueError as error:
        raise InvalidInput("Please choose a first and a last day.", field=name) from error


def _choice(what: str, value: object) -> str:
    """A filter's value; what nobody used finds nothing."""
    if not isinstance(value, str) or len(value) > MAX_CHOICE or clean_text(value) != value:
        raise InvalidInput("This cannot be chosen here. Please reload the page.")
    is_number = value.isascii() and value.isdigit() and int(value[:11]) <= MAX_ID
    if (what == "kb" and not (is_number or value.startswith(DELETED))) or (what == "owner" and not is_number):
        return ""
    return value
