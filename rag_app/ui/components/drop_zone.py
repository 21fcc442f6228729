"""Uploads straight to our own API, which counts and checks while the bytes arrive.

drop_zone(
    url=f"/api/knowledge-bases/{State.kb_id}/knowledge/upload",
    title="Drop files here or choose them",
    hint="PDF, Word, text and web pages, up to 100 MB each",
    on_uploaded=State.file_uploaded,              # receives the file's name and whether it was there already
)
"""

import reflex as rx
from reflex.event import EventType

from rag_app.ui.components.base import SCRIPTS, Flag, Text


class DropZone(rx.Component):
    """The area and the list of uploads under it; `assets/ui/drop.js`."""

    library = f"{SCRIPTS}/drop.js"
    tag = "DropZone"

    url: rx.Var[str]
    field: rx.Var[str]
    accept: rx.Var[str]
    title: rx.Var[str]
    hint: rx.Var[str]
    disabled: rx.Var[bool]
    names_url: rx.Var[str]
    single: rx.Var[bool]
    folders: rx.Var[bool]

    on_uploaded: rx.EventHandler[rx.event.passthrough_event_spec(str, bool)]  # ty: ignore[invalid-type-form]
    on_failed: rx.EventHandler[rx.event.passthrough_event_spec(str, str)]  # ty: ignore[invalid-type-form]


def drop_zone(
    *,
    url: Text,
    title: Text = "Drop files here or choose them",
    hint: Text = "",
    accept: str = "",
    field: str = "files",
    disabled: Flag = False,
    names_url: Text = "",
    single: bool = False,
    folders: bool = False,
    on_uploaded: EventType[str] | EventType[str, bool] | None = None,
    on_failed: EventType[str, str] | None = None,
) -> rx.Component:
    """Take files and send each in a request of its own, three at a time.

    Args:
        url: answers a multipart POST; a refusal's `detail` is shown under the file.
        accept: what the file chooser offers, such as ".pdf,.docx".
        names_url: says which names are there already; those are asked about before they are sent.
        single: only one file at a time.
        folders: offers to choose a whole folder; one that is dropped is read in any case.
        on_uploaded: called with the name of each stored file, and whether the same bytes were there already.
        on_failed: called with the name and the reason.
    """
    return DropZone.create(
        url=url,
        title=title,
        hint=hint,
        accept=accept,
        field=field,
        disabled=disabled,
        names_url=names_url,
        single=single,
        folders=folders,
        on_uploaded=on_uploaded,
        on_failed=on_failed,
    )
