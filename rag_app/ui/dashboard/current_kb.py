"""The knowledge base the tabs are about: chosen above the tabs, remembered in the browser.

`?kb=7` in the address chooses too, so that links lead to the right one. What the browser remembers is
only a wish: every handler asks the database whether the knowledge base is the caller's.
"""

import reflex as rx
from reflex.event import EventSpec

from rag_app.bootstrap import services
from rag_app.errors import InvalidInput, NotSignedIn
from rag_app.ui import routes
from rag_app.ui.auth import current_owner
from rag_app.ui.components import select

MAX_LISTED = 200


class CurrentKbState(rx.State):
    """The choice among those in use; `kb_id` is 0 while the owner has none."""

    options: list[tuple[str, str]] = []
    kb_id: int = 0
    chosen: str = ""  # the same as a select wants it
    name: str = ""
    remembered: str = rx.LocalStorage("", name="rag_kb")

    @rx.event
    async def load(self) -> None:
        """Read the owner's knowledge bases and settle on one."""
        try:
            owner_id = await current_owner(self)
        except NotSignedIn:  # AccountState leads to the log-in page
            return
        found = await services().knowledge_bases.list_of(owner_id, limit=MAX_LISTED, include_archived=False)
        self.options = [(str(kb.id), kb.name) for kb in found]
        wishes = [self.router.url.query_parameters.get("kb", ""), str(self.kb_id), self.remembered]
        known = [kb_id for kb_id, _ in self.options]
        self._settle(next((wish for wish in wishes if wish in known), known[0] if known else ""))

    @rx.event
    async def choose(self, kb_id: str) -> EventSpec:
        """Go on with another knowledge base: on the same tab, but not with one thing of the last."""
        owner_id = await current_owner(self)
        if not kb_id.isdigit():
            raise InvalidInput("This is not a knowledge base.")
        await services().knowledge_bases.get(int(kb_id), owner_id=owner_id)
        self._settle(kb_id)
        return rx.redirect(same_tab(self.router.url.path, kb_id=int(kb_id)))

    def _settle(self, kb_id: str) -> None:
        self.kb_id, self.chosen = int(kb_id or 0), kb_id
        self.remembered = kb_id
        self.name = dict(self.options).get(kb_id, "")


def same_tab(path: str, *, kb_id: int) -> str:
    """The address of the tab a page belongs to, for another knowledge base."""
    tab = "/" + path.strip("/").partition("/")[0]
    if tab == "/chat":
        return routes.chat(kb_id)
    return f"{tab}?kb={kb_id}" if tab != "/" else routes.documents_of(kb_id)


def kb_switcher(id: str) -> rx.Component:
    """Choose among one's knowledge bases; shows nothing while there is none.

    Args:
        id: of the control; the frame shows it twice.
    """
    return rx.cond(
        CurrentKbState.options,
        select(
            name="knowledge_base",
            id=id,
            label="Knowledge base",
            hide_label=True,
            options=CurrentKbState.options,
            value=CurrentKbState.chosen,
            on_change=CurrentKbState.choose,
        ),
        rx.fragment(),
    )
