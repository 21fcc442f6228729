"""How long each step took and what came of it, gathered while a question is searched for."""

import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from rag_app.domain.retrieval import Step, StepName


@dataclass
class Note:
    """What came of a step; said while it runs."""

    text: str = ""
    was_done: bool = True


@dataclass
class Trace:
    """The steps so far, in order."""

    steps: list[Step] = field(default_factory=list)
    _started: float = field(default_factory=time.perf_counter)

    @contextmanager
    def step(self, name: StepName) -> Generator[Note]:
        """Time a step, also one that fails."""
        note, started = Note(), time.perf_counter()
        try:
            yield note
        finally:
            duration_ms = round((time.perf_counter() - started) * 1000, 1)
            self.steps.append(Step(name, duration_ms, note.was_done, note.text))

    def skipped(self, name: StepName, why: str) -> None:
        """Say that a step was not done."""
        self.steps.append(Step(name, 0.0, was_done=False, note=why))

    def complete(self, name: StepName, text: str) -> None:
        """Say afterwards what came of the first such step that has said nothing yet."""
        for at, step in enumerate(self.steps):
            if step.name == name and not step.note:
                self.steps[at] = replace(step, note=text)
                return

    def timings_ms(self) -> dict[str, float]:
        """Milliseconds by step, and of everything so far as `total`."""
        timings: dict[str, float] = {}
        for step in self.steps:
            if step.was_done:
                timings[step.name] = round(timings.get(step.name, 0) + step.duration_ms, 1)
        return timings | {"total": round((time.perf_counter() - self._started) * 1000, 1)}
