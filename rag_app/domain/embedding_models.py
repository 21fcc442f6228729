"""The embedding model of a knowledge base and the way to another one."""

from dataclasses import dataclass
from decimal import Decimal

PER_TOKENS = 1_000_000


@dataclass(frozen=True)
class StoredModel:
    """A model the database knows, with the number its vectors are stored under."""

    id: int
    name: str


@dataclass(frozen=True)
class EmbeddingChoice:
    """A model an owner may choose.

    `price_per_million` tokens is in US dollars: 0 on this machine, None where it is not known.
    """

    name: str
    label: str
    dimensions: int
    price_per_million: Decimal | None = Decimal(0)
    is_hosted: bool = False


@dataclass(frozen=True)
class EmbeddingSwitch:
    """The model in use, the next one if a switch is under way, and how far that is.

    `problem` says why the switch waits or was given up, and is empty where all is well; `n_total` counts
    the chunks there are, whether or not there is a switch, and `n_tokens` about how long they are together.
    """

    model: str
    next_model: str | None
    n_done: int
    n_total: int
    choices: tuple[EmbeddingChoice, ...]
    problem: str = ""
    n_tokens: int = 0

    @property
    def percentage(self) -> int:
        """How far the switch is; 0 when there is none."""
        return min(100, 100 * self.n_done // self.n_total) if self.next_model and self.n_total else 0

    def estimated_cost(self, choice: EmbeddingChoice) -> Decimal | None:
        """About what a switch to a model would cost, in US dollars; None where that is not known."""
        if choice.price_per_million is None:
            return None
        return choice.price_per_million * self.n_tokens / PER_TOKENS
