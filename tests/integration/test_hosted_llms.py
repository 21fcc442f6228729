"""Every hosted provider, through its real SDK, against every fault of the stand-in server."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from math import ceil

import pytest
from pydantic import SecretStr

from rag_app import registry
from rag_app.domain.answers import Completed, Interrupted, LLMEvent, PriorTurn, Prompt, TextDelta, Usage
from rag_app.errors import PermanentError, RagAppError, TransientError
from rag_app.rag import llms
from rag_app.rag.llms import _streams
from rag_app.rag.llms._failures import seconds
from rag_app.rag.llms.contract import LLMSettings
from tests.fake_llms import (
    CACHED_TOKENS,
    DEFAULT_ANSWER,
    EMBEDDING_FAULTS,
    FAULTS,
    FORMATS,
    PROMPT_TOKENS,
    THOUGHT_TOKENS,
    FakeLLMServer,
)

KEY = "sk-very-secret-0123456789"
N_WORDS = len(DEFAULT_ANSWER.split())
USAGE = Usage(PROMPT_TOKENS, N_WORDS + THOUGHT_TOKENS, cached_tokens=CACHED_TOKENS)

PROMPT = Prompt("Answer from the passages.", "How much leave?", (), "How much leave?", ())


@pytest.fixture(params=FORMATS)
def provider(request) -> str:
    return request.param


@pytest.fixture(autouse=True)
def short_waits(monkeypatch):
    monkeypatch.setattr(_streams, "RETRY_WAIT_S", 0)


@pytest.fixture
async def server() -> AsyncIterator[FakeLLMServer]:
    async with FakeLLMServer() as server:
        yield server


@pytest.fixture
async def llm(provider, server):
    llm = build(provider, server.base_url(provider))
    yield llm
    await llm.close()


def build(provider, base_url, **settings):
    timeouts = {"first_token_timeout_s": 5, "idle_timeout_s": 5} | settings
    return registry.load(llms, provider).build(
        LLMSettings(provider=provider, api_key=SecretStr(KEY), base_url=base_url, **timeouts)
    )


def prompt(user="How much leave?", **changes) -> Prompt:
    return replace(PROMPT, user=user, **changes)


def default_model(provider) -> str:
    return registry.load(llms, provider).MODELS[0].id


async def ask(llm, provider, question="How much leave?", **parts) -> list[LLMEvent]:
    return [event async for event in llm.stream(prompt(question, **parts), model=default_model(provider))]


async def ask_until_it_breaks(llm, provider, question) -> tuple[str, RagAppError]:
    """Return the text that came and the error that ended it."""
    text = ""
    with pytest.raises(RagAppError) as caught:
        async for event in llm.stream(prompt(question), model=default_model(provider)):
            assert isinstance(event, TextDelta), "nothing that breaks may look complete"
            text += event.text
    return text, caught.value


def text_of(events) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


# ---- when all goes well


async def test_an_answer_streams_word_by_word_and_ends_with_the_providers_count(llm, provider):
    events = await ask(llm, provider)

    assert text_of(events) == DEFAULT_ANSWER
    assert len(events) == N_WORDS + 1
    assert events[-1] == Completed(USAGE, "stop", default_model(provider))


async def test_a_slow_start_is_waited_for(llm, provider):
    events = await ask(llm, provider, "[[fault:slow_start seconds=0.1]]")

    assert text_of(events) == DEFAULT_ANSWER


async def test_text_of_any_language_arrives_whole(llm, provider, server):
    server.reply_with("Ürlaub: 25 Tage – 年次休暇は25日です 🌴")

    assert text_of(await ask(llm, provider)) == "Ürlaub: 25 Tage – 年次休暇は25日です 🌴"


async def test_the_model_is_told_system_history_and_question_in_order(llm, provider, server):
    history = (PriorTurn("Who am I?", "An employee."), PriorTurn("Lost?", ""))

    await ask(llm, provider, "And leave?", history=history)

    sent = json.dumps(server.requests[0].body)
    said = ["Answer from the passages.", "Who am I?", "An employee.", "And leave?"]
    assert "Lost?" not in sent, "a turn without an answer is refused by providers"
    if provider == "gemini":
        roles = [content["role"] for content in server.requests[0].body["contents"]]
        assert roles == ["user", "model", "user"]
    else:
        roles = [message["role"] for message in server.requests[0].body["messages"]]
        assert roles[-3:] == ["user", "assistant", "user"]
    positions = [sent.index(text) for text in said]
    assert positions[1:] == sorted(positions[1:])


async def test_every_offered_model_is_asked_for_in_words_its_api_accepts(llm, provider, server):
    for model in registry.load(llms, provider).MODELS:
        warm = prompt(max_tokens=300, temperature=0.2)
        events = [event async for event in llm.stream(warm, model=model.id)]

        assert events[-1] == Completed(USAGE, "stop", model.id)
        sent = json.dumps(server.requests[-1].body)
        assert ("temperature" in sent) == model.takes_temperature


async def test_the_key_travels_in_a_header_and_never_in_the_address(llm, provider, server):
    await ask(llm, provider)

    (request,) = server.requests
    assert KEY not in request.path
    assert KEY not in json.dumps(request.body)
    assert any(KEY in value for value in request.headers.values())


async def test_what_the_environment_says_of_a_provider_is_ignored(provider, server, monkeypatch):
    for name in ("OPENAI", "ANTHROPIC", "GEMINI", "GOOGLE", "GOOGLE_GEMINI"):
        monkeypatch.setenv(f"{name}_API_KEY", "other-key")
        monkeypatch.setenv(f"{name}_BASE_URL", "http://127.0.0.1:9/")
    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", "other-key")
    monkeypatch.setenv("OPENAI_ORG_ID", "other-org")
    monkeypatch.setenv("GOOGLE_GENAI_USE_VERTEXAI", "true")
    llm = build(provider, server.base_url(provider))

    await ask(llm, provider)

    await llm.close()
    assert not any("other-" in value for value in server.requests[0].headers.values())


# ---- faults

KINDS = {
    "rate_limit_429": "rate_limit",
    "overloaded": "overloaded",
    "server_error": "overloaded",
    "bad_gateway": "overloaded",
    "hang_up": "unreachable",
    "cut at=start": "unreachable",
    "error_event at=start": "overloaded",
    "garbage at=start": "unreadable",
    "no_done at=start": "interrupted",
    "bad_key": "key",
    "not_allowed": "not_allowed",
    "quota": "quota",
    "context_too_long": "too_long",
    "unknown_model": "unknown_model",
    "refused": "refused",
}


@pytest.mark.parametrize("where", ["", "at=start"])
async def test_a_filtered_answer_is_complete_and_says_so(llm, provider, where):
    *deltas, end = await ask(llm, provider, f"[[fault:filtered {where}]]")

    assert isinstance(end, Completed)
    assert end.finish_reason == "filtered"
    assert text_of(deltas) == ("" if where else DEFAULT_ANSWER)


@pytest.mark.parametrize("fault", ["cut", "error_event", "garbage", "no_done"])
async def test_a_stream_that_breaks_keeps_what_came_and_is_not_repeated(llm, provider, server, fault):
    text, error = await ask_until_it_breaks(llm, provider, f"[[fault:{fault}]]")

    assert isinstance(error, Interrupted)
    assert text
    assert DEFAULT_ANSWER.startswith(text)
    assert len(server.requests) == 1


async def test_a_stream_that_stalls_is_given_up_and_its_request_cancelled(provider, server):
    llm = build(provider, server.base_url(provider), idle_timeout_s=0.2)

    text, error = await ask_until_it_breaks(llm, provider, "[[fault:stall]]")

    assert isinstance(error, Interrupted)
    assert text
    await server.wait_for_disconnects()
    assert len(server.requests) == 1
    await llm.close()


@pytest.mark.parametrize("fault", ["stall at=start", "slow_start seconds=60"])
async def test_no_first_word_in_time_is_given_up_without_a_second_try(provider, server, fault):
    llm = build(provider, server.base_url(provider), first_token_timeout_s=0.2)

    text, error = await ask_until_it_breaks(llm, provider, f"[[fault:{fault}]]")

    assert type(error) is TransientError
    assert "in time" in str(error)
    assert not text
    await server.wait_for_disconnects()
    assert len(server.requests) == 1
    await llm.close()


PASSING = (
    "rate_limit_429", "overloaded", "server_error", "bad_gateway", "hang_up", "cut at=start",
    "error_event at=start",
)  # fmt: skip


@pytest.mark.parametrize("fault", PASSING)
async def test_a_passing_trouble_before_the_first_word_is_tried_once_more(llm, provider, server, fault):
    events = await ask(llm, provider, f"[[fault:{fault} times=1]]")

    assert text_of(events) == DEFAULT_ANSWER
    assert len(server.requests) == 2


@pytest.mark.parametrize("fault", PASSING)
async def test_a_lasting_trouble_is_reported_after_the_second_try(llm, provider, server, fault):
    _, error = await ask_until_it_breaks(llm, provider, f"[[fault:{fault}]]")

    assert type(error) is TransientError
    assert len(server.requests) == 2


async def test_tries_and_waits_together_stay_bounded(llm, provider, server, monkeypatch):
    """A first try that took its time leaves less for the second; one that took it all leaves none."""
    now = iter([0, 0, 20, 20, 21])

    monkeypatch.setattr(_streams, "_now", lambda: next(now))
    monkeypatch.setattr(_streams, "_sleep", asyncio.sleep)
    await ask_until_it_breaks(llm, provider, "[[fault:overloaded]]")

    assert len(server.requests) == 2  # 5 s for a word and 20 s to wait: both tries began within 25 s

    server.requests.clear()
    now = iter([0, 0, 25.1])
    await ask_until_it_breaks(llm, provider, "[[fault:overloaded]]")

    assert len(server.requests) == 1


async def test_the_time_to_wait_is_honoured(llm, provider, server, monkeypatch):
    waits = []

    async def note(seconds):
        waits.append(seconds)

    monkeypatch.setattr(_streams, "_sleep", note)

    await ask(llm, provider, "[[fault:rate_limit_429 times=1 retry_after=7]]")

    assert waits == [7]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        pytest.param("7", 7, id="a header"),
        pytest.param("7.5s", 7.5, id="Google's duration"),
        pytest.param(None, None, id="not said"),
        pytest.param("Sun, 22 Nov 2026 16:00:00 GMT", None, id="a date"),
        pytest.param("-1", None, id="in the past"),
        pytest.param("inf", None, id="for ever"),
        pytest.param("nan", None, id="no number"),
    ],
)
def test_a_time_to_wait_is_read(said, expected):
    assert seconds(said) == expected


async def test_a_wait_longer_than_a_reader_has_is_left_to_the_reader(llm, provider, server):
    _, error = await ask_until_it_breaks(llm, provider, "[[fault:rate_limit_429 retry_after=21]]")

    assert isinstance(error, TransientError)
    assert error.retry_after_s == 21
    assert len(server.requests) == 1


async def test_garbage_or_nothing_before_the_first_word_is_never_an_answer(llm, provider):
    _, garbage = await ask_until_it_breaks(llm, provider, "[[fault:garbage at=start]]")
    _, nothing = await ask_until_it_breaks(llm, provider, "[[fault:no_done at=start]]")

    assert type(garbage) is TransientError
    assert isinstance(nothing, Interrupted)


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        pytest.param("bad_key", "refused the API key", id="bad key"),
        pytest.param("quota", "no credit left", id="no credit"),
        pytest.param("context_too_long", "too long for this model", id="prompt too long"),
        pytest.param("unknown_model", "does not offer this model", id="unknown model"),
        pytest.param("not_allowed", "does not let this API key use this model", id="not allowed"),
        pytest.param("refused", "did not accept the request", id="anything else"),
    ],
)
async def test_what_trying_again_cannot_help_is_said_once(llm, provider, server, fault, sentence):
    _, error = await ask_until_it_breaks(llm, provider, f"[[fault:{fault}]]")

    assert isinstance(error, PermanentError)
    assert sentence in str(error)
    assert len(server.requests) == 1


@pytest.mark.parametrize("fault", [*KINDS, "garbage", "cut"])
async def test_errors_tell_nothing_of_key_address_or_the_providers_words(
    llm, provider, server, fault, capsys
):
    _, error = await ask_until_it_breaks(llm, provider, f"[[fault:{fault}]]")

    told = f"{error!r} {error.__cause__!r} {error.__context__!r} {capsys.readouterr()}"
    for secret in (
        KEY,
        "127.0.0.1",
        str(server.port),
        "Traceback",
        "Bad Gateway",
        "unsupported",
        "1000001",
        "current quota",
    ):
        assert secret not in told


@pytest.mark.parametrize("fault", KINDS)
async def test_a_failure_says_what_kind_it_is(llm, provider, fault):
    """The kind is counted, opens the breaker and decides whether another model may help."""
    _, error = await ask_until_it_breaks(llm, provider, f"[[fault:{fault}]]")

    assert error.kind == KINDS[fault]


def test_every_fault_is_put_through_every_sdk():
    tried = {fault.split()[0] for fault in KINDS} | {"slow_start", "stall", "filtered", "no_usage"}

    assert tried == set(FAULTS) - set(EMBEDDING_FAULTS)


async def test_a_server_that_is_not_there_cannot_be_reached(provider):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    llm = build(provider, f"http://127.0.0.1:{port}")

    _, error = await ask_until_it_breaks(llm, provider, "How much leave?")

    assert type(error) is TransientError
    assert "cannot be reached" in str(error)
    await llm.close()


# ---- leaving early


async def test_closing_early_cancels_the_request(llm, provider, server):
    async with aclosing(llm.stream(prompt("[[fault:stall]]"), model=default_model(provider))) as events:
        assert isinstance(await anext(events), TextDelta)

    await server.wait_for_disconnects()


@pytest.mark.parametrize("fault", ["stall", "stall at=start"])
async def test_cancelling_the_task_cancels_the_request(llm, provider, server, fault):
    task = asyncio.create_task(ask(llm, provider, f"[[fault:{fault}]]"))
    await server.wait_for_requests()

    task.cancel()

    await server.wait_for_disconnects()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_the_next_question_works_after_one_was_left_early(llm, provider, server):
    async with aclosing(llm.stream(prompt("[[fault:stall]]"), model=default_model(provider))) as events:
        await anext(events)

    assert text_of(await ask(llm, provider)) == DEFAULT_ANSWER


async def test_many_questions_at_once_do_not_mix(llm, provider, server):
    stalled = asyncio.create_task(ask(llm, provider, "[[fault:stall]]"))
    broken = asyncio.create_task(ask_until_it_breaks(llm, provider, "[[fault:no_done]]"))
    answers = await asyncio.gather(*(ask(llm, provider) for _ in range(6)))
    text, _ = await broken
    stalled.cancel()

    assert DEFAULT_ANSWER.startswith(text)
    assert [text_of(events) for events in answers] == [DEFAULT_ANSWER] * 6
    await server.wait_for_disconnects()
    assert len(server.disconnects) == 1


# ---- keys


@pytest.mark.parametrize("key", [None, "", "  ", "sk-a\nb", "sk-schlüssel"])
def test_a_key_that_cannot_work_is_refused_before_anything_is_sent(provider, key):
    settings = LLMSettings(provider=provider, api_key=None if key is None else SecretStr(key))

    with pytest.raises(PermanentError, match="API key"):
        registry.load(llms, provider).build(settings)


# ---- OpenAI alone: servers that speak its format


@pytest.mark.parametrize("key", [None, SecretStr(KEY)])
async def test_a_compatible_server_is_asked_in_words_it_knows(server, key):
    settings = LLMSettings(provider="openai", api_key=key, base_url=server.base_url("openai"))
    llm = registry.load(llms, "openai").build(settings)

    events = [event async for event in llm.stream(prompt(temperature=0.2), model="llama4:8b")]

    await llm.close()
    assert text_of(events) == DEFAULT_ANSWER
    body = server.requests[0].body
    assert (body["max_tokens"], body["temperature"]) == (1000, 0.2)
    assert not {"max_completion_tokens", "reasoning_effort"} & body.keys()


async def test_a_server_that_counts_no_tokens_gets_an_estimate(llm, provider):
    events = await ask(llm, provider, "[[fault:no_usage]]")

    n_bytes_sent = len("Answer from the passages." + "[[fault:no_usage]]")
    n_bytes_received = len(DEFAULT_ANSWER)
    estimate = Usage(ceil(n_bytes_sent / 3), ceil(n_bytes_received / 3), estimated=True)
    assert events[-1] == Completed(estimate, "stop", default_model(provider))
