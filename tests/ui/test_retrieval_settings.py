"""The knobs of a knowledge base: a draft until it is saved, in words, and to be taken back."""

import json

import pytest
import sqlalchemy as sa

from rag_app.domain.knobs import KNOBS, SEARCH_KNOBS
from rag_app.domain.rag_config import PRESETS, RagConfig
from rag_app.errors import InvalidInput, NotFound
from rag_app.ui.dashboard.current_kb import CurrentKbState
from rag_app.ui.dashboard.settings.retrieval_state import RetrievalSettingsState
from rag_app.ui.dashboard.settings.retrieval_view import (
    CHOICES,
    GROUPS,
    SLIDERS,
    knob_views,
    preset_name,
    searching,
    shown,
    typed,
)
from tests.ui.conftest import happens

RECOMMENDED = searching(RagConfig())


@pytest.fixture
async def kb(owner):
    return await owner.create_kb("Handbook")


@pytest.fixture
async def state(open_tab, owner, kb):
    """The settings, open for the knowledge base."""
    tab = open_tab(owner)
    tab.go_to(f"/settings?kb={kb['id']}")
    await CurrentKbState.load.fn(await tab.state(CurrentKbState))
    state = await tab.state(RetrievalSettingsState)
    await do(state, "load")
    return state


async def do(state, name, *args):
    return await happens(getattr(RetrievalSettingsState, name).fn(state, *args))


async def stored(services, owner, kb):
    return await services.knowledge_bases.rag_config(kb["id"], owner_id=owner.user["id"])


async def store_reranker(services, kb, name):
    """Put it into the database past the service, as it is when a setting was taken away later."""
    async with services.engine.begin() as connection:
        await connection.execute(
            sa.text("UPDATE knowledge_bases SET rag_config = CAST(:stored AS jsonb) WHERE id = :id"),
            {"id": kb["id"], "stored": json.dumps({"reranker": name})},
        )


# ---- words


def test_every_knob_stands_in_one_group():
    named = [name for group in GROUPS for name in group.knobs]

    assert sorted(named) == sorted(SEARCH_KNOBS)


def test_every_choice_has_words():
    choices = {name: set(knob.options) for name, knob in KNOBS.items() if knob.kind == "choice"}

    assert {name: set(words) for name, words in CHOICES.items()} == choices
    assert KNOBS.keys() > SLIDERS.keys()


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("meaning_weight", 0, "words only"),
        ("meaning_weight", 1.0, "meaning only"),
        ("meaning_weight", 0.5, "both alike"),
        ("meaning_weight", 0.7, "70 % meaning, 30 % words"),
        ("semantic_search_threshold", 0.0, "nothing left out"),
        ("semantic_search_threshold", 0.29, "at least 29 %"),
        ("semantic_search_max_results", 1, "1 passage"),
        ("max_per_document", 0, "no limit"),
        ("neighbours", 2, "2 pieces on each side"),
        ("rerank_budget_ms", 1000, "1,000 milliseconds"),
        ("rerank_budget_ms", "many", ""),
        ("rerank", False, "off"),
        ("fusion", "weighted", "Weighted sum"),
    ],
)
def test_where_a_knob_stands_in_words(name, value, expected):
    assert shown(name, value) == expected


@pytest.mark.parametrize(
    ("name", "sent", "expected"),
    [
        ("candidates", "50", 50),
        ("candidates", 50.0, 50),
        ("candidates", "50.5", 50.5),
        ("candidates", "", ""),
        ("candidates", None, "None"),
        ("meaning_weight", "0.7", 0.7),
        ("meaning_weight", 0.30000000000000004, 0.3),
        ("rerank", True, True),
        ("rerank", "on", False),
        ("fusion", "rrf", "rrf"),
    ],
)
def test_what_a_control_sends_becomes_what_the_knob_wants(name, sent, expected):
    assert typed(KNOBS[name], sent) == expected


@pytest.mark.parametrize(
    ("changes", "idle"),
    [
        ({}, set()),
        ({"rerank": False}, {"reranker", "rerank_depth", "rerank_budget_ms"}),
        ({"meaning_weight": 0.0}, {"fusion"}),
        ({"meaning_weight": 1}, {"fusion", "spelling"}),
    ],
)
def test_knobs_without_effect_say_why(changes, idle):
    views = knob_views(RECOMMENDED | changes)

    assert {name for name, view in views.items() if view.reason} == idle


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_known_by_their_values(name):
    assert preset_name(searching(PRESETS[name])) == name
    assert preset_name(searching(PRESETS[name]) | {"max_per_document": 7}) == ""


# ---- what happens


async def test_settings_open_with_what_is_saved(state, kb):
    assert (state.kb_id, state.kb_name, state.preset) == (kb["id"], "Handbook", "balanced")
    assert (state.is_loading, state.is_changed, state.can_undo) == (False, False, False)


async def test_owner_without_a_knowledge_base_is_not_kept_waiting(open_tab, owner):
    state = await open_tab(owner).state(RetrievalSettingsState)

    await do(state, "load")

    assert (state.is_loading, state.kb_id) == (False, 0)


async def test_turning_a_knob_changes_nothing_before_it_is_saved(state, services, owner, kb):
    await do(state, "change", "rerank", False)

    assert (state.is_changed, state.preset, state.has_own) == (True, "", True)
    assert state.knobs["rerank_depth"].reason
    assert await stored(services, owner, kb) == RagConfig()


async def test_what_is_saved_can_be_taken_back(state, services, owner, kb):
    await do(state, "change", "rerank", False)
    await do(state, "save", {"candidates": "100"})
    assert await stored(services, owner, kb) == RagConfig(rerank=False)
    assert (state.is_changed, state.can_undo, state.is_saving) == (False, True, False)
    assert "Saved" in state.said

    await do(state, "undo")

    assert await stored(services, owner, kb) == RagConfig()
    assert (state.can_undo, state.preset) == (False, "balanced")


async def test_number_that_is_told_late_does_not_silence_what_was_saved(state):
    await do(state, "save", {"candidates": "70"})
    await do(state, "change", "candidates", 70)

    assert "Saved" in state.said
    assert state.can_undo


async def test_number_that_is_told_late_does_not_silence_why_it_was_refused(state):
    await do(state, "save", {"candidates": "7"})
    await do(state, "change", "candidates", "7")

    assert (state.has_problems, state.knobs["candidates"].error != "") == (True, True)


async def test_undo_is_offered_again_after_changes_are_discarded(state):
    await do(state, "choose", "fast")
    await do(state, "save", {})
    await do(state, "change", "rerank", True)
    assert state.can_undo is False

    await do(state, "discard")

    assert (state.can_undo, state.preset, state.is_changed) == (True, "fast", False)


async def test_what_is_typed_just_before_saving_counts(state, services, owner, kb):
    await do(state, "save", {"candidates": "120", "meaning_weight": "0.5", "unknown": "7", "rerank": "on"})

    assert await stored(services, owner, kb) == RagConfig(candidates=120)


async def test_slider_does_not_round_what_a_program_has_set(state, services, owner, kb):
    await services.knowledge_bases.set_rag_config(
        kb["id"], owner_id=owner.user["id"], changes={"meaning_weight": 0.123}
    )
    await do(state, "load")
    await do(state, "save", {"meaning_weight": "0.12"})

    assert (await stored(services, owner, kb)).meaning_weight == 0.123


async def test_value_that_does_not_fit_says_so_at_its_control(state, services, owner, kb):
    await do(state, "change", "candidates", "7")
    await do(state, "change", "spelling", False)
    await do(state, "save", {})

    assert state.knobs["candidates"].error == "Please choose a whole number from 20 to 300."
    assert (state.knobs["candidates"].text, state.is_changed, state.has_problems) == ("7", True, True)
    assert state.is_saving is False
    assert await stored(services, owner, kb) == RagConfig()


async def test_only_rerankers_that_are_set_up_are_offered(state):
    assert state.rerankers == [("local_late", "Built in")]
    assert state.knobs["reranker"].warning == ""

    await do(state, "change", "reranker", "http_rerank")  # as a page of yesterday may
    await do(state, "save", {})

    assert "RAG_RERANK_URL" in state.knobs["reranker"].error


async def test_reranker_that_is_set_up_no_more_stays_until_another_is_chosen(state, services, owner, kb):
    await store_reranker(services, kb, "http_rerank")
    await do(state, "load")
    assert state.rerankers == [
        ("local_late", "Built in"),
        ("http_rerank", "Rerank service (not set up here)"),
    ]
    assert "RAG_RERANK_URL" in state.knobs["reranker"].warning

    await do(state, "change", "candidates", 50)
    await do(state, "save", {})
    assert await stored(services, owner, kb) == RagConfig(reranker="http_rerank", candidates=50)

    await do(state, "change", "reranker", "local_late")
    assert state.knobs["reranker"].warning == ""
    await do(state, "save", {})
    assert (await stored(services, owner, kb)).reranker == "local_late"
    assert len(state.rerankers) == 1


async def test_preset_fills_the_draft_and_own_values_come_back(state):
    await do(state, "change", "neighbours", 3.0)
    await do(state, "choose", "thorough")
    assert (state.preset, state.knobs["candidates"].text) == ("thorough", "200")

    await do(state, "choose", "own")

    assert (state.preset, state.knobs["neighbours"].number) == ("", 3)
    assert state.knobs["candidates"].text == "100"


async def test_reset_is_asked_for_and_can_be_undone(state, services, owner, kb):
    await do(state, "choose", "thorough")
    await do(state, "save", {})
    await do(state, "ask_to_reset")
    assert state.is_resetting

    await do(state, "use_recommended")
    assert await stored(services, owner, kb) == RagConfig()
    assert (state.is_resetting, state.preset, state.can_undo) == (False, "balanced", True)

    await do(state, "undo")
    assert await stored(services, owner, kb) == PRESETS["thorough"]


async def test_coming_back_makes_the_controls_anew(state):
    before = state.n_forms

    await do(state, "load")

    assert state.n_forms > before


@pytest.mark.parametrize(
    ("handler", "args"),
    [("change", ("speed", 1)), ("change", ([], 1)), ("choose", ("best",)), ("choose", (None,))],
)
async def test_what_is_not_offered_cannot_be_chosen(state, handler, args):
    with pytest.raises(InvalidInput):
        await do(state, handler, *args)


@pytest.mark.parametrize(("handler", "args"), [("save", ({"candidates": "50"},)), ("use_recommended", ())])
async def test_nobody_turns_the_knobs_of_another(state, other, open_tab, services, owner, kb, handler, args):
    theirs = await open_tab(other).state(RetrievalSettingsState)
    theirs.kb_id = kb["id"]

    with pytest.raises(NotFound):
        await do(theirs, handler, *args)

    assert theirs.is_saving is False
    assert await stored(services, owner, kb) == RagConfig()
