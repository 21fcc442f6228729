"""The kinds of knowledge a knowledge base is filled from, each with a page of its own."""

from typing import Any

import reflex as rx

from rag_app.ui import routes

SOURCES = (("Documents", routes.KNOWLEDGE_BASE), ("FAQ", routes.FAQ))


def source_tabs(active: str) -> rx.Component:
    """Lead from one kind to another; `active` is the address of the page this stands on."""
    return rx.el.nav(
        *(_tab(label, href, active) for label, href in SOURCES), aria_label="Sources", class_name="tabs"
    )


def _tab(label: str, href: str, active: str) -> rx.Component:
    current: dict[str, Any] = {"aria-current": "page"} if href == active else {}
    return rx.el.a(label, href=href, class_name="tab inline-flex items-center", custom_attrs=current)
