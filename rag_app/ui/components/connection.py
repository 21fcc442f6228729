"""Says that the server cannot be reached, and for how long: until it can."""

import reflex as rx
from reflex_components_core.core.banner import has_too_many_connection_errors

from rag_app.ui.components.icon import icon


def connection_lost() -> rx.Component:
    """Show a line at the top while the page tries to reach the server again.

    The region is always there, empty, because screen readers only announce what changes inside one.
    """
    return rx.el.div(
        rx.cond(
            has_too_many_connection_errors,
            rx.el.div(icon("offline"), "Connection lost. Trying again …", class_name="offline"),
        ),
        role="status",
    )
