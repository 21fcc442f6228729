"""What every embedder promises (`rag_app/rag/embedders/contract.py`), asked of each one that is found."""

import subprocess
import sys

import numpy as np
import pytest
from pydantic import SecretStr

from rag_app import registry
from rag_app.rag import embedders
from rag_app.rag.embedders import hub_onnx
from rag_app.rag.llms.contract import LLMSettings
from rag_app.rag.model_table import model_table
from tests import tiny_sentence_model
from tests.fake_llms import EMBEDDING_FORMATS, FakeLLMServer
from tests.fakes import WordEmbedder

NAMES = registry.names(embedders)
HOSTED = [
    model for model in model_table().models if model.kind == "embedding"
]  # each is asked what its provider's file promises
HOSTED_FILES = {model.provider for model in HOSTED}
BUILT_IN = [name for name in NAMES if name not in {hub_onnx.NAME, *HOSTED_FILES}]
TEXTS = ["Leave is 25 days a year.", "", "Der Urlaub beträgt 25 Tage.", "leave " * 1_000]


@pytest.fixture(scope="session")
def models_dir(tmp_path_factory):
    return tmp_path_factory.getbasetemp() / "models"  # the same for every module: converted and loaded once


@pytest.fixture(scope="session")
def hub():
    with tiny_sentence_model.hub() as server:
        yield server


@pytest.fixture(params=[*BUILT_IN, hub_onnx.NAME, *(model.name for model in HOSTED)])
async def embedder(request, models_dir, hub):
    if ":" in request.param:
        model = next(model for model in HOSTED if model.name == request.param)
        async with FakeLLMServer() as server:
            hosted = build_hosted(model, server.base_url(model.provider))
            yield hosted
            await hosted.close()
    elif request.param == hub_onnx.NAME:
        yield hub_onnx.build(tiny_sentence_model.model(hub.url), models_dir=models_dir, threads=2)
    else:
        yield registry.load(embedders, request.param).build(models_dir=models_dir, threads=2)


def build_hosted(model, base_url):
    settings = LLMSettings(provider=model.provider, api_key=SecretStr("unused"), base_url=base_url)
    offsets = WordEmbedder().token_offsets
    return registry.load(embedders, model.provider).build(settings, model=model, offsets=offsets)


def test_every_file_has_a_model_or_is_one():
    assert {*BUILT_IN, hub_onnx.NAME, *HOSTED_FILES} == set(NAMES)
    assert EMBEDDING_FORMATS.keys() == HOSTED_FILES


def test_knowing_the_embedders_loads_no_sdk():
    modules = ", ".join(f"{embedders.__name__}.{name}" for name in NAMES)
    check = f"import sys, {modules}; print(*{{'openai', 'google.genai', 'onnxruntime'}} & sys.modules.keys())"

    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == ""


@pytest.mark.parametrize("model", HOSTED, ids=lambda model: model.name)
async def test_a_hosted_embedder_carries_what_the_table_says(model):
    async with FakeLLMServer() as server:
        hosted = build_hosted(model, server.base_url(model.provider))
        made = (hosted.name, hosted.dimensions, hosted.max_tokens)
        await hosted.close()

    assert made == (model.name, model.dimensions, model.context_tokens)


@pytest.mark.parametrize("name", NAMES)
def test_every_module_describes_its_embedder(name):
    module = registry.load(embedders, name)

    assert name == module.NAME
    assert module.LABEL


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_built_in_embedder_carries_what_its_module_says(name, models_dir):
    module = registry.load(embedders, name)
    embedder = module.build(models_dir=models_dir, threads=2)

    assert (embedder.name, embedder.dimensions, embedder.max_tokens) == (
        name,
        module.DIMENSIONS,
        module.MAX_TOKENS,
    )


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
