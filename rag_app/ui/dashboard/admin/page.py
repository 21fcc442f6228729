"""Who has an account here, and what the plans allow; for others there is nothing at this address."""

import reflex as rx

from rag_app.ui import routes
from rag_app.ui.components import empty_state, link_button, page_header, skeleton, tabs
from rag_app.ui.dashboard.admin.accounts import accounts_panel
from rag_app.ui.dashboard.admin.accounts_state import AccountsState
from rag_app.ui.dashboard.admin.plans import plans_panel
from rag_app.ui.dashboard.frame import frame

TITLE = "Accounts and plans · Simple RAG"


def admin_page() -> rx.Component:
    return frame(
        rx.cond(
            AccountsState.loaded,
            rx.cond(AccountsState.missing, _missing(), _content()),
            rx.el.div(
                *(skeleton(class_name="h-14 w-full") for _ in range(5)),
                role="status",
                aria_label="Loading the accounts",
                class_name="grid gap-2",
            ),
        ),
        active=routes.ADMIN,
    )


def _content() -> rx.Component:
    return rx.fragment(
        page_header(
            title="Accounts and plans",
            text="Who has an account on this installation, and how much each may use.",
        ),
        tabs(
            value=AccountsState.tab,
            on_change=AccountsState.open_tab,
            items=[
                ("accounts", "Accounts", accounts_panel()),
                ("plans", "Plans", plans_panel()),
            ],
            label="Accounts and plans",
        ),
    )


def _missing() -> rx.Component:
    return empty_state(
        icon="search",
        title="There is nothing here",
        text="Perhaps the address has a slip, or it is for others.",
        action=link_button("To my knowledge bases", href=routes.KNOWLEDGE_BASES),
    )
