"""What surrounds every page: language, head, styles, messages, errors."""

from typing import Any

import reflex as rx
from reflex.vars.function import ArgsFunctionOperation
from reflex_components_core.base.error_boundary import ErrorBoundary

from rag_app.ui import routes
from rag_app.ui.components import connection_lost, link_button
from rag_app.ui.feedback import notices, show_error


def create_app(**options: Any) -> rx.App:
    """Return the app without pages; options go to `rx.App`, such as `api_transformer`."""
    return rx.App(
        html_lang="en",
        stylesheets=["/app.css", "/chat.css"],
        reset_style=False,  # Tailwind brings its own
        head_components=_head(),
        app_wraps={(55, "ErrorBoundary"): _error_boundary, (5, "Overlay"): _overlay},
        toaster=None,  # ours: ui/feedback.py
        backend_exception_handler=show_error,
        **options,
    )


def _head() -> list[rx.Component]:
    return [
        rx.el.link(rel="icon", href="/favicon.svg", type="image/svg+xml"),
        rx.el.link(rel="icon", href="/favicon.ico", sizes="32x32"),
        rx.el.link(rel="apple-touch-icon", href="/apple-touch-icon.png"),
        rx.el.link(rel="manifest", href="/manifest.webmanifest"),
        _theme_colour("#faf9f7", "light"),
        _theme_colour("#0e1112", "dark"),
    ]


def _theme_colour(colour: str, scheme: str) -> rx.Component:
    media = f"(prefers-color-scheme: {scheme})"
    return rx.el.meta(name="theme-color", content=colour, custom_attrs={"media": media})


def _overlay(is_stateful: bool) -> rx.Component | None:
    return rx.fragment(connection_lost(), notices()) if is_stateful else None


def _error_boundary(is_stateful: bool) -> rx.Component:
    """Show a way out when a page breaks; the details go to the server's log."""
    fallback = ArgsFunctionOperation.create(("event_args",), rx.Var.create(_broken_page()))
    if is_stateful:
        return ErrorBoundary.create(fallback_render=fallback)
    return ErrorBoundary.create(fallback_render=fallback, on_error=rx.noop())


def _broken_page() -> rx.Component:
    return rx.el.main(
        rx.el.h1("This page could not be shown", class_name="text-2xl"),
        rx.el.p("That is our fault, not yours. Loading it again may help.", class_name="text-muted"),
        link_button("Go to the start page", href=routes.HOME, leaves_app=True),
        class_name="grid min-h-dvh place-content-center justify-items-center gap-4 p-6 text-center",
    )
