"""The page of unanswered questions: what its state shows and does."""

import pytest

from rag_app.errors import NotFound
from rag_app.ui.dashboard.current_kb import CurrentKbState
from rag_app.ui.dashboard.faq.maker_state import MakeFaqState
from rag_app.ui.dashboard.faq.unanswered_page import unanswered_page
from rag_app.ui.dashboard.faq.unanswered_state import UnansweredState
from tests.attacks.conftest import ObedientLLM
from tests.ui.conftest import happens


@pytest.fixture
async def kb(services, owner):
    llm = ObedientLLM()
    llm.answers = "I do not know."
    services.llms.fix("local", llm)  # ty: ignore[invalid-argument-type]
    made = await owner.create_kb()
    for question in ("What does parking cost?", "Is there a canteen?", "what does parking cost"):
        await owner.ask(await owner.converse(made["id"]), question)
    return made


@pytest.fixture
async def tab(owner, open_tab, kb):
    tab = open_tab(owner)
    tab.go_to(f"/unanswered?kb={kb['id']}")
    await happens((await tab.state(CurrentKbState)).load())
    return tab


@pytest.fixture
async def page(tab):
    state = await tab.state(UnansweredState)
    await happens(state.load())
    return state


async def test_groups_say_how_often_when_why_and_where(page):
    assert [one.question for one in page.groups] == ["What does parking cost?", "Is there a canteen?"]
    first = page.groups[0]
    assert first.facts == "Asked 2 times · last just now"
    assert [one.text for one in first.reasons] == ["Not in the documents"]
    assert (first.examples, page.groups[1].facts) == ([], "Asked once · last just now")
    assert first.href.startswith("/conversations/")
    assert page.count_words == "2 unanswered questions"


async def test_one_answer_settles_a_group(page, tab):
    await happens(page.answer(page.groups[0].id))
    window = await tab.state(MakeFaqState)
    assert window.is_open
    assert (window.form.question, window.form.answer) == ("What does parking cost?", "")

    await happens(window.save({"question": "What does parking cost?", "answer": "Nothing."}))
    await happens(page.refresh())

    assert [one.question for one in page.groups] == ["Is there a canteen?"]


async def test_a_dismissed_group_can_be_undone_at_once(page):
    await happens(page.dismiss(page.groups[0].id))
    assert [one.question for one in page.groups] == ["Is there a canteen?"]
    assert page.put_away == "What does parking cost?"

    await happens(page.undo())

    assert len(page.groups) == 2
    assert page.put_away == ""


async def test_a_dismissed_group_can_be_brought_back_later(page):
    await happens(page.dismiss(page.groups[0].id))
    await happens(page.load())
    await happens(page.show_dismissed(True))
    assert [one.question for one in page.groups] == ["What does parking cost?"]

    await happens(page.bring_back(page.groups[0].id))
    assert page.groups == []
    await happens(page.show_dismissed(False))

    assert len(page.groups) == 2


async def test_what_was_settled_elsewhere_meanwhile_is_said(page):
    shown = page.groups[0].id
    await happens(page.dismiss(shown))

    with pytest.raises(NotFound):
        await page.answer(shown)


async def test_without_a_knowledge_base_there_is_nothing(owner, open_tab):
    state = await open_tab(owner).state(UnansweredState)

    await happens(state.load())

    assert (state.kb_id, state.groups, state.is_loading) == (0, [], False)


def test_the_page_can_be_built():
    assert unanswered_page() is not None
