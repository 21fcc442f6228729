"""Tabs within a page.

tabs(
    value=State.tab,
    on_change=State.open_tab,                       # receives the value
    items=[("files", "Files", files_panel()), ("faq", "Questions", faq_panel())],
    label="Knowledge",
)
"""

from collections.abc import Callable, Sequence

import reflex as rx

from rag_app.ui.components.base import SCRIPTS, Press, Text


class TabList(rx.Component):
    """Moves between tabs with the arrow keys; `assets/ui/tabs.js`."""

    library = f"{SCRIPTS}/tabs.js"
    tag = "TabList"

    label: rx.Var[str]


def tabs(
    *,
    value: Text,
    on_change: Callable[[str], Press],
    items: Sequence[tuple[str, Text, rx.Component]],
    label: str,
) -> rx.Component:
    """Show one of several panels, each given as (value, text, panel)."""
    return rx.el.div(
        TabList.create(*(_tab(key, text, value, on_change) for key, text, _ in items), label=label),
        *(_panel(key, panel, value) for key, _, panel in items),
        class_name="flex flex-col gap-5",
    )


def _tab(key: str, text: Text, value: Text, on_change: Callable[[str], Press]) -> rx.Component:
    return rx.el.button(
        text,
        type="button",
        role="tab",
        id=f"tab-{key}",
        aria_controls=f"panel-{key}",
        aria_selected=value == key,
        tab_index=rx.cond(value == key, 0, -1),
        on_click=on_change(key),
        class_name="tab",
    )


def _panel(key: str, panel: rx.Component, value: Text) -> rx.Component:
    return rx.cond(
        value == key,
        rx.el.div(panel, role="tabpanel", id=f"panel-{key}", aria_labelledby=f"tab-{key}"),
    )
