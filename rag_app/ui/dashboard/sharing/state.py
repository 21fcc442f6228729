"""The public link of the knowledge base whose window is open."""

import reflex as rx
from reflex.event import EventSpec

from rag_app.bootstrap import services
from rag_app.domain.knowledge_bases import ShareLink
from rag_app.errors import InvalidInput
from rag_app.ui.auth import current_owner
from rag_app.ui.dashboard.sharing.view import LinkView, link_view
from rag_app.ui.feedback import notify


class ShareState(rx.State):
    """One window; `kb_id` is 0 while none is open."""

    kb_id: int = 0
    link: LinkView = LinkView()
    asking: str = ""  # what to confirm: "renew", "end" or nothing

    @rx.event
    async def open(self, kb_id: int) -> None:
        """Open the window of a knowledge base."""
        owner_id = await current_owner(self)
        self.link = _shown(await services().sharing.link(_valid(kb_id), owner_id=owner_id))
        self.kb_id, self.asking = kb_id, ""

    @rx.event
    def close(self) -> None:
        """Close the window."""
        self.kb_id, self.asking = 0, ""

    @rx.event
    async def switch(self, is_public: bool) -> None:
        """Make the knowledge base public, or ask whether its link shall die."""
        if not is_public:
            self.asking = "end" if self.link.url else ""
            return
        owner_id = await current_owner(self)
        self.link = _shown(await services().sharing.share(_valid(self.kb_id), owner_id=owner_id))

    @rx.event
    def ask_to_renew(self) -> None:
        """Ask whether the present link shall die for a new one."""
        self.asking = "renew"

    @rx.event
    def keep(self) -> None:
        """Leave the link as it is."""
        self.asking = ""

    @rx.event
    async def renew(self) -> EventSpec:
        """Replace the link; the old one is dead at once."""
        owner_id = await current_owner(self)
        link = await services().sharing.share(_valid(self.kb_id), owner_id=owner_id, renew=True)
        self.link, self.asking = _shown(link), ""
        return notify("There is a new link. The old one no longer works.")

    @rx.event
    async def end(self) -> EventSpec:
        """Make the knowledge base private; the link is dead at once."""
        owner_id = await current_owner(self)
        await services().sharing.unshare(_valid(self.kb_id), owner_id=owner_id)
        self.link, self.asking = LinkView(), ""
        return notify("The link no longer works. Only you can use this chat now.")


def _valid(kb_id: object) -> int:
    if not isinstance(kb_id, int) or not 0 < kb_id < 2**31:
        raise InvalidInput("This is not a knowledge base.")
    return kb_id


def _shown(link: ShareLink | None) -> LinkView:
    if link is None:
        return LinkView()
    sharing = services().sharing
    return link_view(sharing.url(link.slug), sharing.qr_code(link.slug))
