"""Form fields. Each brings its label, hint and error, tied to the input for screen readers.

rx.el.form(
    text_input(name="email", label="Email", type="email", required=True, error=SignInState.error),
    button("Log in", type="submit"),
    on_submit=SignInState.sign_in,   # receives {"email": "…"}
)
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeAlias

import reflex as rx
from reflex_components_core.el.elements.forms import CheckboxInput, ValueNumberInput

from rag_app.ui.components.base import SCRIPTS, Flag, Number, OnFlag, OnNumber, OnText, Text, shown_if

InputType: TypeAlias = Literal[
    "text", "email", "url", "number", "search", "date", "datetime-local", "tel", "time"
]
Options: TypeAlias = Sequence[tuple[str, str]] | rx.Var[list[tuple[str, str]]] | rx.Var[list[list[str]]]


class PasswordInput(rx.Component):
    """An input whose text can be shown; `assets/ui/password.js`."""

    library = f"{SCRIPTS}/password.js"
    tag = "PasswordInput"

    id: rx.Var[str]
    name: rx.Var[str]
    required: rx.Var[bool]
    min_length: rx.Var[int]
    max_length: rx.Var[int]
    auto_complete: rx.Var[str]
    auto_focus: rx.Var[bool]


def text_input(
    *,
    name: str,
    label: Text,
    type: InputType = "text",
    hint: Text = "",
    error: Text = "",
    required: bool = False,
    hide_label: bool = False,
    id: str | None = None,
    on_change: OnText | None = None,
    **attributes: Any,
) -> rx.Component:
    """Ask for one line of text.

    Args:
        error: what is wrong with it; nothing is shown while it is empty.
        id: needed only when two forms of one page use the same name.
    """
    return field(
        lambda described: rx.el.input(
            type=type, name=name, required=required, on_change=on_change, **described, **attributes
        ),
        id=id or name,
        label=label,
        hint=hint,
        error=error,
        required=required,
        hide_label=hide_label,
    )


def password_input(
    *,
    name: str = "password",
    label: Text = "Password",
    hint: Text = "",
    error: Text = "",
    is_new: bool = False,
    min_length: int | None = None,
    required: bool = True,
    auto_complete: str | None = None,
    id: str | None = None,
) -> rx.Component:
    """Ask for a password, which can be shown; `is_new` lets password managers offer one.

    Other secrets, which no password manager knows, want `auto_complete="off"`.
    """
    autocomplete = auto_complete or ("new-password" if is_new else "current-password")
    return field(
        lambda described: PasswordInput.create(
            name=name, required=required, min_length=min_length, auto_complete=autocomplete, **described
        ),
        id=id or name,
        label=label,
        hint=hint,
        error=error,
        required=required,
    )


def textarea(
    *,
    name: str,
    label: Text,
    hint: Text = "",
    error: Text = "",
    required: bool = False,
    hide_label: bool = False,
    id: str | None = None,
    on_change: OnText | None = None,
    **attributes: Any,
) -> rx.Component:
    """Ask for text of several lines; `rows`, `placeholder`, `default_value`, … pass through."""
    return field(
        lambda described: rx.el.textarea(
            name=name, required=required, on_change=on_change, **described, **attributes
        ),
        id=id or name,
        label=label,
        hint=hint,
        error=error,
        required=required,
        hide_label=hide_label,
    )


def select(
    *,
    name: str,
    label: Text,
    options: Options,
    hint: Text = "",
    error: Text = "",
    required: bool = False,
    hide_label: bool = False,
    id: str | None = None,
    on_change: OnText | None = None,
    **attributes: Any,
) -> rx.Component:
    """Offer a choice among (value, text) pairs, fixed or from a state; `value` or `default_value`."""
    if isinstance(options, rx.Var):
        choices = [rx.foreach(options, lambda pair: rx.el.option(pair[1], value=pair[0]))]
    else:
        choices = [rx.el.option(text, value=value) for value, text in options]
    return field(
        lambda described: rx.el.select(
            *choices, name=name, required=required, on_change=on_change, **described, **attributes
        ),
        id=id or name,
        label=label,
        hint=hint,
        error=error,
        required=required,
        hide_label=hide_label,
    )


def slider(
    *,
    name: str,
    label: Text,
    min: float,
    max: float,
    step: float = 1,
    value: Number | None = None,
    default_value: Number | None = None,
    shown: Text = "",
    ends: tuple[str, str] = ("", ""),
    hint: Text = "",
    error: Text = "",
    disabled: Flag = False,
    id: str | None = None,
    on_change: OnNumber | None = None,
) -> rx.Component:
    """Ask for a number in a range; `on_change` receives a float.

    Args:
        shown: how the present value reads beside the label.
        ends: what the least and the most stand for.
    """
    id = id or name
    return rx.el.div(
        rx.el.div(
            rx.el.label(label, html_for=id, class_name="field-label"),
            rx.el.output(shown, html_for=id, class_name="text-sm text-muted tabular-nums"),
            class_name="flex flex-wrap justify-between gap-x-4",
        ),
        ValueNumberInput.create(
            type="range",
            id=id,
            name=name,
            custom_attrs={"min": min, "max": max, "step": step, "aria-valuetext": shown},
            value=value,
            default_value=default_value,
            on_change=on_change,
            disabled=disabled,
            aria_describedby=f"{id}-hint {id}-error",
            class_name="slider",
        ),
        shown_if(
            ends[0],
            lambda: rx.el.div(
                *(rx.el.span(end) for end in ends), aria_hidden="true", class_name="slider-ends"
            ),
        ),
        rx.el.p(hint, id=f"{id}-hint", class_name="field-hint"),
        rx.el.p(error, id=f"{id}-error", role="alert", class_name="field-error"),
        class_name="field",
    )


def checkbox(
    *,
    name: str,
    label: Text,
    hint: Text = "",
    checked: Flag | None = None,
    default_checked: Flag | None = None,
    disabled: Flag = False,
    id: str | None = None,
    on_change: OnFlag | None = None,
) -> rx.Component:
    """Ask yes or no as part of a form; in its data "on" stands for yes, no key for no."""
    box = CheckboxInput.create(
        type="checkbox",
        id=id or name,
        name=name,
        checked=checked,
        default_checked=default_checked,
        disabled=disabled,
        on_change=on_change,
        aria_describedby=f"{id or name}-hint",
        class_name="checkbox",
    )
    return _choice(box, id=id or name, label=label, hint=hint)


def switch(
    *,
    name: str,
    label: Text,
    hint: Text = "",
    checked: Flag | None = None,
    default_checked: Flag | None = None,
    disabled: Flag = False,
    id: str | None = None,
    on_change: OnFlag | None = None,
) -> rx.Component:
    """Turn something on or off; `on_change` receives a bool."""
    box = CheckboxInput.create(
        type="checkbox",
        role="switch",
        id=id or name,
        name=name,
        checked=checked,
        default_checked=default_checked,
        disabled=disabled,
        on_change=on_change,
        aria_describedby=f"{id or name}-hint",
        class_name="switch",
    )
    return _choice(box, id=id or name, label=label, hint=hint)


def field(
    control: Callable[[dict[str, Any]], rx.Component],
    *,
    id: str,
    label: Text,
    hint: Text = "",
    error: Text = "",
    required: bool = False,
    hide_label: bool = False,
) -> rx.Component:
    """Put a label, a hint and an error around any control.

    Args:
        control: builds it from the attributes that tie it to the texts.
    """
    described = {
        "id": id,
        "class_name": "control",
        "aria_describedby": f"{id}-error" if isinstance(hint, str) and not hint else f"{id}-hint {id}-error",
        "aria_invalid": error != "",
    }
    optional = rx.fragment() if required else rx.el.span(" (optional)", class_name="font-normal text-muted")
    return rx.el.div(
        rx.el.label(
            label,
            rx.fragment() if hide_label else optional,
            html_for=id,
            class_name="sr-only" if hide_label else "field-label",
        ),
        control(described),
        shown_if(hint, lambda: rx.el.p(hint, id=f"{id}-hint", class_name="field-hint")),
        rx.el.p(error, id=f"{id}-error", role="alert", class_name="field-error"),
        class_name="field",
    )


def _choice(box: rx.Component, *, id: str, label: Text, hint: Text) -> rx.Component:
    return rx.el.div(
        box,
        rx.el.div(
            rx.el.label(label, html_for=id),
            rx.el.span(hint, id=f"{id}-hint", class_name="field-hint"),
            class_name="choice-text",
        ),
        class_name="choice",
    )
