"""What a page begins with, ends with, and shows when it has nothing."""

import reflex as rx

from rag_app.ui.components.base import Child, Flag, Press, Text, shown_if
from rag_app.ui.components.button import button
from rag_app.ui.components.icon import icon as icon_


def page_header(*, title: Child, text: Child = "", actions: rx.Component | None = None) -> rx.Component:
    """Show the page's one h1, a sentence about it, and what can be done here."""
    return rx.el.header(
        rx.el.div(
            rx.el.h1(title, class_name="text-2xl"),
            shown_if(text, lambda: rx.el.p(text, class_name="mt-1 text-muted")),
            class_name="min-w-0",
        ),
        actions if actions is not None else rx.fragment(),
        class_name="mb-6 flex flex-wrap items-start justify-between gap-x-6 gap-y-3",
    )


def section_header(*, title: Child, text: Child = "", actions: rx.Component | None = None) -> rx.Component:
    """Show an h2 the same way."""
    return rx.el.div(
        rx.el.div(
            rx.el.h2(title, class_name="text-lg"),
            shown_if(text, lambda: rx.el.p(text, class_name="mt-0.5 text-sm text-muted")),
            class_name="min-w-0",
        ),
        actions if actions is not None else rx.fragment(),
        class_name="mb-3 flex flex-wrap items-center justify-between gap-3",
    )


def empty_state(
    *, icon: Text, title: Text, text: Child = "", action: rx.Component | None = None
) -> rx.Component:
    """Say that there is nothing yet, why that is fine, and what to do first."""
    return rx.el.div(
        rx.el.span(
            icon_(icon, class_name="text-2xl"),
            class_name="grid size-14 place-items-center rounded-full bg-accent-soft text-accent",
        ),
        rx.el.h2(title, class_name="text-lg"),
        shown_if(text, lambda: rx.el.p(text, class_name="max-w-[46ch] text-muted")),
        rx.el.div(action, class_name="mt-2") if action is not None else rx.fragment(),
        class_name="card flex flex-col items-center gap-3 px-6 py-14 text-center",
    )


def load_more(*, has_more: Flag, loading: Flag = False, on_click: Press) -> rx.Component:
    """Offer the next page of a list while there is one."""
    more = rx.el.div(
        button("Show more", variant="secondary", loading=loading, on_click=on_click),
        class_name="flex justify-center pt-4",
    )
    return rx.cond(has_more, more)
