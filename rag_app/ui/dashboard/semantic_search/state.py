"""One search in the knowledge base that is chosen above the tabs."""

from collections.abc import AsyncIterator
from typing import Any

import reflex as rx

from rag_app.bootstrap import services
from rag_app.errors import InvalidInput, NotFound, NotSignedIn
from rag_app.ui.auth import current_owner
from rag_app.ui.chat.state import text_of
from rag_app.ui.dashboard.current_kb import CurrentKbState
from rag_app.ui.dashboard.semantic_search.view import FoundPassage, found_passages, timing_words

LIMITS = ("5", "10", "20")


class SearchState(rx.State):
    """The query and what it found; `searched` is empty before the first search."""

    passages: list[FoundPassage] = []
    n_found: str = ""
    searched: str = ""
    searching: bool = False
    timings: str = ""
    error: str = ""
    limit: str = "10"
    n_ready: int = 0
    n_working: int = 0
    loaded: bool = False

    _kb_id: int = 0

    @rx.event
    async def load(self) -> None:
        """Forget what another knowledge base held, and see whether there is anything to search."""
        try:
            owner_id = await current_owner(self)
        except NotSignedIn:  # AccountState leads to the log-in page
            return
        kb_id = (await self.get_state(CurrentKbState)).kb_id
        if kb_id != self._kb_id:
            self.passages, self.searched, self.timings, self.error = [], "", "", ""
        self._kb_id, self.searching = kb_id, False
        self.n_ready, self.n_working = await _counts(kb_id, owner_id)
        self.loaded = True

    @rx.event
    async def search(self, form: dict[str, Any]) -> AsyncIterator[None]:
        """Find the passages that fit the form's query."""
        owner_id = await current_owner(self)
        query, limit = text_of(form, "query"), text_of(form, "limit")
        self.limit = limit if limit in LIMITS else self.limit
        self.searching, self.error = True, ""
        yield
        try:
            found = await services().retrieval.search(
                self._kb_id, query, owner_id=owner_id, limit=int(self.limit)
            )
        except InvalidInput as error:
            self.error = str(error)
            return
        finally:
            self.searching = False
        self.passages = found_passages(found, query, kb_id=self._kb_id)
        self.n_found = "1 passage" if len(self.passages) == 1 else f"{len(self.passages)} passages"
        self.searched, self.timings = query, timing_words(found.timings_ms)


async def _counts(kb_id: int, owner_id: int) -> tuple[int, int]:
    """How many documents can be searched, and how many soon."""
    try:
        kb = await services().knowledge_bases.get(kb_id, owner_id=owner_id)
    except NotFound:  # the owner has none yet
        return 0, 0
    return kb.n_ready, kb.n_working
