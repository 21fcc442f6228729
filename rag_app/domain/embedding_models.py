"""The embedding model of a knowledge base and the way to another one."""

from dataclasses import dataclass


@dataclass(frozen=True)
class StoredModel:
    """A model the database knows, with the number its vectors are stored under."""

    id: int
    name: str


@dataclass(frozen=True)
class EmbeddingChoice:
    """A model an owner may choose."""

    name: str
    label: str
    dimensions: int


@dataclass(frozen=True)
class EmbeddingSwitch:
    """The model in use, the next one if a switch is under way, and how far that is.

    `problem` says why the switch waits or was given up, and is empty where all is well; `n_total` counts
    the chunks there are, whether or not there is a switch.
    """

    model: str
    next_model: str | None
    n_done: int
    n_total: int
    choices: tuple[EmbeddingChoice, ...]
    problem: str = ""

    @property
    def percentage(self) -> int:
        """How far the switch is; 0 when there is none."""
        return min(100, 100 * self.n_done // self.n_total) if self.next_model and self.n_total else 0
