"""Cards, and the small pieces of information that lie on them."""

from typing import Any, Literal, TypeAlias

import reflex as rx

from rag_app.ui.components.base import Child, Text, shown_if
from rag_app.ui.components.icon import icon as icon_

Tone: TypeAlias = Literal["neutral", "accent", "success", "warn", "danger"]

_BANNER_ICONS: dict[Tone, str] = {
    "neutral": "info",
    "accent": "info",
    "success": "success",
    "warn": "warn",
    "danger": "error",
}


def card(*children: Child, padded: bool = True, href: Text | None = None, **attributes: Any) -> rx.Component:
    """Show a surface; with `href` the whole card is one link."""
    padding = " p-5" if padded else ""
    class_name = f"card{padding} {attributes.pop('class_name', '')}".rstrip()
    if href is not None:
        return rx.el.a(*children, href=href, class_name=f"block card-link {class_name}", **attributes)
    return rx.el.div(*children, class_name=class_name, **attributes)


def badge(*children: Child, tone: Tone | Text = "neutral", icon: Text | None = None) -> rx.Component:
    """Show a short state or count; the words must say it, the tone only repeats it."""
    lead = icon_(icon) if icon is not None else rx.fragment()
    return rx.el.span(lead, *children, class_name=f"badge tone-{tone}")


def banner(
    *children: Child,
    tone: Tone = "neutral",
    action: rx.Component | None = None,
    icon: Text | None = None,
    **attributes: Any,
) -> rx.Component:
    """Say something about the whole page, with at most one thing to do about it."""
    return rx.el.div(
        icon_(icon or _BANNER_ICONS[tone]),
        rx.el.div(*children, class_name="banner-text"),
        action if action is not None else rx.fragment(),
        role="alert" if tone == "danger" else "status",
        class_name=f"banner tone-{tone} {attributes.pop('class_name', '')}".rstrip(),
        **attributes,
    )


def stat(*, label: Text, value: Child, hint: Text = "") -> rx.Component:
    """Show one number with its name."""
    return rx.el.dl(
        rx.el.dt(label, class_name="text-sm text-muted"),
        rx.el.dd(value, class_name="text-2xl font-semibold tracking-tight tabular-nums"),
        shown_if(hint, lambda: rx.el.dd(hint, class_name="text-[0.8125rem] text-muted")),
        class_name="card flex flex-col gap-0.5 p-4",
    )


def avatar(*, name: Text) -> rx.Component:
    """Show the first two letters of a name in a circle; the name itself stands beside it."""
    return rx.el.span(rx.Var.create(name).to(str)[:2], aria_hidden="true", class_name="avatar")


def kbd(*keys: str) -> rx.Component:
    """Show keys to press together."""
    return rx.el.span(*(rx.el.kbd(key, class_name="kbd") for key in keys), class_name="inline-flex gap-1")


def tooltip(target: rx.Component, *, text: Text, id: str, below: bool = False) -> rx.Component:
    """Explain a button or link while it is pointed at or focused.

    The target must name the explanation: `icon_button(…, aria_describedby=id)`.
    """
    return rx.el.span(
        target,
        rx.el.span(text, role="tooltip", id=id, class_name="tip-text"),
        class_name="tip tip-below" if below else "tip",
    )
