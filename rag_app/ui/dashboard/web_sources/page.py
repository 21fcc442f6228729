"""Web Sources: websites that are read again and again."""

import reflex as rx

from rag_app.ui import routes
from rag_app.ui.components import (
    banner,
    button,
    dialog,
    dialog_actions,
    empty_state,
    page_header,
    select,
    text_input,
    textarea,
)
from rag_app.ui.components.base import negated
from rag_app.ui.dashboard.create_kb.modal import create_kb_dialog
from rag_app.ui.dashboard.create_kb.state import CreateKbState
from rag_app.ui.dashboard.current_kb import CurrentKbState
from rag_app.ui.dashboard.frame import frame
from rag_app.ui.dashboard.sources.parts import delete_dialog, source_detail, source_list, waiting
from rag_app.ui.dashboard.web_sources.state import WebSourcesState, WebSourceState
from rag_app.ui.dashboard.web_sources.view import MODES, WORDS

TITLE = "Web Sources · Simple RAG"


def web_sources_page() -> rx.Component:
    """The websites of the chosen knowledge base: add, watch, change, remove."""
    return frame(
        rx.cond(
            WebSourcesState.is_loading,
            waiting("Loading the websites"),
            rx.cond(WebSourcesState.kb_id == 0, _no_knowledge_base(), _websites()),
        ),
        create_kb_dialog(),
        _form_dialog(),
        delete_dialog(
            WebSourcesState,
            WORDS,
            text="It is not read any more. Its pages can stay as documents, or go as well.",
        ),
        active=routes.WEB_SOURCES,
    )


def web_source_page() -> rx.Component:
    """One website: its pages, and what each reading brought."""
    return frame(source_detail(WebSourceState, WORDS), active=routes.WEB_SOURCES)


def _websites() -> rx.Component:
    return rx.fragment(
        page_header(
            title="Web Sources",
            text=rx.el.span(
                "Websites read into ", rx.el.strong(CurrentKbState.name, class_name="font-[550]")
            ),
            actions=rx.cond(
                WebSourcesState.rows, button("Add a website", icon="plus", on_click=WebSourcesState.begin)
            ),
        ),
        rx.cond(WebSourcesState.rows, source_list(WebSourcesState, edit=WebSourcesState.edit), _empty()),
    )


def _empty() -> rx.Component:
    return empty_state(
        icon="globe",
        title="Answers from websites",
        text="Give the address of a help center, a handbook or a shop. Its pages are read without menus and "
        "banners, and again every week: what changed is taken over, and answers lead to the page.",
        action=button("Add the first website", icon="plus", on_click=WebSourcesState.begin),
    )


def _no_knowledge_base() -> rx.Component:
    return rx.fragment(
        page_header(title="Web Sources"),
        empty_state(
            icon="book",
            title="Websites need a knowledge base",
            text="Create one, then add the websites it should know.",
            action=button("Create a knowledge base", icon="plus", on_click=CreateKbState.open_new),
        ),
    )


def _form_dialog() -> rx.Component:
    form, errors = WebSourcesState.form, WebSourcesState.errors
    is_new = form.id == 0
    return dialog(
        rx.el.form(
            text_input(
                name="url",
                label="Address",
                hint="Where reading begins.",
                required=True,
                placeholder="https://example.com/help",
                input_mode="url",
                max_length=2000,
                auto_complete="off",
                default_value=form.url,
                error=errors.url,
            ),
            select(
                name="mode",
                label="What to read",
                options=MODES,
                required=True,
                default_value=form.mode,
                error=errors.mode,
            ),
            _more(),
            rx.cond(errors.other != "", banner(errors.other, tone="danger")),
            _check_result(),
            dialog_actions(
                button("Cancel", variant="secondary", on_click=WebSourcesState.close),
                button(
                    rx.cond(
                        is_new,
                        rx.cond(
                            WebSourcesState.checked.message == "",
                            "Check the address",
                            rx.cond(WebSourcesState.checked.is_ok, "Add the website", "Add it all the same"),
                        ),
                        "Save",
                    ),
                    type="submit",
                    loading=WebSourcesState.is_busy,
                ),
            ),
            on_submit=WebSourcesState.submit,
            class_name="flex flex-col gap-4",
        ),
        open=WebSourcesState.is_open,
        title=rx.cond(is_new, "Add a website", "Change the website"),
        on_close=WebSourcesState.close,
        wide=True,
    )


def _check_result() -> rx.Component:
    checked = WebSourcesState.checked
    details = rx.el.ul(
        rx.foreach(checked.details, lambda line: rx.el.li(line, class_name="break-words")),
        class_name="mt-1 text-sm",
    )
    return rx.cond(
        checked.message != "",
        rx.cond(
            checked.is_ok,
            banner(rx.el.p(checked.message, class_name="font-[550]"), details, tone="success"),
            banner(rx.el.p(checked.message, class_name="font-[550]"), details, tone="danger"),
        ),
    )


def _more() -> rx.Component:
    """What has a usual value."""
    form, errors = WebSourcesState.form, WebSourcesState.errors
    return rx.el.details(
        rx.el.summary("More settings", class_name="disclosure-line"),
        rx.el.div(
            text_input(
                name="name",
                label="Name",
                hint="Empty for its address.",
                max_length=255,
                default_value=form.name,
            ),
            rx.el.div(
                text_input(
                    name="max_pages",
                    required=True,
                    label="Pages at most",
                    type="number",
                    min=1,
                    max=10_000,
                    hint="Your plan may allow fewer.",
                    default_value=form.max_pages,
                    error=errors.max_pages,
                ),
                text_input(
                    name="max_depth",
                    required=True,
                    label="Links to follow",
                    type="number",
                    min=0,
                    max=20,
                    hint="How many clicks from the first page.",
                    default_value=form.max_depth,
                    error=errors.max_depth,
                ),
                text_input(
                    name="delay_s",
                    required=True,
                    label="Pause between pages",
                    type="number",
                    min=0.2,
                    max=60,
                    step="any",
                    hint="In seconds; longer where the site asks for it.",
                    default_value=form.delay_s,
                    error=errors.delay_s,
                ),
                class_name="grid grid-cols-1 gap-4 sm:grid-cols-3",
            ),
            textarea(
                name="include",
                label="Only these addresses",
                hint="One a line. * stands for anything: /docs/* is everything below docs, *.pdf all PDFs.",
                placeholder="/docs/*",
                rows=2,
                default_value=form.include,
                error=errors.include,
            ),
            textarea(
                name="exclude",
                label="Not these addresses",
                placeholder="/blog/*",
                rows=2,
                default_value=form.exclude,
                error=errors.exclude,
            ),
            rx.el.div(
                select(
                    name="frequency_hours",
                    required=True,
                    label="Read it again",
                    options=WebSourcesState.frequency_options,
                    default_value=form.frequency_hours,
                    error=errors.frequency_hours,
                ),
                select(
                    name="grace_hours",
                    required=True,
                    label="When a page has vanished",
                    options=WebSourcesState.grace_options,
                    default_value=form.grace_hours,
                    error=errors.grace_hours,
                ),
                class_name="grid grid-cols-1 gap-4 sm:grid-cols-2",
            ),
            class_name="mt-4 flex flex-col gap-4",
        ),
        open=WebSourcesState.is_more_open | negated(form.id == 0),
    )
