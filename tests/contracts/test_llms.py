"""What every answering model promises, whoever makes it: `rag/llms/contract.py`."""

import importlib
import inspect
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace

import pytest
from pydantic import SecretStr

from rag_app import registry
from rag_app.domain.answers import Completed, Interrupted, ModelInfo, PriorTurn, Prompt, TextDelta, Usage
from rag_app.domain.retrieval import Passage, PassageScores
from rag_app.errors import PermanentError, TransientError
from rag_app.rag import llms
from rag_app.rag.llms import _streams
from rag_app.rag.llms.contract import LLMSettings
from tests.fake_llms import FORMATS, FakeLLMServer

NAMES = registry.names(llms)
SDKS = {"openai", "anthropic", "google.genai"}
PASSAGE = Passage(
    chunk_id=1,
    document_id=1,
    document_name="handbook.pdf",
    source="upload",
    page=4,
    page_last=4,
    heading="Leave",
    content="Full-time employees have 25 days of paid leave a year. Unused days expire in March.",
    score=0.9,
    scores=PassageScores(rank_by_meaning=1, rank_by_words=1, similarity=0.9, bm25=7.0, fused=0.9),
)
PROMPT = Prompt(
    system="Answer from the passages and cite them.",
    user=f"[1] {PASSAGE.content}\n\nHow many days of paid leave do employees have?",
    history=(PriorTurn("Who are you?", "I answer from the handbook."),),
    question="How many days of paid leave do employees have?",
    passages=(PASSAGE,),
)


@pytest.fixture(params=NAMES)
def name(request) -> str:
    return request.param


@pytest.fixture
async def llm(name):
    async with FakeLLMServer() as server:
        base_url = server.base_url(name) if name in FORMATS else None
        settings = LLMSettings(provider=name, api_key=SecretStr("unused"), base_url=base_url)
        llm = registry.load(llms, name).build(settings)
        yield llm
        await llm.close()


@pytest.fixture(params=FORMATS)
async def hosted(request):
    """A hosted provider with its stand-in."""
    async with FakeLLMServer() as server:
        settings = LLMSettings(
            provider=request.param, api_key=SecretStr("unused"), base_url=server.base_url(request.param)
        )
        llm = registry.load(llms, request.param).build(settings)
        yield request.param, server, llm
        await llm.close()


class Watched(dict[str, str]):
    """An environment that notes what is read."""

    def __init__(self, values: Mapping[str, str], read: set[str]) -> None:
        super().__init__(values)
        self.read = read

    def __getitem__(self, name: str) -> str:
        self.read.add(name)
        return super().__getitem__(name)

    def get(self, name, default=None):
        self.read.add(name)
        return super().get(name, default)


@pytest.fixture(autouse=True)
def short_waits(monkeypatch):
    monkeypatch.setattr(_streams, "RETRY_WAIT_S", 0)


def test_every_hosted_provider_has_a_stand_in():
    needing_keys = {name for name in NAMES if registry.load(llms, name).NEEDS_KEY}

    assert needing_keys == FORMATS.keys()


def test_a_provider_introduces_itself_and_its_models(name):
    module = registry.load(llms, name)

    assert module.LABEL
    assert isinstance(module.NEEDS_KEY, bool)
    assert module.MODELS
    assert all(isinstance(model, ModelInfo) for model in module.MODELS)
    ids = [model.id for model in module.MODELS]
    assert len(ids) == len(set(ids))


def test_no_model_writes_more_than_it_can_hold(name):
    for model in registry.load(llms, name).MODELS:
        assert model.label
        assert 0 < model.max_output_tokens <= model.context_tokens


def test_knowing_a_provider_does_not_load_its_sdk():
    """An SDK costs seconds of processor time and up to 80 MB; only who asks it pays."""
    modules = ", ".join(f"{llms.__name__}.{name}" for name in NAMES)
    check = f"import sys, {modules}; print(*{SDKS} & sys.modules.keys())"

    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == ""


async def test_an_answer_is_text_and_then_complete_exactly_once(llm):
    events = [event async for event in llm.stream(PROMPT, model=llm.models[0].id)]

    *deltas, end = events
    assert all(isinstance(delta, TextDelta) and delta.text for delta in deltas)
    assert "".join(delta.text for delta in deltas).strip()
    assert isinstance(end, Completed)
    assert end.finish_reason == "stop"
    assert end.model == llm.models[0].id


async def test_a_complete_answer_says_what_it_used(llm, name):
    events = [event async for event in llm.stream(PROMPT, model=llm.models[0].id)]

    usage = events[-1].usage
    assert isinstance(usage, Usage)
    if name in FORMATS:
        assert not usage.estimated
        assert usage.prompt_tokens > 0
        assert usage.completion_tokens > 0


async def test_an_answer_left_early_leaves_the_model_usable(llm):
    events = llm.stream(PROMPT, model=llm.models[0].id)
    await anext(events)
    await events.aclose()

    assert [event async for event in llm.stream(PROMPT, model=llm.models[0].id)]


@pytest.mark.parametrize(
    ("fault", "error", "kind"),
    [
        ("overloaded", TransientError, "overloaded"),
        ("rate_limit_429 retry_after=60", TransientError, "rate_limit"),
        ("hang_up", TransientError, "unreachable"),
        ("bad_key", PermanentError, "key"),
        ("unknown_model", PermanentError, "unknown_model"),
        ("cut", Interrupted, "interrupted"),
        ("no_done", Interrupted, "interrupted"),
    ],
)
async def test_a_failure_is_one_of_ours_with_its_kind(hosted, fault, error, kind):
    name, _, llm = hosted
    asked = replace(PROMPT, user=f"[[fault:{fault}]]")

    with pytest.raises(error) as caught:
        async for event in llm.stream(asked, model=llm.models[0].id):
            assert isinstance(event, TextDelta), f"{name} calls a broken answer complete"

    assert caught.value.kind == kind
    assert isinstance(caught.value, Interrupted) == (error is Interrupted)


async def test_leaving_early_ends_the_request(hosted):
    _, server, llm = hosted
    events = llm.stream(replace(PROMPT, user="[[fault:stall]]"), model=llm.models[0].id)
    await anext(events)

    await events.aclose()

    await server.wait_for_disconnects()


async def test_nothing_is_taken_from_the_environment(hosted, monkeypatch):
    """What an SDK reads for itself would send one owner's questions with another one's key."""
    name, server, _ = hosted
    read = set()
    monkeypatch.setattr(os, "environ", Watched(os.environ, read))
    settings = LLMSettings(provider=name, api_key=SecretStr("unused"), base_url=server.base_url(name))
    for variable in (f"{name.upper()}_API_KEY", f"{name.upper()}_BASE_URL", "GOOGLE_API_KEY"):
        os.environ[variable] = "http://127.0.0.1:9/from-the-environment"

    llm = registry.load(llms, name).build(settings)
    events = [event async for event in llm.stream(PROMPT, model=llm.models[0].id)]
    await llm.close()

    assert isinstance(events[-1], Completed)
    (request,) = server.requests
    assert "from-the-environment" not in f"{request.headers} {request.path}"
    own = {variable for variable in read if variable.startswith("RAG_")}
    assert own == set(), "settings are handed over, not looked up"


async def test_the_models_offered_are_those_of_the_module(llm, name):
    assert llm.models == registry.load(llms, name).MODELS


@pytest.mark.parametrize("name", ["openai", "anthropic"])
def test_no_model_is_offered_whose_end_is_announced(name):
    offered = {model.id for model in registry.load(llms, name).MODELS}

    assert not offered & _ending(name)


def _ending(name: str) -> set[str]:
    """Ids the vendor's SDK itself marks; Google's marks none."""
    if name == "anthropic":
        from anthropic.resources.messages.messages import DEPRECATED_MODELS

        return set(DEPRECATED_MODELS)
    models, marked = inspect.getsource(importlib.import_module("openai.types.shared.chat_model")).split(
        "Deprecated values:"
    )
    assert "gpt-4o" in models
    return set(re.findall(r'"([\w.-]+)"', marked))
