"""Questions that nobody could answer, for their owner to answer once and for all."""

import reflex as rx

from rag_app.ui import routes
from rag_app.ui.components import (
    badge,
    banner,
    button,
    empty_state,
    link,
    page_header,
    skeleton,
    switch,
)
from rag_app.ui.components.base import either
from rag_app.ui.dashboard.create_kb.modal import create_kb_dialog
from rag_app.ui.dashboard.create_kb.state import CreateKbState
from rag_app.ui.dashboard.current_kb import CurrentKbState
from rag_app.ui.dashboard.faq.maker import make_faq_dialog
from rag_app.ui.dashboard.faq.sections import faq_sections
from rag_app.ui.dashboard.faq.unanswered_state import UnansweredState
from rag_app.ui.dashboard.faq.unanswered_view import ExampleView, GroupView, ReasonView
from rag_app.ui.dashboard.frame import frame
from rag_app.ui.dashboard.source_tabs import source_tabs

TITLE = "Unanswered questions · Simple RAG"


def unanswered_page() -> rx.Component:
    """Groups of questions: answer, or put away."""
    return frame(
        rx.cond(
            UnansweredState.is_loading,
            _waiting(),
            rx.cond(UnansweredState.kb_id == 0, _no_knowledge_base(), _questions()),
        ),
        create_kb_dialog(),
        make_faq_dialog(title="Answer this question", then=UnansweredState.refresh),
        active=routes.KNOWLEDGE_BASE,
    )


def _questions() -> rx.Component:
    return rx.fragment(
        page_header(title=CurrentKbState.name, text=UnansweredState.count_words),
        rx.el.div(
            source_tabs(routes.FAQ),
            faq_sections(routes.UNANSWERED),
            rx.cond(UnansweredState.put_away != "", _put_away()),
            rx.cond(
                either(UnansweredState.n_groups > 0, UnansweredState.dismissed),
                rx.el.p(
                    "Asked within the last 90 days and not answered: the documents did not say, the answer "
                    "named no source, or it got a thumb down. An answer you write here is given to whoever "
                    "asks next.",
                    class_name="max-w-[75ch] text-[0.9375rem] text-muted",
                ),
            ),
            switch(
                name="dismissed",
                label="Show dismissed questions",
                checked=UnansweredState.dismissed,
                on_change=UnansweredState.show_dismissed,
            ),
            rx.cond(
                UnansweredState.groups,
                rx.el.ul(rx.foreach(UnansweredState.groups, _group), class_name="flex flex-col gap-3"),
                rx.cond(UnansweredState.dismissed, _nothing_dismissed(), _all_answered()),
            ),
            class_name="flex flex-col gap-5",
        ),
    )


def _put_away() -> rx.Component:
    return banner(
        rx.el.p("Dismissed: ", UnansweredState.put_away, class_name="break-words"),
        action=button("Undo", variant="secondary", size="sm", on_click=UnansweredState.undo),
    )


def _group(group: GroupView) -> rx.Component:
    return rx.el.li(
        rx.el.div(
            rx.el.h2(group.question, class_name="font-semibold break-words"),
            rx.el.div(
                rx.el.span(group.facts, class_name="text-sm text-muted"),
                rx.foreach(group.reasons, _reason),
                class_name="flex flex-wrap items-center gap-x-2.5 gap-y-1",
            ),
            rx.cond(
                group.examples,
                rx.el.ul(
                    rx.foreach(group.examples, _example),
                    aria_label="Wordings",
                    class_name="mt-1 flex flex-col gap-1 border-l-2 border-line pl-3 text-sm",
                ),
                link("Read the conversation", href=group.href, class_name="self-start text-sm"),
            ),
            class_name="flex min-w-0 flex-1 flex-col gap-1.5",
        ),
        rx.el.div(
            rx.cond(
                UnansweredState.dismissed,
                button(
                    "Bring back",
                    icon="refresh",
                    variant="secondary",
                    size="sm",
                    on_click=UnansweredState.bring_back(group.id),
                ),
                rx.fragment(
                    button(
                        "Answer it",
                        icon="edit",
                        size="sm",
                        aria_label=f"Answer “{group.question}”",
                        on_click=UnansweredState.answer(group.id),
                    ),
                    button(
                        "Dismiss",
                        variant="ghost",
                        size="sm",
                        aria_label=f"Dismiss “{group.question}”",
                        on_click=UnansweredState.dismiss(group.id),
                    ),
                ),
            ),
            class_name="flex flex-none flex-wrap gap-1",
        ),
        key=group.id,
        class_name="card flex flex-col items-start gap-3 p-4 sm:flex-row",
    )


def _reason(reason: ReasonView) -> rx.Component:
    return badge(reason.text, tone=reason.tone)


def _example(example: ExampleView) -> rx.Component:
    return rx.el.li(
        link(example.question, href=example.href, class_name="break-words"),
        rx.el.span(" · ", example.facts, class_name="text-muted"),
    )


def _all_answered() -> rx.Component:
    return empty_state(
        icon="success",
        title="No unanswered questions",
        text="Whenever the chat finds no answer, names no source, or gets a thumb down, the question is kept "
        "here, together with others that ask the same. One answer from you settles them all.",
    )


def _nothing_dismissed() -> rx.Component:
    return empty_state(
        icon="inbox",
        title="Nothing is dismissed",
        text="Questions that need no answer can be dismissed. They stay away, also when they are asked "
        "again.",
        action=button(
            "Show open questions", variant="secondary", on_click=UnansweredState.show_dismissed(False)
        ),
    )


def _no_knowledge_base() -> rx.Component:
    return rx.fragment(
        page_header(title="Unanswered questions"),
        empty_state(
            icon="book",
            title="There is no knowledge base yet",
            text="Create one and share its chat: questions it cannot answer are collected here.",
            action=button("Create a knowledge base", icon="plus", on_click=CreateKbState.open_new),
        ),
    )


def _waiting() -> rx.Component:
    return rx.el.div(
        skeleton(class_name="h-8 w-64"),
        skeleton(class_name="h-24 w-full rounded-card"),
        skeleton(class_name="h-24 w-full rounded-card"),
        role="status",
        aria_label="Loading the questions",
        class_name="flex flex-col gap-5",
    )
