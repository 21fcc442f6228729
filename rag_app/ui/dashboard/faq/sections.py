"""What the FAQ consists of: its entries, and the questions that should become some."""

from typing import Any

import reflex as rx

from rag_app.ui import routes

SECTIONS = (("Entries", routes.FAQ), ("Unanswered questions", routes.UNANSWERED))


def faq_sections(active: str) -> rx.Component:
    """Lead from one section to the other; `active` is the address of the page this stands on."""
    return rx.el.nav(
        *(_section(label, href, active) for label, href in SECTIONS),
        aria_label="FAQ",
        class_name="-mt-2 flex flex-wrap gap-1",
    )


def _section(label: str, href: str, active: str) -> rx.Component:
    current: dict[str, Any] = {"aria-current": "page"} if href == active else {}
    variant = "secondary" if href == active else "ghost"
    return rx.el.a(label, href=href, class_name=f"btn btn-sm btn-{variant}", custom_attrs=current)
