"""Conversations with one's knowledge bases: find them, and see what needs a better document."""

import reflex as rx

from rag_app.ui import routes
from rag_app.ui.components import (
    badge,
    button,
    cell,
    checkbox,
    empty_state,
    link,
    link_button,
    load_more,
    page_header,
    row,
    select,
    skeleton,
    table,
    text_input,
)
from rag_app.ui.dashboard.conversations.state import ConversationsState
from rag_app.ui.dashboard.conversations.view import ConversationView
from rag_app.ui.dashboard.current_kb import CurrentKbState
from rag_app.ui.dashboard.frame import frame

TITLE = "Conversations · Simple RAG"


def conversations_page() -> rx.Component:
    return frame(
        page_header(title="Conversations", text="What people asked, and the answers they got."),
        rx.cond(
            ConversationsState.loaded,
            rx.cond(
                ConversationsState.is_empty,
                _none_yet(),
                rx.fragment(_filters(), rx.cond(ConversationsState.conversations, _list(), _none_found())),
            ),
            rx.el.div(*(skeleton(class_name="h-14 w-full") for _ in range(4)), class_name="grid gap-2"),
        ),
        active=routes.CONVERSATIONS,
    )


def _filters() -> rx.Component:
    return rx.el.div(
        rx.el.form(
            text_input(
                name="query",
                label="Search in conversations",
                type="search",
                hide_label=True,
                placeholder="Words or a name",
                default_value=ConversationsState.query,
                max_length=200,
                key=ConversationsState.query,
            ),
            button("Search", type="submit", variant="secondary", icon="search"),
            on_submit=ConversationsState.search,
            class_name="grid min-w-0 flex-[2_1_22rem] grid-cols-[minmax(0,1fr)_auto] gap-2",
        ),
        rx.el.div(
            rx.el.label("Knowledge base", html_for="filter-kb", class_name="sr-only"),
            rx.el.select(
                rx.el.option("All knowledge bases", value=""),
                rx.foreach(CurrentKbState.options, lambda pair: rx.el.option(pair[1], value=pair[0])),
                id="filter-kb",
                value=ConversationsState.chosen_kb,
                on_change=ConversationsState.filter_kb,
                class_name="control",
            ),
            class_name="flex-[1_1_13rem]",
        ),
        rx.el.div(
            select(
                name="status",
                id="filter-status",
                label="Status",
                hide_label=True,
                options=[("", "Any status"), ("active", "Open"), ("closed", "Closed")],
                value=ConversationsState.status,
                on_change=ConversationsState.filter_status,
            ),
            class_name="flex-[1_1_11rem]",
        ),
        checkbox(
            name="previews",
            label="With my previews",
            checked=ConversationsState.with_previews,
            on_change=ConversationsState.show_previews,
        ),
        class_name="mb-4 flex flex-wrap items-center gap-x-3 gap-y-2",
    )


def _list() -> rx.Component:
    return rx.fragment(
        table(
            headers=["First question", "Who", "Knowledge base", "Messages", "Last message"],
            rows=rx.foreach(ConversationsState.conversations, _row),
            caption="Conversations",
            numbers=["Messages"],
        ),
        load_more(has_more=ConversationsState.has_more, on_click=ConversationsState.show_more),
    )


def _row(conversation: ConversationView) -> rx.Component:
    return row(
        cell(
            rx.el.div(
                link(
                    conversation.title,
                    href=f"{routes.CONVERSATIONS}/{conversation.id}",
                    class_name="line-clamp-2 font-medium [overflow-wrap:anywhere]",
                ),
                rx.el.div(
                    rx.cond(
                        conversation.complaints != "",
                        badge(conversation.complaints, tone="warn", icon="thumb-down"),
                    ),
                    rx.cond(conversation.is_closed, badge("Closed", icon="lock")),
                    rx.cond(conversation.is_preview, badge("Preview")),
                    class_name="flex flex-wrap gap-1.5 empty:hidden",
                ),
                class_name="flex min-w-0 flex-col gap-1",
            ),
        ),
        cell(conversation.who, label="Who"),
        cell(conversation.kb_name, label="Knowledge base"),
        cell(f"{conversation.n_messages}", label="Messages", is_number=True),
        cell(
            rx.el.span(conversation.when, title=conversation.when_exactly, class_name="whitespace-nowrap"),
            label="Last message",
        ),
    )


def _none_found() -> rx.Component:
    return empty_state(
        icon="search",
        title="No conversation fits",
        text="Try other words, or take the filters away.",
        action=button("Show all", variant="secondary", on_click=ConversationsState.show_all),
    )


def _none_yet() -> rx.Component:
    return empty_state(
        icon="chat",
        title="No conversations yet",
        text="Share a knowledge base and send its link to somebody. What they ask appears here, with the "
        "answers they got, so that you see which documents are missing.",
        action=rx.el.div(
            link_button("Share a knowledge base", href=routes.KNOWLEDGE_BASES, icon="share"),
            button(
                "Show my previews",
                variant="ghost",
                on_click=ConversationsState.show_previews(True),
            ),
            class_name="flex flex-wrap justify-center gap-2",
        ),
    )
