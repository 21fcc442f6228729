"""The parts of a chat that need their own JavaScript: `assets/ui/chat.js`."""

from collections.abc import Callable
from typing import Any, TypeAlias

import reflex as rx
from reflex.event import EventType

from rag_app.ui.components.base import SCRIPTS, Child, Flag, Number, Press, Text

OnCite: TypeAlias = EventType[int] | Callable[[Any], Any]

CHAT_SCRIPT = f"{SCRIPTS}/chat.js"


class Prose(rx.Component):
    """Sanitised HTML of an answer."""

    library = CHAT_SCRIPT
    tag = "Prose"

    html: rx.Var[str]

    on_cite: rx.EventHandler[rx.event.passthrough_event_spec(int)]  # ty: ignore[invalid-type-form]


class Question(rx.Component):
    """The field for the next question; lives in a form."""

    library = CHAT_SCRIPT
    tag = "Question"

    name: rx.Var[str]
    label: rx.Var[str]
    placeholder: rx.Var[str]
    max_length: rx.Var[int]
    busy: rx.Var[bool]
    draft: rx.Var[str]


class Transcript(rx.Component):
    """The turns, scrolling along with an answer."""

    library = CHAT_SCRIPT
    tag = "Transcript"

    turns: rx.Var[int]
    label: rx.Var[str]


class SidePanel(rx.Component):
    """A panel beside the page, a sheet on phones."""

    library = CHAT_SCRIPT
    tag = "SidePanel"

    open: rx.Var[bool]
    subject: rx.Var[str]
    title: rx.Var[str]

    on_close: rx.EventHandler[rx.event.no_args_event_spec]  # ty: ignore[invalid-type-form]


class PageTitle(rx.Component):
    """The title of the browser's tab."""

    library = CHAT_SCRIPT
    tag = "PageTitle"

    text: rx.Var[str]


def prose(html: Text, *, on_cite: OnCite | None = None, is_partial: bool = False) -> rx.Component:
    """Show an answer; `on_cite` receives the number of a citation that is pressed."""
    class_name = "answer-text is-partial" if is_partial else "answer-text"
    return Prose.create(html=html, on_cite=on_cite, class_name=class_name)


def question_field(
    *, label: Text, placeholder: Text, busy: Flag, draft: Text, max_length: int
) -> rx.Component:
    """Ask for a question; `draft` fills it again when it could not be sent."""
    return Question.create(
        id="question",
        name="question",
        label=label,
        placeholder=placeholder,
        max_length=max_length,
        busy=busy,
        draft=draft,
    )


def transcript(*children: Child, turns: Number, label: Text) -> rx.Component:
    """Show turns; a change of their number leads to the end."""
    return Transcript.create(*children, turns=turns, label=label)


def side_panel(*children: Child, open: Flag, subject: Text, title: Text, on_close: Press) -> rx.Component:
    """Show a panel while `open` holds; it takes the focus whenever `subject` changes."""
    return SidePanel.create(*children, open=open, subject=subject, title=title, on_close=on_close)


def page_title(text: Text) -> rx.Component:
    """Name the browser's tab."""
    return PageTitle.create(text=text)
