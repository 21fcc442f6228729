"""Choose some rows of a list, and do the same to all of them.

selection_bar(
    button("Delete", …), selected=State.selected,
    all_selected=State.all_selected, on_all=State.select_page, on_clear=State.clear_selection,
)
select_box(label="Select …", id=row.id, selected=State.selected, on_change=State.select(row.id))
"""

from typing import TypeAlias

import reflex as rx

from rag_app.ui.components.base import Flag, OnFlag, Press, Text
from rag_app.ui.components.button import button
from rag_app.ui.components.field import CheckboxInput, checkbox

Ids: TypeAlias = list[int] | rx.Var[list[int]]


def select_box(*, label: Text, id: int | rx.Var[int], selected: Ids, on_change: OnFlag) -> rx.Component:
    """Show a box to choose one row by, ticked when its id is among the selected; its label is read out."""
    checked = rx.Var.create(selected).to(list).contains(id)
    return CheckboxInput.create(
        type="checkbox", checked=checked, on_change=on_change, aria_label=label, class_name="checkbox"
    )


def selection_bar(
    *actions: rx.Component,
    selected: Ids,
    all_selected: Flag,
    on_all: OnFlag,
    on_clear: Press,
) -> rx.Component:
    """Choose all rows of the page; once some are chosen, say how many and what can be done with them."""
    n = rx.Var.create(selected).to(list).length()
    return rx.el.div(
        checkbox(name="select-page", label="Select all on this page", checked=all_selected, on_change=on_all),
        rx.cond(
            n.to(int) > 0,
            rx.el.div(
                rx.el.span(f"{n} selected", role="status", class_name="text-sm font-[550] tabular-nums"),
                *actions,
                button("Clear", variant="ghost", size="sm", on_click=on_clear),
                class_name="flex flex-wrap items-center gap-2",
            ),
        ),
        class_name="flex min-h-10 flex-wrap items-center justify-between gap-x-4 gap-y-2",
    )
