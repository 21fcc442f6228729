"""Whose key each provider of answering models is used with, and the way to one's own."""

import reflex as rx

from rag_app.ui.components import (
    badge,
    banner,
    button,
    card,
    dialog,
    dialog_actions,
    password_input,
    skeleton,
    text_input,
)
from rag_app.ui.dashboard.settings.providers_state import ProvidersState
from rag_app.ui.dashboard.settings.providers_view import ProviderCard


def providers_panel() -> rx.Component:
    """A card for each provider, and the windows in which keys are entered and removed."""
    return rx.el.div(
        banner(
            "The built-in model needs no key and keeps everything on this server. The providers below write "
            "freer answers; your questions and the passages for them are then sent to the provider. "
            "Keys are stored encrypted, and only their last four characters are ever shown.",
            icon="shield",
        ),
        rx.cond(
            ProvidersState.is_loading,
            _waiting(),
            rx.el.ul(rx.foreach(ProvidersState.cards, _provider), class_name="flex flex-col gap-4"),
        ),
        _key_dialog(),
        _remove_dialog(),
        class_name="flex flex-col gap-6",
    )


def _provider(one: ProviderCard) -> rx.Component:
    return rx.el.li(
        card(
            rx.el.div(
                rx.el.div(
                    rx.el.h2(one.label, class_name="text-lg"),
                    badge(one.state, tone=one.tone),
                    class_name="flex flex-wrap items-center gap-x-3 gap-y-1",
                ),
                rx.el.p(one.text, class_name="mt-1 break-words text-[0.9375rem] text-muted"),
                rx.cond(one.is_own, _tested(one)),
                class_name="min-w-0 flex-[1_1_18rem]",
            ),
            _actions(one),
            class_name="flex flex-wrap items-start justify-between gap-x-6 gap-y-4 sm:p-6",
        )
    )


def _tested(one: ProviderCard) -> rx.Component:
    return rx.el.p(
        rx.cond(ProvidersState.testing == one.provider, "Testing…", one.tested),
        role="status",
        class_name=rx.match(
            one.tested_tone,
            ("danger", "mt-2 break-words text-sm text-danger"),
            ("success", "mt-2 break-words text-sm text-success"),
            "mt-2 text-sm text-muted",
        ),
    )


def _actions(one: ProviderCard) -> rx.Component:
    return rx.el.div(
        rx.cond(
            one.is_own,
            rx.fragment(
                button(
                    "Test",
                    variant="secondary",
                    size="sm",
                    loading=ProvidersState.testing == one.provider,
                    aria_label=f"Test the key for {one.label}",
                    on_click=ProvidersState.test(one.provider),
                ),
                button(
                    "Remove",
                    variant="ghost",
                    size="sm",
                    aria_label=f"Remove the key for {one.label}",
                    on_click=ProvidersState.ask_to_remove(one.provider),
                ),
            ),
        ),
        button(
            one.action,
            icon="key",
            variant="secondary",
            size="sm",
            aria_label=f"{one.action}: {one.label}",
            on_click=ProvidersState.edit(one.provider),
        ),
        class_name="flex flex-wrap gap-2",
    )


def _key_dialog() -> rx.Component:
    return dialog(
        rx.el.form(
            password_input(
                name="api_key",
                id="provider-api-key",
                label="Key",
                auto_complete="off",
                hint=rx.cond(
                    ProvidersState.takes_base_url,
                    "Copy it from your account at the provider. A server of your own may need none.",
                    "Copy it from your account at the provider.",
                ),
                error=ProvidersState.errors.api_key,
            ),
            rx.cond(ProvidersState.takes_base_url, _own_server()),
            dialog_actions(
                button("Cancel", variant="secondary", on_click=ProvidersState.stop_editing),
                button("Save and test", type="submit", loading=ProvidersState.is_saving),
            ),
            on_submit=ProvidersState.save,
            no_validate=True,
            class_name="flex flex-col gap-5",
        ),
        open=ProvidersState.editing != "",
        title=f"Key for {ProvidersState.editing_label}",
        on_close=ProvidersState.stop_editing,
    )


def _own_server() -> rx.Component:
    return rx.el.details(
        rx.el.summary("Use a server of your own", class_name="font-medium text-[0.9375rem]"),
        rx.el.div(
            rx.el.p(
                "Ollama, vLLM, LM Studio and others speak the same language. A server in a private network "
                "must first be listed by whoever runs this installation.",
                class_name="text-sm text-muted",
            ),
            text_input(
                name="base_url",
                id="provider-base-url",
                label="Address",
                type="url",
                placeholder="https://models.example.com/v1",
                default_value=ProvidersState.base_url,
                auto_complete="off",
                error=ProvidersState.errors.base_url,
            ),
            text_input(
                name="model",
                id="provider-model",
                label="Model for the test",
                hint="As your server calls it, such as llama3.2.",
                auto_complete="off",
                max_length=100,
                error=ProvidersState.errors.model,
            ),
            class_name="flex flex-col gap-5 pt-4",
        ),
        open=(ProvidersState.base_url != "") | (ProvidersState.errors.base_url != ""),
    )


def _remove_dialog() -> rx.Component:
    return dialog(
        rx.el.p(ProvidersState.consequence),
        dialog_actions(
            button("Keep", variant="secondary", on_click=ProvidersState.keep),
            button("Remove", variant="danger", on_click=ProvidersState.remove),
        ),
        open=ProvidersState.removing != "",
        title=f"Remove {ProvidersState.removing_what}?",
        on_close=ProvidersState.keep,
    )


def _waiting() -> rx.Component:
    return rx.el.div(
        *(skeleton(class_name="h-28 w-full rounded-card") for _ in range(3)),
        role="status",
        aria_label="Loading the providers",
        class_name="flex flex-col gap-4",
    )
