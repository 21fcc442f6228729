"""What a search is limited to, and the settings that are tried with it: closed until they are wanted."""

import reflex as rx

from rag_app.domain.knobs import KNOBS
from rag_app.ui import routes
from rag_app.ui.components import badge, button, icon, link, slider, switch, text_input
from rag_app.ui.components.base import Child, Flag, OnText, Press, Text
from rag_app.ui.dashboard.current_kb import CurrentKbState
from rag_app.ui.dashboard.semantic_search.filters import Chosen, Option
from rag_app.ui.dashboard.semantic_search.state import SearchState
from rag_app.ui.dashboard.settings.retrieval_view import SLIDERS


def filters(form: str) -> rx.Component:
    """Limit the search of a form to some documents."""
    return _disclosure(
        "Filters",
        rx.cond(SearchState.n_filters > 0, badge(f"{SearchState.n_filters}", tone="accent")),
        rx.el.div(
            _documents(),
            _ticks("Source", SearchState.sources),
            _ticks("Tags", SearchState.tags),
            _ticks("Language", SearchState.languages),
            _period(),
            class_name="flex flex-col gap-5",
        ),
        _search_again(form, "Clear the filters", SearchState.n_filters > 0, SearchState.clear_filters),
        icon_name="filter",
    )


def try_settings(form: str) -> rx.Component:
    """Search differently, here and now only."""
    return _disclosure(
        "Try other settings for this search",
        rx.cond(SearchState.is_trying, badge("Trying", tone="warn"), badge(SearchState.config)),
        rx.el.p(
            "Nobody else is affected until you keep them. All settings are on the ",
            link("Settings page", href=f"{routes.SETTINGS}?kb={CurrentKbState.kb_id}"),
            ".",
            class_name="mb-4 text-sm text-muted",
        ),
        rx.el.div(
            _slider("meaning_weight"),
            _slider("semantic_search_threshold"),
            switch(
                name="rerank",
                id="try-rerank",
                label=KNOBS["rerank"].title,
                hint=KNOBS["rerank"].description,
                checked=SearchState.knobs["rerank"].is_on,
                on_change=SearchState.try_knob("rerank"),
            ),
            key=SearchState.n_forms,
            class_name="grid gap-x-10 gap-y-5 md:grid-cols-2",
        ),
        _search_again(
            form,
            "Back to the saved settings",
            SearchState.is_trying,
            SearchState.stop_trying,
            rx.cond(
                SearchState.is_trying,
                button("Keep these settings", variant="secondary", on_click=SearchState.keep_settings),
            ),
        ),
        rx.el.p(SearchState.kept, role="status", class_name="mt-3 text-sm text-success empty:hidden"),
        icon_name="settings",
    )


def _disclosure(title: str, state: rx.Component, *children: rx.Component, icon_name: str) -> rx.Component:
    return rx.el.details(
        rx.el.summary(icon(icon_name, class_name="text-muted"), title, state, class_name="disclosure-head"),
        rx.el.div(*children, class_name="disclosure-body"),
        class_name="disclosure",
    )


def _search_again(form: str, undo: str, is_set: Flag, on_undo: Press, *more: rx.Component) -> rx.Component:
    return rx.el.div(
        button("Search with these", type="submit", form=form, icon="search", loading=SearchState.searching),
        *more,
        rx.cond(is_set, button(undo, variant="ghost", on_click=on_undo)),
        class_name="mt-5 flex flex-wrap gap-2.5",
    )


def _documents() -> rx.Component:
    return rx.el.div(
        text_input(
            name="document",
            id="filter-document",
            label="Documents",
            type="search",
            placeholder="Part of a name",
            required=True,
            key=SearchState.n_forms,
            default_value="",
            on_change=SearchState.find_documents.debounce(250),
        ),
        rx.cond(
            SearchState.offered,
            rx.el.ul(rx.foreach(SearchState.offered, _offered), class_name="flex flex-wrap gap-2"),
        ),
        rx.cond(
            SearchState.chosen,
            rx.el.ul(
                rx.foreach(SearchState.chosen, _chosen),
                aria_label="Only in",
                class_name="flex flex-wrap gap-2",
            ),
        ),
        class_name="flex max-w-xl flex-col gap-2",
    )


def _offered(document: Chosen) -> rx.Component:
    return rx.el.li(
        button(
            rx.el.span(document.name, class_name="[overflow-wrap:anywhere]"),
            icon="plus",
            size="sm",
            variant="secondary",
            on_click=SearchState.add_document(document.id),
        ),
        key=document.id,
    )


def _chosen(document: Chosen) -> rx.Component:
    return rx.el.li(
        button(
            rx.el.span(document.name, class_name="[overflow-wrap:anywhere]"),
            icon("close"),
            size="sm",
            variant="secondary",
            aria_label=f"No longer only in {document.name}",
            on_click=SearchState.remove_document(document.id),
            class_name="is-chosen",
        ),
        key=document.id,
    )


def _ticks(title: str, options: list[Option]) -> rx.Component:
    return rx.cond(
        options,
        rx.el.fieldset(
            rx.el.legend(title, class_name="field-label mb-1.5"),
            rx.el.div(rx.foreach(options, _tick), class_name="flex flex-wrap gap-2"),
        ),
    )


def _tick(option: Option) -> rx.Component:
    return button(
        rx.cond(option.is_on, icon("check"), rx.fragment()),
        option.label,
        size="sm",
        variant="secondary",
        aria_pressed=option.is_on,
        on_click=SearchState.tick(option.kind, option.value),
        class_name="choice-button",
    )


def _period() -> rx.Component:
    return rx.el.fieldset(
        rx.el.legend("Added", class_name="field-label mb-1.5"),
        rx.el.div(
            _day("from", "first-day", SearchState.first_day, SearchState.choose_first_day),
            _day("until", "last-day", SearchState.last_day, SearchState.choose_last_day),
            key=SearchState.n_forms,
            class_name="grid max-w-xl gap-3 sm:grid-cols-2",
        ),
    )


def _day(label: str, id: str, value: Text, on_change: OnText) -> rx.Component:
    return text_input(
        name=id, id=id, label=label, type="date", required=True, default_value=value, on_change=on_change
    )


def _slider(name: str) -> Child:
    row = SearchState.knobs[name]
    step, ends = SLIDERS[name]
    return slider(
        name=name,
        id=f"try-{name}",
        label=KNOBS[name].title,
        min=0,
        max=1,
        step=step,
        ends=ends,
        shown=row.shown,
        default_value=row.number,
        on_change=SearchState.try_knob(name).debounce(80),
    )
