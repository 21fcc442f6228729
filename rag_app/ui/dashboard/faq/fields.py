"""The fields of a question with its answer."""

import reflex as rx

from rag_app.services.faq import MAX_QUESTION
from rag_app.ui.components import text_input, textarea
from rag_app.ui.dashboard.faq.view import EntryErrors, EntryForm


def pair_fields(
    form: EntryForm, errors: EntryErrors, *, question_hint: str, answer_hint: str
) -> rx.Component:
    """Ask for both, beginning with what is known, each with what is wrong with it."""
    return rx.fragment(
        text_input(
            name="question",
            id="faq-question",  # a chat's own field is named alike
            label="Question",
            hint=question_hint,
            required=True,
            max_length=MAX_QUESTION,
            default_value=form.question,
            error=errors.question,
        ),
        textarea(
            name="answer",
            id="faq-answer",
            label="Answer",
            hint=answer_hint,
            required=True,
            rows=8,
            default_value=form.answer,
            error=errors.answer,
        ),
    )
