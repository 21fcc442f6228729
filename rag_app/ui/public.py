"""The frame around pages anyone may see, and the page for addresses that lead nowhere."""

import reflex as rx

from rag_app.ui import routes
from rag_app.ui.components import icon, link, link_button, menu
from rag_app.ui.components.base import Child
from rag_app.ui.shell import MAIN, logo, skip_link, theme_items


def public_frame(*children: Child, actions: rx.Component | None = None) -> rx.Component:
    """Put a page between the header and the footer of the public site."""
    return rx.el.div(
        skip_link(),
        rx.el.header(
            rx.el.div(
                logo(),
                rx.el.div(
                    _theme_menu(),
                    actions if actions is not None else rx.fragment(),
                    class_name="flex items-center gap-1 sm:gap-2",
                ),
                class_name="mx-auto flex max-w-6xl items-center justify-between gap-3 px-4 py-2.5 sm:px-6",
            ),
            class_name="border-b border-line bg-surface",
        ),
        rx.el.main(*children, id=MAIN, tab_index=-1, class_name="flex flex-1 flex-col outline-none"),
        _footer(),
        class_name="flex min-h-dvh flex-col",
    )


def not_found_page() -> rx.Component:
    """Say that there is nothing here, and lead home."""
    return public_frame(
        rx.el.div(
            rx.el.p("404", class_name="text-sm font-semibold text-accent"),
            rx.el.h1("There is nothing at this address", class_name="text-3xl"),
            rx.el.p(
                "It may have been mistyped, or what it led to may have been deleted or no longer be shared.",
                class_name="max-w-[46ch] text-muted",
            ),
            link_button("Go to the start page", href=routes.HOME, icon="home", class_name="mt-3"),
            class_name="m-auto flex flex-col items-center gap-3 px-6 py-20 text-center",
        )
    )


def _theme_menu() -> rx.Component:
    return menu(icon("sun", class_name="text-[1.1875rem]"), *theme_items(), label="Appearance")


def _footer() -> rx.Component:
    return rx.el.footer(
        rx.el.div(
            rx.el.p("Simple RAG: self-hosted, open source."),
            rx.el.nav(
                link("API reference", href=routes.API_DOCS, leaves_app=True),
                link("Log in", href=routes.LOGIN),
                aria_label="Footer",
                class_name="flex gap-5",
            ),
            class_name=(
                "mx-auto flex max-w-6xl flex-wrap justify-between gap-3 px-4 py-6 text-sm text-muted sm:px-6"
            ),
        ),
        class_name="border-t border-line",
    )
