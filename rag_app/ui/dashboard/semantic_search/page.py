"""Search by meaning and by words, with the reasons for every rank."""

import reflex as rx

from rag_app.ui import routes
from rag_app.ui.components import (
    banner,
    button,
    card,
    empty_state,
    link,
    link_button,
    page_header,
    select,
    skeleton,
    text_input,
)
from rag_app.ui.components.base import Text
from rag_app.ui.dashboard.current_kb import CurrentKbState
from rag_app.ui.dashboard.frame import frame
from rag_app.ui.dashboard.semantic_search.state import LIMITS, SearchState
from rag_app.ui.dashboard.semantic_search.view import FoundPassage

TITLE = "Semantic Search · Simple RAG"


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
                rx.fragment(_form(), _results()),
                rx.cond(CurrentKbState.kb_id > 0, _no_documents(), _no_kb()),
            ),
            skeleton(class_name="h-32 w-full"),
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
        on_submit=SearchState.search,
        class_name="mb-6 flex flex-wrap items-end gap-3",
    )


def _results() -> rx.Component:
    return rx.el.div(
        rx.cond(
            SearchState.searched != "",
            rx.cond(
                SearchState.passages,
                rx.fragment(
                    rx.el.p(
                        SearchState.n_found,
                        " for “",
                        rx.el.strong(SearchState.searched, class_name="font-medium text-ink"),
                        "” · ",
                        SearchState.timings,
                        role="status",
                        class_name="mb-3 text-sm text-muted [overflow-wrap:anywhere]",
                    ),
                    rx.el.ol(rx.foreach(SearchState.passages, _passage), class_name="flex flex-col gap-4"),
                ),
                empty_state(
                    icon="search",
                    title="Nothing found",
                    text="No passage of your documents comes near this query. Try other words.",
                ),
            ),
            rx.cond(
                SearchState.n_working > 0,
                banner(
                    "Some documents are still being read. They can be found as soon as they are ready.",
                    tone="accent",
                ),
                rx.el.p(
                    "Try a whole question: passages are found even when they use other words.",
                    class_name="text-muted",
                ),
            ),
        ),
        aria_busy=SearchState.searching,
        class_name="aria-busy:opacity-60",
    )


def _passage(passage: FoundPassage) -> rx.Component:
    return rx.el.li(
        card(
            rx.el.div(
                rx.el.span(passage.number, class_name="cite", aria_hidden="true"),
                rx.el.div(
                    rx.el.h2(
                        link(passage.document, href=passage.href),
                        class_name="text-base [overflow-wrap:anywhere]",
                    ),
                    rx.cond(passage.place != "", rx.el.p(passage.place, class_name="text-sm text-muted")),
                    class_name="min-w-0",
                ),
                class_name="flex items-baseline gap-2.5",
            ),
            rx.el.div(
                rx.el.div(rx.html(passage.html), class_name="found-text"),
                class_name="found-box",
            ),
            rx.el.dl(
                _score("Meaning", passage.meaning, passage.meaning_bar),
                _score("Words", passage.words, passage.words_bar),
                _score("Together", passage.fused, passage.fused_bar),
                class_name="scores",
            ),
            class_name="flex flex-col gap-3",
        )
    )


def _score(name: str, text: Text, percent: int) -> rx.Component:
    return rx.el.div(
        rx.el.dt(name, class_name="sr-only"),
        rx.el.dd(
            rx.el.span(text),
            rx.el.span(
                rx.el.span(style={"width": f"{percent}%"}, class_name="bar-fill"),
                aria_hidden="true",
                class_name="bar",
            ),
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
