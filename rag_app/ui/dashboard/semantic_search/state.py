"""One search in the chosen knowledge base: what it found, what it is limited to, which settings it tries."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import reflex as rx

from rag_app.bootstrap import services
from rag_app.domain.knobs import KNOBS
from rag_app.domain.knowledge_bases import Facets
from rag_app.domain.rag_config import RagConfig
from rag_app.domain.retrieval import Filters, Retrieval
from rag_app.errors import InvalidInput, NotFound, NotSignedIn, PermanentError, TransientError
from rag_app.ui.arguments import as_id, one_of
from rag_app.ui.auth import current_owner
from rag_app.ui.chat.state import text_of
from rag_app.ui.dashboard.current_kb import CurrentKbState
from rag_app.ui.dashboard.semantic_search.filters import (
    Chosen,
    Option,
    as_day,
    as_filters,
    filter_words,
    options,
)
from rag_app.ui.dashboard.semantic_search.trace import StepView, step_views, timing_words
from rag_app.ui.dashboard.semantic_search.view import FoundPassage, found_passages, left_out_words
from rag_app.ui.dashboard.settings.retrieval_view import (
    RECOMMENDED,
    KnobView,
    config_words,
    knob_views,
    typed,
)
from rag_app.ui.wording import counted

LIMITS = ("5", "10", "20")
TRIED = ("meaning_weight", "rerank", "semantic_search_threshold")
MAX_DOCUMENTS = 20  # chosen
OFFERED = 8  # documents, for a part of their name
MAX_NAME = 200


class SearchState(rx.State):
    """The query and what it found; `searched` is empty before the first search."""

    passages: list[FoundPassage] = []
    n_found: str = ""
    searched: str = ""
    n_searches: int = 0
    limited_to: str = ""
    searching: bool = False
    timings: str = ""
    steps: list[StepView] = []
    left_out: str = ""
    queries: list[str] = []
    error: str = ""
    failure: str = ""
    limit: str = "10"
    n_ready: int = 0
    n_working: int = 0
    loaded: bool = False

    # What it is limited to
    sources: list[Option] = []
    tags: list[Option] = []
    languages: list[Option] = []
    chosen: list[Chosen] = []
    offered: list[Chosen] = []
    first_day: str = ""
    last_day: str = ""
    n_filters: int = 0
    n_forms: int = 0  # a new key makes the browser forget what stands in the fields

    # Settings that are tried
    knobs: dict[str, KnobView] = knob_views(RECOMMENDED)
    config: str = ""
    is_trying: bool = False
    kept: str = ""

    _kb_id: int = 0
    _ticked: list[tuple[str, str]] = []
    _facets: Facets = Facets()
    _saved: dict[str, Any] = RECOMMENDED
    _tried: dict[str, Any] = {}

    @rx.event
    async def load(self) -> None:
        """Forget what another knowledge base held, and see whether there is anything to search."""
        try:
            owner_id = await current_owner(self)
        except NotSignedIn:  # AccountState leads to the log-in page
            return
        kb_id = (await self.get_state(CurrentKbState)).kb_id
        n_forms = self.n_forms + 1
        if kb_id != self._kb_id:
            self.reset()
        self.n_forms = n_forms
        self._kb_id, self.searching = kb_id, False
        try:
            kb = await services().knowledge_bases.get(kb_id, owner_id=owner_id)
            self._facets = await services().documents.facets(kb_id, owner_id=owner_id)
        except NotFound:  # the owner has none yet
            self.n_ready, self.n_working, self.loaded = 0, 0, True
            return
        self.n_ready, self.n_working, self._saved = kb.n_ready, kb.n_working, kb.rag_config.model_dump()
        _show_filters(self)
        _show_knobs(self)
        self.loaded = True

    @rx.event
    async def search(self, form: dict[str, Any]) -> AsyncIterator[None]:
        """Find the passages that fit the form's query."""
        owner_id = await current_owner(self)
        query, limit = text_of(form, "query"), text_of(form, "limit")
        self.limit = limit if limit in LIMITS else self.limit
        self.searching, self.error, self.failure = True, "", ""
        yield
        filters = _filters(self)
        try:
            found = await services().retrieval.search(
                self._kb_id,
                query,
                owner_id=owner_id,
                limit=int(self.limit),
                filters=filters,
                overrides=_changes(self),
            )
        except InvalidInput as error:
            self.error = str(error)
            return
        except (TransientError, PermanentError) as error:
            self.failure = str(error)
            return
        finally:
            self.searching = False
        self.searched, self.limited_to = query, filter_words(filters)
        _show_found(self, found)

    @rx.event
    async def tick(self, kind: str, value: str) -> None:
        """Limit the next search to a source, tag or language, or no longer."""
        await current_owner(self)
        pair = (one_of(kind, ("source", "tag", "language")), str(value)[:MAX_NAME])
        if pair in self._ticked:
            self._ticked = [each for each in self._ticked if each != pair]
        elif any(pair == (option.kind, option.value) for option in _all_options(self)):
            self._ticked = [*self._ticked, pair]
        _show_filters(self)

    @rx.event
    async def find_documents(self, name: str) -> None:
        """Offer documents whose name contains a text."""
        owner_id = await current_owner(self)
        wanted = str(name).replace("\x00", "").strip()[:MAX_NAME]
        self.offered = []
        if not wanted:
            return
        found = await services().documents.list_of(
            self._kb_id, owner_id=owner_id, limit=OFFERED + MAX_DOCUMENTS, status="ready", name=wanted
        )
        known = {document.id for document in self.chosen}
        self.offered = [Chosen(each.id, each.name) for each in found if each.id not in known][:OFFERED]

    @rx.event
    async def add_document(self, document_id: int) -> None:
        """Limit the next search to a document, and to those chosen before."""
        owner_id = await current_owner(self)
        document = await services().documents.get(self._kb_id, as_id(document_id), owner_id=owner_id)
        if len(self.chosen) < MAX_DOCUMENTS and all(each.id != document.id for each in self.chosen):
            self.chosen = [*self.chosen, Chosen(document.id, document.name)]
        self.offered = [each for each in self.offered if each.id != document.id]
        _show_filters(self)

    @rx.event
    async def remove_document(self, document_id: int) -> None:
        """Limit the next search to this document no longer."""
        await current_owner(self)
        self.chosen = [each for each in self.chosen if each.id != document_id]
        _show_filters(self)

    @rx.event
    async def choose_first_day(self, day: str) -> None:
        """Limit the next search to what was added from a day on."""
        await current_owner(self)
        self.first_day = as_day(str(day))
        _show_filters(self)

    @rx.event
    async def choose_last_day(self, day: str) -> None:
        """Limit the next search to what was added until a day."""
        await current_owner(self)
        self.last_day = as_day(str(day))
        _show_filters(self)

    @rx.event
    async def clear_filters(self) -> None:
        """Limit the next search to nothing."""
        await current_owner(self)
        self._ticked, self.chosen, self.offered = [], [], []
        self.first_day = self.last_day = ""
        self.n_forms += 1
        _show_filters(self)

    @rx.event
    async def try_knob(self, name: str, value: Any) -> None:
        """Set a knob for the next searches on this page only."""
        await current_owner(self)
        known = one_of(name, TRIED)
        self._tried = self._tried | {known: typed(KNOBS[known], value)}
        _show_knobs(self)

    @rx.event
    async def stop_trying(self) -> None:
        """Search with the saved settings again."""
        await current_owner(self)
        self._tried = {}
        self.n_forms += 1
        _show_knobs(self)

    @rx.event
    async def keep_settings(self) -> None:
        """Save what was tried: the chat and everybody else search like this from now on."""
        owner_id = await current_owner(self)
        changes = _changes(self)
        if not changes:
            return
        config = await services().knowledge_bases.set_rag_config(
            self._kb_id, owner_id=owner_id, changes=changes
        )
        self._saved, self._tried = config.model_dump(), {}
        _show_knobs(self)
        self.kept = "Saved. The chat searches like this from now on."


def _show_found(state: SearchState, found: Retrieval) -> None:
    state.passages = found_passages(found, state.searched, kb_id=state._kb_id)
    state.n_searches += 1
    state.n_found = counted(len(state.passages), "passage")
    state.timings, state.steps = timing_words(found.timings_ms), step_views(found)
    threshold = _config(state)["semantic_search_threshold"]
    state.left_out = left_out_words(found.n_below_threshold, threshold)
    state.queries = list(found.queries)


def _show_filters(state: SearchState) -> None:
    offered = options(state._facets, state._ticked)
    state.sources, state.tags = offered.get("source", []), offered.get("tag", [])
    state.languages = offered.get("language", [])
    n_days = bool(state.first_day) + bool(state.last_day)
    state.n_filters = len(state._ticked) + len(state.chosen) + n_days


def _show_knobs(state: SearchState) -> None:
    state.knobs = knob_views(_config(state))
    state.config = config_words(RagConfig.model_validate(state._saved))
    state.is_trying = bool(_changes(state))
    state.kept = ""


def _all_options(state: SearchState) -> list[Option]:
    return [*state.sources, *state.tags, *state.languages]


def _filters(state: SearchState) -> Filters:
    return as_filters(state._ticked, state.chosen, first_day=state.first_day, last_day=state.last_day)


def _config(state: SearchState) -> Mapping[str, Any]:
    return state._saved | state._tried


def _changes(state: SearchState) -> dict[str, Any]:
    """What is tried and not saved."""
    return {name: value for name, value in state._tried.items() if value != state._saved[name]}
