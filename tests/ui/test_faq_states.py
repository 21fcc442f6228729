"""The FAQ page: what its state shows and keeps."""

import pytest

from rag_app.ui.dashboard.faq import state as faq_state
from rag_app.ui.dashboard.faq.page import faq_page
from rag_app.ui.dashboard.faq.state import FaqState
from tests.ui.conftest import InBackground, happens


@pytest.fixture
async def kb(owner):
    return await owner.create_kb()


@pytest.fixture
async def page(owner, open_tab, kb):
    """The page's state, loaded."""
    tab = open_tab(owner)
    tab.go_to(f"/faq?kb={kb['id']}")
    from rag_app.ui.dashboard.current_kb import CurrentKbState

    await happens((await tab.state(CurrentKbState)).load())
    state = await tab.state(FaqState)
    await happens(state.load())
    return state


async def write(page, question, answer="Yes.", tags=""):
    await happens(page.begin())
    return await happens(page.save({"question": question, "answer": answer, "tags": tags}))


async def test_a_new_page_is_empty_and_knows_where_tables_go(page, kb):
    assert (page.is_loading, page.rows, page.n_entries) == (False, [], 0)
    assert page.import_url == f"/api/knowledge-bases/{kb['id']}/knowledge/import"


async def test_an_entry_is_written_shown_as_being_added_and_then_ready(page, run_jobs, monkeypatch):
    monkeypatch.setattr(faq_state, "LOOK_EVERY_S", 0)
    monkeypatch.setattr(faq_state, "is_open_at", lambda *_: True)
    monkeypatch.setattr(faq_state, "is_connected", lambda _: True)

    await write(page, "Is it open?", tags="Hours, hours ,Access")

    assert not page.is_open
    [row] = page.rows
    assert (row.question, row.state, row.tags) == ("Is it open?", "Being added", ["Hours", "Access"])
    await run_jobs()
    await happens(FaqState.event_handlers["watch"].fn(InBackground(page)))
    assert page.rows[0].state == ""


@pytest.mark.parametrize(
    ("form", "field"),
    [
        ({"question": "", "answer": "x"}, "question"),
        ({"question": "x", "answer": ""}, "answer"),
        ({"question": "x", "answer": "x", "tags": "y" * 41}, "tags"),
        ({}, "question"),
        ("garbage", "question"),
    ],
)
async def test_what_is_wrong_is_said_beside_it_and_the_window_stays(page, form, field):
    await happens(page.begin())
    await happens(page.save(form))

    assert page.is_open
    assert getattr(page.errors, field).startswith("Please")
    assert page.rows == []


async def test_the_same_question_twice_is_said(page):
    await write(page, "Is it open?")
    await write(page, "is it OPEN")

    assert "there already" in page.errors.question


async def test_an_entry_is_changed(page):
    await write(page, "Is it open?", tags="Hours")
    await happens(page.edit(page.rows[0].id))
    assert (page.form.question, page.form.tags) == ("Is it open?", "Hours")

    await happens(page.save({"question": "Is it open?", "answer": "No.", "tags": ""}))

    [row] = page.rows
    assert (row.answer, row.tags) == ("No.", [])


async def test_an_entry_is_deleted_only_after_asking(page):
    await write(page, "Is it open?")
    await happens(page.delete())
    assert len(page.rows) == 1

    await happens(page.ask_to_delete(page.rows[0].id))
    assert page.deleting_question == "Is it open?"
    await happens(page.keep())
    await happens(page.delete())
    assert len(page.rows) == 1

    await happens(page.ask_to_delete(page.rows[0].id))
    await happens(page.delete())
    assert page.rows == []


async def test_entries_are_found_by_a_part_and_paged(page, monkeypatch):
    monkeypatch.setattr(faq_state, "PAGE", 2)
    for number in range(5):
        await write(page, f"Question {number}?", "Even" if number % 2 == 0 else "Odd")

    await happens(page.older())
    assert [row.question for row in page.rows] == ["Question 2?", "Question 1?"]
    assert (page.has_older, page.has_newer) == (True, True)
    await happens(page.newer())
    await happens(page.filter_text("odd"))
    assert [row.question for row in page.rows] == ["Question 3?", "Question 1?"]
    assert page.n_entries == 5
    await happens(page.show_all())
    assert len(page.rows) == 2


def test_the_page_can_be_built():
    assert faq_page() is not None
