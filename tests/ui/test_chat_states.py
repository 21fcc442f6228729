"""What the states of chats, conversations, sharing and search do, without a browser."""

import asyncio
import inspect
import re
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import reflex as rx
from reflex.istate.data import RouterData

from rag_app.domain.answers import Completed, Prompt, TextDelta, Usage
from rag_app.errors import InvalidInput, NotFound, NotSignedIn, RagAppError, TransientError
from rag_app.ui.chat import streaming
from rag_app.ui.chat.state import ChatState, CitationState, until_loaded
from rag_app.ui.chat.view import FOR_VISITORS, UNANSWERED
from rag_app.ui.dashboard.conversations.state import ConversationsState, ConversationState
from rag_app.ui.dashboard.preview.state import PreviewState
from rag_app.ui.dashboard.semantic_search.reasons import ordinal
from rag_app.ui.dashboard.semantic_search.state import SearchState
from rag_app.ui.dashboard.semantic_search.view import marked
from rag_app.ui.dashboard.sharing.state import ShareState
from rag_app.ui.shared_chat.state import VisitState

HANDBOOK = b"""# Holiday

Every employee has 25 days of holiday a year. Unused days expire on 31 March of the next year.

# Expenses

Travel is paid back within 14 days. Send the receipts to accounting@example.com.
"""
ANSWER = "You have **25 days** [1]. See [9] ![x](https://evil.example)."
TOKEN = "v" * 43
OTHER_TOKEN = "w" * 43
HOSTILE = ["boom", "", None, -1, 0, 2**31, 2**70, 1.5, True, [], {}, {"a": 1}, "1; DROP TABLE users"]


class ScriptedLLM:
    """Says what it is told to, and waits where it is told to."""

    models = ()

    def __init__(self) -> None:
        self.parts: list[str | Exception] = [ANSWER]
        self.closed = 0
        self.stalled = asyncio.Event()

    async def stream(self, prompt: Prompt, *, model: str) -> AsyncIterator[Any]:
        try:
            for part in self.parts:
                if isinstance(part, Exception):
                    raise part
                if part == "…":
                    self.stalled.set()
                    await asyncio.sleep(60)
                yield TextDelta(part)
            yield Completed(Usage(1, 1), "stop", "scripted-1")
        finally:
            self.closed += 1

    async def close(self) -> None:
        """There is nothing to give back."""


class Background:
    """A state as a background event holds it: changed only while held."""

    def __init__(self, state: rx.State) -> None:
        object.__setattr__(self, "state", state)
        object.__setattr__(self, "held", False)

    async def __aenter__(self) -> "Background":
        assert not self.held, "held twice"
        object.__setattr__(self, "held", True)
        return self

    async def __aexit__(self, *_: object) -> None:
        object.__setattr__(self, "held", False)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.state, name)

    def __setattr__(self, name: str, value: Any) -> None:
        assert self.held, f"{name} was changed without holding the state"
        setattr(self.state, name, value)


async def run(state: rx.State, name: str, *arguments: Any) -> Any:
    """Call an event handler as the app would."""
    handler = type(state).event_handlers[name]
    target = Background(state) if handler.is_background else state
    result = handler.fn(target, *arguments)
    if inspect.isasyncgen(result):
        return [event async for event in result]
    return await result if inspect.isawaitable(result) else result


@pytest.fixture
def llm(services) -> ScriptedLLM:
    """The model of every knowledge base here."""
    scripted = ScriptedLLM()
    services.llms.fix("local", scripted)
    return scripted


@pytest.fixture
async def kb(owner, run_jobs, llm) -> dict[str, Any]:
    """A knowledge base with a handbook."""
    made = await owner.create_kb("Handbook", description="Rules", llm_provider="local")
    await owner.upload(made["id"], ("handbook.md", HANDBOOK))
    await run_jobs()
    return made


@pytest.fixture
async def slug(owner, kb) -> str:
    """Its public link."""
    return (await owner.http.post(f"/api/knowledge-bases/{kb['id']}/share-links")).json()["slug"]


@pytest.fixture
def tab() -> Callable[..., Any]:
    """Open a state in a tab of its own, at an address, with cookies."""

    async def open_tab(state_class: Any, path: str, cookie: str = "") -> Any:
        root = rx.State(_reflex_internal_init=True)  # ty: ignore[unknown-argument]
        headers = {"cookie": cookie, "origin": "http://localhost:3000"}
        root.router = RouterData.from_router_data({"headers": headers, "asPath": path, "token": "tab"})
        return await root.get_state(state_class)

    return open_tab


def signed_in(owner: Any) -> str:
    return f"rag_sign_in={owner.tokens['access_token']}"


@pytest.fixture
async def preview(tab, owner, kb) -> Any:
    """The owner's own chat, open."""
    state = await tab(PreviewState, f"/chat/{kb['id']}", signed_in(owner))
    await run(state, "open")
    return state


@pytest.fixture
async def visit(tab, slug) -> Any:
    """A visitor's chat, open."""
    state = await tab(VisitState, f"/s/{slug}", f"rag_visitor={TOKEN}")
    await run(state, "open")
    return state


# ---- asking


async def test_answer_is_shown_with_its_sources(preview):
    await run(preview, "ask", {"question": " How many days of holiday? "})

    [turn] = preview.turns
    assert turn.question == "How many days of holiday?"
    assert "<strong>25 days</strong>" in turn.html
    assert 'data-cite="1"' in turn.html
    assert "[9]" not in turn.html
    assert "evil.example" not in turn.html
    assert [source.name for source in turn.sources] == ["handbook.md"]
    assert "scripted-1" in turn.facts
    assert preview.announcement.startswith("Answer: You have 25 days")
    assert (preview.answering, preview.partial_html, preview.question) == (False, "", "")


async def test_conversation_is_there_again_in_another_tab(preview, tab, owner, kb):
    await run(preview, "ask", {"question": "How many days?"})
    again = await tab(PreviewState, f"/chat/{kb['id']}", signed_in(owner))
    await run(again, "open")

    assert [turn.question for turn in again.turns] == ["How many days?"]
    assert [past.title for past in again.past] == ["How many days?"]


async def test_visitor_finds_their_conversation_again_and_others_do_not(visit, tab, slug):
    await run(visit, "ask", {"question": "How many days?"})
    same = await tab(VisitState, f"/s/{slug}", f"rag_visitor={TOKEN}")
    stranger = await tab(VisitState, f"/s/{slug}", f"rag_visitor={OTHER_TOKEN}")
    for state in (same, stranger):
        await run(state, "open")

    assert (len(same.turns), len(stranger.turns), stranger.past) == (1, 0, [])


async def test_nothing_is_stored_before_the_first_question(visit, owner):
    await run(visit, "new_conversation")

    assert (await owner.http.get("/api/chat/conversations")).json()["items"] == []


async def test_new_conversation_stays_new_after_a_reload(preview, visit):
    for state in (preview, visit):
        await run(state, "ask", {"question": "How many days?"})
        await run(state, "new_conversation")
        await run(state, "open")
        assert (state.turns, len(state.past)) == ([], 1)

        await run(state, "ask", {"question": "And now?"})
        await run(state, "open")
        assert [turn.question for turn in state.turns] == ["And now?"]


async def test_stop_ends_the_model_within_a_second_and_keeps_what_came(preview, llm):
    llm.parts = ["You have 25 days [1]. ", "…"]
    asking = asyncio.create_task(run(preview, "ask", {"question": "How many days?"}))
    await llm.stalled.wait()
    await run(preview, "stop")
    async with asyncio.timeout(1):
        await asking

    [turn] = preview.turns
    assert (turn.state, llm.closed, preview.answering) == ("interrupted", 1, False)
    assert "25 days" in turn.html


async def test_model_is_stopped_when_the_tab_has_gone(preview, llm, monkeypatch):
    monkeypatch.setattr(streaming, "is_connected", lambda token: not llm.stalled.is_set())
    monkeypatch.setattr(streaming, "GRACE_S", 0.2)
    llm.parts = ["You have ", "…"]
    async with asyncio.timeout(3):
        await run(preview, "ask", {"question": "How many days?"})

    assert llm.closed == 1
    assert preview.turns[-1].state == "interrupted"


async def test_answer_that_lost_its_place_is_not_shown_elsewhere(preview, llm):
    llm.parts = ["You have ", "…"]
    asking = asyncio.create_task(run(preview, "ask", {"question": "How many days?"}))
    await llm.stalled.wait()
    await run(preview, "new_conversation")
    async with asyncio.timeout(1):
        await asking

    assert (preview.turns, preview.conversation_id, preview.partial_html) == ([], 0, "")


async def test_second_question_waits_for_the_first(preview, llm):
    llm.parts = ["You have ", "…"]
    asking = asyncio.create_task(run(preview, "ask", {"question": "First?"}))
    await llm.stalled.wait()
    await run(preview, "ask", {"question": "Second?"})
    await run(preview, "stop")
    await asking

    assert [turn.question for turn in preview.turns] == ["First?"]


async def test_failure_is_told_and_can_be_tried_again(preview, llm):
    llm.parts = [TransientError("The model is busy.")]
    await run(preview, "ask", {"question": "How many days?"})
    [failed] = preview.turns
    llm.parts = [ANSWER]
    await run(preview, "retry", failed.question_id)

    assert (failed.state, failed.reason) == ("failed", "The model is busy.")
    assert [(turn.question, turn.state) for turn in preview.turns] == [("How many days?", "complete")]


async def test_visitor_is_not_told_of_the_owners_keys(visit, llm):
    llm.parts = [TransientError("OpenAI refused the API key.")]
    await run(visit, "ask", {"question": "How many days?"})

    assert visit.turns[0].reason in {FOR_VISITORS, UNANSWERED}


async def test_question_that_could_not_be_sent_comes_back(preview):
    with pytest.raises(InvalidInput):
        await run(preview, "ask", {"question": "x" * 5000})

    assert (preview.draft, preview.answering) == ("x" * 5000, False)


async def test_closed_conversation_says_so_and_offers_a_new_one(visit, owner):
    await run(visit, "ask", {"question": "How many days?"})
    await owner.http.patch(f"/api/chat/conversations/{visit.conversation_id}", json={"status": "closed"})
    with pytest.raises(InvalidInput):
        await run(visit, "ask", {"question": "And now?"})
    assert (visit.closed, visit.draft) == (True, "And now?")

    await run(visit, "new_conversation")
    await run(visit, "ask", {"question": "And now?"})
    assert (visit.closed, [turn.question for turn in visit.turns]) == (False, ["And now?"])


# ---- sources and thumbs


async def test_citation_opens_its_passage(preview, kb):
    await run(preview, "ask", {"question": "How many days of holiday?"})
    await run(preview, "show_citation", preview.turns[0].answer_id, 1)

    passage = preview.passage
    assert (preview.passage_open, passage.document) == (True, "handbook.md")
    assert "25 days" in passage.quote
    assert re.search(rf"\?kb={kb['id']}&chunk=\d+&quoted=\d+-\d+$", passage.href)


async def test_visitor_gets_no_link_into_the_documents(visit):
    await run(visit, "ask", {"question": "How many days of holiday?"})
    await run(visit, "show_citation", visit.turns[0].answer_id, 1)

    assert (visit.passage_open, visit.passage.href) == (True, "")


async def test_thumb_down_asks_why_and_keeps_the_reason(visit, owner):
    await run(visit, "ask", {"question": "How many days?"})
    answer_id = visit.turns[0].answer_id
    await run(visit, "rate", answer_id, -1)
    assert (visit.turns[0].feedback, visit.reason_for) == (-1, answer_id)
    await run(visit, "send_reason", {"reason": "Too short."})

    told = (await owner.http.get(f"/api/chat/conversations/{visit.conversation_id}")).json()
    assert told["messages"][1]["feedback_reason"] == "Too short."
    await run(visit, "rate", answer_id, -1)
    assert visit.turns[0].feedback == 0


# ---- links that end


async def test_dead_link_is_said_to_be_dead(tab, services):
    state = await tab(VisitState, "/s/" + "A" * 22, f"rag_visitor={TOKEN}")
    await run(state, "open")

    assert (state.gone, state.kb_name) == (True, "")


@pytest.mark.parametrize("handler", ["ask", "rate", "show_citation", "new_conversation", "introduce"])
async def test_ended_link_ends_open_chats_at_once(visit, owner, kb, handler):
    await run(visit, "ask", {"question": "How many days?"})
    answer_id = visit.turns[0].answer_id
    await owner.http.delete(f"/api/knowledge-bases/{kb['id']}/share-links")
    arguments = {
        "ask": [{"question": "More?"}],
        "rate": [answer_id, 1],
        "show_citation": [answer_id, 1],
        "new_conversation": [],
        "introduce": [{"name": "Eve", "email": ""}],
    }[handler]

    with pytest.raises(NotFound):
        await run(visit, handler, *arguments)


async def test_visitor_may_leave_a_name(visit, owner):
    await run(visit, "introduce", {"name": "Grace", "email": "not an address"})
    assert visit.introduction_error
    await run(visit, "introduce", {"name": "Grace", "email": "grace@example.org"})
    await run(visit, "ask", {"question": "How many days?"})

    [listed] = (await owner.http.get("/api/chat/conversations")).json()["items"]
    assert listed["visitor_name"] == "Grace"


async def test_browser_without_cookies_is_told_why(tab, slug):
    state = await tab(VisitState, f"/s/{slug}")
    await run(state, "open")

    with pytest.raises(InvalidInput, match="cookie"):
        await run(state, "ask", {"question": "How many days?"})


# ---- nobody sees what is not theirs


async def test_other_accounts_see_nothing(tab, other, kb, preview, visit):
    await run(preview, "ask", {"question": "How many days?"})
    await run(visit, "ask", {"question": "How many days?"})
    chat = await tab(PreviewState, f"/chat/{kb['id']}", signed_in(other))
    reader = await tab(ConversationState, f"/conversations/{visit.conversation_id}", signed_in(other))
    listed = await tab(ConversationsState, "/conversations", signed_in(other))
    for state, name in ((chat, "open"), (reader, "open"), (listed, "load")):
        await run(state, name)

    assert (chat.missing, chat.turns, chat.kb_name) == (True, [], "")
    assert (reader.missing, reader.turns) == (True, [])
    assert listed.conversations == []
    for name, arguments in (("ask", [{"question": "x"}]), ("open_conversation", [preview.conversation_id])):
        with pytest.raises(NotFound):
            await run(chat, name, *arguments)
    share = await tab(ShareState, "/", signed_in(other))
    with pytest.raises(NotFound):
        await run(share, "open", kb["id"])


OWNERS = [
    (PreviewState, {"open", "skip_reason", "close_passage", "stop"}),
    (ConversationState, {"open", "close_passage", "ask_to_delete", "keep"}),
    (ConversationsState, {"load"}),
    (ShareState, {"close", "ask_to_renew", "keep"}),
    (SearchState, {"load"}),
]


def guarded() -> list[Any]:
    return [
        pytest.param(state, name, id=f"{state.__name__}.{name}")
        for state, open_to_all in OWNERS
        for name in state.event_handlers
        if name not in open_to_all and name != "setvar"
    ]


@pytest.mark.parametrize(("state_class", "name"), guarded())
async def test_handler_refuses_whoever_is_not_signed_in(tab, services, state_class, name):
    state = await tab(state_class, "/conversations/1")
    n_arguments = len(inspect.signature(state_class.event_handlers[name].fn).parameters) - 1
    arguments = {"ask": [{"question": "x"}], "search": [{"query": "x", "limit": "5"}], "switch": [True]}

    with pytest.raises(NotSignedIn):
        await run(state, name, *arguments.get(name, [1] * n_arguments))


async def test_handlers_take_nothing_but_ids_and_texts(preview):
    for value in HOSTILE:
        for name, arguments in (
            ("show_citation", [value, value]),
            ("retry", [value]),
            ("open_conversation", [value]),
            ("rate", [value, value]),
            ("ask", [value]),
            ("ask", [{"question": [value]}]),
        ):
            with pytest.raises(RagAppError):
                await run(preview, name, *arguments)
    assert preview.turns == []


@pytest.mark.parametrize("state_class", [PreviewState, VisitState, ConversationState])
def test_helpers_cannot_be_called_from_a_browser(state_class):
    helpers = {"_asker", "_begin", "_earlier", "_kb_of_documents"}

    assert not helpers & set(state_class.event_handlers)
    assert issubclass(state_class, CitationState)


def test_both_chats_do_the_same():
    shared = {name for name, value in vars(ChatState).items() if hasattr(value, "fn")}

    assert shared <= set(PreviewState.event_handlers) & set(VisitState.event_handlers)


# ---- sharing


async def test_link_is_made_renewed_and_ended(tab, owner, kb, client):
    state = await tab(ShareState, "/", signed_in(owner))
    await run(state, "open", kb["id"])
    assert state.link.url == ""
    await run(state, "switch", True)
    first = state.link.url
    assert state.link.qr_code.startswith("data:image/svg+xml;base64,")

    await run(state, "renew")
    second = state.link.url
    assert first != second
    assert (await client.get(f"/api/shared/{first.rsplit('/', 1)[1]}")).status_code == 404

    await run(state, "switch", False)
    assert (state.asking, state.link.url) == ("end", second)
    await run(state, "end")
    assert state.link.url == ""
    assert (await client.get(f"/api/shared/{second.rsplit('/', 1)[1]}")).status_code == 404


# ---- conversations


async def test_conversations_are_listed_filtered_and_read(tab, owner, visit, preview, kb):
    await run(visit, "ask", {"question": "How many days of holiday?"})
    await run(preview, "ask", {"question": "A trial"})
    state = await tab(ConversationsState, "/conversations", signed_in(owner))
    await run(state, "load")
    assert [c.title for c in state.conversations] == ["How many days of holiday?"]

    await run(state, "show_previews", True)
    assert [c.who for c in state.conversations] == ["You (preview)", "Visitor"]
    await run(state, "search", {"query": "trial"})
    assert [c.title for c in state.conversations] == ["A trial"]
    await run(state, "filter_status", "closed")
    assert (state.conversations, state.is_empty) == ([], False)
    await run(state, "show_all")
    assert len(state.conversations) == 1


async def test_conversation_is_read_closed_reopened_and_deleted(tab, owner, visit):
    await run(visit, "ask", {"question": "How many days of holiday?"})
    state = await tab(ConversationState, f"/conversations/{visit.conversation_id}", signed_in(owner))
    await run(state, "open")
    await run(state, "show_citation", state.turns[0].answer_id, 1)
    assert "25 days" in state.passage.quote

    await run(state, "close")
    assert state.conversation.is_closed
    await run(state, "reopen")
    assert not state.conversation.is_closed
    await run(state, "delete")
    assert (await owner.http.get("/api/chat/conversations")).json()["items"] == []


# ---- search


async def test_search_explains_why_a_passage_was_found(tab, owner, kb):
    state = await tab(SearchState, f"/search?kb={kb['id']}", signed_in(owner))
    state._kb_id = kb["id"]
    await run(state, "search", {"query": "travel receipts", "limit": "5"})

    first = state.passages[0]
    assert (first.document, state.searching, state.limit) == ("handbook.md", False, "5")
    assert "<mark>Travel</mark>" in first.html
    assert first.words.startswith("1st by words (BM25 ")
    assert "by meaning (similarity " in first.meaning
    assert "in all" in state.timings


async def test_search_without_words_says_so(tab, owner, kb):
    state = await tab(SearchState, "/search", signed_in(owner))
    state._kb_id = kb["id"]
    await run(state, "search", {"query": "  ", "limit": "nonsense"})

    assert (state.error, state.searching, state.limit) == ("Please enter a question.", False, "10")


@pytest.mark.parametrize(
    ("text", "query", "expected"),
    [
        pytest.param("Holidays & days", "holiday", "<mark>Holidays</mark> &amp; days", id="another ending"),
        pytest.param("<b>paid</b>", "paid", "&lt;b&gt;<mark>paid</mark>&lt;/b&gt;", id="escaped"),
        pytest.param("amp & lt", "ampere script", "amp &amp; lt", id="entities are no words"),
        pytest.param("of the 25", "of the 25", "of the <mark>25</mark>", id="short words but numbers"),
        pytest.param("有給休暇は25日", "休暇", "有給<mark>休暇</mark>は25日", id="no spaces"),
        pytest.param("a.b", ".*", "a.b", id="signs"),
        pytest.param("Unpaid", "paid", "Unpaid", id="only beginnings"),
    ],
)  # fmt: skip
def test_words_of_the_query_are_marked(text, query, expected):
    assert marked(text, query) == expected


def test_ranks_in_words():
    assert [ordinal(n) for n in (1, 2, 3, 4, 11, 12, 13, 21, 102, 112)] == [
        "1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "102nd", "112th",
    ]  # fmt: skip


async def test_a_question_asked_while_the_page_is_read_waits_for_it():
    class Page:
        loaded = False
        n_asked = 0

        async def __aenter__(self):
            self.n_asked += 1
            self.loaded = self.n_asked == 3

        async def __aexit__(self, *_):
            return None

    page = Page()

    await until_loaded(page)

    assert page.n_asked == 3
