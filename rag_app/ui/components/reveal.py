"""What a link into a long page leads to."""

import reflex as rx

from rag_app.ui.components.base import SCRIPTS, Child


class Reveal(rx.Component):
    """Scrolls itself into view when it appears; `assets/ui/reveal.js`."""

    library = f"{SCRIPTS}/reveal.js"
    tag = "Reveal"


def reveal(*children: Child, class_name: str = "") -> rx.Component:
    """Show content that is brought into view, with the focus on it, as soon as it is there."""
    return Reveal.create(*children, class_name=class_name)
