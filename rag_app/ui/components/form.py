"""A real HTML form, for what must leave the page: signing in and out.

`rx.el.form` always stays on the page and talks to a state; a cookie can only be set by an answer to
a request, so those forms are sent by the browser itself.
"""

from typing import Any, Literal

import reflex as rx


class NativeForm(rx.el.Div):
    """`<form>` as the browser knows it."""

    tag = "form"

    action: rx.Var[str]
    method: rx.Var[str]
    enc_type: rx.Var[str]


def native_form(
    *children: rx.Component, action: str, method: Literal["get", "post"] = "post", **attributes: Any
) -> rx.Component:
    """Send the fields to `action` and follow its answer, as every form did before JavaScript."""
    return NativeForm.create(*children, action=action, method=method, **attributes)


def hidden(*, name: str, value: str | rx.Var[str]) -> rx.Component:
    """Carry a value along with a form."""
    return rx.el.input(type="hidden", name=name, value=value, read_only=True)
