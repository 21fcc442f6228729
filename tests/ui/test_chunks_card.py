"""The card where chunk sizes are set: a draft that is tried out on a document, saved, and followed."""

import asyncio

import pytest

from rag_app.domain.knowledge_bases import BatchProgress
from rag_app.errors import NotSignedIn
from rag_app.ui.dashboard.current_kb import CurrentKbState
from rag_app.ui.dashboard.settings import chunks_state
from rag_app.ui.dashboard.settings.chunks_state import ChunksState
from rag_app.ui.dashboard.settings.chunks_view import number, reading
from tests.ui.conftest import InBackground, happens

TEXT = "# Rules\n\n" + " ".join(f"Rule {n} says that everybody shares this page." for n in range(60))


@pytest.fixture(autouse=True)
def _tab_is_open(monkeypatch):
    monkeypatch.setattr(chunks_state, "is_connected", lambda _: True)
    monkeypatch.setattr(chunks_state, "LOOK_EVERY_S", 0.01)


@pytest.fixture
async def kb(owner):
    return await owner.create_kb("Handbook")


@pytest.fixture
async def rules(owner, kb, run_jobs):
    [job] = await owner.upload(kb["id"], ("rules.md", TEXT.encode()))
    await run_jobs()
    return job["document_id"]


@pytest.fixture
async def state(open_tab, owner, kb):
    tab = open_tab(owner)
    tab.go_to(f"/settings?kb={kb['id']}")
    await CurrentKbState.load.fn(await tab.state(CurrentKbState))
    return await tab.state(ChunksState)


async def do(state, name, *args):
    return await happens(getattr(ChunksState, name).fn(state, *args))


async def try_out(state):
    await happens(ChunksState.try_out.fn(InBackground(state)))


async def opened(state):
    await do(state, "load")
    await try_out(state)


@pytest.mark.parametrize(("typed", "expected"), [("12", 12), (" 7 ", 7), ("1.5", "1.5"), ("²", "²")])
def test_what_is_no_whole_number_stays_what_it_is(typed, expected):
    assert number(typed) == expected


def test_progress_in_words():
    assert reading(BatchProgress()).is_open is False
    assert reading(BatchProgress(4, 1, 1, 30)).text == "1 of 4 files done · 1 failed"


async def test_a_document_is_shown_as_it_is_cut_and_as_it_would_be(state, rules):
    await opened(state)
    assert state.documents == [(str(rules), "rules.md")]
    assert (state.preview.is_same, state.is_changed) == (True, False)

    await do(state, "change", "chunk_tokens", "100")
    await do(state, "change", "overlap_tokens", "20")
    await try_out(state)

    before, after = state.preview.before, state.preview.after
    assert state.preview.is_same is False
    assert len(after.chunks) > len(before.chunks)
    assert all(chunk.place == "Rules" for chunk in after.chunks)
    assert [bool(chunk.repeated) for chunk in after.chunks] == [False] + [True] * (len(after.chunks) - 1)
    for earlier, later in zip(after.chunks, after.chunks[1:], strict=False):
        assert (earlier.repeated + earlier.text).endswith(later.repeated)
    assert state.is_changed is True


async def test_what_does_not_fit_says_so_and_leaves_the_preview(state, rules):
    await opened(state)
    shown = state.preview

    await do(state, "change", "chunk_tokens", "9")
    await try_out(state)

    assert state.errors == {"chunk_tokens": "Please choose a whole number from 64 to 2,000."}
    assert state.preview == shown
    await do(state, "save", {"chunk_tokens": "9", "overlap_tokens": "32"})
    assert state.errors["chunk_tokens"] and state.is_changed
    await do(state, "discard")
    assert (state.draft["chunk_tokens"], state.errors, state.is_changed) == ("384", {}, False)


async def test_only_the_newest_wish_is_shown(state, rules, services, monkeypatch):
    await opened(state)
    slow, go_on = asyncio.Event(), asyncio.Event()
    cut = services.chunk_previews.preview

    async def slowly(*args, changes, **more):
        found = await cut(*args, changes=changes, **more)
        if changes["chunk_tokens"] == 100:
            slow.set()
            await go_on.wait()
        return found

    monkeypatch.setattr(type(services.chunk_previews), "preview", lambda _, *a, **m: slowly(*a, **m))
    await do(state, "change", "chunk_tokens", "100")
    first = asyncio.create_task(try_out(state))
    await slow.wait()
    await do(state, "change", "chunk_tokens", "200")
    await try_out(state)
    go_on.set()
    await first

    assert "at most 200" in state.preview.after.facts


async def test_a_saved_size_says_what_it_means_and_documents_are_read_again(
    state, rules, services, owner, kb, run_jobs
):
    await opened(state)
    await do(state, "save", {"chunk_tokens": "100", "overlap_tokens": "20"})

    assert state.said.startswith("Saved.")
    config = await services.knowledge_bases.rag_config(kb["id"], owner_id=owner.user["id"])
    assert (config.chunk_tokens, config.overlap_tokens) == (100, 20)
    assert "Your document still has chunks of another size" in state.cut.otherwise

    await do(state, "ask")
    assert state.is_asking
    await do(state, "read_again")
    assert state.reading.is_open
    watching = asyncio.create_task(happens(ChunksState.watch.fn(InBackground(state))))
    await run_jobs()
    said = await watching

    assert "new size" in str(said)
    assert (state.cut.n_otherwise, state.reading.is_open, state._watcher) == (0, False, 0)


async def test_without_documents_there_is_nothing_to_cut(state):
    await opened(state)

    assert (state.documents, state.preview.after.chunks, state.draft["chunk_tokens"]) == ([], (), "384")


async def test_a_document_that_is_gone_is_no_error(state, rules, owner, kb):
    await do(state, "load")
    await owner.http.delete(f"/api/knowledge-bases/{kb['id']}/documents/{rules}")

    await try_out(state)

    assert state.problem


async def test_nobody_else_saves(state, rules, open_tab):
    await opened(state)
    stranger = await open_tab(None).state(ChunksState)
    stranger.kb_id = state.kb_id

    for name, args in {
        "save": ({"chunk_tokens": "100"},),
        "read_again": (),
        "change": ("chunk_tokens", "9"),
    }.items():
        with pytest.raises(NotSignedIn):
            await do(stranger, name, *args)
