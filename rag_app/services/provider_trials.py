"""Find out with a few small real calls whether a provider does what we rely on.

The stand-in of the tests shows that we handle what the vendors document; only they can show what they send.
"""

import re
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import aclosing
from dataclasses import dataclass
from types import ModuleType

from pydantic import SecretStr

from rag_app.domain.answers import Completed, Prompt, TextDelta
from rag_app.domain.models import Model
from rag_app.errors import RagAppError
from rag_app.rag.llms.contract import LLM, LLMSettings

# Long enough to come in pieces, and a few hundredths of a cent at the dearest model.
PROMPT = Prompt(
    system="You count for children.",
    user="Write the numbers from one to twenty as English words, separated by commas. Nothing else.",
    history=(),
    question="",
    passages=(),
    max_tokens=200,
)
UNKNOWN_MODEL = "no-such-model-0"
QUESTION = "How many days of paid leave are there?"
NEAR = "There are 25 days of paid leave."
FAR = "Volcanoes erupt molten rock."
WRONG_KEY = SecretStr("wrong-key-0123456789")


@dataclass(frozen=True)
class ProviderTrial:
    """One thing that was looked at."""

    provider: str
    model: str
    what: str
    fine: bool
    detail: str


async def try_provider(module: ModuleType, settings: LLMSettings) -> list[ProviderTrial]:
    """Stream an answer from a provider's default model, then be refused twice, which costs nothing."""
    model = module.MODELS[0].id
    found = await _with_client(module, settings, lambda llm: _answer(llm, model))
    refusals = (
        ("refuses an unknown model", settings, UNKNOWN_MODEL, "unknown_model"),
        ("refuses a wrong key", settings.model_copy(update={"api_key": WRONG_KEY}), model, "key"),
    )
    for what, with_settings, asked, kind in refusals:
        found += await _with_client(module, with_settings, _refusing(what, asked, kind))
    return [ProviderTrial(module.LABEL, asked, what, fine, detail) for what, asked, fine, detail in found]


async def try_embedder(module: ModuleType, settings: LLMSettings, model: Model) -> ProviderTrial:
    """Embed two short texts, of which one is nearer to a question."""
    what = "embeds texts"
    embedder = module.build(settings, model=model, offsets=_words)
    try:
        documents = await embedder.embed_documents([NEAR, FAR])
        near, far = documents @ await embedder.embed_query(QUESTION)
    except RagAppError as error:
        return ProviderTrial(module.LABEL, model.id, what, False, str(error))
    finally:
        await embedder.close()
    told = f"{documents.shape[1]:,} numbers a text; the right one is nearer ({near:.2f} to {far:.2f})"
    not_told = f"the wrong text is nearer ({near:.2f} to {far:.2f})"
    return ProviderTrial(module.LABEL, model.id, what, bool(near > far), told if near > far else not_told)


def _words(text: str) -> list[tuple[int, int]]:
    return [match.span() for match in re.finditer(r"\S+", text)]


_Found = list[tuple[str, str, bool, str]]


async def _with_client(
    module: ModuleType, settings: LLMSettings, check: Callable[[LLM], Awaitable[_Found]]
) -> _Found:
    llm = module.build(settings)
    try:
        return await check(llm)
    finally:
        await llm.close()


async def _answer(llm: LLM, model: str) -> _Found:
    streams, counts = "streams an answer to its end", "counts its tokens"
    n_pieces, first_s, started, end = 0, 0.0, time.perf_counter(), None
    try:
        async with aclosing(llm.stream(PROMPT, model=model)) as events:
            async for event in events:
                if isinstance(event, TextDelta):
                    n_pieces += 1
                    first_s = first_s or time.perf_counter() - started
                elif isinstance(event, Completed):
                    end = event
    except RagAppError as error:
        return [(streams, model, False, str(error)), (counts, model, False, "There was no answer.")]
    assert end is not None  # the contract: no error means that it came
    streamed = f"{n_pieces} pieces, the first after {first_s:.1f} s, ended with “{end.finish_reason}”"
    usage = end.usage
    counted = f"{usage.prompt_tokens} read, {usage.completion_tokens} written"
    return [
        (streams, model, n_pieces > 1 and end.finish_reason == "stop", streamed),
        (counts, model, not usage.estimated, "not told; estimated" if usage.estimated else counted),
    ]


def _refusing(what: str, model: str, kind: str) -> Callable[[LLM], Awaitable[_Found]]:
    async def check(llm: LLM) -> _Found:
        try:
            async with aclosing(llm.stream(PROMPT, model=model)) as events:
                async for _ in events:
                    break
        except RagAppError as error:
            as_expected = error.kind == kind
            detail = "understood" if as_expected else f"understood as “{error.kind}”: {error}"
            return [(what, model, as_expected, detail)]
        return [(what, model, False, "It answered.")]

    return check


def as_table(checks: Iterable[ProviderTrial]) -> str:
    """Checks in columns, for a terminal."""
    header = ("PROVIDER", "MODEL", "CHECK", "RESULT")
    rows = [header] + [
        (one.provider, one.model, one.what, f"{'ok    ' if one.fine else 'FAILED'}  {one.detail}")
        for one in checks
    ]
    widths = [max(len(row[at]) for row in rows) for at in range(3)]
    return "\n".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3]])
        for row in rows
    )
