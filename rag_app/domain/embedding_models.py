"""The embedding model of a knowledge base and the way to another one."""

from dataclasses import dataclass


@dataclass(frozen=True)
class EmbeddingChoice:
    """A model an owner may choose."""

    name: str
    label: str
    dimensions: int


@dataclass(frozen=True)
class EmbeddingSwitch:
    """The model in use, the next one if a switch is under way, and how far that is."""

    model: str
    next_model: str | None
    n_done: int
    n_total: int
    choices: tuple[EmbeddingChoice, ...]

    @property
    def percentage(self) -> int:
        """How far the switch is; 0 when there is none."""
        return 100 * self.n_done // self.n_total if self.next_model and self.n_total else 0
