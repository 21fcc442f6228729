"""Pieces of the pages of sources."""

from typing import Any

import reflex as rx

from rag_app.ui.components import (
    badge,
    banner,
    button,
    cell,
    dialog,
    dialog_actions,
    empty_state,
    icon,
    link,
    link_button,
    load_more,
    menu,
    menu_item,
    menu_line,
    progress_bar,
    row,
    select,
    skeleton,
    table,
    tabs,
    text_input,
)
from rag_app.ui.components.base import Press, negated
from rag_app.ui.dashboard.sources.view import (
    ITEM_FILTERS,
    DiffLine,
    EventRow,
    ItemRow,
    RunRow,
    SourceRow,
    Words,
)


def source_list(state: Any, *, edit: Any | None = None) -> rx.Component:
    """Show sources as cards, each with its state, progress and what can be done.

    Args:
        state: a class that builds on `SourcesState`.
        edit: a handler that takes a source's id and opens its settings.
    """

    def show(source: SourceRow) -> rx.Component:
        return _source(source, state, edit)

    return rx.el.ul(rx.foreach(state.rows, show), class_name="flex flex-col gap-3")


def _source(source: SourceRow, state: Any, edit: Any | None) -> rx.Component:
    return rx.el.li(
        rx.el.div(
            rx.el.div(
                rx.el.h2(
                    link(source.name, href=source.href, class_name="row-title"), class_name="break-words"
                ),
                rx.cond(
                    source.address != "", rx.el.p(source.address, class_name="text-sm text-muted break-all")
                ),
                class_name="min-w-0 flex-1",
            ),
            _menu(source, state, edit),
            class_name="flex items-start gap-3",
        ),
        source_state(source),
        rx.el.p(source.facts, class_name="text-sm text-muted"),
        rx.el.p(source.schedule, class_name="text-sm text-muted"),
        key=source.id,
        class_name="card flex flex-col gap-2 p-4",
    )


def source_state(source: SourceRow) -> rx.Component:
    """Show how a source is, how far its run is, and what is wrong."""
    return rx.fragment(
        rx.el.div(
            badge(source.state, tone=source.tone),
            rx.el.span(source.detail, class_name="text-sm text-muted tabular-nums break-words min-w-0"),
            class_name="flex flex-wrap items-center gap-x-2.5 gap-y-1",
        ),
        rx.cond(
            source.percent > 0,
            progress_bar(percent=source.percent, label=f"Reading {source.name}", class_name="max-w-96"),
        ),
        rx.cond(source.problem != "", rx.el.p(source.problem, class_name="max-w-[70ch] text-sm text-danger")),
    )


def _menu(source: SourceRow, state: Any, edit: Any | None) -> rx.Component:
    return menu(
        icon("more"),
        menu_item("Open", icon="eye", href=source.href),
        rx.cond(
            source.is_reading,
            menu_item("Stop reading", icon="stop", on_click=state.stop(source.id)),
            menu_item("Read now", icon="refresh", on_click=state.run_now(source.id)),
        ),
        rx.cond(
            (source.n_failed > 0) & negated(source.is_reading),
            menu_item("Try again what failed", icon="refresh", on_click=state.retry_failed(source.id)),
        ),
        menu_item("Settings", icon="settings", on_click=edit(source.id))
        if edit is not None
        else rx.fragment(),
        rx.cond(
            source.is_paused,
            menu_item("Resume", icon="play", on_click=state.resume(source.id)),
            menu_item("Pause", icon="pause", on_click=state.pause(source.id)),
        ),
        menu_line(),
        menu_item("Remove", icon="trash", is_danger=True, on_click=state.ask_to_delete(source.id)),
        label=f"More about {source.name}",
        trigger_class="btn btn-ghost btn-icon text-muted",
    )


def delete_dialog(state: Any, words: Words, *, text: str) -> rx.Component:
    """Ask whether a source shall go, and what was read from it with it; `text` says what that means."""
    return dialog(
        rx.el.p(text),
        rx.el.p(
            f"{words.items[:1].upper()}{words.items[1:]} kept from it: ",
            rx.el.strong(state.deleting_items),
            class_name="text-muted",
        ),
        dialog_actions(
            button("Cancel", variant="secondary", on_click=state.keep),
            button(
                f"Remove, keep its {words.items}",
                variant="secondary",
                loading=state.is_deleting,
                on_click=state.delete(True),
            ),
            button(
                f"Remove with its {words.items}",
                variant="danger",
                icon="trash",
                loading=state.is_deleting,
                on_click=state.delete(False),
            ),
        ),
        open=state.deleting_id > 0,
        title=f"Remove “{state.deleting_name}”?",
        on_close=state.keep,
    )


def source_detail(state: Any, words: Words) -> rx.Component:
    """Show one source: its state, its items, and its history.

    Args:
        state: a class that builds on `SourceState`.
    """
    return rx.cond(
        state.is_loading,
        waiting(f"Loading the {words.one}"),
        rx.cond(state.is_missing, _missing(words), _detail(state, words)),
    )


def _detail(state: Any, words: Words) -> rx.Component:
    return rx.fragment(
        link(
            icon("chevron-left"), "Back to the list", href=words.route,
            class_name="inline-flex min-h-10 items-center gap-1 text-sm",
        ),
        rx.el.header(
            rx.el.div(
                rx.el.h1(state.source.name, class_name="text-2xl break-words"),
                rx.cond(
                    state.source.address != "",
                    rx.el.p(state.source.address, class_name="mt-1 text-muted break-all"),
                ),
                class_name="min-w-0",
            ),
            _detail_actions(state),
            class_name="mb-6 flex flex-wrap items-start justify-between gap-x-6 gap-y-3",
        ),
        rx.el.div(
            rx.el.div(
                source_state(state.source),
                rx.el.p(state.source.facts, class_name="text-sm text-muted"),
                rx.el.p(state.source.schedule, class_name="text-sm text-muted"),
                class_name="card flex flex-col gap-2 p-4",
            ),
            tabs(
                value=state.tab,
                on_change=state.open_tab,
                items=[
                    ("items", words.items[:1].upper() + words.items[1:], _items(state, words)),
                    ("history", "History", _runs(state, words)),
                ],
                label=f"About this {words.one}",
            ),
            class_name="flex flex-col gap-5",
        ),
        _run_dialog(state),
    )  # fmt: skip


def _detail_actions(state: Any) -> rx.Component:
    return rx.el.div(
        rx.cond(
            (state.source.n_failed > 0) & negated(state.source.is_reading),
            button("Try again what failed", variant="secondary", on_click=state.retry_failed),
        ),
        rx.cond(
            state.source.is_reading,
            button("Stop", icon="stop", variant="secondary", on_click=state.stop),
            button("Read now", icon="refresh", on_click=state.run_now),
        ),
        class_name="flex flex-wrap gap-2",
    )


def _items(state: Any, words: Words) -> rx.Component:
    return rx.el.div(
        rx.el.div(
            text_input(
                name="text",
                id="filter-text",
                label=f"Find a {words.item}",
                hide_label=True,
                type="search",
                placeholder=f"Find a {words.item}",
                default_value="",
                on_change=state.filter_text.debounce(300),
            ),
            select(
                name="status",
                id="filter-status",
                label="State",
                hide_label=True,
                options=ITEM_FILTERS,
                value=state.status,
                on_change=state.filter_status,
            ),
            class_name="grid grid-cols-1 gap-3 sm:max-w-2xl sm:grid-cols-[minmax(0,1fr)_14rem]",
        ),
        rx.cond(
            state.items,
            table(
                headers=[words.item[:1].upper() + words.item[1:], "State"],
                rows=rx.foreach(state.items, _item),
                caption=f"{words.items}, newest first",
            ),
            rx.cond(
                (state.text != "") | (state.status != ""),
                empty_state(icon="filter", title="Nothing matches", text="Try another text or state."),
                empty_state(
                    icon="book",
                    title=f"No {words.items} yet",
                    text="They appear here as soon as they are read.",
                ),
            ),
        ),
        load_more(has_more=state.has_more_items, on_click=state.more_items),
        class_name="flex flex-col gap-3",
    )


def _item(item: ItemRow) -> rx.Component:
    return row(
        cell(
            rx.el.div(
                rx.el.div(
                    rx.cond(item.is_part, icon("file", class_name="flex-none text-muted")),
                    rx.cond(
                        item.href != "",
                        link(item.name, href=item.href, class_name="row-title"),
                        rx.el.span(item.name, class_name="break-words font-[550]"),
                    ),
                    class_name="flex items-center gap-2",
                ),
                rx.cond(
                    item.url != "",
                    rx.el.a(
                        item.url,
                        href=item.url,
                        target="_blank",
                        rel="noopener noreferrer nofollow",
                        class_name="text-sm font-normal text-muted break-all hover:underline",
                    ),
                ),
                rx.el.div(item.facts, class_name="text-sm font-normal text-muted"),
                class_name="min-w-0",
            )
        ),
        cell(
            rx.el.div(
                badge(item.state, tone=item.tone),
                rx.cond(
                    item.reason != "",
                    rx.el.p(item.reason, class_name="max-w-[52ch] text-sm text-muted break-words"),
                ),
                class_name="row-state items-start",
            ),
            label="State",
        ),
        key=item.id,
    )


def _runs(state: Any, words: Words) -> rx.Component:
    def show(run: RunRow) -> rx.Component:
        return rx.el.li(
            rx.el.div(
                badge(run.state, tone=run.tone),
                rx.el.span(run.when, class_name="font-medium"),
                rx.el.span(run.why, class_name="text-sm text-muted"),
                class_name="flex flex-wrap items-center gap-x-2.5 gap-y-1",
            ),
            rx.el.p(run.counts, class_name="text-sm text-muted tabular-nums"),
            rx.cond(run.problem != "", rx.el.p(run.problem, class_name="text-sm text-danger")),
            button(
                "Show what happened",
                variant="secondary",
                size="sm",
                on_click=state.open_run(run.id),
                class_name="self-start",
            ),
            key=run.id,
            class_name="card flex flex-col gap-1.5 p-4",
        )

    return rx.el.div(
        rx.cond(
            state.runs,
            rx.el.ul(rx.foreach(state.runs, show), class_name="flex flex-col gap-3"),
            empty_state(icon="book", title="Not read yet", text=f"This {words.one} waits for its turn."),
        ),
        load_more(has_more=state.has_more_runs, on_click=state.more_runs),
    )


def _run_dialog(state: Any) -> rx.Component:
    return dialog(
        rx.cond(
            state.events,
            rx.el.ol(rx.foreach(state.events, _event), class_name="flex flex-col gap-3"),
            rx.el.p("Nothing was new.", class_name="text-muted"),
        ),
        load_more(has_more=state.has_more_events, on_click=state.more_events),
        open=state.run_id > 0,
        title=state.run_title,
        on_close=state.close_run,
        wide=True,
    )


def _event(event: EventRow) -> rx.Component:
    return rx.el.li(
        rx.el.div(
            badge(event.state, tone=event.tone),
            rx.el.span(event.name, class_name="break-all font-medium min-w-0"),
            class_name="flex flex-wrap items-center gap-x-2.5 gap-y-1",
        ),
        rx.cond(event.detail != "", rx.el.p(event.detail, class_name="mt-1 text-sm text-muted break-words")),
        rx.cond(
            event.diff,
            rx.el.div(
                rx.foreach(event.diff, _diff_line),
                aria_label="What changed",
                class_name="mt-2 overflow-x-auto rounded-control border border-line p-2 text-[0.8125rem]",
            ),
        ),
        key=event.id,
        class_name="border-b border-line pb-3 last:border-0",
    )


def _diff_line(line: DiffLine) -> rx.Component:
    return rx.el.p(
        rx.match(
            line.mark,
            ("+", rx.el.span("+ ", class_name="font-mono")),
            ("-", rx.el.span("− ", class_name="font-mono")),
            rx.el.span("  ", class_name="font-mono"),
        ),
        line.text,
        class_name=rx.match(
            line.mark,
            ("+", "whitespace-pre-wrap break-words text-success"),
            ("-", "whitespace-pre-wrap break-words text-danger line-through"),
            "whitespace-pre-wrap break-words text-muted",
        ),
    )


def problem_banner(text: Any, *, label: str, on_click: Press) -> rx.Component:
    """Say what keeps sources from being read, with the way to mend it."""
    return banner(
        text, tone="danger", action=button(label, variant="secondary", size="sm", on_click=on_click)
    )


def _missing(words: Words) -> rx.Component:
    return empty_state(
        icon="search",
        title=f"There is no such {words.one}",
        text="It may have been removed, or belongs to another knowledge base.",
        action=link_button("Back to the list", href=words.route, variant="secondary"),
    )


def waiting(label: str) -> rx.Component:
    """Show grey shapes where sources will appear."""
    return rx.el.div(
        skeleton(class_name="h-8 w-64"),
        skeleton(class_name="h-28 w-full rounded-card"),
        skeleton(class_name="h-28 w-full rounded-card"),
        role="status",
        aria_label=label,
        class_name="flex flex-col gap-5",
    )
