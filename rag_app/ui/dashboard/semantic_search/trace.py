"""What was done to find the passages, step by step."""

from dataclasses import dataclass

from rag_app.domain.retrieval import Retrieval, Step

_NAMES = {
    "rewrite": "Completing the question",
    "variants": "Asking in several ways",
    "embed": "Understanding the question",
    "search": "Searching by meaning and words",
    "spelling": "Correcting the spelling",
    "rerank": "Reading the best again",
    "faq": "Comparing with the FAQ",
    "expand": "Reading around them",
}


@dataclass(frozen=True)
class StepView:
    """One step; `share` is its part of the whole time, in percent."""

    title: str
    time: str
    note: str
    was_done: bool
    share: int


def step_views(retrieval: Retrieval) -> list[StepView]:
    """Show the steps; of a search that tells none, the times that are known."""
    steps = retrieval.steps or tuple(
        Step(name, retrieval.timings_ms[name]) for name in ("embed", "search") if name in retrieval.timings_ms
    )
    longest = max((step.duration_ms for step in steps if step.was_done), default=0)
    return [_step(step, longest=longest) for step in steps]


def timing_words(timings_ms: dict[str, float]) -> str:
    """What all of it took."""
    return f"{milliseconds(timings_ms['total'])} in all" if "total" in timings_ms else ""


def milliseconds(value: float) -> str:
    """A duration as people read it."""
    if value < 1:
        return "under 1 ms"
    return f"{value:.0f} ms" if value < 1000 else f"{value / 1000:.1f} s"


def _time(step: Step) -> str:
    if step.was_done:
        return milliseconds(step.duration_ms)
    return f"given up after {milliseconds(step.duration_ms)}" if step.duration_ms >= 1 else "skipped"


def _step(step: Step, *, longest: float) -> StepView:
    return StepView(
        title=_NAMES.get(step.name, step.name),
        time=_time(step),
        note=step.note,
        was_done=step.was_done,
        share=round(step.duration_ms / longest * 100) if step.was_done and longest else 0,
    )
