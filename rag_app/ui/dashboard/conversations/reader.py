"""One conversation, to read: with its sources, thumbs and remarks."""

import reflex as rx

from rag_app.ui import routes
from rag_app.ui.chat.elements import page_title
from rag_app.ui.chat.parts import answer, asked, passage_panel
from rag_app.ui.chat.view import Turn
from rag_app.ui.components import (
    badge,
    button,
    dialog,
    dialog_actions,
    empty_state,
    icon,
    link,
    link_button,
    menu,
    menu_item,
    menu_line,
    skeleton,
)
from rag_app.ui.dashboard.conversations.state import ConversationState
from rag_app.ui.dashboard.faq.maker import make_faq_button, make_faq_dialog
from rag_app.ui.dashboard.frame import frame

TITLE = "Conversation · Simple RAG"


def conversation_page() -> rx.Component:
    return frame(
        rx.cond(
            ConversationState.missing,
            empty_state(
                icon="search",
                title="There is no such conversation",
                text="It may have been deleted, or it belongs to somebody else.",
                action=link_button("All conversations", href=routes.CONVERSATIONS),
            ),
            rx.el.div(
                page_title(
                    rx.cond(
                        ConversationState.loaded, ConversationState.conversation.title + " · Simple RAG", ""
                    )
                ),
                _header(),
                rx.cond(ConversationState.loaded, _turns(), skeleton(class_name="h-40 w-full")),
                passage_panel(ConversationState),
                _delete(),
                make_faq_dialog(),
                class_name="reader",
            ),
        ),
        active=routes.CONVERSATIONS,
    )


def _header() -> rx.Component:
    conversation = ConversationState.conversation
    return rx.el.header(
        link(
            icon("arrow-left", class_name="mr-1 inline"),
            "All conversations",
            href=routes.CONVERSATIONS,
            class_name="w-fit text-sm",
        ),
        rx.el.div(
            rx.el.h1(conversation.title, class_name="min-w-0 flex-1 text-xl [overflow-wrap:anywhere]"),
            _actions(),
            class_name="flex items-start justify-between gap-4",
        ),
        rx.el.div(
            rx.el.span(
                conversation.who,
                rx.cond(
                    (conversation.email != "") & (conversation.email != conversation.who),
                    " (" + conversation.email + ")",
                    "",
                ),
            ),
            rx.el.span(conversation.kb_name),
            rx.el.span(conversation.when, title=conversation.when_exactly),
            rx.cond(conversation.is_closed, badge("Closed", icon="lock")),
            rx.cond(
                conversation.complaints != "", badge(conversation.complaints, tone="warn", icon="thumb-down")
            ),
            class_name="flex flex-wrap items-center gap-x-4 gap-y-1 text-sm text-muted",
        ),
        rx.cond(
            ConversationState.cost != "",
            rx.el.p(
                icon("coins", class_name="mr-1.5 inline"),
                ConversationState.cost,
                class_name="text-sm text-muted tabular-nums",
            ),
        ),
        class_name="mb-6 flex flex-col gap-2 border-b border-line pb-5",
    )


def _actions() -> rx.Component:
    export = f"/api/chat/conversations/{ConversationState.conversation_id}/export?kind="
    return rx.el.div(
        rx.cond(
            ConversationState.conversation.is_closed,
            button("Reopen", icon="play", variant="secondary", on_click=ConversationState.reopen),
            button("Close", icon="lock", variant="secondary", on_click=ConversationState.close),
        ),
        menu(
            icon("more"),
            rx.el.a(
                icon("download"),
                "Export as Markdown",
                href=f"{export}markdown",
                reload_document=True,
                role="menuitem",
                tab_index=-1,
                class_name="menu-item",
            ),
            rx.el.a(
                icon("download"),
                "Export as JSON",
                href=f"{export}json",
                reload_document=True,
                role="menuitem",
                tab_index=-1,
                class_name="menu-item",
            ),
            menu_line(),
            menu_item("Delete", icon="trash", is_danger=True, on_click=ConversationState.ask_to_delete),
            label="More about this conversation",
        ),
        class_name="flex flex-none gap-2",
    )


def _turns() -> rx.Component:
    return rx.el.div(rx.foreach(ConversationState.turns, _turn), class_name="turns")


def _turn(turn: Turn) -> rx.Component:
    remark = ConversationState.remarks[f"{turn.answer_id}"]
    cost = ConversationState.costs[f"{turn.answer_id}"]
    return rx.el.article(
        asked(turn.question),
        answer(
            ConversationState,
            turn,
            rx.cond(
                turn.text != "",
                make_faq_button(
                    turn, conversation_id=ConversationState.conversation_id, kb_id=ConversationState.kb_id
                ),
            ),
            rx.cond(turn.feedback == 1, badge("Good answer", tone="success", icon="thumb-up")),
            rx.cond(turn.feedback == -1, badge("Bad answer", tone="warn", icon="thumb-down")),
            rx.cond(turn.facts != "", rx.el.span(turn.facts, class_name="turn-facts")),
        ),
        rx.cond(cost, rx.el.p(cost, class_name="turn-cost")),
        rx.cond(remark, rx.el.blockquote(remark, class_name="remark")),
        class_name="turn",
    )


def _delete() -> rx.Component:
    return dialog(
        dialog_actions(
            button("Keep it", variant="secondary", on_click=ConversationState.keep),
            button("Delete", variant="danger", on_click=ConversationState.delete),
        ),
        open=ConversationState.deleting,
        title="Delete this conversation?",
        description="All its questions and answers are lost, for its visitor as well. Export it first if "
        "you may need it.",
        on_close=ConversationState.keep,
    )
