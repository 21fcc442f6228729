"""What needs me, and my knowledge bases."""

import reflex as rx

from rag_app.ui import routes
from rag_app.ui.components import (
    badge,
    button,
    card,
    confirm_dialog,
    icon,
    link,
    link_button,
    load_more,
    menu,
    menu_item,
    menu_line,
    page_header,
    section_header,
    skeleton,
)
from rag_app.ui.components.base import Flag, either, negated
from rag_app.ui.dashboard.create_kb.modal import create_kb_dialog
from rag_app.ui.dashboard.create_kb.state import CreateKbState
from rag_app.ui.dashboard.frame import frame
from rag_app.ui.dashboard.my_knowledge_bases.state import MyKnowledgeBasesState
from rag_app.ui.dashboard.my_knowledge_bases.view import KbCard, Task
from rag_app.ui.dashboard.sharing.dialog import share_button

TITLE = "My Knowledge Bases · Simple RAG"
GRID = "grid gap-4 sm:grid-cols-2"


def my_knowledge_bases_page() -> rx.Component:
    """The landing page of the dashboard."""
    has_any = MyKnowledgeBasesState.has_any
    return frame(
        page_header(
            title="My Knowledge Bases",
            text="Each answers questions from its own documents.",
            actions=rx.cond(has_any, _create_button()),
        ),
        rx.cond(_is_loading(), _waiting(), rx.cond(has_any, _content(), _newcomer())),
        create_kb_dialog(),
        _delete_dialog(),
        active=routes.KNOWLEDGE_BASES,
    )


def _is_loading() -> Flag:
    """Until this visit has looked: what an earlier one saw may be gone."""
    return either(negated(MyKnowledgeBasesState.is_hydrated), MyKnowledgeBasesState.is_loading)


def _create_button() -> rx.Component:
    return button("New knowledge base", icon="plus", on_click=CreateKbState.open_new)


def _content() -> rx.Component:
    return rx.el.div(
        _what_needs_me(),
        rx.cond(
            MyKnowledgeBasesState.active,
            rx.el.div(rx.foreach(MyKnowledgeBasesState.active, _kb_card), class_name=GRID),
            rx.el.p("All your knowledge bases are archived.", class_name="text-muted"),
        ),
        rx.cond(MyKnowledgeBasesState.archived, _archived()),
        load_more(has_more=MyKnowledgeBasesState.has_more, on_click=MyKnowledgeBasesState.show_more),
        class_name="flex flex-col gap-8",
    )


def _what_needs_me() -> rx.Component:
    return rx.el.section(
        rx.el.h2("What needs you", id="needs", class_name="sr-only"),
        rx.cond(
            MyKnowledgeBasesState.tasks,
            rx.el.ul(rx.foreach(MyKnowledgeBasesState.tasks, _task), class_name="card divide-y divide-line"),
            rx.el.p(
                icon("success", class_name="text-success"),
                MyKnowledgeBasesState.calm,
                class_name="flex items-center gap-2.5 text-muted",
            ),
        ),
        aria_labelledby="needs",
    )


def _task(task: Task) -> rx.Component:
    return rx.el.li(
        rx.el.span(
            icon(task.icon),
            class_name=f"tone-{task.tone} grid size-8 flex-none place-items-center rounded-full",
        ),
        rx.el.span(task.text, class_name="min-w-0 flex-1 max-sm:basis-[calc(100%-3rem)]"),
        link_button(task.action, href=task.href, variant="secondary", size="sm", class_name="max-sm:ml-11"),
        class_name="flex items-center gap-3 px-4 py-3 max-sm:flex-wrap",
    )


def _kb_card(kb: KbCard) -> rx.Component:
    return card(
        rx.el.div(
            rx.el.h2(link(kb.name, href=kb.documents_href, class_name="card-title"), class_name="text-lg"),
            _menu(kb, menu_item("Archive", icon="inbox", on_click=MyKnowledgeBasesState.archive(kb.id))),
            class_name="flex items-start justify-between gap-2",
        ),
        rx.cond(
            kb.description != "",
            rx.el.p(kb.description, class_name="line-clamp-2 text-[0.9375rem] text-muted"),
        ),
        rx.el.p(
            rx.el.span(kb.documents),
            rx.cond(kb.working != "", badge(kb.working, tone="accent", icon="clock")),
            rx.cond(kb.failed != "", link(badge(kb.failed, tone="danger"), href=kb.failed_href)),
            rx.cond(kb.conversations != "", rx.el.span(kb.conversations)),
            rx.cond(kb.is_public, badge("Public", tone="success", icon="globe")),
            class_name="flex flex-wrap items-center gap-x-3 gap-y-1.5 text-sm",
        ),
        rx.el.p(
            "Answers: ", rx.el.span(kb.answered_by, class_name="text-ink"), class_name="text-sm text-muted"
        ),
        rx.el.div(
            link_button(
                "Add documents", href=kb.documents_href, icon="upload", variant="secondary", size="sm"
            ),
            link_button("Try the chat", href=kb.chat_href, icon="chat", variant="secondary", size="sm"),
            share_button(kb_id=kb.id, name=kb.name, variant="ghost", size="sm"),
            class_name="mt-auto flex flex-wrap gap-2 pt-1",
        ),
        key=kb.id,
        class_name="flex flex-col gap-3",
    )


def _menu(kb: KbCard, aside: rx.Component) -> rx.Component:
    return menu(
        icon("more"),
        menu_item("Edit", icon="edit", on_click=CreateKbState.open_existing(kb.id)),
        aside,
        menu_line(),
        menu_item(
            "Delete", icon="trash", is_danger=True, on_click=MyKnowledgeBasesState.ask_to_delete(kb.id)
        ),
        label=f"More about {kb.name}",
        trigger_class="btn btn-ghost btn-icon -mr-2 -mt-2 text-muted",
    )


def _archived() -> rx.Component:
    return rx.el.section(
        section_header(title="Archived", text="Not shared and not offered, but nothing is lost."),
        rx.el.ul(
            rx.foreach(MyKnowledgeBasesState.archived, _archived_row), class_name="card divide-y divide-line"
        ),
    )


def _archived_row(kb: KbCard) -> rx.Component:
    return rx.el.li(
        rx.el.div(
            rx.el.div(kb.name, class_name="truncate font-medium"),
            rx.el.div(kb.documents, class_name="text-sm text-muted"),
            class_name="min-w-0 flex-1",
        ),
        button(
            "Bring back", variant="secondary", size="sm", on_click=MyKnowledgeBasesState.bring_back(kb.id)
        ),
        menu(
            icon("more"),
            menu_item(
                "Delete", icon="trash", is_danger=True, on_click=MyKnowledgeBasesState.ask_to_delete(kb.id)
            ),
            label=f"More about {kb.name}",
        ),
        key=kb.id,
        class_name="flex items-center gap-3 px-4 py-2.5",
    )


def _delete_dialog() -> rx.Component:
    return confirm_dialog(
        open=MyKnowledgeBasesState.deleting_id > 0,
        title=f"Delete “{MyKnowledgeBasesState.deleting_name}”?",
        text="Its documents, its conversations and its public link are deleted for good. "
        "To put it aside instead, archive it.",
        name=MyKnowledgeBasesState.deleting_name,
        confirm_label="Delete for good",
        busy=MyKnowledgeBasesState.is_deleting,
        on_confirm=MyKnowledgeBasesState.delete,
        on_close=MyKnowledgeBasesState.keep,
    )


def _newcomer() -> rx.Component:
    return card(
        rx.el.h2("Create your first knowledge base", class_name="text-xl"),
        rx.el.p(
            "A knowledge base is a set of documents that can be asked. "
            "Most people start with one subject: a handbook, a product, a project.",
            class_name="max-w-[60ch] text-muted",
        ),
        rx.el.ol(
            _step("1", "Name it", "You can change the name at any time."),
            _step(
                "2", "Add documents", "PDF, Word, spreadsheets, web pages, mails: drop them in, many at once."
            ),
            _step("3", "Ask and share", "Every answer names its sources. One switch gives others a link."),
            class_name="grid gap-5 py-2 sm:grid-cols-3",
        ),
        rx.el.div(button("Create a knowledge base", icon="plus", size="lg", on_click=CreateKbState.open_new)),
        class_name="flex flex-col gap-4 sm:p-8",
    )


def _step(number: str, title: str, text: str) -> rx.Component:
    return rx.el.li(
        rx.el.span(
            number,
            aria_hidden="true",
            class_name=(
                "grid size-8 place-items-center rounded-full bg-accent-soft font-semibold text-accent"
            ),
        ),
        rx.el.h3(title, class_name="font-semibold"),
        rx.el.p(text, class_name="text-[0.9375rem] text-muted"),
        class_name="flex flex-col gap-1.5",
    )


def _waiting() -> rx.Component:
    return rx.el.div(
        *(skeleton(class_name="h-44 w-full rounded-card") for _ in range(4)),
        role="status",
        aria_label="Loading your knowledge bases",
        class_name=GRID,
    )
