"""Try the chat of a knowledge base as its visitors will have it, with links into the documents."""

import reflex as rx

from rag_app.ui import routes
from rag_app.ui.chat.elements import page_title
from rag_app.ui.chat.parts import chat, chat_actions
from rag_app.ui.chat.view import Turn
from rag_app.ui.components import empty_state, icon, link_button
from rag_app.ui.dashboard.faq.maker import make_faq_button, make_faq_dialog
from rag_app.ui.dashboard.frame import frame
from rag_app.ui.dashboard.preview.state import PreviewState
from rag_app.ui.dashboard.sharing.dialog import share_button

TITLE = "Chat · Simple RAG"


def preview_page() -> rx.Component:
    return frame(
        rx.cond(
            PreviewState.missing,
            empty_state(
                icon="search",
                title="There is no such knowledge base",
                text="It may have been deleted, or it belongs to somebody else.",
                action=link_button("My knowledge bases", href=routes.KNOWLEDGE_BASES),
            ),
            rx.el.div(
                page_title(rx.cond(PreviewState.kb_name != "", PreviewState.kb_name + " · Chat", "")),
                _header(),
                chat(PreviewState, empty=_welcome(), more_actions=_more),
                make_faq_dialog(),
                class_name="preview",
            ),
        ),
        active=routes.KNOWLEDGE_BASES,
        wide=True,
    )


def _more(turn: Turn) -> rx.Component:
    return make_faq_button(turn, conversation_id=PreviewState.conversation_id, kb_id=PreviewState.kb_id)


def _header() -> rx.Component:
    return rx.el.header(
        rx.el.a(
            icon("arrow-left"),
            href=routes.KNOWLEDGE_BASES,
            aria_label="Back to my knowledge bases",
            title="Back to my knowledge bases",
            class_name="btn btn-ghost btn-icon",
        ),
        rx.el.div(
            rx.el.h1(PreviewState.kb_name, class_name="truncate text-lg"),
            rx.el.p("Preview: only you see this chat.", class_name="truncate text-sm text-muted"),
            class_name="min-w-0 flex-1",
        ),
        chat_actions(PreviewState),
        rx.cond(PreviewState.kb_id > 0, share_button(kb_id=PreviewState.kb_id, name=PreviewState.kb_name)),
        class_name="flex items-center gap-1 border-b border-line bg-surface px-2 py-2 sm:gap-2 sm:px-6",
    )


def _welcome() -> rx.Component:
    return rx.el.div(
        rx.el.span(icon("chat", class_name="text-2xl"), class_name="welcome-icon"),
        rx.el.h2(PreviewState.kb_name, class_name="text-2xl"),
        rx.cond(
            PreviewState.kb_description != "",
            rx.el.p(PreviewState.kb_description, class_name="max-w-[52ch] whitespace-pre-line text-muted"),
        ),
        rx.cond(
            PreviewState.n_ready > 0,
            rx.el.p(
                "Ask as a visitor would. Press a number in an answer to read the passage behind it.",
                class_name="max-w-[52ch] text-sm text-muted",
            ),
            rx.fragment(
                rx.el.p(
                    rx.cond(
                        PreviewState.n_working > 0,
                        "Your documents are still being read. Answers come as soon as the first is ready.",
                        "There are no documents to answer from yet.",
                    ),
                    class_name="max-w-[46ch] text-muted",
                ),
                link_button(
                    "Go to the documents",
                    href=f"{routes.KNOWLEDGE_BASE}?kb={PreviewState.kb_id}",
                    icon="upload",
                ),
            ),
        ),
        class_name="welcome",
    )
