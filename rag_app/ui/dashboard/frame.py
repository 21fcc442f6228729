"""The frame of every tab, filled with who is signed in and which knowledge base is chosen."""

from typing import Any

import reflex as rx

from rag_app.ui.account import AccountState
from rag_app.ui.components.base import Child
from rag_app.ui.dashboard.current_kb import CurrentKbState, kb_switcher
from rag_app.ui.dashboard.limit_notice import LimitNoticeState, limit_notice
from rag_app.ui.shell import shell

# What every tab's route begins with; a tab adds its own `load` after these.
OPEN: list[Any] = [AccountState.open, CurrentKbState.load, LimitNoticeState.load]


def frame(*children: Child, active: str, wide: bool = False) -> rx.Component:
    """Put a tab into the dashboard's frame; `active` is the address of the tab."""
    return shell(
        limit_notice(),
        *children,
        active=active,
        user_name=AccountState.name,
        user_email=AccountState.email,
        switcher=kb_switcher,
        wide=wide,
        is_admin=AccountState.is_admin,
    )
