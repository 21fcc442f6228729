"""Every hosted embedder, through its real SDK, against every fault of the stand-in server."""

import asyncio
import json
import socket

import numpy as np
import pytest
from pydantic import SecretStr

from rag_app import registry
from rag_app.domain.answers import Usage
from rag_app.domain.models import Model
from rag_app.errors import PermanentError, RagAppError, TransientError
from rag_app.rag import embedders
from rag_app.rag.embedders import _hosted
from rag_app.rag.embedders._hosted import BatchLimits
from rag_app.rag.llms.contract import LLMSettings
from rag_app.rag.model_table import model_table
from tests.fake_llms import EMBEDDING_FORMATS, FakeLLMServer, embedding_of
from tests.fakes import WordEmbedder

KEY = "sk-very-secret-0123456789"
MODELS = {"openai": "text-embedding-3-small", "gemini": "gemini-embedding-2"}
GEMINI_DOCUMENT = "title: none | text: "


@pytest.fixture(params=EMBEDDING_FORMATS)
def provider(request) -> str:
    return request.param


@pytest.fixture(autouse=True)
def waits(monkeypatch) -> list[float]:
    waited: list[float] = []

    async def note(seconds):
        waited.append(seconds)

    monkeypatch.setattr(_hosted, "_sleep", note)
    return waited


@pytest.fixture
async def server():
    async with FakeLLMServer() as running:
        yield running


@pytest.fixture
async def hosted(provider, server):
    made = build(provider, server.base_url(provider))
    yield made
    await made.close()


@pytest.fixture
def calls(hosted):
    """What was told of the requests; `hosted.counted` tells it."""
    return []


@pytest.fixture
def embedder(hosted, calls):
    async def report(call):
        calls.append(call)

    async def admit():
        return

    return hosted.counted(report, admit)


def build(provider, base_url, model=None):
    model = model or model_table().find(provider, MODELS[provider])
    settings = LLMSettings(provider=provider, api_key=SecretStr(KEY), base_url=base_url)
    return registry.load(embedders, provider).build(
        settings, model=model, offsets=WordEmbedder().token_offsets
    )


def texts_of(request):
    return EMBEDDING_FORMATS[request.provider].texts(request.body)


async def failure(embedder, text) -> RagAppError:
    with pytest.raises(RagAppError) as caught:
        await embedder.embed_documents([text])
    return caught.value


# ---- when all goes well


async def test_vectors_come_in_the_order_of_the_texts_at_length_one(embedder, provider):
    vectors = await embedder.embed_documents(["leave days", "the office in Rome"])

    sent = "leave days" if provider == "openai" else f"{GEMINI_DOCUMENT}leave days"
    assert vectors[0] == pytest.approx(np.array(embedding_of(sent, embedder.dimensions)) / 3, abs=1e-6)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-6)


async def test_several_texts_are_several_vectors(embedder, server):
    """The SDK of Gemini makes one vector of a list of bare strings."""
    vectors = await embedder.embed_documents(["a", "b", "c"])

    assert len(vectors) == 3
    assert len(server.requests) == 1


async def test_every_request_is_counted_as_the_provider_counts(embedder, calls, provider):
    await embedder.embed_documents(["one two three", "four"])

    n_words = 4 if provider == "openai" else 4 + 2 * len(GEMINI_DOCUMENT.split())
    assert [(call.usage, call.outcome) for call in calls] == [(Usage(n_words), "complete")]


async def test_a_server_that_counts_nothing_gets_an_estimate_marked_as_one(embedder, calls):
    await embedder.embed_documents(["[[fault:no_usage]]"])

    (call,) = calls
    assert call.usage.estimated
    assert call.usage.prompt_tokens > 0


async def test_a_question_asked_again_costs_nothing(embedder, hosted, calls):
    first = await embedder.embed_query("How much leave?")
    again = await embedder.embed_query("How much leave?")

    assert np.array_equal(first, again)
    assert len(calls) == 1
    assert await hosted.embed_query("How much leave?") is again


async def test_questions_are_remembered_for_one_key_only(provider, server):
    one, other = (build(provider, server.base_url(provider)) for _ in range(2))

    await one.embed_query("How much leave?")
    await other.embed_query("How much leave?")

    await one.close()
    await other.close()
    assert len(server.requests) == 2


async def test_question_and_text_are_told_apart_where_the_model_wants_it(server):
    for model_id in ("gemini-embedding-001", "gemini-embedding-2"):
        made = build("gemini", server.base_url("gemini"), model_table().find("gemini", model_id))
        await made.embed_query("How much?")
        await made.embed_documents(["Much."])
        await made.close()

    sent = [request.body["requests"][0] for request in server.requests]
    assert [one.get("taskType") for one in sent] == ["RETRIEVAL_QUERY", "RETRIEVAL_DOCUMENT", None, None]
    assert [texts_of(request)[0] for request in server.requests] == [
        "How much?",
        "Much.",
        "task: search result | query: How much?",
        "title: none | text: Much.",
    ]


async def test_more_texts_than_one_request_holds_are_sent_in_several(embedder, hosted, calls, server):
    hosted.limits = BatchLimits(texts=2, n_bytes=100, bytes_per_text=60)

    vectors = await embedder.embed_documents(["a", "b", "c", "x" * 59, "y" * 58, "z"])

    sizes = [len(texts_of(request)) for request in server.requests]
    assert sizes == [2, 2, 2]
    assert len(vectors) == 6
    assert len(calls) == 3


@pytest.mark.parametrize("text", ["x" * 500_000, "漢" * 500_000, "😀" * 200_000], ids=["x", "漢", "😀"])
async def test_a_text_that_is_too_long_is_cut_between_characters(embedder, hosted, server, text):
    await embedder.embed_documents([text])

    (sent,) = texts_of(server.requests[0])
    sent = sent.removeprefix(GEMINI_DOCUMENT)
    assert text.startswith(sent)
    assert hosted.limits.bytes_per_text - 4 < len(sent.encode()) <= hosted.limits.bytes_per_text


async def test_empty_and_broken_texts_are_sent_as_something_a_provider_takes(embedder):
    vectors = await embedder.embed_documents(["", " \n", "\ud800"])

    assert vectors.shape == (3, embedder.dimensions)


async def test_a_compatible_server_is_asked_for_plain_numbers_and_needs_no_key(server):
    model = Model("openai", "nomic-embed-text", "Nomic", "embedding", context_tokens=2048, dimensions=768)
    made = registry.load(embedders, "openai").build(
        LLMSettings(provider="openai", base_url=server.base_url("openai")),
        model=model,
        offsets=WordEmbedder().token_offsets,
    )

    vectors = await made.embed_documents(["leave"])

    await made.close()
    assert vectors.shape == (1, 768)
    assert server.requests[0].body["encoding_format"] == "float"
    assert server.requests[0].body["model"] == "nomic-embed-text"


# ---- faults


@pytest.mark.parametrize("fault", ["rate_limit_429", "overloaded", "cut"])
async def test_a_passing_trouble_is_tried_again_and_every_try_is_counted(embedder, calls, server, fault):
    vectors = await embedder.embed_documents([f"[[fault:{fault} times=2]]"])

    assert len(vectors) == 1
    assert len(server.requests) == 3
    assert [call.outcome for call in calls][-1] == "complete"
    assert all(call.usage == Usage() for call in calls[:-1])


async def test_the_time_to_wait_is_honoured(embedder, waits):
    await embedder.embed_documents(["[[fault:rate_limit_429 times=2 retry_after=7]]"])

    assert waits == [7, 7]


async def test_without_a_time_to_wait_each_wait_is_longer(embedder, waits):
    await embedder.embed_documents(["[[fault:cut times=3]]"])

    assert waits == [1, 2, 4]


async def test_a_wait_too_long_is_left_to_the_caller(embedder, server, waits):
    error = await failure(embedder, "[[fault:rate_limit_429 retry_after=31]]")

    assert isinstance(error, TransientError)
    assert error.retry_after_s == 31
    assert len(server.requests) == 1
    assert waits == []


async def test_a_reader_waits_less_than_an_import(embedder, server, waits):
    with pytest.raises(TransientError):
        await embedder.embed_query("[[fault:rate_limit_429 retry_after=3]]")

    assert len(server.requests) == 1
    assert waits == []


async def test_a_lasting_trouble_is_reported_after_the_last_try(embedder, server):
    error = await failure(embedder, "[[fault:overloaded]]")

    assert isinstance(error, TransientError)
    assert "overloaded" in str(error)
    assert len(server.requests) == 1 + _hosted.DOCUMENTS.retries


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        pytest.param("bad_key", "refused the API key", id="bad key"),
        pytest.param("quota", "no credit left", id="no credit"),
        pytest.param("context_too_long", "too long for the embedding model", id="text too long"),
        pytest.param("unknown_model", "does not offer this model", id="unknown model"),
        pytest.param("fewer", "vectors for 2 texts", id="fewer vectors than texts"),
        pytest.param("more_numbers", "are set up for it", id="vectors of another size"),
        pytest.param("no_numbers", "cannot be compared", id="vectors of length 0"),
    ],
)
async def test_what_trying_again_cannot_help_is_said_once(embedder, server, fault, sentence):
    with pytest.raises(PermanentError, match=sentence):
        await embedder.embed_documents([f"[[fault:{fault}]]", "more"])

    assert len(server.requests) == 1


async def test_vectors_that_cannot_be_used_were_paid_all_the_same(embedder, calls):
    await failure(embedder, "[[fault:more_numbers]]")

    (call,) = calls
    assert call.usage.prompt_tokens > 0


async def test_garbage_is_no_vector(embedder):
    error = await failure(embedder, "[[fault:garbage]]")

    assert isinstance(error, TransientError)
    assert "not an answer" in str(error)


async def test_silence_is_given_up_and_its_request_cancelled(embedder, server, monkeypatch, calls):
    monkeypatch.setattr(_hosted, "DOCUMENTS", _hosted.Patience(0.2, 3, 30))

    error = await failure(embedder, "[[fault:stall]]")

    assert "in time" in str(error)
    await server.wait_for_disconnects()
    assert len(server.requests) == 1
    assert [call.outcome for call in calls] == ["slow"]


async def test_cancelling_cancels_the_request_and_counts_it_as_cancelled(embedder, server, calls):
    task = asyncio.create_task(embedder.embed_documents(["[[fault:stall]]"]))
    await server.wait_for_requests()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    await server.wait_for_disconnects()
    assert [(call.usage, call.outcome) for call in calls] == [(Usage(), "cancelled")]


async def test_a_server_that_is_not_there_cannot_be_reached(provider):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    made = build(provider, f"http://127.0.0.1:{port}")

    error = await failure(made, "leave")

    await made.close()
    assert isinstance(error, TransientError)
    assert "cannot be reached" in str(error)


@pytest.mark.parametrize("fault", ["bad_key", "quota", "overloaded", "garbage", "cut"])
async def test_errors_tell_nothing_of_key_text_or_address(embedder, server, fault, capsys):
    error = await failure(embedder, f"[[fault:{fault}]] my dearest secret")

    told = f"{error!r} {error.__cause__!r} {error.__context__!r} {capsys.readouterr()}"
    for secret in (KEY, "127.0.0.1", str(server.port), "dearest", "Bad Gateway", "current quota"):
        assert secret not in told


async def test_the_key_travels_in_a_header_and_never_in_the_address(embedder, server):
    await embedder.embed_documents(["leave"])

    (request,) = server.requests
    assert KEY not in request.path
    assert KEY not in json.dumps(request.body)
    assert any(KEY in value for value in request.headers.values())
