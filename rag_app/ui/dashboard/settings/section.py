"""One subject of the settings."""

import reflex as rx

from rag_app.ui.components import card


def section(title: str, text: str, *children: rx.Component, id: str) -> rx.Component:
    """A card with its heading at the left on wide screens."""
    return card(
        rx.el.div(
            rx.el.h2(title, id=id, class_name="text-lg"),
            rx.el.p(text, class_name="mt-1 text-sm text-muted"),
        ),
        rx.el.div(*children, class_name="min-w-0"),
        role="region",
        aria_labelledby=id,
        class_name="grid gap-x-10 gap-y-5 sm:p-6 md:grid-cols-[15rem_minmax(0,1fr)]",
    )
