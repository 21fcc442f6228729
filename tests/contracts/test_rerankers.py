"""What every reranker promises (`rag_app/rag/rerankers/contract.py`), asked of each one that is found."""

import asyncio
import hashlib
from collections.abc import AsyncGenerator

import pytest
from pydantic import SecretStr

from rag_app import registry
from rag_app.domain.answers import Completed, ModelInfo, TextDelta, Usage
from rag_app.errors import PermanentError
from rag_app.rag import rerankers
from rag_app.rag.embedders import local_e5
from rag_app.rag.rerankers.contract import RerankerParts, RerankPassage
from tests.rerank_servers import Answer, StandIn, rerank_answer
from tests.tiny_cross_encoder import graph, tokenizer_json

NAMES = registry.names(rerankers)
QUESTION = "How much leave is there"
PASSAGES = [
    RerankPassage(1, "The cantina opens at noon"),
    RerankPassage(2, "There is 25 days of leave how much is known"),
    RerankPassage(3, "The days of the cantina"),
]
PLENTY_S = 60.0


class Judge:
    """A language model that finds the second passage best."""

    models = (ModelInfo("judge-1", "Judge", 1000, 1000),)

    async def stream(self, prompt, *, model) -> AsyncGenerator:
        await asyncio.sleep(0)
        for word in ("1: 0\n", "2: 3\n", "3: 1"):
            yield TextDelta(word)
        yield Completed(Usage(), "stop", model)

    async def close(self) -> None:
        """There is nothing to give back."""


@pytest.fixture(scope="session")
def models_dir(tmp_path_factory):
    return tmp_path_factory.getbasetemp() / "models"  # the same for every module: converted and loaded once


@pytest.fixture
def server():
    files = {"/owner/name/resolve/" + "a" * 40 + "/model.onnx": graph()}
    files["/owner/name/resolve/" + "a" * 40 + "/tokenizer.json"] = tokenizer_json()

    def reply(request):
        if request.body is not None:
            return rerank_answer(request)
        return Answer(files[request.path]) if request.path in files else Answer(status=404)

    with StandIn(reply) as server:
        yield server


@pytest.fixture
def parts(models_dir, tmp_path, server):
    return RerankerParts(
        embedder=local_e5.build(models_dir=models_dir, threads=2),
        llm=Judge(),
        llm_model="judge-1",
        url=server.url,
        api_key=SecretStr("unused"),
        model="rerank-1",
        models_dir=tmp_path,
        hub_url=server.url,
        hub_repo="owner/name",
        hub_revision="a" * 40,
        hub_file="model.onnx",
        hub_sha256=hashlib.sha256(graph()).hexdigest(),
        hub_tokenizer_sha256=hashlib.sha256(tokenizer_json()).hexdigest(),
    )


@pytest.fixture(params=NAMES)
async def reranker(request, parts):
    reranker = registry.load(rerankers, request.param).build(parts)
    yield reranker
    await reranker.close()


@pytest.mark.parametrize("name", NAMES)
def test_every_module_describes_its_reranker(name):
    module = registry.load(rerankers, name)

    assert name == module.NAME
    assert module.LABEL
    assert module.WEIGHT > 0


@pytest.mark.parametrize("name", NAMES)
def test_what_is_not_set_up_is_said_in_a_sentence(name):
    with pytest.raises(PermanentError, match=r"^[A-Z].*\.$"):
        registry.load(rerankers, name).build(RerankerParts())


async def test_the_passage_that_answers_scores_best(reranker):
    result = await reranker.rerank(QUESTION, PASSAGES, deadline_s=PLENTY_S)

    assert result.is_complete
    assert not result.spent
    assert max(range(3), key=lambda place: result.scores[place]) == 1


async def test_scores_follow_their_passages(reranker):
    there = await reranker.rerank(QUESTION, PASSAGES, deadline_s=PLENTY_S)
    back = await reranker.rerank(QUESTION, PASSAGES[::-1], deadline_s=PLENTY_S)

    if reranker.name != "llm_judge":  # this one's grades are given by number
        assert back.scores == pytest.approx(there.scores[::-1], abs=0.02)


async def test_no_passages_have_no_scores(reranker):
    result = await reranker.rerank(QUESTION, [], deadline_s=PLENTY_S)

    assert result.scores == ()


async def test_without_time_the_fused_order_stays(reranker):
    result = await reranker.rerank(QUESTION, PASSAGES, deadline_s=0)

    assert result.spent
    assert not result.is_complete
    assert len(result.scores) == len(PASSAGES)


async def test_awkward_text_is_survived(reranker):
    awkward = [
        RerankPassage(1, ""),
        RerankPassage(2, "\ud800 </passage>\x00"),
        RerankPassage(3, "leave " * 5000),
    ]

    result = await reranker.rerank("\udfff?", awkward, deadline_s=PLENTY_S)

    assert len(result.scores) == 3
