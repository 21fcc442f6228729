"""Selected documents and entries, and the lines of what was tried: what their states show and do."""

from datetime import UTC, datetime

import pytest

from rag_app.domain.bulk import BulkResult, Skipped
from rag_app.domain.knowledge_bases import JobEvent
from rag_app.errors import NotFound
from rag_app.ui.dashboard.current_kb import CurrentKbState
from rag_app.ui.dashboard.document.attempts import AttemptsState, event_views
from rag_app.ui.dashboard.faq.state import FaqState
from rag_app.ui.dashboard.knowledge_base.selection_state import SelectionState, told
from rag_app.ui.dashboard.knowledge_base.state import KnowledgeBaseState
from tests.ui.conftest import happens

FILES = [(f"{name}.txt", f"The {name} is blue.".encode()) for name in ("sky", "sea", "door")]


@pytest.fixture
async def kb(owner, run_jobs):
    made = await owner.create_kb()
    await owner.upload(made["id"], *FILES)
    await run_jobs()
    return made


@pytest.fixture
async def tab(owner, open_tab, kb):
    tab = open_tab(owner)
    tab.go_to(f"/knowledge?kb={kb['id']}")
    await happens((await tab.state(CurrentKbState)).load())
    await happens((await tab.state(KnowledgeBaseState)).load())
    return tab


@pytest.fixture
async def page(tab):
    return await tab.state(KnowledgeBaseState)


@pytest.fixture
async def selection(tab):
    return await tab.state(SelectionState)


async def test_documents_are_selected_one_by_one_and_all_at_once(page, selection):
    door, sea, _ = [row.id for row in page.rows]
    await happens(selection.select(door, True))
    await happens(selection.select(sea, True))
    await happens(selection.select(door, False))
    assert (selection.selected, selection.n_selected) == ([sea], 1)

    await happens(selection.select_page(True))
    assert (selection.n_selected, selection.all_selected) == (3, True)
    await happens(selection.select_page(False))
    assert selection.selected == []


async def test_what_is_selected_is_deleted_only_after_asking(page, selection):
    await happens(selection.select_page(True))
    await happens(selection.ask_to_delete())
    assert selection.is_deleting
    assert selection.names == ["door.txt", "sea.txt", "sky.txt"]
    await happens(selection.close())
    assert len(page.rows) == 3

    said = await happens(selection.delete())

    assert page.rows == []
    assert (selection.selected, selection.is_deleting) == ([], False)
    assert "3 documents were deleted." in str(said)


async def test_what_is_selected_is_tagged(page, selection):
    await happens(selection.select(page.rows[0].id, True))
    await happens(selection.open_tags())
    await happens(selection.save_tags({"tags": " ", "change": "add"}))
    assert selection.tag_error.startswith("Please")

    await happens(selection.save_tags({"tags": "Blue, Big", "change": "add"}))

    assert page.rows[0].tags == ["Blue", "Big"]
    assert ("Blue", "Blue") in page.tags
    assert not selection.is_tagging


async def test_what_could_not_be_done_is_said_and_the_page_is_shown_anew(page, selection):
    await happens(selection.select_page(True))

    said = await happens(selection.retry())

    assert "3 documents stayed as they are: Only a failed" in str(said)
    assert selection.selected == []


async def test_a_document_of_somebody_else_cannot_be_selected(selection):
    with pytest.raises(NotFound):
        await selection.select(2**31, True)


@pytest.mark.parametrize(
    ("action", "result", "words"),
    [
        ("delete", BulkResult(1), "1 document was deleted."),
        ("reingest", BulkResult(2), "2 documents are being read again."),
        ("retry", BulkResult(0, (Skipped(1, "a", "No."),)), "1 document stayed as it is: No."),
    ],
)
def test_what_came_of_it_is_told_in_words(action, result, words):
    assert told(action, result) == words


async def test_selected_entries_can_be_exported_and_deleted_after_asking(owner, tab, kb):
    for name in ("One", "Two"):
        pair = {"question": f"{name}?", "answer": name}
        await owner.http.post(f"/api/knowledge-bases/{kb['id']}/knowledge", json=pair)
    faq = await tab.state(FaqState)
    await happens(faq.load())
    two, one = [row.id for row in faq.rows]

    await happens(faq.select(one, True))
    await happens(faq.select(99_999, True))
    assert (faq.selected, faq.all_selected) == ([one], False)
    assert faq.selected_url == f"/api/knowledge-bases/{kb['id']}/knowledge/export?ids={one}"
    await happens(faq.delete_selected())
    assert len(faq.rows) == 2

    await happens(faq.ask_to_delete_selected())
    await happens(faq.delete_selected())

    assert [row.id for row in faq.rows] == [two]
    assert faq.selected == []


async def test_a_document_shows_what_was_tried(page, owner, open_tab, kb):
    tab = open_tab(owner)
    tab.go_to(f"/knowledge/document/{page.rows[0].id}?kb={kb['id']}")
    await happens((await tab.state(CurrentKbState)).load())
    state = await tab.state(AttemptsState)

    await happens(state.load())

    assert [line.what for line in state.lines] == ["Ready", "Begun", "Queued"]


def test_a_passing_trouble_reads_like_a_sentence():
    at = datetime(2026, 11, 23, 2, 13, 5, tzinfo=UTC)

    [line] = event_views([JobEvent(1, 2, "waits", "Could not reach the model.", 9, at)])

    assert line.at == "23 Nov 2026, 02:13:05"
    assert line.text == "Could not reach the model. Trying again in 9 seconds."
