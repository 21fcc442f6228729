"""How the chosen knowledge base answers: which model, which one stands in, and what it is told."""

from typing import Any

import reflex as rx

from rag_app.services.knowledge_bases import MAX_FALLBACKS
from rag_app.ui import routes
from rag_app.ui.components import (
    banner,
    button,
    code_block,
    empty_state,
    field,
    icon_button,
    link_button,
    section_header,
    select,
    skeleton,
    text_input,
    textarea,
)
from rag_app.ui.components.base import Text
from rag_app.ui.dashboard.create_kb.view import ProviderOption
from rag_app.ui.dashboard.settings.answers_state import AnswersState
from rag_app.ui.dashboard.settings.answers_view import FallbackView, language_options
from rag_app.ui.dashboard.settings.section import section


def answers_panel() -> rx.Component:
    """Choose who answers and how."""
    return rx.cond(
        AnswersState.is_loading,
        _waiting(),
        rx.cond(AnswersState.kb_id > 0, _settings(), _no_knowledge_base()),
    )


def _settings() -> rx.Component:
    return rx.el.div(
        section_header(
            title=rx.el.span(f"How “{AnswersState.kb_name}” answers", class_name="break-words"),
            text="For the chat, the public link and the API alike.",
        ),
        rx.el.form(
            rx.el.div(
                _model(),
                _stand_ins(),
                _wording(),
                key=AnswersState.n_forms,
                class_name="flex flex-col gap-6",
            ),
            _bar(),
            on_submit=AnswersState.save,
            no_validate=True,
            class_name="mb-6 flex flex-col gap-6",
        ),
        _preview(),
    )


def _model() -> rx.Component:
    return section(
        "Who answers",
        "The model that writes the answers from the passages that were found.",
        rx.el.div(
            _provider(),
            select(
                name="llm_model",
                id="answers-model",
                label="Model",
                required=True,
                options=AnswersState.models,
                value=AnswersState.model,
                on_change=AnswersState.choose_model,
                error=AnswersState.errors.llm_model,
            ),
            class_name="grid gap-5 sm:grid-cols-2",
        ),
        id="answers-who",
    )


def _provider() -> rx.Component:
    def control(described: dict[str, Any]) -> rx.Component:
        return rx.el.select(
            rx.foreach(AnswersState.providers, _option),
            name="llm_provider",
            value=AnswersState.provider,
            on_change=AnswersState.choose_provider,
            **described,
        )

    return field(
        control,
        id="answers-provider",
        label="Provider",
        error=AnswersState.errors.llm_provider,
        required=True,
    )


def _option(provider: ProviderOption) -> rx.Component:
    return rx.el.option(provider.label, value=provider.name, disabled=provider.is_disabled)


def _stand_ins() -> rx.Component:
    return section(
        "If it cannot answer",
        "When the provider is overloaded, cannot be reached or refuses the key, these are asked instead, in "
        "this order. Their provider then gets the question and the passages.",
        rx.el.div(
            rx.cond(
                AnswersState.fallbacks,
                rx.el.ol(
                    rx.foreach(AnswersState.fallbacks, _stand_in),
                    aria_label="Models that stand in",
                    class_name="flex flex-col divide-y divide-line",
                ),
                rx.el.p("No other model: the reader is told to try again.", class_name="text-sm text-muted"),
            ),
            rx.cond(AnswersState.errors.llm_fallbacks != "", _problem(AnswersState.errors.llm_fallbacks)),
            rx.cond(
                AnswersState.more_fallbacks,
                select(
                    name="add_fallback",
                    id="answers-add",
                    label="Add a model",
                    hint=f"Up to {MAX_FALLBACKS}.",
                    required=True,
                    options=AnswersState.more_fallbacks,
                    value="",
                    on_change=AnswersState.add_fallback,
                ),
            ),
            class_name="flex max-w-2xl flex-col gap-5",
        ),
        id="answers-stand-ins",
    )


def _stand_in(model: FallbackView, at: int) -> rx.Component:
    number = rx.Var.create(at).to(int) + 1
    return rx.el.li(
        rx.el.span(f"{number}.", aria_hidden="true", class_name="w-5 flex-none text-muted tabular-nums"),
        rx.el.div(
            rx.el.div(model.title, class_name="break-words font-medium"),
            rx.cond(model.note != "", rx.el.div(model.note, class_name="text-sm text-warn")),
            class_name="min-w-0 flex-1",
        ),
        rx.el.div(
            icon_button(
                "chevron-up",
                label=f"Ask {model.title} sooner",
                disabled=model.is_first,
                on_click=AnswersState.move_fallback(model.value, -1),
            ),
            icon_button(
                "chevron-down",
                label=f"Ask {model.title} later",
                disabled=model.is_last,
                on_click=AnswersState.move_fallback(model.value, 1),
            ),
            icon_button(
                "close",
                label=f"Remove {model.title}",
                on_click=AnswersState.remove_fallback(model.value),
            ),
            class_name="flex flex-none",
        ),
        class_name="flex items-center gap-2 py-2 first:pt-0",
    )


def _wording() -> rx.Component:
    return section(
        "What it is told",
        "Your own instructions. We always add that only the passages count, that each statement cites one, "
        "and that nothing is guessed.",
        rx.cond(
            AnswersState.can.is_built_in,
            banner(
                "The built-in model quotes your documents and writes nothing of its own. Of these settings "
                "only the language has an effect: it is used where there is no answer.",
                icon="info",
            ),
        ),
        rx.el.div(
            rx.el.div(
                textarea(
                    name="system_prompt",
                    id="answers-prompt",
                    label="Instructions",
                    hint="For example how to address the reader, and what to call things.",
                    required=True,
                    rows=6,
                    default_value=AnswersState.prompt,
                    on_change=AnswersState.enter("system_prompt").debounce(300),
                    error=AnswersState.errors.system_prompt,
                ),
                rx.cond(
                    AnswersState.is_default_prompt,
                    rx.el.p("These are the instructions we recommend.", class_name="field-hint"),
                    button(
                        "Back to the recommended instructions",
                        icon="refresh",
                        variant="ghost",
                        size="sm",
                        on_click=AnswersState.use_default_prompt,
                        class_name="self-start",
                    ),
                ),
                class_name="flex flex-col gap-1.5",
            ),
            select(
                name="answer_language",
                id="answers-language",
                label="Language of the answers",
                required=True,
                options=language_options(),
                value=AnswersState.language,
                on_change=AnswersState.choose_language,
                error=AnswersState.errors.answer_language,
            ),
            rx.el.div(
                text_input(
                    name="max_tokens",
                    id="answers-max-tokens",
                    label="Longest answer, in tokens",
                    hint=AnswersState.can.tokens_hint,
                    required=True,
                    input_mode="numeric",
                    default_value=AnswersState.max_tokens,
                    on_change=AnswersState.enter("max_tokens").debounce(300),
                    error=AnswersState.errors.max_tokens,
                ),
                rx.cond(
                    AnswersState.can.takes_temperature,
                    text_input(
                        name="temperature",
                        id="answers-temperature",
                        label="Temperature",
                        hint="0 keeps closest to the documents, 2 is freest.",
                        required=True,
                        input_mode="decimal",
                        default_value=AnswersState.temperature,
                        on_change=AnswersState.enter("temperature").debounce(300),
                        error=AnswersState.errors.temperature,
                    ),
                    rx.el.div(
                        rx.el.p("Temperature", class_name="field-label"),
                        rx.el.p("This model takes none.", class_name="field-hint"),
                    ),
                ),
                class_name="grid gap-5 sm:grid-cols-2",
            ),
            class_name="flex max-w-2xl flex-col gap-5",
        ),
        id="answers-wording",
    )


def _bar() -> rx.Component:
    return rx.fragment(
        rx.el.p(_status(), role="status", class_name="sr-only"),
        rx.cond(
            AnswersState.is_changed | (AnswersState.said != ""),
            rx.el.div(
                rx.el.p(
                    _status(), aria_hidden="true", class_name="min-w-0 flex-[1_1_14rem] text-[0.9375rem]"
                ),
                rx.cond(
                    AnswersState.is_changed,
                    rx.el.div(
                        button("Discard", variant="secondary", on_click=AnswersState.discard),
                        button("Save", type="submit", loading=AnswersState.is_saving),
                        class_name="flex flex-wrap gap-2.5",
                    ),
                ),
                class_name=rx.cond(AnswersState.is_changed, "save-bar is-changed", "save-bar"),
            ),
        ),
    )


def _status() -> Text | rx.Component:
    return rx.cond(
        AnswersState.errors.other != "",
        rx.el.span(AnswersState.errors.other, class_name="text-danger"),
        rx.cond(AnswersState.is_changed, "You have changes that are not saved.", AnswersState.said),
    )


def _preview() -> rx.Component:
    return section(
        "See the final prompt",
        "Everything the model reads for a question, with the settings as they stand above. The model is not "
        "asked.",
        rx.el.form(
            text_input(
                name="question",
                id="answers-question",
                label="A question",
                required=True,
                placeholder="What would a reader ask?",
                error=AnswersState.errors.question,
                auto_complete="off",
            ),
            button(
                "Show the prompt",
                type="submit",
                variant="secondary",
                icon="eye",
                loading=AnswersState.is_previewing,
                class_name="self-start",
            ),
            on_submit=AnswersState.show_prompt,
            no_validate=True,
            class_name="flex max-w-2xl flex-col gap-3",
        ),
        rx.cond(
            AnswersState.preview.system != "",
            rx.el.div(
                rx.el.p(AnswersState.preview.facts, class_name="text-sm text-muted"),
                _part("Instructions", AnswersState.preview.system),
                _part("Passages and question", AnswersState.preview.user),
                class_name="prompt-preview mt-5 flex flex-col gap-4",
            ),
        ),
        id="answers-preview",
    )


def _part(title: str, text: Text) -> rx.Component:
    return rx.el.div(
        rx.el.h3(title, class_name="font-semibold"),
        code_block(text, label=title),
        class_name="flex min-w-0 flex-col gap-1.5",
    )


def _problem(text: Text) -> rx.Component:
    return rx.el.p(text, role="alert", class_name="field-error")


def _no_knowledge_base() -> rx.Component:
    return empty_state(
        icon="book",
        title="There is nothing to answer from yet",
        text="Each knowledge base has its own settings of how it answers. Create one first.",
        action=link_button("My knowledge bases", href=routes.KNOWLEDGE_BASES),
    )


def _waiting() -> rx.Component:
    return rx.el.div(
        skeleton(class_name="h-8 w-72 max-w-full"),
        skeleton(class_name="h-32 w-full rounded-card"),
        skeleton(class_name="h-72 w-full rounded-card"),
        role="status",
        aria_label="Loading how it answers",
        class_name="flex flex-col gap-6",
    )
