"""Search by meaning and by words, with the reasons for every rank."""

import reflex as rx

from rag_app.ui import routes
from rag_app.ui.components import (
    banner,
    button,
    empty_state,
    icon,
    link_button,
    page_header,
    reveal,
    select,
    skeleton,
    text_input,
)
from rag_app.ui.dashboard.current_kb import CurrentKbState
from rag_app.ui.dashboard.frame import frame
from rag_app.ui.dashboard.semantic_search.narrowing import filters, try_settings
from rag_app.ui.dashboard.semantic_search.passage import found_passage
from rag_app.ui.dashboard.semantic_search.state import LIMITS, SearchState
from rag_app.ui.dashboard.semantic_search.trace import StepView

TITLE = "Semantic Search · Simple RAG"
FORM = "search-form"


def search_page() -> rx.Component:
    return frame(
        page_header(
            title="Semantic Search",
            text="Find passages by what they mean and by the words they use. The chat finds its sources the "
            "same way.",
        ),
        rx.cond(
            SearchState.loaded,
            rx.cond(
                SearchState.n_ready > 0,
                rx.fragment(_form(), _narrowing(), _failure(), _results()),
                rx.cond(CurrentKbState.kb_id > 0, _no_documents(), _no_kb()),
            ),
            _waiting(),
        ),
        active=routes.SEARCH,
    )


def _form() -> rx.Component:
    return rx.el.form(
        rx.el.div(
            text_input(
                name="query",
                label="What are you looking for?",
                required=True,
                type="search",
                placeholder="A question, or a few words",
                max_length=4000,
                auto_focus=True,
                error=SearchState.error,
                default_value=SearchState.searched,
            ),
            class_name="min-w-0 flex-[1_1_18rem]",
        ),
        select(
            name="limit",
            label="Passages",
            required=True,
            options=[(limit, f"{limit} passages") for limit in LIMITS],
            default_value=SearchState.limit,
        ),
        button(
            "Search",
            type="submit",
            icon="search",
            loading=SearchState.searching,
            class_name="min-h-[2.625rem]",
        ),
        id=FORM,
        on_submit=SearchState.search,
        class_name="mb-4 flex flex-wrap items-end gap-3",
    )


def _narrowing() -> rx.Component:
    return rx.el.div(filters(FORM), try_settings(FORM), class_name="mb-6 flex flex-col gap-3")


def _failure() -> rx.Component:
    return rx.cond(
        SearchState.failure != "",
        banner(
            SearchState.failure,
            tone="danger",
            action=button("Try again", type="submit", form=FORM, variant="secondary", size="sm"),
            class_name="mb-4",
        ),
    )


def _results() -> rx.Component:
    return rx.el.div(
        rx.cond(
            SearchState.searched != "",
            rx.fragment(
                _summary(),
                rx.cond(
                    SearchState.passages,
                    rx.el.ol(
                        rx.foreach(SearchState.passages, found_passage), class_name="flex flex-col gap-4"
                    ),
                    _nothing_found(),
                ),
            ),
            rx.cond(SearchState.searching, _list_waiting(), _before_searching()),
        ),
        aria_busy=SearchState.searching,
        class_name="aria-busy:opacity-60",
    )


def _summary() -> rx.Component:
    return reveal(
        rx.el.p(
            SearchState.n_found,
            " for “",
            rx.el.strong(SearchState.searched, class_name="font-medium text-ink"),
            "”",
            rx.cond(SearchState.limited_to != "", f", {SearchState.limited_to}", ""),
            role="status",
            class_name="text-sm text-muted [overflow-wrap:anywhere]",
        ),
        _trace(),
        rx.cond(
            SearchState.queries,
            rx.el.p(
                "Also searched for: ",
                rx.foreach(SearchState.queries, lambda query: rx.el.q(query, class_name="mr-2")),
                class_name="text-sm text-muted [overflow-wrap:anywhere]",
            ),
        ),
        rx.cond(
            SearchState.left_out != "",
            rx.el.p(
                icon("filter"),
                rx.el.span(SearchState.left_out),
                class_name="flex items-center gap-2 text-sm text-muted",
            ),
        ),
        quietly=True,
        key=SearchState.n_searches,
        class_name="mb-4 flex scroll-mt-16 flex-col gap-2.5",
    )


def _trace() -> rx.Component:
    """What was done to find them, as a small timeline."""
    return rx.el.details(
        rx.el.summary("How they were found · ", SearchState.timings, class_name="disclosure-line"),
        rx.el.ol(rx.foreach(SearchState.steps, _step), class_name="trace"),
        open=True,
    )


def _step(step: StepView) -> rx.Component:
    return rx.el.li(
        rx.el.div(
            rx.el.span(step.title, class_name="font-[550]"),
            rx.el.span(step.time, class_name="trace-time"),
            class_name="flex items-baseline justify-between gap-3",
        ),
        rx.cond(
            step.was_done,
            rx.el.span(
                rx.el.span(style={"width": f"{step.share}%"}, class_name="bar-fill"),
                aria_hidden="true",
                class_name="bar",
            ),
        ),
        rx.cond(step.note != "", rx.el.span(step.note, class_name="text-muted")),
        class_name=rx.cond(step.was_done, "trace-step", "trace-step is-skipped"),
    )


def _nothing_found() -> rx.Component:
    return rx.cond(
        SearchState.left_out != "",
        empty_state(
            icon="filter",
            title="Nothing scores high enough",
            text="Lower the least score under “Try other settings”, or in the settings.",
        ),
        rx.cond(
            SearchState.limited_to != "",
            empty_state(
                icon="filter",
                title="Nothing found with these filters",
                text="Take some of the filters away, or try other words.",
                action=button("Clear the filters", variant="secondary", on_click=SearchState.clear_filters),
            ),
            empty_state(
                icon="search",
                title="Nothing found",
                text="No passage of your documents comes near this query. Try other words.",
            ),
        ),
    )


def _before_searching() -> rx.Component:
    return rx.cond(
        SearchState.n_working > 0,
        banner(
            "Some documents are still being read. They can be found as soon as they are ready.",
            tone="accent",
        ),
        rx.el.p(
            "Try a whole question: passages are found even when they use other words.",
            class_name="text-muted",
        ),
    )


def _no_documents() -> rx.Component:
    return empty_state(
        icon="search",
        title="There is nothing to search yet",
        text=rx.cond(
            SearchState.n_working > 0,
            "Your documents are still being read. Come back in a moment.",
            "Add documents to this knowledge base, then search them here by meaning and by words.",
        ),
        action=link_button(
            "Go to the documents", href=f"{routes.KNOWLEDGE_BASE}?kb={CurrentKbState.kb_id}", icon="upload"
        ),
    )


def _no_kb() -> rx.Component:
    return empty_state(
        icon="library",
        title="You have no knowledge base yet",
        text="Make one, add documents, and search them here.",
        action=link_button("My knowledge bases", href=routes.KNOWLEDGE_BASES),
    )


def _waiting() -> rx.Component:
    return rx.el.div(
        skeleton(class_name="h-12 w-full"),
        skeleton(class_name="h-12 w-full"),
        role="status",
        aria_label="Loading the search",
        class_name="flex flex-col gap-3",
    )


def _list_waiting() -> rx.Component:
    return rx.el.div(
        *(skeleton(class_name="h-44 w-full rounded-card") for _ in range(3)),
        role="status",
        aria_label="Searching",
        class_name="flex flex-col gap-4",
    )
