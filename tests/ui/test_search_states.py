"""Semantic Search: what is limited, what is tried, and what is kept."""

import pytest

from rag_app.domain.rag_config import RagConfig
from rag_app.domain.retrieval import Filters, Retrieval, Step
from rag_app.errors import InvalidInput, NotFound, TransientError
from rag_app.services.retrieval import RetrievalService
from rag_app.ui.dashboard.current_kb import CurrentKbState
from rag_app.ui.dashboard.semantic_search.filters import Chosen
from rag_app.ui.dashboard.semantic_search.state import MAX_DOCUMENTS, SearchState
from tests.ui.conftest import happens

FORM = {"query": "berths", "limit": "5"}


@pytest.fixture
async def kb(owner):
    return await owner.create_kb("Harbour")


@pytest.fixture
async def documents(owner, kb, run_jobs):
    """The ids of two documents, the first of them tagged."""
    jobs = await owner.upload(kb["id"], ("berths.txt", b"Berths for boats."), ("prices.txt", b"Prices."))
    await run_jobs()
    ids = [job["document_id"] for job in jobs]
    await owner.http.put(f"/api/knowledge-bases/{kb['id']}/documents/{ids[0]}", json={"tags": ["Rules"]})
    return ids


@pytest.fixture
async def state(open_tab, owner, kb, documents):
    return await opened(open_tab(owner), kb["id"])


@pytest.fixture
def asked(monkeypatch):
    """What the service is asked for, and what it answers or raises."""
    calls = []

    async def search(self, kb_id, question, **how):
        calls.append(how)
        if isinstance(search.outcome, Exception):
            raise search.outcome
        return search.outcome

    search.outcome = Retrieval((), {"total": 1.0})
    calls.append(search)
    monkeypatch.setattr(RetrievalService, "search", search)
    return calls


async def opened(tab, kb_id):
    tab.go_to(f"/search?kb={kb_id}")
    await CurrentKbState.load.fn(await tab.state(CurrentKbState))
    state = await tab.state(SearchState)
    await do(state, "load")
    return state


async def do(state, name, *args):
    return await happens(getattr(SearchState, name).fn(state, *args))


async def test_search_without_filters_and_trials_asks_for_nothing_special(state, asked):
    await do(state, "search", FORM)

    assert (asked[-1]["filters"], asked[-1]["overrides"], asked[-1]["limit"]) == (Filters(), {}, 5)
    assert (state.n_found, state.limited_to, state.searching) == ("0 passages", "", False)


async def test_search_is_limited_to_what_was_chosen(state, asked, documents):
    await do(state, "tick", "tag", "Rules")
    await do(state, "add_document", documents[1])
    await do(state, "choose_first_day", "2026-01-01")
    assert state.n_filters == 3

    await do(state, "search", FORM)

    filters = asked[-1]["filters"]
    assert (filters.tags, filters.document_ids) == (("Rules",), (documents[1],))
    assert filters.added_from is not None
    assert "tagged Rules" in state.limited_to


async def test_filters_can_be_taken_away_one_by_one_and_all_at_once(state, documents):
    for _ in range(2):
        await do(state, "tick", "tag", "Rules")
    assert state.n_filters == 0
    await do(state, "add_document", documents[0])
    await do(state, "remove_document", documents[0])
    assert state.chosen == []

    await do(state, "choose_last_day", "2026-01-01")
    await do(state, "tick", "tag", "Rules")
    await do(state, "clear_filters")

    assert (state.n_filters, state.last_day) == (0, "")


async def test_documents_are_offered_by_part_of_their_name(state, documents):
    await do(state, "find_documents", "BERTH")
    assert [document.name for document in state.offered] == ["berths.txt"]

    await do(state, "add_document", documents[0])
    assert state.offered == []
    await do(state, "find_documents", "berth")
    assert state.offered == []  # it is chosen already

    await do(state, "find_documents", " ")
    assert state.offered == []


async def test_what_is_not_offered_cannot_be_ticked(state):
    await do(state, "tick", "tag", "Unheard of")
    assert state.n_filters == 0

    with pytest.raises(InvalidInput):
        await do(state, "tick", "owner", "1")


async def test_document_of_another_cannot_be_chosen(state, other):
    theirs = await other.create_kb()
    [job] = await other.upload(theirs["id"], ("a.txt", b"Secret."))

    with pytest.raises(NotFound):
        await do(state, "add_document", job["document_id"])


async def test_settings_are_tried_for_this_page_only(state, asked, services, owner, kb):
    await do(state, "try_knob", "meaning_weight", 0.9)
    await do(state, "try_knob", "rerank", True)  # as it is already
    await do(state, "search", FORM)

    assert asked[-1]["overrides"] == {"meaning_weight": 0.9}
    assert state.is_trying
    assert state.knobs["meaning_weight"].shown == "90 % meaning, 10 % words"
    config = await services.knowledge_bases.rag_config(kb["id"], owner_id=owner.user["id"])
    assert config == RagConfig()

    await do(state, "stop_trying")
    assert (state.is_trying, state.knobs["meaning_weight"].shown) == (False, "both alike")


async def test_settings_that_were_tried_can_be_kept(state, services, owner, kb):
    await do(state, "try_knob", "semantic_search_threshold", 0.2)
    await do(state, "keep_settings")

    config = await services.knowledge_bases.rag_config(kb["id"], owner_id=owner.user["id"])
    assert config == RagConfig(semantic_search_threshold=0.2)
    assert (state.is_trying, state.config) == (False, "Your own settings")
    assert "Saved" in state.kept


async def test_only_some_settings_can_be_tried_here(state):
    with pytest.raises(InvalidInput):
        await do(state, "try_knob", "candidates", 300)


async def test_search_tells_its_steps_and_what_it_left_out(state, asked):
    asked[0].outcome = Retrieval(
        (), {"total": 30.0}, (Step("rerank", 0.0, was_done=False, note="Switched off."),), 4, ("boat berth",)
    )
    await do(state, "try_knob", "semantic_search_threshold", 0.5)
    await do(state, "search", FORM)

    assert [(step.time, step.note) for step in state.steps] == [("skipped", "Switched off.")]
    assert "4 passages were left out for scoring under your least score of 50 %." in state.left_out
    assert (state.queries, state.timings) == (["boat berth"], "30 ms in all")


async def test_search_that_fails_says_so_and_can_be_tried_again(state, asked):
    asked[0].outcome = TransientError("The database is away.")
    await do(state, "search", FORM)
    assert (state.failure, state.searching) == ("The database is away.", False)

    asked[0].outcome = Retrieval(())
    await do(state, "search", FORM)
    assert state.failure == ""


async def test_another_knowledge_base_brings_its_own_filters_and_settings(state, owner):
    second = await owner.create_kb("Second")
    await do(state, "tick", "tag", "Rules")
    await do(state, "try_knob", "rerank", False)
    (await state.get_state(CurrentKbState)).kb_id = second["id"]
    await do(state, "load")

    assert (state.n_filters, state.tags, state.is_trying) == (0, [], False)


async def test_no_more_documents_are_chosen_than_a_search_takes(state, documents):
    state.chosen = [Chosen(-n, "Another") for n in range(MAX_DOCUMENTS)]

    await do(state, "add_document", documents[0])

    assert len(state.chosen) == MAX_DOCUMENTS
