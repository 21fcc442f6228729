"""The window that makes an answer of a conversation an entry of the FAQ."""

import pytest

from rag_app.ui.chat.view import turns
from rag_app.ui.dashboard.conversations.state import ConversationState
from rag_app.ui.dashboard.faq.maker_state import MakeFaqState
from rag_app.ui.dashboard.faq.state import FaqState
from tests.attacks.conftest import ObedientLLM
from tests.ui.conftest import happens

HANDBOOK = ("handbook.md", b"# Holiday\n\nEvery employee has 25 days of holiday a year.\n")
QUESTION = "How many days of holiday does an employee have?"


@pytest.fixture
async def kb(services, owner, run_jobs):
    services.llms.fix("local", ObedientLLM())  # ty: ignore[invalid-argument-type]
    made = await owner.create_kb()
    await owner.upload(made["id"], HANDBOOK)
    await run_jobs()
    return made


@pytest.fixture
async def answered(owner, kb):
    conversation = await owner.converse(kb["id"])
    return conversation, (await owner.ask(conversation, QUESTION))["id"]


@pytest.fixture
async def window(owner, open_tab, answered):
    """The window, open with an answer."""
    state = await open_tab(owner).state(MakeFaqState)
    await happens(state.begin(*answered))
    return state


async def entries(owner, kb):
    return (await owner.http.get(f"/api/knowledge-bases/{kb['id']}/knowledge")).json()["items"]


async def test_the_window_begins_with_question_and_answer(window):
    assert window.is_open
    assert window.form.question == QUESTION
    assert "25 days" in window.form.answer
    assert "[1]" not in window.form.answer


async def test_what_was_corrected_is_kept_and_the_answer_leads_to_it(window, owner, kb, answered):
    await happens(window.save({"question": QUESTION, "answer": "30 days."}))

    [entry] = await entries(owner, kb)
    assert (entry["answer"], entry["origin"]) == ("30 days.", "conversation")
    assert not window.is_open
    assert window.made == {str(answered[1]): f"/faq?kb={kb['id']}&entry={entry['id']}"}


async def test_an_entry_with_the_same_question_is_shown_before_it_is_changed(window, owner, kb):
    pair = {"question": QUESTION.upper(), "answer": "20 days."}
    await owner.http.post(f"/api/knowledge-bases/{kb['id']}/knowledge", json=pair)

    await happens(window.save({"question": QUESTION, "answer": "30 days."}))
    assert window.is_open
    assert window.existing_answer == "20 days."
    assert [entry["answer"] for entry in await entries(owner, kb)] == ["20 days."]

    await happens(window.save({"question": QUESTION, "answer": "30 days."}))
    assert [entry["answer"] for entry in await entries(owner, kb)] == ["30 days."]


async def test_another_wording_after_that_makes_an_entry_of_its_own(window, owner, kb):
    pair = {"question": QUESTION, "answer": "20 days."}
    await owner.http.post(f"/api/knowledge-bases/{kb['id']}/knowledge", json=pair)
    await happens(window.save({"question": QUESTION, "answer": "30 days."}))

    await happens(window.save({"question": "How long is the holiday?", "answer": "30 days."}))

    assert sorted(entry["answer"] for entry in await entries(owner, kb)) == ["20 days.", "30 days."]


async def test_what_is_wrong_is_said_beside_it(window, owner, kb):
    await happens(window.save({"question": QUESTION, "answer": ""}))

    assert window.is_open
    assert window.errors.answer.startswith("Please")
    assert await entries(owner, kb) == []


async def test_an_answer_that_is_an_entry_leads_there_instead(window, answered, kb):
    await happens(window.save({"question": QUESTION, "answer": "30 days."}))

    [leads] = await happens(window.begin(*answered))

    assert not window.is_open
    assert "entry=" in str(leads)


async def test_the_reader_shows_which_answers_are_entries(window, owner, open_tab, answered):
    await happens(window.save({"question": QUESTION, "answer": "30 days."}))
    tab = open_tab(owner)
    tab.go_to(f"/conversations/{answered[0]}")
    reader = await tab.state(ConversationState)

    await happens(reader.open())

    [turn] = reader.turns
    assert turn.faq_entry_id > 0


async def test_a_visitor_sees_no_entries(services, window, owner, answered):
    await happens(window.save({"question": QUESTION, "answer": "30 days."}))
    from rag_app.services.askers import Asker

    _, messages = await services.conversations.read(answered[0], asker=Asker(owner_id=owner.user["id"]))

    assert turns(messages, for_owner=True)[0].faq_entry_id > 0
    assert turns(messages, for_owner=False)[0].faq_entry_id == 0


@pytest.mark.parametrize(("entry", "is_open"), [("{id}", True), ("999999", False), ("x", False)])
async def test_the_faq_opens_at_the_entry_of_the_address(owner, open_tab, kb, entry, is_open):
    from rag_app.ui.dashboard.current_kb import CurrentKbState

    pair = {"question": "Is it open?", "answer": "Yes."}
    made = (await owner.http.post(f"/api/knowledge-bases/{kb['id']}/knowledge", json=pair)).json()
    tab = open_tab(owner)
    tab.go_to(f"/faq?kb={kb['id']}&entry={entry.format(id=made['id'])}")
    await happens((await tab.state(CurrentKbState)).load())
    page = await tab.state(FaqState)

    await happens(page.load())

    assert page.is_open is is_open
    assert (page.form.question == "Is it open?") is is_open
