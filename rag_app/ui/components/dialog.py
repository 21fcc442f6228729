"""Windows that ask for something before the page goes on.

    dialog(
        rx.el.form(text_input(…), dialog_actions(button("Save", type="submit")), on_submit=State.save),
        open=State.editing,
        title="Edit",
        on_close=State.stop_editing,      # Escape, the cross, a press beside the window
    )

A closed window's content is gone, so a form in it starts empty each time.
"""

import reflex as rx

from rag_app.ui.components.base import SCRIPTS, Child, Flag, OnText, Press, Text


class Dialog(rx.Component):
    """The window; `assets/ui/dialog.js`."""

    library = f"{SCRIPTS}/dialog.js"
    tag = "Dialog"

    open: rx.Var[bool]
    title: rx.Var[str]
    description: rx.Var[str]
    wide: rx.Var[bool]

    on_close: rx.EventHandler[rx.event.no_args_event_spec]  # ty: ignore[invalid-type-form]


class ConfirmByName(rx.Component):
    """The form that wants a name typed; `assets/ui/dialog.js`."""

    library = f"{SCRIPTS}/dialog.js"
    tag = "ConfirmByName"

    name: rx.Var[str]
    confirm_label: rx.Var[str]
    busy: rx.Var[bool]

    on_confirm: rx.EventHandler[rx.event.passthrough_event_spec(str)]  # ty: ignore[invalid-type-form]
    on_cancel: rx.EventHandler[rx.event.no_args_event_spec]  # ty: ignore[invalid-type-form]


def dialog(
    *children: Child, open: Flag, title: Text, on_close: Press, description: Text = "", wide: bool = False
) -> rx.Component:
    """Show a window over the page while `open` holds; it asks to be closed through `on_close`."""
    return Dialog.create(
        *children, open=open, title=title, description=description, wide=wide, on_close=on_close
    )


def dialog_actions(*buttons: rx.Component) -> rx.Component:
    """Line up the buttons at the foot of a window, the one that goes on last."""
    return rx.el.div(*buttons, class_name="dialog-actions")


def confirm_dialog(
    *,
    open: Flag,
    title: Text,
    text: Text,
    name: Text,
    confirm_label: str = "Delete",
    busy: Flag = False,
    on_confirm: OnText,
    on_close: Press,
) -> rx.Component:
    """Ask for the name of what will be lost; only then can the red button be pressed.

    Args:
        on_confirm: may take the name as it was typed, to be checked again.
    """
    return dialog(
        ConfirmByName.create(
            name=name, confirm_label=confirm_label, busy=busy, on_confirm=on_confirm, on_cancel=on_close
        ),
        open=open,
        title=title,
        description=text,
        on_close=on_close,
    )
