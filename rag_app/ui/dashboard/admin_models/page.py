"""Models and prices: what is known, what was changed here, and what the providers list themselves."""

import reflex as rx

from rag_app.ui import routes
from rag_app.ui.components import (
    badge,
    banner,
    button,
    card,
    cell,
    dialog,
    dialog_actions,
    empty_state,
    icon_button,
    page_header,
    row,
    section_header,
    select,
    skeleton,
    switch,
    table,
    text_input,
)
from rag_app.ui.components.base import Text
from rag_app.ui.dashboard.admin_models.state import AdminModelsState
from rag_app.ui.dashboard.admin_models.view import ModelRow, OfferedRow, ProviderBlock
from rag_app.ui.dashboard.frame import frame

TITLE = "Models · Simple RAG"


def admin_models_page() -> rx.Component:
    """Every model with its price."""
    return frame(
        page_header(
            title="Models",
            text="What can answer and embed here, and what it costs.",
        ),
        rx.cond(
            AdminModelsState.is_loading,
            skeleton(class_name="h-64 w-full"),
            rx.cond(AdminModelsState.is_allowed, _models(), _not_for_you()),
        ),
        _form_dialog(),
        _remove_dialog(),
        active=routes.ADMIN_MODELS,
    )


def _not_for_you() -> rx.Component:
    return empty_state(
        icon="settings",
        title="Not for this account",
        text="Models and prices are set by whoever runs this installation.",
    )


def _models() -> rx.Component:
    return rx.el.div(rx.foreach(AdminModelsState.blocks, _provider), class_name="flex flex-col gap-10")


def _provider(block: ProviderBlock) -> rx.Component:
    return rx.el.section(
        section_header(
            title=block.label,
            actions=rx.el.div(
                button(
                    "Ask for its list",
                    variant="ghost",
                    size="sm",
                    loading=AdminModelsState.asking == block.name,
                    aria_label=f"Ask {block.label} for its list of models",
                    on_click=AdminModelsState.look(block.name),
                ),
                button(
                    "Add a model",
                    variant="secondary",
                    size="sm",
                    icon="plus",
                    aria_label=f"Add a model of {block.label}",
                    on_click=AdminModelsState.add(block.name, "", ""),
                ),
                class_name="flex flex-wrap gap-2",
            ),
        ),
        table(
            headers=["Model", "For", "Price in US dollars", ""],
            rows=rx.foreach(block.rows, _row),
            caption=f"Models of {block.label}",
        ),
        rx.cond(AdminModelsState.asked == block.name, _offered(block)),
        class_name="flex flex-col gap-4",
    )


def _row(model: ModelRow) -> rx.Component:
    return row(
        cell(
            rx.el.div(
                rx.el.div(
                    rx.el.span(model.label, class_name="font-medium"),
                    rx.cond(model.source != "", badge(model.source, tone=model.tone)),
                    class_name="flex flex-wrap items-center gap-2",
                ),
                rx.el.div(model.id, class_name="break-all text-sm font-normal text-muted"),
                class_name="min-w-0",
            ),
        ),
        cell(model.use, label="For"),
        cell(
            rx.el.div(
                rx.el.div(model.price),
                rx.cond(model.tier != "", rx.el.div(model.tier, class_name="text-sm text-muted")),
                class_name="min-w-0 max-md:text-right",
            ),
            label="Price in US dollars",
        ),
        cell(
            rx.el.div(
                icon_button(
                    "edit",
                    label=f"Change {model.label}",
                    on_click=AdminModelsState.edit(model.provider, model.id),
                ),
                rx.cond(
                    model.can_undo,
                    icon_button(
                        "trash",
                        label=f"Undo what was set for {model.label}",
                        on_click=AdminModelsState.ask_to_remove(model.provider, model.id),
                    ),
                ),
                class_name="flex justify-end gap-1",
            )
        ),
    )


def _offered(block: ProviderBlock) -> rx.Component:
    return card(
        rx.cond(
            AdminModelsState.problem != "",
            banner(AdminModelsState.problem, tone="warn"),
            rx.cond(
                AdminModelsState.has_nothing_new,
                rx.el.p(f"{block.label} lists no model that is not above.", class_name="text-muted"),
                rx.el.div(
                    rx.el.p(
                        "Also listed by the provider. Each can be used right away; its cost is unknown until "
                        "you add it with a price.",
                        class_name="text-sm text-muted",
                    ),
                    rx.el.ul(
                        rx.foreach(AdminModelsState.offered, lambda one: _offered_row(one, block)),
                        class_name="flex max-h-96 flex-col divide-y divide-line overflow-y-auto",
                    ),
                    class_name="flex flex-col gap-3",
                ),
            ),
        ),
    )


def _offered_row(one: OfferedRow, block: ProviderBlock) -> rx.Component:
    return rx.el.li(
        rx.el.div(
            rx.el.div(one.label, class_name="break-words font-medium"),
            rx.el.div(one.id, " · ", one.use, class_name="break-all text-sm text-muted"),
            class_name="min-w-0 flex-1",
        ),
        button(
            "Add",
            variant="secondary",
            size="sm",
            aria_label=f"Add {one.label}",
            on_click=AdminModelsState.add(block.name, one.id, ""),
        ),
        class_name="flex items-center gap-4 py-2.5",
    )


def _form_dialog() -> rx.Component:
    return dialog(
        rx.el.form(
            rx.cond(
                AdminModelsState.errors.other != "", banner(AdminModelsState.errors.other, tone="danger")
            ),
            rx.cond(AdminModelsState.form.note != "", banner(AdminModelsState.form.note)),
            rx.cond(AdminModelsState.is_new, _identity()),
            _line("label", "Name for people", AdminModelsState.errors.label, AdminModelsState.form.label),
            _capabilities(),
            _prices(),
            _long_prompts(),
            dialog_actions(
                button("Cancel", variant="secondary", on_click=AdminModelsState.close),
                button("Save", type="submit", loading=AdminModelsState.is_saving),
            ),
            key=AdminModelsState.form_number,
            on_submit=AdminModelsState.save,
            no_validate=True,
            class_name="flex flex-col gap-5",
        ),
        open=AdminModelsState.is_open,
        title=rx.cond(AdminModelsState.is_new, "Add a model", f"Change “{AdminModelsState.form.id}”"),
        on_close=AdminModelsState.close,
    )


def _identity() -> rx.Component:
    return rx.el.div(
        _line(
            "id",
            "Model, as the provider calls it",
            AdminModelsState.errors.id,
            AdminModelsState.form.id,
            required=True,
        ),
        select(
            name="kind",
            id="model-kind",
            label="What it is for",
            options=[("chat", "Answers"), ("embedding", "Search by meaning")],
            required=True,
            value=AdminModelsState.kind,
            on_change=AdminModelsState.choose_kind,
            error=AdminModelsState.errors.kind,
        ),
        class_name="flex flex-col gap-5",
    )


def _capabilities() -> rx.Component:
    errors, form = AdminModelsState.errors, AdminModelsState.form
    return rx.el.div(
        _line(
            "context_tokens",
            "Reads at most, in tokens",
            errors.context_tokens,
            form.context_tokens,
            number=True,
            required=True,
        ),
        rx.cond(
            AdminModelsState.kind == "chat",
            rx.el.div(
                _line(
                    "max_output_tokens",
                    "Writes at most, in tokens",
                    errors.max_output_tokens,
                    form.max_output_tokens,
                    number=True,
                    required=True,
                ),
                switch(
                    name="takes_temperature",
                    label="Takes a temperature",
                    checked=AdminModelsState.takes_temperature,
                    on_change=AdminModelsState.choose_temperature,
                ),
                class_name="flex flex-col gap-5",
            ),
            _line(
                "dimensions",
                "Numbers of a vector",
                errors.dimensions,
                form.dimensions,
                number=True,
                required=True,
            ),
        ),
        class_name="flex flex-col gap-5",
    )


def _prices() -> rx.Component:
    errors, form = AdminModelsState.errors, AdminModelsState.form
    return rx.el.fieldset(
        rx.el.legend("Price of a million tokens, in US dollars", class_name="mb-2 font-medium"),
        rx.el.p(
            "Empty means that the cost is shown as unknown. “Read again” is for what a provider still "
            "knows from an earlier call.",
            class_name="field-hint mb-3",
        ),
        rx.el.div(
            _line("input", "Read", errors.input, form.input, decimal=True),
            rx.cond(
                AdminModelsState.kind == "chat",
                rx.fragment(
                    _line("cached_input", "Read again", errors.cached_input, form.cached_input, decimal=True),
                    _line("output", "Written", errors.output, form.output, decimal=True),
                ),
            ),
            class_name="grid items-end gap-4 sm:grid-cols-3",
        ),
    )


def _long_prompts() -> rx.Component:
    errors, form = AdminModelsState.errors, AdminModelsState.form
    return rx.el.details(
        rx.el.summary("Other price for long prompts", class_name="font-medium text-[0.9375rem]"),
        rx.el.div(
            _line(
                "above_tokens",
                "Above this many tokens",
                errors.above_tokens,
                form.above_tokens,
                number=True,
            ),
            rx.el.div(
                _line("tier_input", "Read", errors.tier_input, form.tier_input, decimal=True),
                _line(
                    "tier_cached_input",
                    "Read again",
                    errors.tier_cached_input,
                    form.tier_cached_input,
                    decimal=True,
                ),
                _line("tier_output", "Written", errors.tier_output, form.tier_output, decimal=True),
                class_name="grid items-end gap-4 sm:grid-cols-3",
            ),
            class_name="flex flex-col gap-5 pt-4",
        ),
        open=(form.above_tokens != "") | (errors.above_tokens != "") | (errors.tier_input != ""),
    )


def _line(
    name: str,
    label: str,
    error: Text,
    value: Text,
    *,
    number: bool = False,
    decimal: bool = False,
    required: bool = False,
) -> rx.Component:
    mode = "decimal" if decimal else "numeric" if number else "text"
    return text_input(
        name=name,
        id=f"model-{name.replace('_', '-')}",
        label=label,
        auto_complete="off",
        default_value=value,
        error=error,
        input_mode=mode,
        required=required,
    )


def _remove_dialog() -> rx.Component:
    removing = AdminModelsState.removing
    is_ours = removing.note == "back"
    return dialog(
        rx.el.p(
            rx.cond(
                is_ours,
                "It is then as it came with this version.",
                "It can still be used, but its cost is then unknown.",
            ),
            " Costs that were counted before stay as they are.",
        ),
        dialog_actions(
            button("Cancel", variant="secondary", on_click=AdminModelsState.close),
            button(rx.cond(is_ours, "Undo", "Remove"), variant="danger", on_click=AdminModelsState.remove),
        ),
        open=removing.id != "",
        title=rx.cond(is_ours, f"Undo the changes of “{removing.label}”?", f"Remove “{removing.label}”?"),
        on_close=AdminModelsState.close,
    )
