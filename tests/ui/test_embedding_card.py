"""The embedding model of a knowledge base: in words, asked about before it is changed, and followed."""

import asyncio

import pytest

from rag_app.domain.embedding_models import EmbeddingChoice, EmbeddingSwitch
from rag_app.errors import InvalidInput, NotSignedIn, PermanentError, TransientError
from rag_app.ui import routes
from rag_app.ui.dashboard.current_kb import CurrentKbState
from rag_app.ui.dashboard.settings import embedding_state
from rag_app.ui.dashboard.settings.embedding_state import EmbeddingState
from rag_app.ui.dashboard.settings.embedding_view import GONE, SwitchView, ended, model_views, switch_view
from tests.ui.conftest import InBackground, happens

CHOICES = (
    EmbeddingChoice("local_e5", "e5", 384),
    EmbeddingChoice("local_minilm", "MiniLM", 384),
    EmbeddingChoice("hub_onnx_0123456789ab", "owner/tiny (from the model hub)", 24),
)


@pytest.fixture(autouse=True)
def _tab_is_open(monkeypatch):
    monkeypatch.setattr(embedding_state, "is_connected", lambda _: True)
    monkeypatch.setattr(embedding_state, "LOOK_EVERY_S", 0.01)


@pytest.fixture
async def kb(owner, run_jobs):
    made = await owner.create_kb("Handbook")
    await owner.upload(made["id"], *((f"{n}.txt", f"There are {n} boats.".encode()) for n in range(3)))
    await run_jobs()
    return made


@pytest.fixture
def tab(open_tab, owner):
    return open_tab(owner)


@pytest.fixture
async def state(tab, kb):
    """The card, open for the knowledge base."""
    tab.go_to(f"/settings?kb={kb['id']}")
    await CurrentKbState.load.fn(await tab.state(CurrentKbState))
    state = await tab.state(EmbeddingState)
    await do(state, "load")
    return state


async def do(state, name, *args):
    return await happens(getattr(EmbeddingState, name).fn(state, *args))


async def switch_to(state, name):
    await do(state, "ask", name)
    return await do(state, "begin")


def watch(state):
    return asyncio.create_task(happens(EmbeddingState.watch.fn(InBackground(state))))


def switch(model="local_e5", next_model=None, n_done=0, n_total=40, problem=""):
    return EmbeddingSwitch(model, next_model, n_done, n_total, CHOICES, problem)


# ---- words


def test_every_model_has_a_name_for_people():
    views = model_views(switch(next_model="local_minilm"))

    assert [view.title for view in views] == ["Multilingual", "Light English", "owner/tiny"]
    assert [(view.is_used, view.is_next) for view in views] == [(True, False), (False, True), (False, False)]
    assert all(view.text for view in views)


def test_a_model_that_was_taken_away_is_shown_as_the_one_in_use():
    first, *others = model_views(switch("hub_onnx_gone"))

    assert (first.title, first.is_used, len(others)) == (GONE, True, 3)
    assert "Nothing can be found by its meaning" in first.text


@pytest.mark.parametrize(
    ("found", "percent", "progress"),
    [
        (switch(), 0, ""),
        (switch(next_model="local_minilm", n_done=10), 25, "10 of 40 chunks"),
        (switch(next_model="local_minilm", n_done=0, n_total=1), 0, "0 of 1 chunk"),
        (switch(next_model="local_minilm", n_done=41), 100, "All chunks are embedded. A moment more"),
    ],
)
def test_how_far_a_switch_is(found, percent, progress):
    view = switch_view(found)

    assert (view.percent, view.progress.startswith(progress)) == (percent, True)
    assert view.is_switching is bool(progress)


@pytest.mark.parametrize(
    ("found", "says"),
    [
        (switch(), ""),
        (switch(problem="Its hash differs."), "given up: Its hash differs. The model in use has stayed."),
        (switch(next_model="local_minilm", problem="The hub is away."), "away. It is tried again by itself."),
    ],
)
def test_what_is_the_matter_in_words(found, says):
    assert switch_view(found).problem.endswith(says)


@pytest.mark.parametrize(
    ("n_total", "says"), [(0, "no chunks yet"), (1, "The one chunk is"), (12_345, "All 12,345 chunks are")]
)
def test_what_a_switch_costs_in_words(n_total, says):
    assert says in switch_view(switch(n_total=n_total)).consequences


@pytest.mark.parametrize(
    ("found", "says"),
    [
        (switch("local_minilm"), "“Handbook” is searched with “Light English” from now on."),
        (switch("local_e5", problem="No."), "“Light English” could not be used for “Handbook”."),
        (switch("local_e5"), ""),
    ],
)
def test_what_is_said_at_the_end(found, says):
    assert ended(SwitchView(next_title="Light English"), found, "Handbook") == says


# ---- the card


async def test_the_card_shows_the_model_in_use(state):
    assert (state.kb_name, state.switch.title, state.switch.is_switching) == (
        "Handbook",
        "Multilingual",
        False,
    )
    assert [model.name for model in state.models] == ["local_e5", "local_minilm"]


async def test_nothing_is_changed_before_it_is_confirmed(state, services, owner, kb):
    await do(state, "ask", "local_minilm")
    assert (state.chosen_title, state.switch.consequences[:12]) == ("Light English", "All 3 chunks")
    await do(state, "keep")

    assert state.chosen == ""
    now = await services.embedding_switches.get(kb["id"], owner_id=owner.user["id"])
    assert now.next_model is None


async def test_a_model_that_is_not_offered_cannot_be_asked_for(state):
    with pytest.raises(InvalidInput):
        await do(state, "ask", "nonsense")


async def test_a_switch_is_followed_to_its_end(state, run_jobs):
    led_to = await switch_to(state, "local_minilm")
    assert (state.chosen, state.switch.next_title, state.is_beginning) == ("", "Light English", False)
    assert "watch" in str(led_to)

    watching = watch(state)
    await run_jobs()
    said = await asyncio.wait_for(watching, 10)

    assert (state.switch.title, state.switch.is_switching, state._watcher) == ("Light English", False, 0)
    assert "from now on" in str(said)


async def test_a_switch_can_be_stopped(state, run_jobs, services, owner, kb):
    await switch_to(state, "local_minilm")
    await do(state, "ask_to_stop")
    assert state.is_stopping

    said = await do(state, "stop")

    assert (state.is_stopping, state.switch.is_switching) == (False, False)
    assert "stays with “Multilingual”" in str(said)
    await run_jobs()
    now = await services.embedding_switches.get(kb["id"], owner_id=owner.user["id"])
    assert (now.model, now.next_model) == ("local_e5", None)


async def test_a_switch_begun_elsewhere_is_shown_instead(state, services, owner, kb):
    await services.embedding_switches.begin(kb["id"], owner_id=owner.user["id"], model="local_minilm")

    said = await switch_to(state, "local_minilm")

    assert state.switch.is_switching
    assert "Stop that first" in str(said)


async def test_a_model_that_cannot_be_used_says_why(state, run_jobs, services, monkeypatch):
    async def refused(_texts):
        raise PermanentError("Its hash differs.")

    monkeypatch.setattr(services.retrieval.embedders.get("local_minilm"), "embed_documents", refused)
    await switch_to(state, "local_minilm")
    watching = watch(state)
    await run_jobs()
    said = await asyncio.wait_for(watching, 10)

    assert "could not be used" in str(said)
    assert "Its hash differs." in state.switch.problem


async def test_a_hub_that_is_away_is_said_while_it_is_waited_for(state, services, kb, monkeypatch, tab):
    async def away(_texts):
        raise TransientError("The hub cannot be reached.")

    monkeypatch.setattr(services.retrieval.embedders.get("local_minilm"), "embed_documents", away)
    await switch_to(state, "local_minilm")
    with pytest.raises(TransientError):
        await services.embedding_switches.work(kb["id"])
    await do(state, "load")

    assert state.switch.is_switching
    assert "The hub cannot be reached. It is tried again" in state.switch.problem


async def test_without_a_switch_nothing_is_watched(state):
    await asyncio.wait_for(watch(state), 5)

    assert state._n_watchers == 0


async def test_watching_ends_when_the_page_is_left(state, tab):
    await switch_to(state, "local_minilm")
    watching = watch(state)
    await asyncio.sleep(0.05)
    await asyncio.wait_for(watch(state), 5)  # one is enough
    assert not watching.done()

    tab.go_to(routes.KNOWLEDGE_BASE)
    await asyncio.wait_for(watching, 5)

    assert state._watcher == 0


async def test_watching_ends_when_the_tab_is_gone(state, monkeypatch):
    await switch_to(state, "local_minilm")
    monkeypatch.setattr(embedding_state, "is_connected", lambda _: False)

    await asyncio.wait_for(watch(state), 5)

    assert state._watcher == 0


async def test_watching_ends_with_the_sign_in(state, owner):
    await switch_to(state, "local_minilm")
    await owner.http.post("/api/auth/logout")

    with pytest.raises(NotSignedIn):
        await asyncio.wait_for(watch(state), 5)

    assert state._watcher == 0


async def test_a_newer_visit_takes_the_watch_over(state, tab):
    await switch_to(state, "local_minilm")
    old = watch(state)
    await asyncio.sleep(0.05)

    await do(state, "load")
    new = watch(state)
    await asyncio.wait_for(old, 5)

    assert not new.done()
    tab.go_to("/")
    await asyncio.wait_for(new, 5)
