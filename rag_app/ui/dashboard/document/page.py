"""One document: what was read, and the chunks it was cut into."""

import reflex as rx

from rag_app.ui import routes
from rag_app.ui.components import (
    badge,
    banner,
    button,
    dialog_actions,
    empty_state,
    icon,
    link,
    link_button,
    page_header,
    reveal,
    skeleton,
    switch,
    tabs,
    text_input,
    textarea,
)
from rag_app.ui.components.base import Flag, either, negated
from rag_app.ui.dashboard.document.attempts import attempts
from rag_app.ui.dashboard.document.state import DocumentState
from rag_app.ui.dashboard.document.versions import versions_tab
from rag_app.ui.dashboard.document.view import Block, ChunkView, TextPart
from rag_app.ui.dashboard.frame import frame

TITLE = "Document · Simple RAG"


def document_page() -> rx.Component:
    """Check what was read from a file, and mend it where it matters."""
    return frame(
        rx.cond(
            DocumentState.is_loading,
            _waiting(),
            rx.cond(DocumentState.is_missing, _missing(), _document()),
        ),
        active=routes.KNOWLEDGE_BASE,
    )


def _document() -> rx.Component:
    head = DocumentState.head
    return rx.fragment(
        link(
            icon("arrow-left"),
            "All documents",
            href=head.documents_href,
            class_name="mb-3 inline-flex min-h-8 items-center gap-1.5 text-sm no-underline hover:underline",
        ),
        page_header(
            title=rx.el.span(head.name, class_name="break-words"),
            text=head.facts,
            actions=link_button(
                "Download original",
                href=head.original_href,
                icon="download",
                variant="secondary",
                leaves_app=True,
            ),
        ),
        rx.cond(
            head.url != "",
            rx.el.p(link(head.url, href=head.url, new_tab=True), class_name="mb-5 text-sm break-all"),
        ),
        _tags(),
        rx.cond(head.note != "", banner(head.note, class_name="mb-4")),
        rx.cond(head.problem != "", banner(head.problem, tone="danger", class_name="mb-4")),
        rx.cond(
            DocumentState.cited_note != "",
            banner(DocumentState.cited_note, tone="warn", class_name="mb-4"),
        ),
        rx.cond(
            head.is_ready,
            tabs(
                value=DocumentState.tab,
                on_change=DocumentState.open_tab,
                items=[
                    ("text", "Text", _text()),
                    ("chunks", "Chunks", _chunks()),
                    ("versions", "Versions", versions_tab()),
                ],
                label="Contents",
            ),
        ),
        attempts(),
    )


def _tags() -> rx.Component:
    return rx.el.section(
        rx.el.h2("Tags", id="tags-title", class_name="field-label"),
        rx.el.div(
            rx.cond(
                DocumentState.tags,
                rx.el.ul(
                    rx.foreach(DocumentState.tags, _tag),
                    aria_labelledby="tags-title",
                    class_name="flex flex-wrap gap-2 pt-1",
                ),
            ),
            rx.el.form(
                rx.el.div(
                    text_input(
                        name="tags",
                        label="Add a tag",
                        hide_label=True,
                        placeholder="Add a tag",
                        key=DocumentState.n_tags_added,
                        default_value="",
                        list="known-tags",
                        max_length=400,
                        auto_complete="off",
                        error=DocumentState.tag_error,
                    ),
                    class_name="w-56",
                ),
                rx.el.datalist(
                    rx.foreach(DocumentState.known_tags, lambda tag: rx.el.option(value=tag)),
                    id="known-tags",
                ),
                button("Add", type="submit", variant="secondary"),
                on_submit=DocumentState.add_tags,
                no_validate=True,
                class_name="flex items-start gap-2",
            ),
            class_name="flex flex-wrap items-start gap-3",
        ),
        rx.el.p(
            "Searches and lists can be limited to documents with a tag.", class_name="text-sm text-muted"
        ),
        class_name="mb-6 flex flex-col gap-2",
    )


def _tag(tag: rx.Var[str]) -> rx.Component:
    return rx.el.li(
        button(
            tag,
            icon("close"),
            variant="secondary",
            size="sm",
            aria_label=f"Take the tag {tag} away",
            on_click=DocumentState.remove_tag(tag),
        ),
        key=tag,
    )


def _text() -> rx.Component:
    return rx.el.div(
        rx.el.p("What was read from the file. Answers quote this text.", class_name="text-sm text-muted"),
        _windows(DocumentState.has_earlier_text, DocumentState.has_later_text, "pages"),
        rx.foreach(DocumentState.parts, _part),
        _windows(DocumentState.has_earlier_text, DocumentState.has_later_text, "pages"),
        class_name="flex flex-col gap-4",
    )


def _part(part: TextPart) -> rx.Component:
    return rx.el.section(
        rx.el.h2(part.title, class_name="mb-2 text-sm font-semibold text-muted"),
        rx.cond(
            part.blocks,
            rx.el.div(rx.foreach(part.blocks, _block), class_name="reading"),
            rx.el.p("No text on this page.", class_name="text-muted"),
        ),
        key=part.key,
        class_name="card p-5",
    )


def _block(block: Block) -> rx.Component:
    return rx.cond(
        block.kind == "heading",
        rx.el.h3(_words(block), dir="auto", class_name="font-semibold"),
        rx.cond(
            block.kind == "table",
            rx.el.pre(_words(block), tab_index=0, class_name="overflow-x-auto text-[0.8125rem]"),
            rx.el.p(_words(block), dir="auto", class_name="whitespace-pre-wrap"),
        ),
    )


def _words(block: Block) -> rx.Component:
    return rx.cond(
        block.quote != "", rx.fragment(block.before, rx.el.mark(block.quote), block.after), block.text
    )


def _chunks() -> rx.Component:
    return rx.el.div(
        rx.el.p(
            "The passages that questions are matched with. Correct one, or switch off what should never be "
            "quoted. When the document is read again, what you switched off stays so where its text is the "
            "same; corrections are lost.",
            class_name="max-w-[75ch] text-sm text-muted",
        ),
        _windows(DocumentState.has_earlier_chunks, DocumentState.has_later_chunks, "chunks"),
        rx.el.ol(rx.foreach(DocumentState.chunks, _chunk), class_name="flex flex-col gap-4"),
        _windows(DocumentState.has_earlier_chunks, DocumentState.has_later_chunks, "chunks"),
        class_name="flex flex-col gap-4",
    )


def _chunk(chunk: ChunkView) -> rx.Component:
    return rx.el.li(
        rx.cond(
            chunk.is_wanted,
            reveal(_chunk_card(chunk), class_name="card chunk is-wanted"),
            rx.el.div(_chunk_card(chunk), class_name="card chunk"),
        ),
        key=chunk.id,
    )


def _chunk_card(chunk: ChunkView) -> rx.Component:
    return rx.fragment(
        rx.el.div(
            rx.el.h2(chunk.title, class_name="text-sm font-semibold"),
            rx.el.span(chunk.tokens, class_name="text-sm text-muted"),
            rx.cond(
                chunk.is_wanted,
                badge(
                    DocumentState.wanted_as,
                    tone="accent",
                    icon=rx.cond(DocumentState.wanted_as == "Found", "search", "quote"),
                ),
            ),
            rx.cond(chunk.is_edited, badge("Edited", tone="accent", icon="edit")),
            rx.cond(chunk.is_enabled, rx.fragment(), badge("Not used", tone="warn")),
            class_name="flex flex-wrap items-center gap-x-3 gap-y-1",
        ),
        rx.cond(chunk.place != "", rx.el.p(chunk.place, class_name="mt-0.5 break-words text-sm text-muted")),
        rx.cond(DocumentState.editing_id == chunk.id, _editor(chunk), _reading(chunk)),
    )


def _reading(chunk: ChunkView) -> rx.Component:
    return rx.fragment(
        rx.el.div(
            rx.foreach(chunk.blocks, _block),
            class_name=rx.cond(chunk.is_enabled, "reading mt-2.5", "reading mt-2.5 text-muted"),
        ),
        rx.el.div(
            switch(
                name=f"chunk-{chunk.id}",
                label="Use in answers",
                checked=chunk.is_enabled,
                on_change=DocumentState.switch_chunk(chunk.id),
            ),
            button(
                "Edit",
                icon="edit",
                variant="secondary",
                size="sm",
                aria_label=f"Edit {chunk.title}",
                on_click=DocumentState.edit(chunk.id),
            ),
            class_name="mt-2 flex flex-wrap items-center justify-between gap-3",
        ),
    )


def _editor(chunk: ChunkView) -> rx.Component:
    return rx.el.form(
        textarea(
            name="content",
            id="chunk-content",
            label="Text of this chunk",
            required=True,
            rows=10,
            auto_focus=True,
            default_value=chunk.content,
            error=DocumentState.edit_error,
        ),
        dialog_actions(
            button("Cancel", variant="secondary", on_click=DocumentState.stop_editing),
            button("Save", type="submit", loading=DocumentState.is_saving),
        ),
        on_submit=DocumentState.save,
        no_validate=True,
        class_name="mt-3 flex flex-col gap-3",
    )


def _windows(has_earlier: Flag, has_later: Flag, what: str) -> rx.Component:
    return rx.cond(
        either(has_earlier, has_later),
        rx.el.div(
            button(
                f"Earlier {what}",
                icon="chevron-left",
                variant="secondary",
                size="sm",
                disabled=negated(has_earlier),
                on_click=DocumentState.earlier,
            ),
            button(
                f"Later {what}",
                icon="chevron-right",
                variant="secondary",
                size="sm",
                disabled=negated(has_later),
                on_click=DocumentState.later,
                class_name="flex-row-reverse",
            ),
            class_name="flex flex-wrap justify-between gap-3",
        ),
    )


def _missing() -> rx.Component:
    return rx.fragment(
        page_header(title="Document"),
        empty_state(
            icon="file",
            title="This document is not here",
            text="It may have been deleted, or it belongs to another knowledge base.",
            action=link_button("All documents", href=routes.KNOWLEDGE_BASE, variant="secondary"),
        ),
    )


def _waiting() -> rx.Component:
    return rx.el.div(
        skeleton(class_name="h-8 w-72 max-w-full"),
        skeleton(class_name="h-10 w-full"),
        skeleton(class_name="h-96 w-full rounded-card"),
        role="status",
        aria_label="Loading the document",
        class_name="flex flex-col gap-5",
    )
