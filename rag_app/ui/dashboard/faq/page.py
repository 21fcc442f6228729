"""The FAQ of the chosen knowledge base."""

import reflex as rx

from rag_app.ui import routes
from rag_app.ui.components import (
    badge,
    button,
    dialog,
    dialog_actions,
    empty_state,
    icon_button,
    link_button,
    page_header,
    skeleton,
    text_input,
    textarea,
)
from rag_app.ui.components.base import either, negated
from rag_app.ui.components.selection import select_box, selection_bar
from rag_app.ui.components.table_import import table_import
from rag_app.ui.dashboard.create_kb.modal import create_kb_dialog
from rag_app.ui.dashboard.create_kb.state import CreateKbState
from rag_app.ui.dashboard.current_kb import CurrentKbState
from rag_app.ui.dashboard.faq.sections import faq_sections
from rag_app.ui.dashboard.faq.state import FaqState
from rag_app.ui.dashboard.faq.view import EntryRow
from rag_app.ui.dashboard.frame import frame
from rag_app.ui.dashboard.source_tabs import source_tabs

TITLE = "FAQ · Simple RAG"


def faq_page() -> rx.Component:
    """Questions with curated answers: add, change, find, import, export."""
    return frame(
        rx.cond(
            FaqState.is_loading, _waiting(), rx.cond(FaqState.kb_id == 0, _no_knowledge_base(), _entries())
        ),
        create_kb_dialog(),
        _entry_dialog(),
        _import_dialog(),
        _delete_dialog(),
        _delete_selected_dialog(),
        active=routes.KNOWLEDGE_BASE,
    )


def _entries() -> rx.Component:
    return rx.fragment(
        page_header(title=CurrentKbState.name, text=FaqState.count_words, actions=_actions()),
        rx.el.div(
            source_tabs(routes.FAQ),
            faq_sections(routes.FAQ),
            rx.cond(
                either(FaqState.n_entries > 0, FaqState.text != ""),
                rx.fragment(
                    _filter(),
                    rx.cond(FaqState.rows, _selection()),
                    rx.cond(
                        FaqState.rows,
                        rx.el.ul(rx.foreach(FaqState.rows, _entry), class_name="flex flex-col gap-3"),
                        _nothing_found(),
                    ),
                    _pages(),
                ),
                _empty(),
            ),
            class_name="flex flex-col gap-5",
        ),
    )


def _actions() -> rx.Component:
    return rx.el.div(
        rx.cond(
            FaqState.n_entries > 0,
            link_button(
                "Export", href=FaqState.export_url, icon="download", variant="secondary", leaves_app=True
            ),
        ),
        button("Import", icon="upload", variant="secondary", on_click=FaqState.open_import),
        button("Add entry", icon="plus", on_click=FaqState.begin),
        class_name="flex flex-wrap gap-2",
    )


def _filter() -> rx.Component:
    return rx.el.div(
        text_input(
            name="text",
            id="filter-text",
            label="Find in questions and answers",
            hide_label=True,
            type="search",
            placeholder="Find in questions and answers",
            key=FaqState.n_resets,
            default_value="",
            on_change=FaqState.filter_text.debounce(300),
        ),
        class_name="sm:max-w-md",
    )


def _selection() -> rx.Component:
    return selection_bar(
        link_button(
            "Export",
            href=FaqState.selected_url,
            icon="download",
            variant="secondary",
            size="sm",
            leaves_app=True,
        ),
        button(
            "Delete",
            icon="trash",
            variant="secondary",
            size="sm",
            on_click=FaqState.ask_to_delete_selected,
        ),
        selected=FaqState.selected,
        all_selected=FaqState.all_selected,
        on_all=FaqState.select_page,
        on_clear=FaqState.clear_selection,
    )


def _entry(entry: EntryRow) -> rx.Component:
    return rx.el.li(
        select_box(
            label=f"Select “{entry.question}”",
            id=entry.id,
            selected=FaqState.selected,
            on_change=FaqState.select(entry.id),
        ),
        rx.el.div(
            rx.el.h2(entry.question, class_name="font-semibold break-words"),
            rx.el.p(entry.answer, class_name="whitespace-pre-line break-words text-[0.9375rem] text-muted"),
            rx.cond(entry.problem != "", rx.el.p(entry.problem, class_name="text-sm text-danger")),
            rx.el.div(
                rx.cond(entry.state != "", badge(entry.state, tone=entry.tone)),
                rx.foreach(entry.tags, _tag),
                rx.el.span(entry.facts, class_name="text-sm text-muted"),
                class_name="flex flex-wrap items-center gap-x-2.5 gap-y-1",
            ),
            class_name="flex min-w-0 flex-1 flex-col gap-1.5",
        ),
        rx.el.div(
            icon_button("edit", label=f"Change “{entry.question}”", on_click=FaqState.edit(entry.id)),
            icon_button(
                "trash", label=f"Delete “{entry.question}”", on_click=FaqState.ask_to_delete(entry.id)
            ),
            class_name="flex flex-none",
        ),
        key=entry.id,
        class_name="card flex items-start gap-3 p-4",
    )


def _tag(tag: rx.Var[str]) -> rx.Component:
    return badge(tag)


def _nothing_found() -> rx.Component:
    return empty_state(
        icon="filter",
        title="No entry matches",
        text="Try other words.",
        action=button("Show all entries", variant="secondary", on_click=FaqState.show_all),
    )


def _empty() -> rx.Component:
    return empty_state(
        icon="chat",
        title="Answers in your own words",
        text="Write down a question with its answer. Whoever asks the same gets your answer at once, word "
        "for word and marked as curated; other questions find it like any document.",
        action=rx.el.div(
            button("Add the first entry", icon="plus", on_click=FaqState.begin),
            button("Import a table", icon="upload", variant="secondary", on_click=FaqState.open_import),
            class_name="flex flex-wrap justify-center gap-2",
        ),
    )


def _pages() -> rx.Component:
    return rx.cond(
        either(FaqState.has_older, FaqState.has_newer),
        rx.el.nav(
            button(
                "Newer",
                icon="chevron-left",
                variant="secondary",
                disabled=negated(FaqState.has_newer),
                on_click=FaqState.newer,
            ),
            button(
                "Older",
                icon="chevron-right",
                variant="secondary",
                disabled=negated(FaqState.has_older),
                on_click=FaqState.older,
                class_name="flex-row-reverse",
            ),
            aria_label="Pages of entries",
            class_name="flex justify-center gap-3 pt-2",
        ),
    )


def _entry_dialog() -> rx.Component:
    return dialog(
        rx.el.form(
            text_input(
                name="question",
                label="Question",
                hint="As people ask it.",
                required=True,
                max_length=1000,
                default_value=FaqState.form.question,
                error=FaqState.errors.question,
            ),
            textarea(
                name="answer",
                label="Answer",
                hint="Given word for word. Markdown is shown as lists, bold text and so on.",
                required=True,
                rows=8,
                default_value=FaqState.form.answer,
                error=FaqState.errors.answer,
            ),
            text_input(
                name="tags",
                label="Tags",
                hint="Separated by commas; not required.",
                default_value=FaqState.form.tags,
                error=FaqState.errors.tags,
            ),
            dialog_actions(
                button("Cancel", variant="secondary", on_click=FaqState.close),
                button("Save", type="submit", loading=FaqState.is_saving),
            ),
            on_submit=FaqState.save,
            class_name="flex flex-col gap-4",
        ),
        open=FaqState.is_open,
        title=rx.cond(FaqState.form.id == 0, "New entry", "Change the entry"),
        on_close=FaqState.close,
        wide=True,
    )


def _import_dialog() -> rx.Component:
    return dialog(
        table_import(url=FaqState.import_url, on_imported=FaqState.imported, on_cancel=FaqState.close_import),
        open=FaqState.is_importing,
        title="Import questions and answers",
        on_close=FaqState.close_import,
        wide=True,
    )


def _delete_dialog() -> rx.Component:
    return dialog(
        rx.el.p("Its answer is no longer given or found."),
        dialog_actions(
            button("Keep it", variant="secondary", on_click=FaqState.keep),
            button("Delete entry", variant="danger", icon="trash", on_click=FaqState.delete),
        ),
        open=FaqState.deleting_id > 0,
        title=f"Delete “{FaqState.deleting_question}”?",
        on_close=FaqState.keep,
    )


def _delete_selected_dialog() -> rx.Component:
    return dialog(
        rx.el.p("Their answers are no longer given or found. Export them first if you may need them."),
        dialog_actions(
            button("Keep them", variant="secondary", on_click=FaqState.keep_selected),
            button("Delete entries", variant="danger", icon="trash", on_click=FaqState.delete_selected),
        ),
        open=FaqState.is_deleting_selected,
        title=f"Delete the selected entries ({FaqState.n_selected})?",
        on_close=FaqState.keep_selected,
    )


def _no_knowledge_base() -> rx.Component:
    return rx.fragment(
        page_header(title="FAQ"),
        empty_state(
            icon="book",
            title="An FAQ needs a knowledge base",
            text="Create one, then write down questions with their answers.",
            action=button("Create a knowledge base", icon="plus", on_click=CreateKbState.open_new),
        ),
    )


def _waiting() -> rx.Component:
    return rx.el.div(
        skeleton(class_name="h-8 w-64"),
        skeleton(class_name="h-24 w-full rounded-card"),
        skeleton(class_name="h-24 w-full rounded-card"),
        role="status",
        aria_label="Loading the entries",
        class_name="flex flex-col gap-5",
    )
