"""Go through a list page by page, newest first."""

import reflex as rx

from rag_app.ui.components.base import Flag, Press, either, negated
from rag_app.ui.components.button import button


def pager(*, what: str, has_newer: Flag, has_older: Flag, on_newer: Press, on_older: Press) -> rx.Component:
    """Offer the pages before and after this one; nothing where this is the only one.

    Args:
        what: is on the pages, such as "documents"; read out.
    """
    return rx.cond(
        either(has_older, has_newer),
        rx.el.nav(
            button(
                "Newer",
                icon="chevron-left",
                variant="secondary",
                disabled=negated(has_newer),
                on_click=on_newer,
            ),
            button(
                "Older",
                icon="chevron-right",
                variant="secondary",
                disabled=negated(has_older),
                on_click=on_older,
                class_name="flex-row-reverse",
            ),
            aria_label=f"Pages of {what}",
            class_name="flex justify-center gap-3 pt-2",
        ),
    )
