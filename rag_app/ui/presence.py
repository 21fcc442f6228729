"""Is anybody still looking? Background events go on when the page is left or the tab is closed."""

import reflex as rx
from reflex.utils.prerequisites import get_app


def is_connected(state: rx.State) -> bool:
    """Whether the tab of this state has a connection to this process now."""
    events = get_app().app.event_namespace
    return events is not None and state.router.session.client_token in events.token_to_sid


def is_open_at(state: rx.State, path: str) -> bool:
    """Whether the tab shows the page at this path."""
    return state.router.url.path.rstrip("/") == path
