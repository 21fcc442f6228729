"""Make an answer of a conversation an entry of the FAQ: the button at the answer, and the window."""

from typing import Any

import reflex as rx

from rag_app.ui.chat.view import Turn
from rag_app.ui.components import (
    banner,
    button,
    dialog,
    dialog_actions,
    icon_button,
    link_button,
    text_input,
    textarea,
)
from rag_app.ui.components.base import Press, Text
from rag_app.ui.dashboard.faq.maker_state import MakeFaqState


def make_faq_button(
    turn: Turn, *, conversation_id: int | rx.Var[int], kb_id: int | rx.Var[int]
) -> rx.Component:
    """Offer an answer to be made an entry; where that is done, lead to the entry."""
    made_now = MakeFaqState.made[f"{turn.answer_id}"]
    return rx.cond(
        made_now,
        _to_the_entry(made_now),
        rx.cond(
            turn.faq_entry_id > 0,
            _to_the_entry(f"/faq?kb={kb_id}&entry={turn.faq_entry_id}"),
            icon_button(
                "question",
                label="Make this an FAQ",
                on_click=MakeFaqState.begin(conversation_id, turn.answer_id),
            ),
        ),
    )


def _to_the_entry(href: Text) -> rx.Component:
    return link_button(
        "In the FAQ", href=href, icon="check", variant="ghost", size="sm", title="Open this entry of the FAQ"
    )


def make_faq_dialog(*, title: str = "Make this an FAQ", then: Press | None = None) -> rx.Component:
    """Ask for question and answer as they shall stand in the FAQ; `then` happens after saving."""
    has_existing = MakeFaqState.existing_id > 0
    on_submit: Any = MakeFaqState.save if then is None else [MakeFaqState.save, then]
    return dialog(
        rx.el.form(
            rx.cond(has_existing, _existing()),
            text_input(
                name="question",
                label="Question",
                hint="As people ask it, complete in itself.",
                required=True,
                max_length=1000,
                default_value=MakeFaqState.form.question,
                error=MakeFaqState.errors.question,
            ),
            textarea(
                name="answer",
                label="Answer",
                hint="Correct it as you like. It is given word for word to whoever asks the same.",
                required=True,
                rows=9,
                default_value=MakeFaqState.form.answer,
                error=MakeFaqState.errors.answer,
            ),
            dialog_actions(
                button("Cancel", variant="secondary", on_click=MakeFaqState.close),
                button(
                    rx.cond(has_existing, "Change that entry", "Save in the FAQ"),
                    type="submit",
                    loading=MakeFaqState.is_saving,
                ),
            ),
            on_submit=on_submit,
            class_name="flex flex-col gap-4",
        ),
        open=MakeFaqState.is_open,
        title=title,
        on_close=MakeFaqState.close,
        wide=True,
    )


def _existing() -> rx.Component:
    return banner(
        rx.el.p("The FAQ has this question already. Its answer now:", class_name="font-medium"),
        rx.el.p(MakeFaqState.existing_answer, class_name="mt-1 max-h-32 overflow-y-auto whitespace-pre-line"),
        rx.el.p("Save to put your answer in its place, or word the question otherwise.", class_name="mt-1"),
        tone="warn",
    )
