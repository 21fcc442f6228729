"""The account and its sign-ins."""

import reflex as rx
from reflex.style import LiteralColorMode, color_mode, set_color_mode

from rag_app.services.passwords import MIN_CHARACTERS
from rag_app.ui import routes
from rag_app.ui.account import AccountState
from rag_app.ui.components import (
    badge,
    button,
    icon,
    link_button,
    password_input,
    skeleton,
    text_input,
)
from rag_app.ui.dashboard.settings.section import section
from rag_app.ui.dashboard.settings.state import SettingsState
from rag_app.ui.dashboard.settings.view import SignInView


def account_panel() -> rx.Component:
    """Everything about the person."""
    return rx.cond(
        SettingsState.is_loading,
        _waiting(),
        rx.el.div(
            _profile(),
            _password(),
            _sign_ins(),
            _appearance(),
            _programs(),
            class_name="flex flex-col gap-6",
        ),
    )


def _profile() -> rx.Component:
    return section(
        "Profile",
        "Shown to you only.",
        rx.el.form(
            text_input(
                name="name",
                id="profile-name",
                label="Name",
                required=True,
                auto_complete="name",
                max_length=120,
                key=SettingsState.name,  # a default only counts when the input is made
                default_value=SettingsState.name,
                error=SettingsState.errors.name,
            ),
            rx.el.p("Email: ", AccountState.email, class_name="break-words text-sm text-muted"),
            button("Save", type="submit", class_name="self-start"),
            on_submit=SettingsState.rename,
            no_validate=True,
            class_name="flex max-w-md flex-col gap-4",
        ),
        id="profile",
    )


def _password() -> rx.Component:
    return section(
        "Password",
        "Changing it signs you out everywhere else.",
        rx.el.form(
            password_input(
                name="current",
                id="current-password",
                label="Current password",
                error=SettingsState.errors.current,
            ),
            password_input(
                name="new_password",
                id="new-password",
                label="New password",
                is_new=True,
                min_length=MIN_CHARACTERS,
                hint=f"At least {MIN_CHARACTERS} characters; a short sentence is best.",
                error=SettingsState.errors.password,
            ),
            password_input(
                name="repeated",
                id="repeated-password",
                label="New password again",
                is_new=True,
                error=SettingsState.errors.repeated,
            ),
            button(
                "Change password",
                type="submit",
                loading=SettingsState.is_changing_password,
                class_name="self-start",
            ),
            key=SettingsState.n_password_changes,
            on_submit=SettingsState.change_password,
            no_validate=True,
            class_name="flex max-w-md flex-col gap-4",
        ),
        id="password",
    )


def _sign_ins() -> rx.Component:
    return section(
        "Signed in on",
        "Do you not know one of these? Sign out everywhere else and change your password.",
        rx.el.ul(
            rx.foreach(SettingsState.sign_ins, _sign_in), class_name="flex flex-col divide-y divide-line"
        ),
        rx.cond(
            SettingsState.is_elsewhere,
            button(
                "Sign out everywhere else",
                icon="logout",
                variant="secondary",
                on_click=SettingsState.sign_out_elsewhere,
                class_name="mt-4",
            ),
        ),
        id="sign-ins",
    )


def _sign_in(sign_in: SignInView) -> rx.Component:
    return rx.el.li(
        icon(sign_in.icon, class_name="text-lg text-muted"),
        rx.el.div(
            rx.el.div(sign_in.device, class_name="font-medium"),
            rx.el.div(sign_in.seen, class_name="text-sm text-muted"),
            class_name="min-w-0 flex-1",
        ),
        rx.cond(sign_in.is_current, badge("This one", tone="success")),
        class_name="flex items-center gap-3 py-3 first:pt-0",
    )


def _appearance() -> rx.Component:
    return section(
        "Appearance",
        "Remembered in this browser.",
        rx.el.div(
            _mode("Light", "sun", "light"),
            _mode("Dark", "moon", "dark"),
            _mode("As the system", "monitor", "system"),
            role="group",
            aria_label="Appearance",
            class_name="flex flex-wrap gap-2",
        ),
        id="appearance",
    )


def _mode(label: str, icon_name: str, mode: LiteralColorMode) -> rx.Component:
    return button(
        label,
        icon=icon_name,
        variant="secondary",
        aria_pressed=color_mode == mode,
        on_click=set_color_mode(mode),
        class_name="choice-button",
    )


def _programs() -> rx.Component:
    return section(
        "For programs",
        "All that you can do here can be done through the API.",
        rx.el.p(
            "A program signs in with your email and password and gets a token of its own. "
            "It appears in the list above.",
            class_name="mb-4 text-[0.9375rem]",
        ),
        link_button(
            "Open the API reference", href=routes.API_DOCS, icon="code", variant="secondary", leaves_app=True
        ),
        id="programs",
    )


def _waiting() -> rx.Component:
    return rx.el.div(
        *(skeleton(class_name="h-48 w-full rounded-card") for _ in range(3)),
        role="status",
        aria_label="Loading your settings",
        class_name="flex flex-col gap-6",
    )
