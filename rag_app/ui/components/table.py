"""Tables that turn into a list of cards on phones.

table(
    headers=["Document", "State", ""],
    rows=rx.foreach(State.documents, document_row),
    caption="Documents",
)

def document_row(document: rx.Var[DocumentView]) -> rx.Component:
    return row(
        cell(document.name),                                  # the card's heading on phones
        cell(badge(document.state), label="State"),           # named there by its label
        cell(icon_button("trash", label="Delete")),
    )
"""

from collections.abc import Collection, Sequence
from typing import Any

import reflex as rx

from rag_app.ui.components.base import Child, Text


def table(
    *, headers: Sequence[Text], rows: rx.Component, caption: Text, numbers: Collection[str] = ()
) -> rx.Component:
    """Show rows under headers.

    Args:
        headers: an empty one belongs to a last column of buttons.
        caption: what the table holds; it is read out, not shown.
        numbers: the headers whose cells are numbers.
    """
    header_cells = (_header(text, is_number=isinstance(text, str) and text in numbers) for text in headers)
    return rx.el.div(
        rx.el.table(
            rx.el.caption(caption, class_name="sr-only"),
            rx.el.thead(rx.el.tr(*header_cells, role="row"), role="rowgroup"),
            rx.el.tbody(rows, role="rowgroup"),
            role="table",  # styles that make cards of rows would otherwise take the meaning away
            class_name="table",
        ),
        class_name="card overflow-x-auto",
    )


def row(*cells: rx.Component, **attributes: Any) -> rx.Component:
    """One row."""
    return rx.el.tr(*cells, role="row", **attributes)


def cell(
    *children: Child, label: str = "", is_number: bool = False, is_selectable: bool = False
) -> rx.Component:
    """One cell; `label` repeats the header where there is no header row.

    Args:
        is_selectable: its first child is a box to select the row by.
    """
    if is_selectable:
        children = (rx.el.div(*children, class_name="flex items-start gap-3"),)
    return rx.el.td(
        *children,
        role="cell",
        class_name="num" if is_number else "",
        custom_attrs={"data-label": label} if label else {},
    )


def _header(text: Text, *, is_number: bool) -> rx.Component:
    is_named = isinstance(text, rx.Var) or text != ""
    content = text if is_named else rx.el.span("Actions", class_name="sr-only")
    return rx.el.th(content, scope="col", role="columnheader", class_name="num" if is_number else "")
