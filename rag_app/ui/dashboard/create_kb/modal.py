"""The window in which a knowledge base is created or changed."""

from typing import Any

import reflex as rx

from rag_app.services.knowledge_bases import MAX_NAME
from rag_app.ui import routes
from rag_app.ui.components import (
    banner,
    button,
    dialog,
    dialog_actions,
    field,
    link,
    select,
    text_input,
    textarea,
)
from rag_app.ui.dashboard.create_kb.state import LOCAL, CreateKbState
from rag_app.ui.dashboard.create_kb.view import MAX_TEMPERATURE, ProviderOption


def create_kb_dialog() -> rx.Component:
    """Show it while it is open; a page needs it once."""
    is_new = CreateKbState.kb_id == 0
    return dialog(
        rx.el.form(
            rx.cond(CreateKbState.errors.other != "", banner(CreateKbState.errors.other, tone="danger")),
            _name(),
            _description(),
            _provider(),
            _model(),
            rx.cond(is_new, rx.fragment(), _how_it_answers()),
            dialog_actions(
                button("Cancel", variant="secondary", on_click=CreateKbState.close),
                button(
                    rx.cond(is_new, "Create", "Save"),
                    type="submit",
                    loading=CreateKbState.is_saving,
                ),
            ),
            on_submit=CreateKbState.save,
            no_validate=True,  # our own words under the fields instead of the browser's bubbles
            class_name="flex flex-col gap-5",
        ),
        open=CreateKbState.is_open,
        title=rx.cond(is_new, "New knowledge base", "Edit knowledge base"),
        on_close=CreateKbState.close,
    )


def _name() -> rx.Component:
    return text_input(
        name="name",
        id="kb-name",
        label="Name",
        required=True,
        auto_focus=True,
        auto_complete="off",
        max_length=MAX_NAME,
        placeholder="Staff handbook",
        default_value=CreateKbState.begins_with.name,
        error=CreateKbState.errors.name,
    )


def _description() -> rx.Component:
    return textarea(
        name="description",
        id="kb-description",
        label="Description",
        hint="People you share it with read this.",
        rows=2,
        default_value=CreateKbState.begins_with.description,
        error=CreateKbState.errors.description,
    )


def _provider() -> rx.Component:
    def control(described: dict[str, Any]) -> rx.Component:
        return rx.el.select(
            rx.foreach(CreateKbState.providers, _option),
            name="llm_provider",
            value=CreateKbState.provider,
            on_change=CreateKbState.choose_provider,
            **described,
        )

    return rx.el.div(
        field(
            control,
            id="kb-provider",
            label="Who writes the answers",
            error=CreateKbState.errors.llm_provider,
            required=True,
        ),
        rx.el.p(
            "The built-in model needs no key and keeps everything on this server. ",
            link("Add a key for another provider", href=routes.PROVIDERS),
            class_name="field-hint mt-1.5",
        ),
    )


def _option(provider: ProviderOption) -> rx.Component:
    return rx.el.option(provider.label, value=provider.name, disabled=provider.is_disabled)


def _model() -> rx.Component:
    return rx.el.div(
        select(
            name="llm_model",
            id="kb-model",
            label="Model",
            required=True,
            options=CreateKbState.models,
            value=CreateKbState.model,
            on_change=CreateKbState.choose_model,
            hint=rx.cond(
                CreateKbState.provider == LOCAL,
                "",
                "US dollars per million tokens that are read and written. Long prompts can cost more.",
            ),
            error=CreateKbState.errors.llm_model,
        ),
        rx.cond(
            CreateKbState.has_others,
            button(
                "Show other models of this provider",
                variant="ghost",
                size="sm",
                loading=CreateKbState.is_asking,
                on_click=CreateKbState.show_others,
                class_name="mt-1.5",
            ),
        ),
    )


def _how_it_answers() -> rx.Component:
    return rx.el.details(
        rx.el.summary("Advanced", class_name="font-medium text-[0.9375rem]"),
        rx.el.div(
            textarea(
                name="system_prompt",
                id="kb-system-prompt",
                label="Instructions for the answers",
                hint="For example: “Answer in a friendly tone and address the reader as a new colleague.”",
                rows=4,
                default_value=CreateKbState.begins_with.system_prompt,
                error=CreateKbState.errors.system_prompt,
            ),
            text_input(
                name="temperature",
                id="kb-temperature",
                label="Temperature",
                hint=f"0 keeps closest to the documents, {MAX_TEMPERATURE:g} is freest.",
                required=True,
                input_mode="decimal",
                default_value=CreateKbState.begins_with.temperature,
                error=CreateKbState.errors.temperature,
            ),
            text_input(
                name="max_tokens",
                id="kb-max-tokens",
                label="Longest answer, in tokens",
                hint="1,000 tokens are about 750 English words.",
                required=True,
                input_mode="numeric",
                default_value=CreateKbState.begins_with.max_tokens,
                error=CreateKbState.errors.max_tokens,
            ),
            class_name="flex flex-col gap-5 pt-4",
        ),
        open=(CreateKbState.errors.temperature != "")
        | (CreateKbState.errors.max_tokens != "")
        | (CreateKbState.errors.system_prompt != ""),
    )
