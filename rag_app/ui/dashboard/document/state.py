"""One open document: a window of its text, a window of its chunks, and the chunk being edited."""

from dataclasses import replace
from typing import Any

import reflex as rx

from rag_app.bootstrap import services
from rag_app.domain.knowledge_bases import Document, StoredChunk
from rag_app.errors import InvalidInput, NotFound, NotSignedIn
from rag_app.ui.arguments import as_id, as_text, one_of
from rag_app.ui.auth import current_owner
from rag_app.ui.dashboard.current_kb import CurrentKbState
from rag_app.ui.dashboard.document.view import (
    ChunkView,
    Head,
    TextPart,
    as_span,
    chunk_view,
    chunk_views,
    cited_note,
    head,
    text_parts,
)
from rag_app.ui.feedback import notify

PARTS = 20  # pieces of text on show at once
CHUNKS = 50


class DocumentState(rx.State):
    """The document named by the address; `?chunk=7` opens it where cited, `?found=7` where found."""

    head: Head = Head()
    is_loading: bool = True
    is_missing: bool = False
    tab: str = "text"
    wanted_as: str = "Cited"
    cited_note: str = ""  # why the passage that was cited is not marked

    tags: list[str] = []
    known_tags: list[str] = []  # of the other documents, to choose from while typing
    tag_error: str = ""
    n_tags_added: int = 0

    parts: list[TextPart] = []
    has_earlier_text: bool = False
    has_later_text: bool = False

    chunks: list[ChunkView] = []
    has_earlier_chunks: bool = False
    has_later_chunks: bool = False

    editing_id: int = 0
    edit_error: str = ""
    is_saving: bool = False

    _kb_id: int = 0
    _first_part: int = 0
    _first_chunk: int = 0
    _wanted: int = 0
    _quoted: tuple[int, int] = (0, 0)

    @rx.event
    async def load(self) -> None:
        """Read the document's facts and its first window, or the one with the wanted chunk."""
        try:
            owner_id = await current_owner(self)
        except NotSignedIn:  # AccountState leads to the log-in page
            return
        self.reset()
        try:
            document, chunk = await _find(self, owner_id)
        except (NotFound, InvalidInput):
            self.is_missing, self.is_loading = True, False
            return
        self.head, self._kb_id, self.tags = head(document), document.kb_id, list(document.tags)
        facets = await services().documents.facets(document.kb_id, owner_id=owner_id)
        self.known_tags = [tag for tag, _ in facets.tags]
        if chunk is not None:
            wishes = self.router.url.query_parameters
            self.tab, self._wanted = "chunks", chunk.id
            self.wanted_as = "Found" if "found" in wishes else "Cited"
            self._quoted = as_span(wishes.get("quoted", ""))
            self._first_chunk = chunk.position // CHUNKS * CHUNKS
            await _show_chunks(self, owner_id)
        else:
            self.cited_note = cited_note(document, self.router.url.query_parameters)
            await _show_text(self, owner_id)
        self.is_loading = False

    @rx.event
    async def refresh(self) -> None:
        """Show what the document has become, on the tab that is open."""
        owner_id = await current_owner(self)
        if not self.head.id:
            return
        document = await services().documents.get(self._kb_id, self.head.id, owner_id=owner_id)
        self.head = head(document)
        self._first_part = self._first_chunk = self._wanted = 0
        await _show_text(self, owner_id)
        await _show_chunks(self, owner_id)

    @rx.event
    async def open_tab(self, tab: str) -> None:
        """Show the text or the chunks."""
        owner_id = await current_owner(self)
        self.tab, self.editing_id = one_of(tab, ("text", "chunks", "versions")), 0
        if self.tab == "versions":
            return
        if self.tab == "chunks":
            await _show_chunks(self, owner_id)
        else:
            await _show_text(self, owner_id)

    @rx.event
    async def earlier(self) -> None:
        """Go back one window of what is shown."""
        await _move(self, -1)

    @rx.event
    async def later(self) -> None:
        """Go on one window of what is shown."""
        await _move(self, 1)

    @rx.event
    async def add_tags(self, form: dict[str, Any]) -> None:
        """Add the form's tag, or several with commas between them."""
        owner_id = await current_owner(self)
        typed = as_text(form, "tags")
        self.tag_error = ""
        if not typed.strip():
            return
        try:
            await _set_tags(self, owner_id, [*self.tags, *typed.split(",")])
        except InvalidInput as error:
            self.tag_error = str(error)
            return
        self.n_tags_added += 1  # empties the field

    @rx.event
    async def remove_tag(self, tag: str) -> None:
        """Take a tag away."""
        owner_id = await current_owner(self)
        self.tag_error = ""
        await _set_tags(self, owner_id, [each for each in self.tags if each != tag])

    @rx.event
    async def switch_chunk(self, chunk_id: int, enabled: bool) -> Any:
        """Let a chunk be found, or not."""
        owner_id = await current_owner(self)
        changed = await services().documents.switch_chunk(
            self._kb_id, as_id(chunk_id), owner_id=owner_id, enabled=enabled is True
        )
        _replace(self, changed)
        return notify("This chunk is used again." if changed.enabled else "This chunk is no longer used.")

    @rx.event
    async def edit(self, chunk_id: int) -> None:
        """Begin to change a chunk's text."""
        await current_owner(self)
        self.editing_id, self.edit_error = as_id(chunk_id), ""

    @rx.event
    def stop_editing(self) -> None:
        """Leave the text as it was."""
        self.editing_id, self.edit_error = 0, ""

    @rx.event
    async def save(self, form: dict[str, Any]) -> Any:
        """Give the chunk that is edited its new text."""
        if not self.editing_id or self.is_saving:
            return
        owner_id = await current_owner(self)
        self.is_saving, self.edit_error = True, ""
        yield
        try:
            changed = await services().documents.edit_chunk(
                self._kb_id, self.editing_id, owner_id=owner_id, content=as_text(form, "content")
            )
        except InvalidInput as error:
            self.edit_error = str(error)
            return
        finally:
            self.is_saving = False
        self.editing_id = 0
        _replace(self, changed)
        yield notify("Saved. Answers use the new text from now on.")


async def _set_tags(state: DocumentState, owner_id: int, tags: list[str]) -> None:
    """Keep tags. Raises InvalidInput."""
    changed = await services().documents.set_tags(state._kb_id, state.head.id, owner_id=owner_id, tags=tags)
    state.tags = list(changed.tags)


async def _find(state: DocumentState, owner_id: int) -> tuple[Document, StoredChunk | None]:
    """The document and the chunk that the address names.

    Raises:
        NotFound: the document is not in the knowledge base named there, or that is another owner's.
        InvalidInput: the address names none.
    """
    address = state.router.url
    kb_id = as_id((await state.get_state(CurrentKbState)).kb_id)
    wish = address.query_parameters.get("kb", "")
    if wish and as_id(wish) != kb_id:  # the switcher fell back to another, so this is not the caller's
        raise NotFound("document")
    document_id = as_id(address.path.rstrip("/").rpartition("/")[2])
    document = await services().documents.get(kb_id, document_id, owner_id=owner_id)
    wishes = address.query_parameters
    chunk_id = wishes.get("found", "") or wishes.get("chunk", "")
    return document, await _chunk_of(document, chunk_id, owner_id) if chunk_id else None


async def _chunk_of(document: Document, chunk_id: str, owner_id: int) -> StoredChunk | None:
    """The wanted chunk; None when it is gone, because the document was read again."""
    try:
        chunk = await services().documents.chunk(document.kb_id, as_id(chunk_id), owner_id=owner_id)
    except (NotFound, InvalidInput):
        return None
    return chunk if chunk.document_id == document.id else None


async def _move(state: DocumentState, direction: int) -> None:
    owner_id = await current_owner(state)
    state.editing_id = 0
    if state.tab == "chunks":
        state._first_chunk = max(0, state._first_chunk + direction * CHUNKS)
        await _show_chunks(state, owner_id)
    else:
        state._first_part = max(0, state._first_part + direction * PARTS)
        await _show_text(state, owner_id)


async def _show_text(state: DocumentState, owner_id: int) -> None:
    found = await services().documents.text(
        state._kb_id, state.head.id, owner_id=owner_id, skip=state._first_part, limit=PARTS + 1
    )
    state.parts = text_parts(found[:PARTS])
    state.has_earlier_text, state.has_later_text = state._first_part > 0, len(found) > PARTS


async def _show_chunks(state: DocumentState, owner_id: int) -> None:
    found = await services().documents.chunks(
        state._kb_id, state.head.id, owner_id=owner_id, skip=state._first_chunk, limit=CHUNKS + 1
    )
    state.chunks = chunk_views(found[:CHUNKS], wanted=state._wanted, quoted=state._quoted)
    state.has_earlier_chunks, state.has_later_chunks = state._first_chunk > 0, len(found) > CHUNKS


def _replace(state: DocumentState, changed: StoredChunk) -> None:
    fresh = chunk_view(changed)
    state.chunks = [
        replace(fresh, is_wanted=each.is_wanted) if each.id == fresh.id else each for each in state.chunks
    ]
