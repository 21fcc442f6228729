"""Log in, and create an account.

The browser itself sends both forms, because only an answer to a request can set the cookie.
"""

import reflex as rx

from rag_app.ui import routes
from rag_app.ui.components import banner, button, hidden, link, native_form, password_input, text_input
from rag_app.ui.public import public_frame
from rag_app.ui.sign_in.state import SignInState

LOGIN_TITLE = "Log in · Simple RAG"
LOGIN_DESCRIPTION = "Log in to your knowledge bases."
REGISTER_TITLE = "Create account · Simple RAG"
REGISTER_DESCRIPTION = "Create an account and turn your documents into a chat with sources you can check."

MIN_PASSWORD = 8


def login_page() -> rx.Component:
    """For those who have an account."""
    return _frame(
        "Log in",
        native_form(
            _email(),
            password_input(),
            hidden(name="next", value=SignInState.next_path),
            button("Log in", type="submit", full_width=True, size="lg"),
            action=routes.AUTH_LOGIN,
            class_name="flex flex-col gap-5",
        ),
        rx.el.p("No account yet? ", link("Create one", href=routes.REGISTER), "."),
    )


def register_page() -> rx.Component:
    """For those who have none yet."""
    return _frame(
        "Create your account",
        native_form(
            text_input(
                name="name",
                label="Name",
                required=True,
                auto_complete="name",
                max_length=200,
                key=SignInState.name,  # a default only counts when the input is made
                default_value=SignInState.name,
            ),
            _email(),
            password_input(
                is_new=True,
                min_length=MIN_PASSWORD,
                hint=f"At least {MIN_PASSWORD} characters; a short sentence is best.",
            ),
            hidden(name="next", value=SignInState.next_path),
            button("Create account", type="submit", full_width=True, size="lg"),
            action=routes.AUTH_REGISTER,
            class_name="flex flex-col gap-5",
        ),
        rx.el.p("You have an account? ", link("Log in", href=routes.LOGIN), "."),
    )


def _frame(title: str, form: rx.Component, other: rx.Component) -> rx.Component:
    return public_frame(
        rx.el.div(
            rx.el.h1(title, class_name="text-2xl"),
            rx.cond(SignInState.message != "", banner(SignInState.message, tone="danger")),
            form,
            rx.el.div(other, class_name="text-center text-[0.9375rem] text-muted"),
            class_name=(
                "card m-auto flex w-full max-w-md flex-col gap-6 p-6 sm:p-8 "
                "max-sm:m-0 max-sm:max-w-none max-sm:flex-1 max-sm:rounded-none max-sm:border-0"
            ),
        ),
    )


def _email() -> rx.Component:
    return text_input(
        name="email",
        label="Email",
        type="email",
        required=True,
        auto_complete="username",
        max_length=254,
        key=SignInState.email,
        default_value=SignInState.email,
    )
