"""Text to take away."""

import reflex as rx

from rag_app.ui.components.base import SCRIPTS, Text


class CopyButton(rx.Component):
    """Copies and says so; `assets/ui/copy.js`."""

    library = f"{SCRIPTS}/copy.js"
    tag = "CopyButton"

    text: rx.Var[str]
    label: rx.Var[str]
    icon_only: rx.Var[bool]


def copy_button(
    *, text: Text, label: Text = "Copy", icon_only: bool = False, variant: str = "secondary"
) -> rx.Component:
    """Copy a text when pressed; works on plain http as well."""
    shape = " btn-icon" if icon_only else ""
    return CopyButton.create(
        text=text, label=label, icon_only=icon_only, class_name=f"btn btn-{variant}{shape}"
    )


def code_block(code: Text, *, label: Text = "Code") -> rx.Component:
    """Show code as it is, with a button that copies it; the label is for screen readers."""
    return rx.el.div(
        rx.el.pre(rx.el.code(code), tab_index=0, role="region", aria_label=label),
        rx.el.div(
            copy_button(text=code, label="Copy code", icon_only=True, variant="ghost"), class_name="copy"
        ),
        class_name="code",
    )


def copy_field(*, label: str, value: Text, id: str) -> rx.Component:
    """Show an address or key to pass on, with a button that copies it."""
    return rx.el.div(
        rx.el.label(label, html_for=id, class_name="field-label"),
        rx.el.div(
            rx.el.input(id=id, value=value, read_only=True, class_name="control font-mono text-sm"),
            copy_button(text=value),
            class_name="flex gap-2",
        ),
        class_name="field",
    )
