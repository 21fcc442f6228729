"""The public chat: name, conversation, sources, and nothing that takes long to load."""

import reflex as rx

from rag_app.ui import routes
from rag_app.ui.chat.elements import page_title
from rag_app.ui.chat.parts import chat, chat_actions
from rag_app.ui.components import (
    button,
    dialog,
    dialog_actions,
    icon,
    icon_button,
    link,
    link_button,
    menu,
    text_input,
)
from rag_app.ui.shared_chat.state import VisitState
from rag_app.ui.shell import MAIN, skip_link, theme_items

TITLE = "Chat · Simple RAG"
DESCRIPTION = "Ask questions and get answers with sources you can check."


def shared_chat_page() -> rx.Component:
    return rx.el.div(
        skip_link(),
        page_title(rx.cond(VisitState.kb_name != "", VisitState.kb_name + " · Chat", "")),
        _header(),
        rx.el.main(
            rx.cond(VisitState.gone, _gone(), chat(VisitState, empty=_welcome(), note=_note())),
            id=MAIN,
            tab_index=-1,
            class_name="flex min-h-0 flex-1 flex-col outline-none",
        ),
        _introduction(),
        class_name="flex h-dvh flex-col",
    )


def _header() -> rx.Component:
    return rx.el.header(
        rx.el.h1(
            rx.cond(VisitState.gone, "Simple RAG", rx.cond(VisitState.loaded, VisitState.kb_name, "Chat")),
            class_name="min-w-0 flex-1 truncate text-lg",
        ),
        rx.cond(
            VisitState.gone,
            rx.fragment(),
            rx.fragment(
                icon_button(
                    "user", label="Leave your name and email", variant="ghost", on_click=VisitState.ask_name
                ),
                chat_actions(VisitState),
            ),
        ),
        menu(icon("sun", class_name="text-[1.1875rem]"), *theme_items(), label="Appearance"),
        class_name="flex items-center gap-1 border-b border-line bg-surface px-4 py-2 sm:gap-2 sm:px-6",
    )


def _welcome() -> rx.Component:
    return rx.el.div(
        rx.el.span(icon("chat", class_name="text-2xl"), class_name="welcome-icon"),
        rx.el.h2(VisitState.kb_name, class_name="text-2xl"),
        rx.cond(
            VisitState.kb_description != "",
            rx.el.p(VisitState.kb_description, class_name="max-w-[52ch] whitespace-pre-line text-muted"),
        ),
        rx.el.p(
            "Ask a question in your own words. Answers name their sources; press a number to read the "
            "passage behind it.",
            class_name="max-w-[52ch] text-sm text-muted",
        ),
        class_name="welcome",
    )


def _note() -> rx.Component:
    return rx.el.p(
        "Answers are made from documents and can be wrong. Powered by ",
        link("Simple RAG", href=routes.HOME),
        class_name="composer-note",
    )


def _gone() -> rx.Component:
    return rx.el.div(
        rx.el.span(icon("link", class_name="text-2xl"), class_name="welcome-icon"),
        rx.el.h2("This chat is not available any more", class_name="text-2xl"),
        rx.el.p(
            "Its owner has ended this link or replaced it by a new one. Ask whoever gave it to you.",
            class_name="max-w-[46ch] text-muted",
        ),
        link_button("About Simple RAG", href=routes.HOME, variant="secondary", class_name="mt-2"),
        class_name="welcome",
    )


def _introduction() -> rx.Component:
    return dialog(
        rx.el.form(
            text_input(
                name="name",
                label="Name",
                auto_complete="name",
                max_length=120,
                default_value=VisitState.visitor_name,
            ),
            text_input(
                name="email",
                label="Email",
                type="email",
                auto_complete="email",
                max_length=254,
                default_value=VisitState.visitor_email,
                error=VisitState.introduction_error,
            ),
            dialog_actions(
                button("Cancel", variant="secondary", on_click=VisitState.stay_unknown),
                button("Save", type="submit"),
            ),
            on_submit=VisitState.introduce,
            class_name="flex flex-col gap-4",
        ),
        open=VisitState.introducing,
        title="Leave your name and email",
        description="Only if you like: the owner of this chat sees them beside your conversations.",
        on_close=VisitState.stay_unknown,
    )
