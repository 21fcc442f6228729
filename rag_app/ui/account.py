"""The person in front of the dashboard: every page of it begins by asking who that is."""

from urllib.parse import quote

import reflex as rx
from reflex.event import EventSpec

from rag_app.errors import NotSignedIn
from rag_app.ui import routes
from rag_app.ui.auth import current_sign_in


class AccountState(rx.State):
    """Name and address shown in the frame."""

    name: str = ""
    email: str = ""
    is_admin: bool = False

    @rx.event
    async def open(self) -> EventSpec | None:
        """Let a signed-in person in; lead others to the log-in page and back here afterwards."""
        try:
            user = (await current_sign_in(self)).user
        except NotSignedIn:
            self.reset()
            return rx.redirect(f"{routes.LOGIN}/?next={quote(self.router.url.path)}")
        self.name, self.email, self.is_admin = user.name, user.email, user.is_admin
        return None
