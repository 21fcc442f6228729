"""What is shown while something takes time."""

from typing import Any

import reflex as rx

from rag_app.ui.components.base import Number, Text


def progress_bar(*, percent: Number, label: Text, **attributes: Any) -> rx.Component:
    """Show how far something is, 0 to 100; the label says what, to screen readers."""
    class_name = f"progress {attributes.pop('class_name', '')}".rstrip()
    return rx.el.progress(value=percent, max=100, aria_label=label, class_name=class_name, **attributes)


def spinner(*, label: Text = "") -> rx.Component:
    """Show a turning ring; give a label where no text beside it says what is awaited."""
    if label == "":
        return rx.el.span(aria_hidden="true", class_name="spinner")
    return rx.el.span(role="status", aria_label=label, class_name="spinner")


def skeleton(*, class_name: str = "h-4 w-full") -> rx.Component:
    """Show a grey shape of the given size where something will appear."""
    return rx.el.div(aria_hidden="true", class_name=f"skeleton {class_name}")
