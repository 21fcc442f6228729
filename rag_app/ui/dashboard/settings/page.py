"""How the chosen knowledge base is searched and answers, keys, the plan, and the account."""

import reflex as rx

from rag_app.ui import routes
from rag_app.ui.components import page_header, tabs
from rag_app.ui.dashboard.frame import frame
from rag_app.ui.dashboard.settings.account import account_panel
from rag_app.ui.dashboard.settings.answers import answers_panel
from rag_app.ui.dashboard.settings.plan import plan_panel
from rag_app.ui.dashboard.settings.providers import providers_panel
from rag_app.ui.dashboard.settings.retrieval import retrieval_panel
from rag_app.ui.dashboard.settings.state import SettingsState

TITLE = "Settings · Simple RAG"


def settings_page() -> rx.Component:
    """What can be set: for a knowledge base, and for the person."""
    return frame(
        page_header(title="Settings"),
        tabs(
            value=SettingsState.tab,
            on_change=SettingsState.open_tab,
            items=[
                ("retrieval", "Retrieval", retrieval_panel()),
                ("answers", "Answers", answers_panel()),
                ("providers", "AI providers", providers_panel()),
                ("limits", "Plan and limits", plan_panel()),
                ("account", "Account", account_panel()),
            ],
            label="Settings",
        ),
        active=routes.SETTINGS,
    )
