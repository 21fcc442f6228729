"""What models were called for and what it cost: by day as bars, and as a table."""

from typing import Any

import reflex as rx

from rag_app.ui import routes
from rag_app.ui.components import (
    badge,
    bar_chart,
    button,
    cell,
    empty_state,
    icon,
    link_button,
    load_more,
    menu,
    menu_item,
    page_header,
    row,
    section_header,
    select,
    skeleton,
    stat,
    switch,
    table,
    text_input,
)
from rag_app.ui.components.base import Text
from rag_app.ui.dashboard.frame import frame
from rag_app.ui.dashboard.usage.state import UsageState
from rag_app.ui.dashboard.usage.view import RANGES, LineView, StatView

TITLE = "Usage · Simple RAG"
NUMBERS = ["Calls", "Tokens read", "Written", "Cost", "First word", "Errors"]


def usage_page() -> rx.Component:
    return frame(
        page_header(
            title="Usage",
            text="What language models were asked, what it cost and how it went.",
            actions=rx.cond(UsageState.loaded, _files()),
        ),
        rx.cond(
            UsageState.loaded,
            rx.fragment(
                _filters(),
                rx.el.div(
                    rx.cond(UsageState.is_empty, _nothing(), _report()),
                    aria_busy=UsageState.busy,
                    class_name="usage-report",
                ),
            ),
            _waiting(),
        ),
        active=routes.USAGE,
    )


def _filters() -> rx.Component:
    return rx.el.div(
        rx.cond(UsageState.is_admin, _owners()),
        rx.el.div(
            _filter("Time", "usage-range", list(RANGES.items()), UsageState.days, UsageState.choose_range),
            _narrowing(
                "Knowledge base",
                "kb",
                UsageState.options.kbs,
                UsageState.narrowed.kb,
                class_name="max-md:order-first max-md:col-span-2 md:basis-56",
            ),
            _narrowing("Provider", "provider", UsageState.options.providers, UsageState.narrowed.provider),
            _narrowing("Model", "model", UsageState.options.models, UsageState.narrowed.model),
            _narrowing("Purpose", "kind", UsageState.options.kinds, UsageState.narrowed.kind),
            class_name="grid grid-cols-2 gap-3 md:flex md:flex-wrap",
        ),
        rx.cond(UsageState.days == "custom", _days()),
        class_name="mb-5 flex flex-col gap-3",
    )


def _owners() -> rx.Component:
    """What only those see who run the installation."""
    return rx.el.div(
        switch(
            name="all_owners",
            label="All owners",
            hint="You run this installation, so you may see what everybody uses.",
            checked=UsageState.all_owners,
            on_change=UsageState.show_owners,
        ),
        rx.cond(
            UsageState.all_owners,
            _narrowing(
                "Owner",
                "owner",
                UsageState.options.owners,
                UsageState.narrowed.owner,
                class_name="w-full sm:w-72",
            ),
        ),
        class_name="flex flex-wrap items-start justify-between gap-3",
    )


def _narrowing(
    label: str, what: str, options: Any, value: Text, *, class_name: str = "md:basis-40"
) -> rx.Component:
    return _filter(label, f"usage-{what}", options, value, UsageState.narrow(what), class_name=class_name)


def _filter(
    label: str, id: str, options: Any, value: Text, on_change: Any, *, class_name: str = "md:basis-40"
) -> rx.Component:
    return rx.el.div(
        select(
            name=id,
            id=id,
            label=label,
            hide_label=True,
            options=options,
            value=value,
            on_change=on_change,
        ),
        class_name=f"min-w-0 md:grow {class_name}",
    )


def _days() -> rx.Component:
    return rx.el.form(
        text_input(
            name="from",
            id="usage-from",
            label="From",
            type="date",
            required=True,
            default_value=UsageState.first_day,
            key=f"from {UsageState.first_day}",
        ),
        text_input(
            name="to",
            id="usage-to",
            label="Until",
            type="date",
            required=True,
            default_value=UsageState.last_day,
            key=f"to {UsageState.last_day}",
        ),
        button("Show", type="submit", variant="secondary"),
        on_submit=UsageState.choose_days,
        class_name="grid max-w-xl grid-cols-2 items-end gap-3 sm:grid-cols-[1fr_1fr_auto]",
    )


def _files() -> rx.Component:
    return menu(
        rx.el.span(icon("download"), "Download", class_name="flex items-center gap-2"),
        menu_item("The table below (CSV)", icon="file", href=UsageState.table_file, is_file=True),
        menu_item("Every single call (CSV)", icon="file", href=UsageState.calls_file, is_file=True),
        label="",
        trigger_class="btn btn-secondary",
    )


def _report() -> rx.Component:
    return rx.el.div(
        rx.el.div(
            rx.foreach(UsageState.stats, _stat),
            class_name="grid grid-cols-2 gap-3 md:grid-cols-[repeat(auto-fit,minmax(10rem,1fr))]",
        ),
        _charts(),
        rx.cond(UsageState.errors, _errors()),
        _table(),
        class_name="flex flex-col gap-6",
    )


def _stat(one: StatView) -> rx.Component:
    return stat(label=one.label, value=one.value, hint=one.hint)


def _charts() -> rx.Component:
    charts = UsageState.charts
    return rx.el.div(
        bar_chart(charts.cost, title="Cost", lower="US dollars, as far as known", empty="No known cost"),
        bar_chart(charts.tokens, title="Tokens", lower="Read", upper="Written"),
        bar_chart(charts.calls, title="Calls", lower="Went well", upper="Errors", upper_tone="danger"),
        bar_chart(
            charts.speed,
            title="Time to the first word",
            lower="Half of the answers",
            upper="19 of 20 answers",
            empty="No call has told",
        ),
        class_name="grid gap-3 md:grid-cols-2",
    )


def _errors() -> rx.Component:
    return rx.el.section(
        section_header(title="What went wrong"),
        rx.el.ul(
            rx.foreach(UsageState.errors, lambda words: rx.el.li(badge(words, tone="warn"))),
            class_name="flex flex-wrap gap-2",
        ),
    )


def _table() -> rx.Component:
    return rx.el.section(
        section_header(
            title="In numbers",
            actions=rx.el.div(
                select(
                    name="group_by",
                    id="usage-group",
                    label="By",
                    hide_label=True,
                    options=UsageState.groupings,
                    value=UsageState.group_by,
                    on_change=UsageState.group,
                ),
                class_name="w-52",
            ),
        ),
        table(
            headers=[UsageState.group_title, *NUMBERS],
            rows=rx.foreach(UsageState.lines, _line),
            caption="Usage",
            numbers=NUMBERS,
        ),
        load_more(has_more=UsageState.n_hidden > 0, loading=UsageState.busy, on_click=UsageState.show_more),
    )


def _line(line: LineView) -> rx.Component:
    read, written, cost, speed, errors = NUMBERS[1:]
    return row(
        cell(
            rx.el.div(
                rx.el.span(line.name, class_name="[overflow-wrap:anywhere]"),
                rx.cond(
                    line.note != "",
                    rx.el.span(line.note, class_name="block text-[0.8125rem] font-normal text-muted"),
                ),
            )
        ),
        cell(line.calls, label=NUMBERS[0], is_number=True),
        cell(line.read, label=read, is_number=True),
        cell(line.written, label=written, is_number=True),
        cell(
            rx.el.span(
                line.cost,
                rx.cond(
                    line.cost_note != "",
                    rx.el.span(line.cost_note, class_name="block text-[0.8125rem] text-muted"),
                ),
                class_name="text-right",
            ),
            label=cost,
            is_number=True,
        ),
        cell(rx.el.span(line.speed, class_name="whitespace-nowrap"), label=speed, is_number=True),
        cell(line.errors, label=errors, is_number=True),
    )


def _nothing() -> rx.Component:
    return rx.cond(
        UsageState.is_narrowed,
        empty_state(
            icon="search",
            title="No call fits",
            text="Choose other days, or take the filters away.",
            action=button("Show all", variant="secondary", on_click=UsageState.show_all),
        ),
        empty_state(
            icon="chart",
            title="Nothing used in these days",
            text="Every call to a language model is counted here: its tokens, what it cost and how long it "
            "took. Ask one of your knowledge bases something, and the first one appears.",
            action=link_button("My knowledge bases", href=routes.KNOWLEDGE_BASES, icon="library"),
        ),
    )


def _waiting() -> rx.Component:
    return rx.el.div(
        rx.el.div(
            *(skeleton(class_name="h-24") for _ in range(4)),
            class_name="grid grid-cols-2 gap-3 md:grid-cols-4",
        ),
        rx.el.div(*(skeleton(class_name="h-56") for _ in range(4)), class_name="grid gap-3 md:grid-cols-2"),
        class_name="flex flex-col gap-6",
    )
