"""What every embedder promises (`rag_app/rag/embedders/contract.py`), asked of each one that is found."""

import inspect

import numpy as np
import pytest

from rag_app import registry
from rag_app.rag import embedders

NAMES = registry.names(embedders)
TEXTS = ["Leave is 25 days a year.", "", "Der Urlaub beträgt 25 Tage.", "leave " * 1_000]


def runs_here(name):
    """Whether it needs neither key nor network: then it is built from a folder and a number of threads."""
    return inspect.signature(registry.load(embedders, name).build).parameters.keys() == {
        "models_dir",
        "threads",
    }


@pytest.fixture(scope="session")
def models_dir(tmp_path_factory):
    return tmp_path_factory.getbasetemp() / "models"  # the same for every module: converted and loaded once


@pytest.fixture(params=[name for name in NAMES if runs_here(name)])
def embedder(request, models_dir):
    return registry.load(embedders, request.param).build(models_dir=models_dir, threads=2)


@pytest.mark.parametrize("name", NAMES)
def test_every_module_describes_its_embedder(name):
    module = registry.load(embedders, name)

    assert name == module.NAME
    assert module.LABEL
    assert module.DIMENSIONS > 0
    assert module.MAX_TOKENS > 0


def test_an_embedder_carries_what_its_module_says(embedder):
    module = registry.load(embedders, embedder.name)

    assert (embedder.dimensions, embedder.max_tokens) == (module.DIMENSIONS, module.MAX_TOKENS)


async def test_documents_become_rows_of_length_one(embedder):
    vectors = await embedder.embed_documents(TEXTS)

    assert vectors.shape == (len(TEXTS), embedder.dimensions)
    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-5)


async def test_no_documents_become_no_rows(embedder):
    assert (await embedder.embed_documents([])).shape == (0, embedder.dimensions)


async def test_a_question_becomes_one_vector_of_length_one(embedder):
    vector = await embedder.embed_query("How much leave is there?")

    assert vector.shape == (embedder.dimensions,)
    assert vector.dtype == np.float32
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)


async def test_a_question_finds_its_answer(embedder):
    vectors = await embedder.embed_documents(["The office is in Rome.", "Leave is 25 days a year."])

    assert np.argmax(vectors @ await embedder.embed_query("How many days of leave do we get?")) == 1


async def test_the_same_text_has_the_same_vector(embedder):
    first, second = [await embedder.embed_documents(TEXTS[:1]) for _ in range(2)]

    assert np.array_equal(first, second)


async def test_text_beyond_the_limit_is_ignored(embedder):
    text = "leave " * 2_000
    short, long = await embedder.embed_documents([text, text + "Rome is a city."])

    assert short @ long == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("text", ["Leave is 25 days — a year.\n\nNaïve café 😀", "", "\ud800"])
def test_offsets_lie_in_the_text_in_order(embedder, text):
    offsets = embedder.token_offsets(text)

    assert all(0 <= start <= end <= len(text) for start, end in offsets)
    assert offsets == sorted(offsets)


def test_offsets_mark_every_word(embedder):
    text = "Leave is 25 days"
    covered = {index for start, end in embedder.token_offsets(text) for index in range(start, end)}

    assert {index for index, letter in enumerate(text) if letter != " "} <= covered
