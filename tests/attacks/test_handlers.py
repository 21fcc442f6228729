"""No event handler of the pages gives, changes or even confirms what belongs to somebody else.

The handlers come from the States themselves, so a new one without a line in `handlers.py` fails here.
"""

import asyncio
import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Self

import pytest
import reflex as rx
from reflex.istate.data import RouterData

import rag_app.ui
from rag_app.errors import InvalidInput, NotAllowed, NotFound, NotSignedIn
from rag_app.ui.dashboard.current_kb import CurrentKbState
from rag_app.ui.dashboard.document import versions_state as versions_tab
from rag_app.ui.dashboard.knowledge_base import state as documents_page
from rag_app.ui.dashboard.settings import chunks_state as chunks_card
from rag_app.ui.dashboard.settings import embedding_state as embedding_card
from tests.attacks.conftest import SECRET
from tests.attacks.handlers import CALLS, Call
from tests.attacks.test_tenants import changed
from tests.conftest import ORIGIN, Owner


@pytest.fixture(autouse=True)
def _tabs_are_open(monkeypatch):
    for page in (documents_page, embedding_card, chunks_card, versions_tab):
        monkeypatch.setattr(page, "is_connected", lambda _: True)


REFUSALS = (NotFound, NotSignedIn, NotAllowed, InvalidInput)
OTHER_VISITOR = "another-visitor-of-the-same-link-0123456789"

# What Reflex itself lets a browser call; none of these reaches our data.
REFLEX_HANDLERS = {
    "State.hydrate",
    "State.set_is_hydrated",
    "State.hydrate_and_load",
    "OnLoadInternalState.on_load_internal",
    "OnLoadInternalState.set_is_hydrated",
    "UpdateVarsInternalState.update_vars_internal",
    "FrontendEventExceptionState.handle_frontend_exception",
}


def states() -> Iterator[type[rx.State]]:
    for module in pkgutil.walk_packages(rag_app.ui.__path__, "rag_app.ui."):
        importlib.import_module(module.name)
    waiting: list[Any] = [rx.State]
    while waiting:
        state = waiting.pop()
        waiting += state.get_substates()
        yield state


def handlers() -> dict[str, tuple[type[rx.State], Any]]:
    """Every handler a browser may call, as `State.handler`."""
    return {
        f"{state.__name__}.{name}": (state, handler)
        for state in states()
        if not state.__module__.startswith("tests.")
        for name, handler in state.event_handlers.items()
        if name != "setvar"  # see test_no_variable_can_be_set_from_outside
    }


OURS = {name: found for name, found in handlers().items() if found[0].__module__.startswith("rag_app.")}


def test_every_handler_has_a_line():
    missing = sorted(OURS.keys() - CALLS.keys())
    assert missing == [], f"Say in tests/attacks/handlers.py how to call {', '.join(missing)}."


def test_every_line_has_a_handler():
    assert CALLS.keys() - OURS.keys() == set()


def test_reflex_brings_no_handlers_that_nobody_looked_at():
    assert handlers().keys() - OURS.keys() == REFLEX_HANDLERS


def test_no_variable_can_be_set_from_outside():
    for state in states():
        if state.__module__.startswith("rag_app."):
            setters = {f"set_{name}" for name in state.base_vars}
            unasked = {name for name in setters & set(dir(state)) if f"{state.__name__}.{name}" not in CALLS}
            assert unasked == set()


class Background:
    """A state as a background handler sees it: changed only inside `async with`."""

    def __init__(self, state: rx.State) -> None:
        object.__setattr__(self, "_state", state)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        return getattr(self._state, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._state, name, value)


async def run(name: str, how: Call, cookie: str, *, refusals: tuple[type[Exception], ...] = REFUSALS) -> str:
    """Call a handler as the browser with a cookie; returns all that the server then remembers for it."""
    kind, handler = OURS[name]
    root = rx.State(_reflex_internal_init=True)  # ty: ignore[unknown-argument]
    query = dict(pair.partition("=")[::2] for pair in how.url.partition("?")[2].split("&") if pair)
    slug = how.url.removeprefix("/s/").partition("?")[0] if how.url.startswith("/s/") else ""
    root.router = RouterData.from_router_data({
        "headers": {"cookie": cookie, "origin": ORIGIN},
        "asPath": how.url,
        "pathname": how.url.partition("?")[0],
        "query": query | ({"slug": slug} if slug else {}),
    })  # fmt: skip
    (await root.get_state(CurrentKbState)).kb_id = how.kb_id
    state = await root.get_state(kind)
    for variable, value in how.vars.items():
        setattr(state, variable, value)
    answers: list[Any] = []
    try:
        async with asyncio.timeout(20):
            target = Background(state) if handler.is_background else state
            answers = await _finish(handler.fn(target, *how.args))
    except refusals as error:
        answers = [error]
    return f"{_shown(root)}\n{answers}"


async def _finish(result: Any) -> list[Any]:
    if inspect.isasyncgen(result):
        return [item async for item in result]
    if inspect.iscoroutine(result):
        return [await result]
    return list(result) if inspect.isgenerator(result) else [result]


def _shown(state: Any) -> str:
    """Everything a state and those below it remember, also what stays on the server."""
    own = {**(state._backend_vars or {}), **{name: getattr(state, name) for name in state.base_vars}}
    return "\n".join([repr(own), *(_shown(child) for child in state.substates.values())])


def cookie_of(owner: Owner, visitor: str = OTHER_VISITOR) -> str:
    return f"rag_sign_in={owner.tokens['access_token']}; rag_visitor={visitor}"


def secrets_in(shown: str, how: Call) -> bool:
    if how.is_public:
        shown = shown.replace(f"Handbook of {SECRET}", "").replace(f"About {SECRET}", "")
    return SECRET in shown


async def test_other_owner_gets_nothing_of_a(estate, other, rows):
    before, wrong = await rows(), []

    for name in OURS.keys() & CALLS.keys():
        how = CALLS[name](estate)
        if secrets_in(await run(name, how, cookie_of(other)), how):
            wrong.append(f"{name} shows A's data")
        after = await rows()
        if more := changed(before, after) - how.changes:
            wrong.append(f"{name} changes {sorted(more)}")
        before = after

    assert wrong == []


@pytest.mark.parametrize("cookie", ["", "rag_sign_in=forged; rag_visitor=short", "rag_sign_in=a.b.c"])
async def test_signed_out_browsers_get_nothing(estate, rows, cookie):
    before, wrong = await rows(), []

    for name in OURS.keys() & CALLS.keys():
        how = CALLS[name](estate)
        if secrets_in(await run(name, how, cookie), how):
            wrong.append(f"{name} shows A's data")

    assert wrong == []
    assert changed(before, await rows()) == set()


async def test_ended_sign_in_gets_nothing_though_its_cookie_is_still_sent(estate, rows):
    await estate.owner.http.post("/api/auth/logout")
    before, wrong = await rows(), []

    for name in OURS.keys() & CALLS.keys():
        how = CALLS[name](estate)
        if secrets_in(await run(name, how, cookie_of(estate.owner, visitor="")), how):
            wrong.append(f"{name} shows A's data")

    assert wrong == []
    assert changed(before, await rows()) == set()


@pytest.mark.parametrize("junk", [None, {}, [], "", "'; --", "\x00", -1, 2**70, "²", {"kb_id": {}}], ids=repr)
async def test_arguments_of_the_wrong_type_get_nothing(estate, other, junk):
    """Reflex passes on whatever a browser sends."""
    wrong = []

    for name in OURS.keys() & CALLS.keys():
        how = CALLS[name](estate)
        bent = replace(how, args=[junk] * len(how.args))
        # Whatever is raised, the page says "something went wrong" and logs it.
        if secrets_in(await run(name, bent, cookie_of(other), refusals=(Exception,)), how):
            wrong.append(f"{name} shows A's data")

    assert wrong == []


async def test_owner_is_let_in_by_the_same_calls(estate):
    """The other tests would pass as well if every handler refused everybody."""
    refused = []

    for name, line in CALLS.items():
        shown = await run(name, line(estate), cookie_of(estate.owner, estate.visitor_token))
        if "NotFound(" in shown or "NotSignedIn(" in shown:
            refused.append(f"{name}: {shown[-200:]}")

    assert refused == []


async def test_these_tests_notice_a_check_that_is_broken(estate, other, no_questions_asked):
    names = {"SearchState.search", "PreviewState.open", "DocumentState.load", "KnowledgeBaseState.load"}
    seen = set()

    for name in names:
        how = CALLS[name](estate)
        if secrets_in(await run(name, how, cookie_of(other)), how):
            seen.add(name)

    assert seen == {
        "SearchState.search",
        "PreviewState.open",
        "DocumentState.load",
        "KnowledgeBaseState.load",
    }
