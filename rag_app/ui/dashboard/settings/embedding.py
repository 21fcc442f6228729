"""Which embedding model the chosen knowledge base has: another one, how far that is, and a way back."""

import reflex as rx

from rag_app.ui.components import badge, banner, button, dialog, dialog_actions, progress_bar
from rag_app.ui.dashboard.settings.embedding_state import EmbeddingState
from rag_app.ui.dashboard.settings.embedding_view import ModelView
from rag_app.ui.dashboard.settings.section import section


def embedding_card() -> rx.Component:
    """The models, with the one in use, and the progress of a switch."""
    return section(
        "Embedding model",
        "It turns questions and texts into meanings that can be compared.",
        rx.el.div(
            rx.cond(EmbeddingState.switch.problem != "", banner(EmbeddingState.switch.problem, tone="warn")),
            rx.cond(EmbeddingState.switch.is_switching, _progress()),
            rx.el.ul(
                rx.foreach(EmbeddingState.models, _model), class_name="flex flex-col divide-y divide-line"
            ),
            class_name="flex flex-col gap-5",
        ),
        _choice_dialog(),
        _stop_dialog(),
        id="embedding-model",
    )


def _progress() -> rx.Component:
    switch = EmbeddingState.switch
    return rx.el.div(
        rx.el.div(
            rx.el.h3(
                f"Preparing “{switch.next_title}”: {switch.percent} %",
                class_name="min-w-0 break-words font-semibold",
            ),
            rx.el.p(switch.progress, class_name="text-sm text-muted tabular-nums"),
            class_name="flex flex-wrap items-baseline justify-between gap-x-4",
        ),
        progress_bar(percent=switch.percent, label="Chunks embedded anew"),
        rx.el.div(
            rx.el.p(
                f"“{switch.title}” goes on serving until this is done. You may leave the page.",
                class_name="min-w-0 flex-[1_1_14rem] text-sm text-muted",
            ),
            button("Stop", icon="close", variant="secondary", size="sm", on_click=EmbeddingState.ask_to_stop),
            class_name="flex flex-wrap items-center justify-between gap-3",
        ),
        class_name="flex flex-col gap-3 border-b border-line pb-5",
    )


def _model(model: ModelView) -> rx.Component:
    return rx.el.li(
        rx.el.div(
            rx.el.div(model.title, class_name="break-words font-medium"),
            rx.el.div(model.text, class_name="text-sm text-muted"),
            class_name="min-w-0 flex-[1_1_14rem]",
        ),
        _state_of(model),
        class_name="flex flex-wrap items-center gap-x-4 gap-y-2 py-3 first:pt-0 last:pb-0",
    )


def _state_of(model: ModelView) -> rx.Component:
    use = button(
        "Use this one",
        variant="secondary",
        size="sm",
        aria_label=f"Use “{model.title}”",
        on_click=EmbeddingState.ask(model.name),
    )
    return rx.cond(
        model.is_used,
        badge("In use", tone="success"),
        rx.cond(
            model.is_next,
            badge("Being prepared", tone="accent"),
            rx.cond(EmbeddingState.switch.is_switching, rx.fragment(), use),
        ),
    )


def _choice_dialog() -> rx.Component:
    return dialog(
        rx.el.div(
            rx.el.p(EmbeddingState.switch.consequences),
            rx.cond(
                EmbeddingState.chosen_cost != "",
                rx.el.p(EmbeddingState.chosen_cost, class_name="font-medium"),
            ),
            rx.el.p(
                f"“{EmbeddingState.switch.title}” goes on serving until then, so nobody notices anything. "
                "You can stop it at any time.",
            ),
            class_name="flex flex-col gap-3 break-words",
        ),
        dialog_actions(
            button("Cancel", variant="secondary", on_click=EmbeddingState.keep),
            button(
                "Switch",
                loading=EmbeddingState.is_beginning,
                on_click=EmbeddingState.begin,
            ),
        ),
        open=EmbeddingState.chosen != "",
        title=f"Switch “{EmbeddingState.kb_name}” to “{EmbeddingState.chosen_title}”?",
        on_close=EmbeddingState.keep,
    )


def _stop_dialog() -> rx.Component:
    return dialog(
        rx.el.p(
            f"“{EmbeddingState.kb_name}” stays with “{EmbeddingState.switch.title}”. What was embedded with "
            f"“{EmbeddingState.switch.next_title}” is thrown away.",
            class_name="break-words",
        ),
        dialog_actions(
            button("Go on", variant="secondary", on_click=EmbeddingState.keep),
            button("Stop", variant="danger", on_click=EmbeddingState.stop),
        ),
        open=EmbeddingState.is_stopping,
        title="Stop switching?",
        on_close=EmbeddingState.keep,
    )
