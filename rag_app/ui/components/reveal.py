"""What a link into a long page leads to."""

import reflex as rx

from rag_app.ui.components.base import SCRIPTS, Child, Text


class Reveal(rx.Component):
    """Scrolls itself into view when it appears; `assets/ui/reveal.js`."""

    library = f"{SCRIPTS}/reveal.js"
    tag = "Reveal"

    quietly: rx.Var[bool]


def reveal(
    *children: Child, quietly: bool = False, key: Text | int | None = None, class_name: str = ""
) -> rx.Component:
    """Show content that is brought into view, with the focus on it, as soon as it is there.

    Args:
        quietly: the focus stays, and the page moves only where the content would hardly be seen.
        key: with another one it counts as new.
    """
    return Reveal.create(*children, quietly=quietly, key=key, class_name=class_name)
