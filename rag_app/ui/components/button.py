"""Things to press, and links that look like them."""

from typing import Any, Literal, TypeAlias

import reflex as rx

from rag_app.ui.components.base import Child, Flag, Press, Text, either
from rag_app.ui.components.icon import icon as icon_
from rag_app.ui.components.progress import spinner

Variant: TypeAlias = Literal["primary", "secondary", "ghost", "danger"]
Size: TypeAlias = Literal["sm", "md", "lg"]


def file_attributes() -> dict[str, Any]:
    """What makes a link a download; new each time, for a component adds to what it is given."""
    return {"reload_document": True, "custom_attrs": {"download": ""}}


def button(
    *children: Child,
    variant: Variant = "primary",
    size: Size = "md",
    icon: Text | None = None,
    loading: Flag = False,
    disabled: Flag = False,
    type: Literal["button", "submit"] = "button",
    full_width: bool = False,
    on_click: Press | None = None,
    **attributes: Any,
) -> rx.Component:
    """Show a button; while loading it turns and cannot be pressed."""
    return rx.el.button(
        _lead(icon, loading),
        *children,
        type=type,
        on_click=on_click,
        disabled=either(disabled, loading),
        aria_busy=loading,
        class_name=_classes(variant, size, full_width, attributes),
        **attributes,
    )


def icon_button(
    icon: Text,
    *,
    label: Text,
    variant: Variant = "ghost",
    size: Size = "md",
    disabled: Flag = False,
    on_click: Press | None = None,
    **attributes: Any,
) -> rx.Component:
    """Show a button that is only an icon; its label is what screen readers and the tooltip say."""
    return rx.el.button(
        icon_(icon),
        type="button",
        on_click=on_click,
        disabled=disabled,
        aria_label=label,
        title=label,
        class_name=f"{_classes(variant, size, False, attributes)} btn-icon",
        **attributes,
    )


def link_button(
    *children: Child,
    href: Text,
    variant: Variant = "primary",
    size: Size = "md",
    icon: Text | None = None,
    full_width: bool = False,
    leaves_app: bool = False,
    is_file: bool = False,
    **attributes: Any,
) -> rx.Component:
    """Show a link as a button; see `link` for `leaves_app`.

    Args:
        is_file: what comes is kept by the browser, and the page stays as it is. Without this a browser
            begins to leave the page, which then loads anew and forgets what was chosen on it.
    """
    if leaves_app:
        attributes["reload_document"] = True
    if is_file:
        attributes |= file_attributes()
    return rx.el.a(
        _lead(icon, False),
        *children,
        href=href,
        class_name=_classes(variant, size, full_width, attributes),
        **attributes,
    )


def link(
    *children: Child, href: Text, new_tab: bool = False, leaves_app: bool = False, **attributes: Any
) -> rx.Component:
    """Show a link in running text.

    Args:
        new_tab: for other sites; opens a new tab that cannot reach back.
        leaves_app: for addresses on this host that are no page of ours, such as /api/docs.
    """
    if new_tab:
        attributes |= {"target": "_blank", "rel": "noopener noreferrer"}
    if leaves_app:
        attributes["reload_document"] = True
    class_name = f"link {attributes.pop('class_name', '')}".rstrip()
    return rx.el.a(*children, href=href, class_name=class_name, **attributes)


def _lead(icon: Text | None, loading: Flag) -> rx.Component:
    resting = icon_(icon) if icon is not None else rx.fragment()
    if loading is False:
        return resting
    return rx.cond(loading, spinner(), resting)


def _classes(variant: str, size: str, full_width: bool, attributes: dict[str, Any]) -> str:
    width = " w-full" if full_width else ""
    return f"btn btn-{variant} btn-{size}{width} {attributes.pop('class_name', '')}".rstrip()
