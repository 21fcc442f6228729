"""Select documents, and do the same to all of them."""

import reflex as rx

from rag_app.ui.components import button, dialog, dialog_actions, icon, menu, menu_item, select, text_input
from rag_app.ui.components.selection import select_box, selection_bar
from rag_app.ui.dashboard.knowledge_base.selection_state import SelectionState
from rag_app.ui.dashboard.knowledge_base.view import DocumentRow

CHANGES = [("add", "Add these tags"), ("remove", "Take these tags away")]


def document_box(document: DocumentRow) -> rx.Component:
    """Select a document."""
    return select_box(
        label=f"Select {document.name}",
        id=document.id,
        selected=SelectionState.selected,
        on_change=SelectionState.select(document.id),
    )


def document_selection() -> rx.Component:
    """What can be done with the selected documents, with its windows."""
    return rx.fragment(
        selection_bar(
            button("Tags", variant="secondary", size="sm", on_click=SelectionState.open_tags),
            button(
                "Read again",
                icon="refresh",
                variant="secondary",
                size="sm",
                on_click=SelectionState.read_again,
            ),
            button(
                "Delete", icon="trash", variant="secondary", size="sm", on_click=SelectionState.ask_to_delete
            ),
            menu(
                icon("more"),
                menu_item("Retry those that failed", icon="refresh", on_click=SelectionState.retry),
                label="More to do with the selected documents",
            ),
            selected=SelectionState.selected,
            all_selected=SelectionState.all_selected,
            on_all=SelectionState.select_page,
            on_clear=SelectionState.clear,
        ),
        _delete_dialog(),
        _tags_dialog(),
    )


def _delete_dialog() -> rx.Component:
    return dialog(
        rx.el.ul(
            rx.foreach(SelectionState.names, lambda name: rx.el.li(name, class_name="break-words")),
            rx.cond(SelectionState.more_names != "", rx.el.li(SelectionState.more_names)),
            class_name="mb-3 list-disc pl-5",
        ),
        rx.el.p("Their text is no longer found and no longer used in answers. The files are deleted too."),
        dialog_actions(
            button("Keep them", variant="secondary", on_click=SelectionState.close),
            button("Delete documents", variant="danger", icon="trash", on_click=SelectionState.delete),
        ),
        open=SelectionState.is_deleting,
        title=f"Delete the selected documents ({SelectionState.n_selected})?",
        on_close=SelectionState.close,
    )


def _tags_dialog() -> rx.Component:
    return dialog(
        rx.el.form(
            text_input(
                name="tags",
                id="bulk-tags",
                label="Tags",
                hint="Separated by commas.",
                required=True,
                max_length=400,
                auto_complete="off",
                error=SelectionState.tag_error,
            ),
            select(name="change", id="bulk-tags-change", label="What to do", options=CHANGES),
            dialog_actions(
                button("Cancel", variant="secondary", on_click=SelectionState.close),
                button("Save", type="submit"),
            ),
            on_submit=SelectionState.save_tags,
            class_name="flex flex-col gap-4",
        ),
        open=SelectionState.is_tagging,
        title=f"Tags of the selected documents ({SelectionState.n_selected})",
        on_close=SelectionState.close,
    )
