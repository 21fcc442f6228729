"""Menus behind a button.

menu(
    icon("more"),
    menu_item("Rename", icon="edit", on_click=State.rename(kb.id)),
    menu_line(),
    menu_item("Delete", icon="trash", is_danger=True, on_click=State.ask_to_delete(kb.id)),
    label="More about this knowledge base",
)
"""

from typing import Any, Literal

import reflex as rx

from rag_app.ui.components.base import SCRIPTS, Child, Flag, Press, Text
from rag_app.ui.components.button import file_attributes
from rag_app.ui.components.icon import icon as icon_


class Menu(rx.Component):
    """The button and its menu; `assets/ui/menu.js`. The first child is what the button shows."""

    library = f"{SCRIPTS}/menu.js"
    tag = "Menu"

    label: rx.Var[str]
    trigger_class: rx.Var[str]
    align: rx.Var[str]


def menu(
    trigger: Child,
    *items: rx.Component,
    label: Text,
    trigger_class: str = "btn btn-ghost btn-icon",
    align: Literal["start", "end"] = "end",
) -> rx.Component:
    """Show a button that opens a menu; without visible words in the trigger, `label` names it."""
    return Menu.create(
        rx.el.span(trigger, class_name="contents"),
        *items,
        label=label,
        trigger_class=trigger_class,
        align=align,
    )


def menu_item(
    *children: Child,
    icon: Text | None = None,
    href: Text | None = None,
    is_danger: bool = False,
    checked: Flag | None = None,
    disabled: Flag = False,
    type: Literal["button", "submit"] = "button",
    leaves_app: bool = False,
    is_file: bool = False,
    on_click: Press | None = None,
) -> rx.Component:
    """One line of a menu: something to do, somewhere to go (`href`), or a choice (`checked`).

    Args:
        leaves_app: for addresses that are no page of ours, as with `link`.
        is_file: for what is to be downloaded, as with `link_button`.
    """
    lead = icon_(icon) if icon is not None else rx.fragment()
    attributes: dict[str, Any] = {
        "role": "menuitem" if checked is None else "menuitemradio",
        "tab_index": -1,
        "class_name": "menu-item is-danger" if is_danger else "menu-item",
    }
    if checked is not None:
        attributes["aria_checked"] = checked
    if leaves_app:
        attributes["reload_document"] = True
    if is_file:
        attributes |= file_attributes()
    if href is not None:
        return rx.el.a(lead, *children, href=href, **attributes)
    return rx.el.button(lead, *children, type=type, disabled=disabled, on_click=on_click, **attributes)


def menu_label(*children: Child) -> rx.Component:
    """Name the lines below it."""
    return rx.el.div(*children, class_name="menu-label")


def menu_line() -> rx.Component:
    """Separate lines."""
    return rx.el.div(role="separator", class_name="menu-line")
