"""How the chosen knowledge base is searched: presets, then every knob with what it does."""

import reflex as rx

from rag_app.domain.knobs import KNOBS, Knob
from rag_app.domain.rag_config import PRESET_WORDS, PRESETS
from rag_app.ui import routes
from rag_app.ui.components import (
    button,
    dialog,
    dialog_actions,
    empty_state,
    icon,
    link_button,
    section_header,
    select,
    skeleton,
    slider,
    switch,
    text_input,
)
from rag_app.ui.components.base import Flag, Press, Text
from rag_app.ui.components.field import Options
from rag_app.ui.dashboard.settings.chunks import chunks_card
from rag_app.ui.dashboard.settings.embedding import embedding_card
from rag_app.ui.dashboard.settings.retrieval_state import RetrievalSettingsState
from rag_app.ui.dashboard.settings.retrieval_view import (
    CHOICES,
    GROUPS,
    PRESET_TITLES,
    SLIDERS,
    Group,
    recommended,
)
from rag_app.ui.dashboard.settings.section import section


def retrieval_panel() -> rx.Component:
    """Choose a preset, or turn the knobs."""
    return rx.cond(
        RetrievalSettingsState.is_loading,
        _waiting(),
        rx.cond(RetrievalSettingsState.kb_id > 0, _settings(), _no_knowledge_base()),
    )


def _settings() -> rx.Component:
    return rx.el.div(
        section_header(
            title=rx.el.span(f"How “{RetrievalSettingsState.kb_name}” is searched", class_name="break-words"),
            text="For the chat, the public link, Semantic Search and the API alike.",
            actions=rx.el.div(
                rx.cond(
                    RetrievalSettingsState.is_recommended,
                    rx.fragment(),
                    button(
                        "Reset to recommended",
                        icon="refresh",
                        variant="secondary",
                        size="sm",
                        on_click=RetrievalSettingsState.ask_to_reset,
                    ),
                ),
                link_button(
                    "Try it",
                    href=f"{routes.SEARCH}?kb={RetrievalSettingsState.kb_id}",
                    icon="search",
                    variant="secondary",
                    size="sm",
                ),
                class_name="flex flex-wrap gap-2.5",
            ),
        ),
        _presets(),
        rx.el.form(
            rx.el.div(
                *(_group(group) for group in GROUPS),
                key=RetrievalSettingsState.n_forms,
                class_name="flex flex-col gap-6",
            ),
            _bar(),
            on_submit=RetrievalSettingsState.save,
            no_validate=True,
            class_name="my-6 flex flex-col gap-6",
        ),
        embedding_card(),
        chunks_card(),
        _reset_dialog(),
    )


def _presets() -> rx.Component:
    return rx.el.div(
        *(
            _preset(
                PRESET_TITLES[name],
                PRESET_WORDS[name],
                is_chosen=RetrievalSettingsState.preset == name,
                on_click=RetrievalSettingsState.choose(name),
            )
            for name in PRESETS
        ),
        rx.cond(
            RetrievalSettingsState.has_own,
            _preset(
                "Your own",
                "What was set by hand below.",
                is_chosen=RetrievalSettingsState.preset == "",
                on_click=RetrievalSettingsState.choose("own"),
            ),
        ),
        role="group",
        aria_label="Presets",
        class_name="grid gap-3 sm:grid-cols-[repeat(auto-fit,minmax(13rem,1fr))]",
    )


def _preset(title: str, words: str, *, is_chosen: Flag, on_click: Press) -> rx.Component:
    return rx.el.button(
        rx.el.span(
            title,
            rx.cond(is_chosen, icon("check", class_name="text-accent"), rx.fragment()),
            class_name="flex items-center justify-between gap-2 font-semibold",
        ),
        rx.el.span(words, class_name="text-sm text-muted"),
        type="button",
        aria_pressed=is_chosen,
        on_click=on_click,
        class_name="preset",
    )


def _group(group: Group) -> rx.Component:
    return section(
        group.title,
        group.text,
        rx.el.div(*(_knob(KNOBS[name]) for name in group.knobs), class_name="flex flex-col gap-7"),
        id=group.id,
    )


def _knob(knob: Knob) -> rx.Component:
    row = RetrievalSettingsState.knobs[knob.name]
    return rx.el.div(
        _control(knob),
        rx.el.p(
            rx.cond(row.is_own, rx.el.strong("Recommended: ", class_name="font-medium"), "Recommended: "),
            recommended(knob.name),
            class_name=rx.cond(row.is_own, "knob-note is-own", "knob-note"),
        ),
        rx.cond(row.reason != "", rx.el.p(icon("info"), row.reason, class_name="knob-reason")),
        rx.cond(row.warning != "", rx.el.p(icon("warn"), row.warning, class_name="knob-reason")),
        class_name="flex max-w-2xl flex-col gap-1",
    )


def _control(knob: Knob) -> rx.Component:
    if knob.kind == "switch":
        return _switch(knob)
    if knob.kind == "choice":
        return _select(knob)
    return _slider(knob) if knob.name in SLIDERS else _number(knob)


def _switch(knob: Knob) -> rx.Component:
    row = RetrievalSettingsState.knobs[knob.name]
    return switch(
        name=knob.name,
        id=f"knob-{knob.name}",
        label=knob.title,
        hint=knob.description,
        checked=row.is_on,
        disabled=row.reason != "",
        on_change=RetrievalSettingsState.change(knob.name),
    )


def _select(knob: Knob) -> rx.Component:
    row = RetrievalSettingsState.knobs[knob.name]
    return select(
        name=knob.name,
        id=f"knob-{knob.name}",
        label=knob.title,
        hint=knob.description,
        error=row.error,
        required=True,
        options=_options(knob),
        value=row.text,
        disabled=row.reason != "",
        on_change=RetrievalSettingsState.change(knob.name),
    )


def _options(knob: Knob) -> Options:
    return RetrievalSettingsState.rerankers if knob.name == "reranker" else list(CHOICES[knob.name].items())


def _slider(knob: Knob) -> rx.Component:
    row = RetrievalSettingsState.knobs[knob.name]
    step, ends = SLIDERS[knob.name]
    return slider(
        name=knob.name,
        id=f"knob-{knob.name}",
        label=knob.title,
        hint=knob.description,
        error=row.error,
        min=knob.least or 0,
        max=knob.most or 1,
        step=step,
        ends=ends,
        shown=row.shown,
        default_value=row.number,
        disabled=row.reason != "",
        on_change=RetrievalSettingsState.change(knob.name).debounce(80),
    )


def _number(knob: Knob) -> rx.Component:
    row = RetrievalSettingsState.knobs[knob.name]
    return text_input(
        name=knob.name,
        id=f"knob-{knob.name}",
        label=knob.title,
        hint=f"{knob.description} From {knob.least:,} to {knob.most:,}.",
        error=row.error,
        required=True,
        type="number",
        min=knob.least,
        max=knob.most,
        default_value=row.text,
        disabled=row.reason != "",
        on_change=RetrievalSettingsState.change(knob.name).debounce(300),
    )


def _bar() -> rx.Component:
    """What has become of the changes, and what can be done with them: within reach while there are any."""
    state = RetrievalSettingsState
    return rx.fragment(
        rx.el.p(_status(), role="status", class_name="sr-only"),
        rx.cond(
            state.is_changed | state.can_undo | (state.said != ""),
            rx.el.div(
                rx.el.p(
                    _status(), aria_hidden="true", class_name="min-w-0 flex-[1_1_14rem] text-[0.9375rem]"
                ),
                _bar_buttons(),
                class_name=rx.cond(state.is_changed, "save-bar is-changed", "save-bar"),
            ),
        ),
    )


def _bar_buttons() -> rx.Component:
    state = RetrievalSettingsState
    return rx.el.div(
        rx.cond(
            state.can_undo,
            button("Undo", icon="history", variant="secondary", on_click=state.undo),
        ),
        rx.cond(
            state.is_changed,
            rx.fragment(
                button("Discard", variant="secondary", on_click=state.discard),
                button("Save", type="submit", loading=state.is_saving),
            ),
        ),
        class_name="flex flex-wrap gap-2.5",
    )


def _status() -> Text | rx.Component:
    state = RetrievalSettingsState
    return rx.cond(
        state.has_problems,
        rx.el.span("Not saved: a value does not fit. It says why beside it.", class_name="text-danger"),
        rx.cond(state.is_changed, "You have changes that are not saved.", state.said),
    )


def _reset_dialog() -> rx.Component:
    return dialog(
        rx.el.p(
            "Everything that is set here for this knowledge base goes back to what we recommend. "
            "You can undo it until you leave the page.",
        ),
        dialog_actions(
            button("Keep my settings", variant="secondary", on_click=RetrievalSettingsState.keep),
            button("Reset to recommended", on_click=RetrievalSettingsState.use_recommended),
        ),
        open=RetrievalSettingsState.is_resetting,
        title="Reset to recommended?",
        on_close=RetrievalSettingsState.keep,
    )


def _no_knowledge_base() -> rx.Component:
    return empty_state(
        icon="book",
        title="There is nothing to search yet",
        text="Each knowledge base has its own settings of how it is searched. Create one first.",
        action=link_button("My knowledge bases", href=routes.KNOWLEDGE_BASES),
    )


def _waiting() -> rx.Component:
    return rx.el.div(
        skeleton(class_name="h-8 w-72 max-w-full"),
        skeleton(class_name="h-32 w-full rounded-card"),
        skeleton(class_name="h-96 w-full rounded-card"),
        role="status",
        aria_label="Loading how it is searched",
        class_name="flex flex-col gap-6",
    )
