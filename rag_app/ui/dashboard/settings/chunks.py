"""How documents are cut: two numbers, and what they do to one of the documents."""

import reflex as rx

from rag_app.domain.knobs import KNOBS
from rag_app.ui import routes
from rag_app.ui.components import (
    banner,
    button,
    card,
    dialog,
    dialog_actions,
    link,
    progress_bar,
    select,
    text_input,
)
from rag_app.ui.dashboard.settings.chunks_state import ChunksState
from rag_app.ui.dashboard.settings.chunks_view import CutChunk, Side
from rag_app.ui.dashboard.settings.section import section


def chunks_card() -> rx.Component:
    """The numbers, then the preview below them in the full width."""
    return rx.el.div(
        section(
            "Chunks",
            "How documents are cut into the pieces that are found and cited.",
            rx.el.form(
                rx.el.div(
                    _number("chunk_tokens"),
                    _number("overlap_tokens"),
                    key=ChunksState.n_forms,
                    class_name="flex flex-col gap-7",
                ),
                _actions(),
                on_submit=ChunksState.save,
                no_validate=True,
                class_name="flex max-w-2xl flex-col gap-5",
            ),
            rx.cond(
                ChunksState.reading.is_open,
                _progress(),
                rx.cond(ChunksState.cut.n_otherwise > 0, _otherwise()),
            ),
            _dialog(),
            id="chunks",
        ),
        _preview(),
        class_name="mt-6 flex flex-col gap-6",
    )


def _number(name: str) -> rx.Component:
    knob = KNOBS[name]
    return text_input(
        name=name,
        id=f"chunks-{name}",
        label=knob.title,
        hint=ChunksState.hints[name],
        error=ChunksState.errors.get(name, ""),
        required=True,
        type="number",
        min=knob.least,
        max=knob.most,
        default_value=ChunksState.draft[name],
        on_change=ChunksState.change(name).debounce(400),
    )


def _actions() -> rx.Component:
    return rx.el.div(
        rx.cond(
            ChunksState.is_changed,
            rx.fragment(
                button("Save", type="submit", loading=ChunksState.is_saving),
                button("Discard", variant="secondary", on_click=ChunksState.discard),
            ),
        ),
        rx.el.p(ChunksState.said, role="status", class_name="text-[0.9375rem]"),
        class_name="flex flex-wrap items-center gap-2.5",
    )


def _otherwise() -> rx.Component:
    return banner(
        ChunksState.cut.otherwise,
        tone="warn",
        action=button(
            "Read all documents again",
            icon="refresh",
            variant="secondary",
            size="sm",
            on_click=ChunksState.ask,
        ),
        class_name="mt-5",
    )


def _progress() -> rx.Component:
    return rx.el.div(
        rx.el.div(
            rx.el.h3(f"Reading again: {ChunksState.reading.percent} %", class_name="font-semibold"),
            rx.el.p(ChunksState.reading.text, class_name="text-sm text-muted tabular-nums"),
            class_name="flex flex-wrap items-baseline justify-between gap-x-4",
        ),
        progress_bar(percent=ChunksState.reading.percent, label="Documents read again"),
        rx.el.p("You may leave this page; the work goes on.", class_name="text-sm text-muted"),
        class_name="mt-5 flex flex-col gap-3",
    )


def _dialog() -> rx.Component:
    return dialog(
        rx.el.p(ChunksState.cut.question),
        dialog_actions(
            button("Not now", variant="secondary", on_click=ChunksState.keep),
            button("Read again", icon="refresh", on_click=ChunksState.read_again),
        ),
        open=ChunksState.is_asking,
        title="Read all documents again?",
        on_close=ChunksState.keep,
    )


def _preview() -> rx.Component:
    return card(
        rx.el.h3("What this does to a document", id="chunk-preview", class_name="text-lg"),
        rx.cond(
            ChunksState.documents,
            rx.fragment(
                rx.el.div(
                    select(
                        name="document",
                        id="chunk-document",
                        label="Document",
                        required=True,
                        options=ChunksState.documents,
                        value=ChunksState.document_id,
                        on_change=ChunksState.choose_document,
                    ),
                    class_name="mt-3 max-w-md",
                ),
                rx.el.p(
                    rx.cond(ChunksState.is_cutting, "Cutting…", ChunksState.preview.note),
                    role="status",
                    class_name="mt-2 min-h-5 text-sm text-muted",
                ),
                rx.cond(ChunksState.problem != "", banner(ChunksState.problem, tone="warn"), _sides()),
            ),
            rx.el.p(
                "As soon as a document is ready, you see its chunks here, before and after a change. ",
                link("Add a document", href=routes.KNOWLEDGE_BASE),
                class_name="mt-2 text-muted",
            ),
        ),
        role="region",
        aria_labelledby="chunk-preview",
        class_name="sm:p-6",
    )


def _sides() -> rx.Component:
    preview = ChunksState.preview
    return rx.cond(
        preview.is_same,
        rx.fragment(
            rx.el.p(
                "Change a number above to see the difference here, side by side.",
                class_name="mt-1 text-sm text-muted",
            ),
            rx.el.div(_side(preview.before), class_name="mt-4"),
        ),
        rx.el.div(_side(preview.before), _side(preview.after), class_name="mt-4 grid gap-6 md:grid-cols-2"),
    )


def _side(side: Side) -> rx.Component:
    return rx.el.section(
        rx.el.h4(side.title, class_name="font-semibold"),
        rx.el.p(side.facts, class_name="text-sm text-muted tabular-nums"),
        rx.el.ol(
            rx.foreach(side.chunks, _chunk),
            tab_index=0,
            aria_label=side.title,
            class_name="mt-3 flex max-h-[34rem] flex-col gap-3 overflow-y-auto",
        ),
        rx.cond(side.more != "", rx.el.p(side.more, class_name="mt-2 text-sm text-muted")),
        class_name="min-w-0",
    )


def _chunk(chunk: CutChunk) -> rx.Component:
    return rx.el.li(
        rx.el.p(
            rx.el.span(chunk.title, class_name="font-medium tabular-nums"),
            rx.cond(chunk.place != "", rx.el.span(f" · {chunk.place}", class_name="text-muted")),
            class_name="break-words text-sm",
        ),
        rx.el.p(
            rx.cond(
                chunk.repeated != "",
                rx.el.mark(chunk.repeated, title="Stands at the end of the chunk before as well"),
            ),
            chunk.text,
            dir="auto",
            class_name="mt-1 whitespace-pre-wrap break-words text-[0.875rem]",
        ),
        class_name="rounded-control border border-line p-3",
    )
