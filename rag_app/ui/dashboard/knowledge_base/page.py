"""The documents of the chosen knowledge base."""

import reflex as rx

from rag_app.ui import routes
from rag_app.ui.components import (
    badge,
    banner,
    button,
    card,
    cell,
    dialog,
    dialog_actions,
    drop_zone,
    empty_state,
    icon,
    icon_button,
    link,
    link_button,
    menu,
    menu_item,
    menu_line,
    page_header,
    progress_bar,
    row,
    select,
    skeleton,
    table,
    text_input,
)
from rag_app.ui.components.base import negated
from rag_app.ui.components.pager import pager
from rag_app.ui.dashboard.create_kb.modal import create_kb_dialog
from rag_app.ui.dashboard.create_kb.state import CreateKbState
from rag_app.ui.dashboard.current_kb import CurrentKbState
from rag_app.ui.dashboard.frame import frame
from rag_app.ui.dashboard.knowledge_base.selection import document_box, document_selection
from rag_app.ui.dashboard.knowledge_base.state import KnowledgeBaseState
from rag_app.ui.dashboard.knowledge_base.view import ACCEPT, FILTERS, DocumentRow
from rag_app.ui.dashboard.source_tabs import source_tabs

TITLE = "Documents · Simple RAG"


def knowledge_base_page() -> rx.Component:
    """Add documents, watch them being read, mend what failed."""
    return frame(
        rx.cond(
            KnowledgeBaseState.is_loading,
            _waiting(),
            rx.cond(KnowledgeBaseState.summary.kb_id == 0, _no_knowledge_base(), _documents()),
        ),
        create_kb_dialog(),
        _delete_dialog(),
        _replace_dialog(),
        active=routes.KNOWLEDGE_BASE,
    )


def _documents() -> rx.Component:
    has_documents = KnowledgeBaseState.summary.n_documents > 0
    return rx.fragment(
        page_header(title=CurrentKbState.name, text=KnowledgeBaseState.summary.text, actions=_page_actions()),
        rx.el.div(
            source_tabs(routes.KNOWLEDGE_BASE),
            drop_zone(
                url=KnowledgeBaseState.summary.upload_url,
                title="Drop files here or choose them",
                hint=KnowledgeBaseState.hint,
                accept=ACCEPT,
                names_url=KnowledgeBaseState.summary.names_url,
                folders=True,
                on_uploaded=KnowledgeBaseState.file_uploaded,
            ),
            rx.cond(KnowledgeBaseState.duplicates, _duplicates()),
            rx.cond(KnowledgeBaseState.batch.is_open, _batch()),
            rx.cond(
                (KnowledgeBaseState.summary.n_failed > 0) & negated(KnowledgeBaseState.batch.is_open),
                _failures(),
            ),
            rx.cond(has_documents, _list(), _what_happens()),
            class_name="flex flex-col gap-5",
        ),
        rx.el.p(KnowledgeBaseState.batch.announced, role="status", class_name="sr-only"),
    )


def _page_actions() -> rx.Component:
    return rx.el.div(
        rx.cond(
            KnowledgeBaseState.summary.n_ready > 0,
            link_button("Try the chat", href=KnowledgeBaseState.summary.chat_href, icon="chat"),
        ),
        icon_button(
            "edit",
            label="Edit name and answers",
            variant="secondary",
            on_click=CreateKbState.open_existing(KnowledgeBaseState.summary.kb_id),
        ),
        class_name="flex flex-wrap gap-2",
    )


def _duplicates() -> rx.Component:
    return banner(
        rx.el.p("Already here, so not added again:", class_name="font-medium"),
        rx.el.ul(
            rx.foreach(
                KnowledgeBaseState.duplicates,
                lambda name: rx.el.li(name, class_name="break-words"),
            ),
            rx.cond(KnowledgeBaseState.more_duplicates != "", rx.el.li(KnowledgeBaseState.more_duplicates)),
            class_name="list-disc pl-5",
        ),
        tone="warn",
        action=icon_button("close", label="Dismiss", on_click=KnowledgeBaseState.forget_duplicates),
    )


def _batch() -> rx.Component:
    return card(
        rx.el.div(
            rx.el.h2(f"Reading your files: {KnowledgeBaseState.batch.percent} %", class_name="font-semibold"),
            rx.el.p(KnowledgeBaseState.batch.text, class_name="text-sm text-muted tabular-nums"),
            class_name="flex flex-wrap items-baseline justify-between gap-x-4",
        ),
        progress_bar(percent=KnowledgeBaseState.batch.percent, label="All files"),
        class_name="flex flex-col gap-3",
    )


def _failures() -> rx.Component:
    n_failed = KnowledgeBaseState.summary.n_failed
    return banner(
        rx.cond(n_failed == 1, "1 file could not be read.", f"{n_failed} files could not be read."),
        " Each says why in the list.",
        tone="warn",
        action=rx.el.div(
            rx.cond(
                KnowledgeBaseState.status != "failed",
                button(
                    "Show them",
                    variant="secondary",
                    size="sm",
                    on_click=KnowledgeBaseState.filter_status("failed"),
                ),
            ),
            button(
                "Retry all failed",
                icon="refresh",
                variant="secondary",
                size="sm",
                on_click=KnowledgeBaseState.retry_all,
            ),
            class_name="flex flex-wrap gap-2",
        ),
    )


def _list() -> rx.Component:
    return rx.el.section(
        rx.el.h2("Documents", id="documents", class_name="sr-only"),
        _filters(),
        rx.cond(KnowledgeBaseState.rows, document_selection()),
        rx.cond(
            KnowledgeBaseState.rows,
            table(
                headers=["Document", "State", "Added", ""],
                rows=rx.foreach(KnowledgeBaseState.rows, _document),
                caption="Documents, newest first",
            ),
            _nothing_found(),
        ),
        _pages(),
        aria_labelledby="documents",
        class_name="flex flex-col gap-3",
    )


def _filters() -> rx.Component:
    return rx.el.div(
        rx.el.div(
            text_input(
                name="name",
                id="filter-name",
                label="Find by name",
                hide_label=True,
                type="search",
                placeholder="Find by name",
                key=KnowledgeBaseState.n_resets,  # what is typed stays the browser's; a new key empties it
                default_value="",
                on_change=KnowledgeBaseState.filter_name.debounce(300),
            ),
            class_name="col-span-2 sm:col-span-1",
        ),
        select(
            name="status",
            id="filter-status",
            label="State",
            hide_label=True,
            options=FILTERS,
            value=KnowledgeBaseState.status,
            on_change=KnowledgeBaseState.filter_status,
        ),
        rx.cond(
            KnowledgeBaseState.tags,
            select(
                name="tag",
                id="filter-tag",
                label="Tag",
                hide_label=True,
                options=KnowledgeBaseState.tags,
                value=KnowledgeBaseState.tag,
                on_change=KnowledgeBaseState.filter_tag,
            ),
        ),
        class_name="grid grid-cols-2 gap-3 sm:max-w-2xl sm:grid-cols-[minmax(0,1fr)_10rem_10rem]",
    )


def _document(document: DocumentRow) -> rx.Component:
    return row(
        cell(
            document_box(document),
            rx.el.div(
                _name(document),
                rx.el.div(document.facts, class_name="text-sm font-normal text-muted"),
                rx.cond(
                    document.tags,
                    rx.el.ul(
                        rx.foreach(document.tags, lambda tag: rx.el.li(badge(tag))),
                        aria_label="Tags",
                        class_name="mt-1 flex flex-wrap gap-1.5",
                    ),
                ),
                class_name="min-w-0 flex-1",
            ),
            is_selectable=True,
        ),
        cell(_state(document), label="State"),
        cell(rx.el.span(document.added, class_name="whitespace-nowrap text-muted"), label="Added"),
        cell(_row_menu(document)),
        key=document.id,  # an open menu stays with its document when others arrive
    )


def _name(document: DocumentRow) -> rx.Component:
    return link(document.name, href=document.href, class_name="row-title")


def _state(document: DocumentRow) -> rx.Component:
    return rx.el.div(
        rx.el.div(
            badge(document.state, tone=document.tone),
            rx.el.span(document.detail, class_name="text-sm text-muted tabular-nums"),
            class_name="flex flex-wrap items-center gap-x-2.5 gap-y-1",
        ),
        rx.cond(
            document.percent > 0,
            progress_bar(percent=document.percent, label=f"Reading {document.name}", class_name="max-w-56"),
        ),
        rx.cond(
            document.problem != "", rx.el.p(document.problem, class_name="max-w-[52ch] text-sm text-danger")
        ),
        rx.cond(
            document.can_retry,
            button(
                "Retry",
                icon="refresh",
                variant="secondary",
                size="sm",
                aria_label=f"Retry {document.name}",
                on_click=KnowledgeBaseState.retry(document.job_id),
                class_name="self-start",
            ),
        ),
        class_name="row-state",
    )


def _row_menu(document: DocumentRow) -> rx.Component:
    return menu(
        icon("more"),
        menu_item("Open", icon="eye", href=document.href),
        rx.cond(
            document.is_working,
            menu_item("Stop reading", icon="stop", on_click=KnowledgeBaseState.cancel(document.job_id)),
        ),
        rx.cond(
            document.is_ready & negated(document.is_working),
            menu_item("Read again", icon="refresh", on_click=KnowledgeBaseState.read_again(document.id)),
        ),
        menu_item(
            "Replace with a new version",
            icon="upload",
            on_click=KnowledgeBaseState.ask_to_replace(document.id),
        ),
        menu_item("Download original", icon="download", href=document.original_href, is_file=True),
        menu_line(),
        menu_item(
            "Delete", icon="trash", is_danger=True, on_click=KnowledgeBaseState.ask_to_delete(document.id)
        ),
        label=f"More about {document.name}",
        trigger_class="btn btn-ghost btn-icon text-muted",
    )


def _nothing_found() -> rx.Component:
    return empty_state(
        icon="filter",
        title="No document matches",
        text="Try another name, state or tag.",
        action=button("Show all documents", variant="secondary", on_click=KnowledgeBaseState.show_all),
    )


def _pages() -> rx.Component:
    return pager(
        what="documents",
        has_newer=KnowledgeBaseState.has_newer,
        has_older=KnowledgeBaseState.has_older,
        on_newer=KnowledgeBaseState.newer,
        on_older=KnowledgeBaseState.older,
    )


def _what_happens() -> rx.Component:
    return rx.el.section(
        rx.el.h2("What happens with your files", class_name="text-lg"),
        rx.el.ol(
            _stage("1", "Parsing", "The text is read, page by page; scanned pages where the server can."),
            _stage(
                "2", "Embedding", "It is cut into short chunks that can be found by meaning and by words."
            ),
            _stage("3", "Ready", "Ask away: each answer shows the passages it comes from."),
            class_name="grid gap-5 sm:grid-cols-3",
        ),
        rx.el.p(
            "Once they are uploaded, you may leave this page or close the browser; the work goes on.",
            class_name="text-sm text-muted",
        ),
        class_name="card flex flex-col gap-4 p-6",
    )


def _stage(number: str, title: str, text: str) -> rx.Component:
    return rx.el.li(
        rx.el.h3(f"{number}. {title}", class_name="font-semibold"),
        rx.el.p(text, class_name="mt-1 text-[0.9375rem] text-muted"),
    )


def _no_knowledge_base() -> rx.Component:
    return rx.fragment(
        page_header(title="Knowledge Base"),
        empty_state(
            icon="book",
            title="Documents need a knowledge base",
            text="Create one, then drop your files here.",
            action=button("Create a knowledge base", icon="plus", on_click=CreateKbState.open_new),
        ),
    )


def _replace_dialog() -> rx.Component:
    return dialog(
        rx.el.div(
            rx.el.p(
                "Tags and links stay. The present text serves until the new version is read, and goes on "
                "serving if that fails. The earlier file can be downloaded and brought back."
            ),
            drop_zone(
                url=KnowledgeBaseState.replacing_url,
                title="Drop the new version here or choose it",
                accept=ACCEPT,
                single=True,
                on_uploaded=KnowledgeBaseState.replaced,
            ),
            class_name="flex flex-col gap-4",
        ),
        dialog_actions(button("Close", variant="secondary", on_click=KnowledgeBaseState.keep)),
        open=KnowledgeBaseState.replacing_id > 0,
        title=f"Replace “{KnowledgeBaseState.replacing_name}”",
        on_close=KnowledgeBaseState.keep,
    )


def _delete_dialog() -> rx.Component:
    return dialog(
        rx.el.p(
            "Its text is no longer found and no longer used in answers. The file itself is deleted, "
            "too, with its earlier versions."
        ),
        dialog_actions(
            button("Keep it", variant="secondary", on_click=KnowledgeBaseState.keep),
            button("Delete document", variant="danger", icon="trash", on_click=KnowledgeBaseState.delete),
        ),
        open=KnowledgeBaseState.deleting_id > 0,
        title=f"Delete “{KnowledgeBaseState.deleting_name}”?",
        on_close=KnowledgeBaseState.keep,
    )


def _waiting() -> rx.Component:
    return rx.el.div(
        skeleton(class_name="h-8 w-64"),
        skeleton(class_name="h-36 w-full rounded-card"),
        skeleton(class_name="h-64 w-full rounded-card"),
        role="status",
        aria_label="Loading the documents",
        class_name="flex flex-col gap-5",
    )
