"""Clients are shared, bounded, and never closed under somebody's answer."""

import asyncio
from types import SimpleNamespace

import pytest
from pydantic import SecretStr

from rag_app.domain.answers import Completed, ModelInfo, Prompt, TextDelta, Usage
from rag_app.services.llms import LLMs
from rag_app.services.provider_keys import ProviderAccess

PROMPT = Prompt("", "?", (), "?", ())


class Client:
    models = (ModelInfo("m", "M", 1000, 100),)

    def __init__(self) -> None:
        self.n_closed = 0

    async def stream(self, prompt, *, model):
        assert self.n_closed == 0, "closed before it was asked"
        yield TextDelta("a")
        assert self.n_closed == 0, "closed in the middle"
        yield Completed(Usage(1, 1), "stop", model)

    async def close(self):
        self.n_closed += 1


@pytest.fixture
def made() -> list[Client]:
    return []


@pytest.fixture
def llms(made):
    def make(_):
        made.append(Client())
        return made[-1]

    return LLMs({"openai": SimpleNamespace(LABEL="OpenAI", MODELS=Client.models)}, make, most=2)


def access(key, base_url=None, *, is_guarded=False):
    return ProviderAccess("openai", SecretStr(key), base_url, "owner", is_guarded)


async def settle():
    for _ in range(3):
        await asyncio.sleep(0)


async def test_one_client_for_a_key_and_an_address(llms, made):
    first = llms.get(access("a"))

    assert llms.get(access("a")) is first
    assert llms.get(access("b")) is not first
    assert len(made) == 2


async def test_guarded_address_never_shares_a_client_with_the_operators(llms, made):
    assert llms.get(access("a", "http://gw")) is not llms.get(access("a", "http://gw", is_guarded=True))


async def test_least_recently_used_client_is_closed(llms, made):
    for key in ("a", "b", "a", "c"):
        llms.get(access(key))
    await settle()

    assert [client.n_closed for client in made] == [0, 1, 0]


async def test_client_that_streams_is_closed_when_its_answer_ends(llms, made):
    events = llms.get(access("a")).stream(PROMPT, model="m")
    await anext(events)
    for key in ("b", "c"):
        llms.get(access(key))
    await settle()

    assert made[0].n_closed == 0
    assert isinstance(await anext(events), Completed)
    await events.aclose()
    assert made[0].n_closed == 1


async def test_two_answers_of_one_client_both_end_before_it_is_closed(llms, made):
    client = llms.get(access("a"))
    first, second = (client.stream(PROMPT, model="m") for _ in range(2))
    await anext(first)
    await anext(second)
    for key in ("b", "c"):
        llms.get(access(key))
    await settle()
    await first.aclose()

    assert made[0].n_closed == 0
    await second.aclose()
    assert made[0].n_closed == 1


async def test_client_let_go_of_before_its_first_use_answers_all_the_same(llms, made):
    client = llms.get(access("a"))
    for key in ("b", "c"):
        llms.get(access(key))
    await settle()

    assert len([event async for event in client.stream(PROMPT, model="m")]) == 2
    assert [one.n_closed for one in made] == [1, 0, 0, 1]  # the last was made for this answer alone


async def test_closing_closes_every_client_once(llms, made):
    for key in ("a", "b", "c"):
        llms.get(access(key))

    await llms.close()

    assert [client.n_closed for client in made] == [1, 1, 1]
