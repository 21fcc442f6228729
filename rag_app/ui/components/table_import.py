"""Questions and answers from a table, with a preview, straight to our own API.

table_import(
    url=f"/api/knowledge-bases/{State.kb_id}/knowledge/import",
    on_imported=State.imported,                   # receives what came of it, in words
    on_cancel=State.close_import,
)
"""

import reflex as rx
from reflex.event import EventType

from rag_app.ui.components.base import SCRIPTS, Press, Text


class TableImport(rx.Component):
    """The steps of an import; `assets/ui/table_import.js`."""

    library = f"{SCRIPTS}/table_import.js"
    tag = "TableImport"

    url: rx.Var[str]

    on_imported: rx.EventHandler[rx.event.passthrough_event_spec(str)]  # ty: ignore[invalid-type-form]
    on_cancel: rx.EventHandler[rx.event.no_args_event_spec]  # ty: ignore[invalid-type-form]


def table_import(*, url: Text, on_imported: EventType[str], on_cancel: Press) -> rx.Component:
    """Choose a file, say which columns are which, see what would come of it, take it in."""
    return TableImport.create(url=url, on_imported=on_imported, on_cancel=on_cancel)
