"""Versions on the pages: replace a document, follow it, go back; and what a citation of before says."""

import asyncio
from datetime import UTC, datetime

import pytest

from rag_app.domain.conversations import Citation
from rag_app.domain.document_versions import DocumentVersion
from rag_app.services.sharing import CitedPassage
from rag_app.ui.chat.view import passage_view
from rag_app.ui.dashboard.current_kb import CurrentKbState
from rag_app.ui.dashboard.document import versions_state
from rag_app.ui.dashboard.document.state import DocumentState
from rag_app.ui.dashboard.document.versions_state import VersionsState
from rag_app.ui.dashboard.document.versions_view import current_number, version_views
from rag_app.ui.dashboard.knowledge_base.state import KnowledgeBaseState
from tests import sample_files
from tests.ui.conftest import InBackground, happens

FIRST, SECOND = b"# Leave\n\nThere are 25 days.", b"# Leave\n\nThere are 30 days."
BROKEN = sample_files.pdf_bytes(["text"])[:-400]


@pytest.fixture(autouse=True)
def _tab_is_open(monkeypatch):
    monkeypatch.setattr(versions_state, "is_connected", lambda _: True)
    monkeypatch.setattr(versions_state, "LOOK_EVERY_S", 0.01)


@pytest.fixture
async def kb(owner):
    return await owner.create_kb("Handbook")


@pytest.fixture
async def document(owner, kb, run_jobs):
    [job] = await owner.upload(kb["id"], ("leave.md", FIRST))
    await run_jobs()
    return job["document_id"]


@pytest.fixture
async def tab(open_tab, owner, kb, document):
    """The page of the document, loaded."""
    tab = open_tab(owner)
    tab.go_to(f"/knowledge/document/{document}?kb={kb['id']}")
    await CurrentKbState.load.fn(await tab.state(CurrentKbState))
    await happens(DocumentState.load.fn(await tab.state(DocumentState)))
    await happens(VersionsState.load.fn(await tab.state(VersionsState)))
    return tab


async def replace(owner, state, content, name="leave.md"):
    response = await owner.http.post(state.upload_url, files=[("files", (name, content))])
    assert response.status_code == 202, response.text
    return await happens(VersionsState.uploaded.fn(state, name, False))


def watch(state):
    return asyncio.create_task(happens(VersionsState.watch.fn(InBackground(state))))


async def test_a_new_version_is_followed_until_it_is_in_use(tab, owner, run_jobs):
    state, page = await tab.state(VersionsState), await tab.state(DocumentState)
    assert [version.title for version in state.versions] == ["Version 1"]
    assert state.is_busy is False

    await replace(owner, state, SECOND)
    assert [(version.number, version.state) for version in state.versions] == [(2, "Waiting"), (1, "In use")]
    assert state.is_busy and not any(version.can_use for version in state.versions)
    watching = watch(state)
    await run_jobs()
    events = await watching

    assert "Version 2 is in use now." in str(events)
    assert [(version.number, version.state) for version in state.versions] == [(2, "In use"), (1, "Earlier")]
    await happens(DocumentState.refresh.fn(page))
    assert "30 days" in str(page.parts) and "version 2" in page.head.facts


async def test_a_version_that_fails_says_so_and_can_be_tried_again(tab, owner, run_jobs):
    state, page = await tab.state(VersionsState), await tab.state(DocumentState)
    await replace(owner, state, BROKEN, "leave.pdf")
    watching = watch(state)
    await run_jobs()
    events = await watching

    assert "version 1 is still in use" in str(events)
    failed, used = state.versions
    assert (failed.state, failed.use_words, used.can_use) == ("Could not be read", "Try it again", False)
    assert "incomplete" in failed.problem
    await happens(DocumentState.refresh.fn(page))
    assert page.head.problem.startswith("Version 2 could not be read; version 1 is still used.")


async def test_an_earlier_version_is_asked_about_before_it_is_used(tab, owner, run_jobs):
    state = await tab.state(VersionsState)
    await replace(owner, state, SECOND)
    await run_jobs()
    await happens(VersionsState.load.fn(state))

    await happens(VersionsState.ask.fn(state, 1))
    assert state.using == 1
    VersionsState.keep.fn(state)
    assert state.using == 0
    await happens(VersionsState.ask.fn(state, 1))
    await happens(VersionsState.use.fn(state))
    await run_jobs()
    await happens(VersionsState.load.fn(state))
    assert [(version.number, version.state) for version in state.versions] == [(2, "Earlier"), (1, "In use")]

    await happens(VersionsState.ask.fn(state, 1))
    assert "in use already" in str(await happens(VersionsState.use.fn(state)))


async def test_the_list_asks_for_another_file(open_tab, owner, kb, document):
    tab = open_tab(owner)
    tab.go_to(f"/knowledge?kb={kb['id']}")
    await CurrentKbState.load.fn(await tab.state(CurrentKbState))
    state = await tab.state(KnowledgeBaseState)
    await happens(KnowledgeBaseState.load.fn(state))

    await KnowledgeBaseState.ask_to_replace.fn(state, document)
    assert state.replacing_name == "leave.md"
    assert state.replacing_url.endswith(f"/documents/{document}/versions")
    assert "very file" in str(await happens(KnowledgeBaseState.replaced.fn(state, "leave.md", True)))
    assert state.replacing_id == 0
    assert "ZIP" in state.hint


@pytest.mark.parametrize(
    ("wishes", "says"),
    [
        ("&chunk=999&version=7", "quoted version 7; this is version 1"),
        ("&chunk=999&version=1", "read again since it was cited"),
        ("&chunk=999", "read again since it was cited"),
        ("", ""),
    ],
)
async def test_a_citation_of_what_is_gone_says_so_on_the_page(tab, kb, document, wishes, says):
    tab.go_to(f"/knowledge/document/{document}?kb={kb['id']}{wishes}")
    page = await tab.state(DocumentState)

    await happens(DocumentState.load.fn(page))

    assert says in page.cited_note
    assert bool(says) == bool(page.cited_note)


def cited(version, now, *, is_outdated):
    citation = Citation(1, 7, 3, "leave.md", None, "There are 25 days.", document_version=version)
    return CitedPassage(
        citation, "", "There are 25 days.", "", "", None, version=now, is_outdated=is_outdated
    )


READ_AGAIN = "The document was read again since. This is what was quoted."
REPLACED = "From version 2; the document is now at version 3. This is what was quoted."


@pytest.mark.parametrize(
    ("passage", "note"),
    [
        (cited(1, 1, is_outdated=False), ""),
        (cited(2, 3, is_outdated=True), REPLACED),
        (cited(0, 3, is_outdated=True), READ_AGAIN),
        (cited(3, 3, is_outdated=True), READ_AGAIN),
    ],
)  # fmt: skip
def test_a_citation_says_where_it_is_from(passage, note):
    view = passage_view(passage, kb_id=1)

    assert view.note == note
    assert (view.quote, view.head, view.tail) == ("There are 25 days.", "", "")


def test_nothing_can_be_used_while_something_is_read():
    moment = datetime(2026, 11, 1, tzinfo=UTC)
    states = ("reading", "failed", "current", "earlier", "cancelled")
    found = [DocumentVersion(1, n, "a.md", 9, "0" * 64, moment, state) for n, state in enumerate(states, 1)]

    assert [view.can_use for view in version_views(found, kb_id=1)] == [False] * 5
    assert [view.can_use for view in version_views(found[1:], kb_id=1)] == [True, False, True, True]
    assert (current_number(found), current_number(found[:2])) == (3, 0)
