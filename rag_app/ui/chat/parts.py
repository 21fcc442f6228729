"""What a chat looks like, for whichever state is given: the owner's preview or a visitor's chat."""

from collections.abc import Callable

import reflex as rx

from rag_app.services.retrieval import MAX_QUESTION_CHARACTERS
from rag_app.ui.chat.elements import prose, question_field, side_panel, transcript
from rag_app.ui.chat.state import ChatState, CitationState
from rag_app.ui.chat.view import PassageView, PastConversation, SourceView, Turn
from rag_app.ui.components import (
    banner,
    button,
    copy_button,
    icon,
    icon_button,
    link_button,
    menu,
    menu_item,
    menu_label,
    skeleton,
    textarea,
)
from rag_app.ui.components.base import Text


def chat(
    state: type[ChatState],
    *,
    empty: rx.Component,
    note: rx.Component | None = None,
    more_actions: Callable[[Turn], rx.Component] = lambda _: rx.fragment(),
) -> rx.Component:
    """Show the conversation with its composer, and the passage that is open beside it.

    Args:
        empty: shown before the first question.
        note: a line under the composer.
        more_actions: what else can be done with an answer.
    """
    n_turns = (_n_turns(state) + rx.Var.create(state.answering).to(int)).to(int)
    return rx.el.div(
        rx.el.div(
            transcript(
                rx.cond(
                    n_turns > 0,
                    rx.el.div(
                        rx.foreach(state.turns, lambda turn, at: _turn(state, turn, at, more_actions)),
                        rx.cond(state.answering, _growing(state)),
                        class_name="turns",
                    ),
                    rx.cond(state.loaded, empty, _waiting()),
                ),
                turns=n_turns,
                label="Conversation",
            ),
            rx.el.div(state.announcement, role="status", class_name="sr-only"),
            rx.el.div(
                rx.cond(state.closed, _closed(state), _composer(state)),
                note if note is not None else rx.fragment(),
                class_name="composer-box",
            ),
            class_name="chat-column",
        ),
        passage_panel(state),
        class_name="chat",
    )


def chat_actions(state: type[ChatState]) -> rx.Component:
    """Offer a new conversation and the earlier ones."""
    return rx.fragment(
        rx.cond(
            state.past,
            menu(
                icon("history"),
                menu_label("Earlier conversations"),
                rx.foreach(state.past, lambda past: _past(state, past)),
                label="Earlier conversations",
            ),
        ),
        rx.cond(
            state.turns,
            button(
                rx.el.span("New conversation", class_name="max-sm:sr-only"),
                icon="edit",
                variant="secondary",
                on_click=state.new_conversation,
                class_name="max-sm:w-10 max-sm:p-0",
            ),
        ),
    )


def passage_panel(state: type[CitationState]) -> rx.Component:
    """Show the passage behind the citation that was pressed."""
    passage: PassageView = state.passage
    return side_panel(
        rx.el.div(
            rx.el.p(passage.document, class_name="font-semibold [overflow-wrap:anywhere]"),
            rx.cond(
                (passage.place != "") | (passage.heading != ""),
                rx.el.p(
                    passage.place,
                    rx.cond((passage.place != "") & (passage.heading != ""), " · ", ""),
                    passage.heading,
                    class_name="text-sm text-muted",
                ),
            ),
            class_name="flex flex-col gap-0.5",
        ),
        rx.el.div(
            rx.cond(passage.note != "", rx.el.p(passage.note, class_name="remark text-sm")),
            _around(passage.before),
            rx.el.p(passage.head, rx.el.mark(passage.quote), passage.tail),
            _around(passage.after),
            class_name="passage",
        ),
        rx.cond(
            passage.href != "",
            link_button("Open the document", href=passage.href, icon="file", variant="secondary"),
        ),
        rx.cond(
            passage.url != "",
            link_button(
                "Open the web page",
                href=passage.url,
                icon="external",
                variant="secondary",
                target="_blank",
                rel="noopener noreferrer",
            ),
        ),
        open=state.passage_open,
        subject=f"{passage.document} {passage.marker} {passage.head}",
        title=f"Source {passage.marker}",
        on_close=state.close_passage,
    )


def answer(state: type[CitationState], turn: Turn, *actions: rx.Component) -> rx.Component:
    """Show a stored answer with its sources; `actions` stand under it."""
    return rx.el.div(
        rx.cond(
            turn.html != "",
            prose(turn.html, on_cite=lambda marker: state.show_citation(turn.answer_id, marker)),
        ),
        rx.cond(turn.state != "complete", _ended_early(turn)),
        rx.cond(
            turn.sources,
            rx.el.ol(
                rx.foreach(turn.sources, lambda source: _source(state, turn, source)),
                aria_label="Sources",
                class_name="sources",
            ),
        ),
        rx.el.div(*actions, class_name="turn-actions"),
        class_name="answer",
    )


def asked(question: Text) -> rx.Component:
    """Show a question."""
    return rx.el.h2(question, class_name="asked")


def _n_turns(state: type[ChatState]) -> rx.vars.NumberVar[int]:
    return rx.Var.create(state.turns).to(list).length().to(int)


def _turn(
    state: type[ChatState], turn: Turn, at: int, more_actions: Callable[[Turn], rx.Component]
) -> rx.Component:
    can_retry = (at == _n_turns(state) - 1) & (state.phase == "") & (state.closed != True)  # noqa: E712
    return rx.el.article(
        asked(turn.question),
        answer(
            state,
            turn,
            rx.cond(turn.html != "", _judge(state, turn)),
            rx.cond(
                can_retry,
                rx.cond(
                    turn.state == "complete",
                    icon_button("refresh", label="Answer again", on_click=state.retry(turn.question_id)),
                    button(
                        "Try again",
                        icon="refresh",
                        variant="secondary",
                        size="sm",
                        on_click=state.retry(turn.question_id),
                    ),
                ),
            ),
            rx.cond(turn.html != "", more_actions(turn)),
            rx.cond(turn.facts != "", rx.el.span(turn.facts, class_name="turn-facts")),
        ),
        rx.cond((state.reason_for > 0) & (state.reason_for == turn.answer_id), _reason(state)),
        class_name="turn",
    )


def _growing(state: type[ChatState]) -> rx.Component:
    return rx.el.article(
        asked(state.question),
        rx.el.div(
            rx.cond(
                state.searched != "",
                rx.el.p("Searched for: ", rx.el.em(state.searched), class_name="searched"),
            ),
            rx.cond(state.partial_html != "", prose(state.partial_html, is_partial=True)),
            rx.cond(
                (state.partial_html == "") | state.stopping,
                rx.el.p(rx.el.span(class_name="pulse", aria_hidden="true"), state.phase, class_name="phase"),
            ),
            class_name="answer",
        ),
        aria_busy="true",
        class_name="turn",
    )


def _waiting() -> rx.Component:
    return rx.el.div(
        skeleton(class_name="h-7 w-2/3"),
        skeleton(class_name="h-4 w-full"),
        skeleton(class_name="h-4 w-5/6"),
        class_name="m-auto flex w-full max-w-md flex-col gap-3 py-16",
    )


def _composer(state: type[ChatState]) -> rx.Component:
    return rx.el.form(
        question_field(
            label="Your question",
            placeholder="Ask a question",
            busy=state.answering,
            draft=state.draft,
            max_length=MAX_QUESTION_CHARACTERS,
        ),
        rx.cond(
            state.answering,
            icon_button(
                "stop", label="Stop the answer", variant="secondary", on_click=state.stop, key="stop"
            ),
            rx.el.button(
                icon("arrow-up"),
                type="submit",
                aria_label="Send",
                title="Send",
                class_name="btn btn-primary btn-icon",
                key="send",
            ),
        ),
        on_submit=state.ask,
        reset_on_submit=True,
        class_name="composer",
    )


def _closed(state: type[ChatState]) -> rx.Component:
    return banner(
        "This conversation was closed. You can read it, or begin a new one.",
        icon="lock",
        action=button("New conversation", variant="secondary", size="sm", on_click=state.new_conversation),
    )


def _ended_early(turn: Turn) -> rx.Component:
    return rx.el.p(
        icon("warn"),
        rx.cond(turn.state == "interrupted", rx.el.strong("Incomplete answer. "), ""),
        turn.reason,
        class_name="ended-early",
    )


def _source(state: type[CitationState], turn: Turn, source: SourceView) -> rx.Component:
    return rx.el.li(
        rx.el.button(
            rx.el.span(source.marker, class_name="cite", aria_hidden="true"),
            rx.el.span(source.name, class_name="source-name"),
            rx.cond(source.place != "", rx.el.span(source.place, class_name="source-place")),
            type="button",
            on_click=state.show_citation(turn.answer_id, source.marker),
            class_name="source",
        ),
        rx.cond(
            source.url != "",
            rx.el.a(
                icon("external"),
                href=source.url,
                target="_blank",
                rel="noopener noreferrer",
                aria_label=f"Open {source.name} in a new tab",
                title=source.url,
                class_name="source-outside",
            ),
        ),
    )


def _judge(state: type[ChatState], turn: Turn) -> rx.Component:
    return rx.fragment(
        copy_button(text=turn.text, label="Copy answer", icon_only=True, variant="ghost"),
        _thumb(state, turn, "thumb-up", "Good answer", 1),
        _thumb(state, turn, "thumb-down", "Bad answer", -1),
    )


def _thumb(state: type[ChatState], turn: Turn, name: str, label: str, given: int) -> rx.Component:
    return icon_button(
        name,
        label=label,
        on_click=state.rate(turn.answer_id, given),
        aria_pressed=turn.feedback == given,
    )


def _reason(state: type[ChatState]) -> rx.Component:
    return rx.el.form(
        textarea(
            name="reason",
            label="What was wrong with it?",
            hint="Whoever looks after this chat will read it.",
            rows=2,
            max_length=1000,
            auto_focus=True,
        ),
        rx.el.div(
            button("Skip", variant="ghost", size="sm", on_click=state.skip_reason),
            button("Send", type="submit", size="sm"),
            class_name="flex justify-end gap-2",
        ),
        on_submit=state.send_reason,
        class_name="card mt-3 flex flex-col gap-3 p-4",
    )


def _past(state: type[ChatState], past: PastConversation) -> rx.Component:
    return menu_item(
        past.title, checked=past.id == state.conversation_id, on_click=state.open_conversation(past.id)
    )


def _around(text: Text) -> rx.Component:
    return rx.cond(text != "", rx.el.p(text, class_name="around"))
