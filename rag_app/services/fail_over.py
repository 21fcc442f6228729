"""Who answers where a model cannot: which failures another one may help with, and what to say of them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from rag_app.domain.answers import StoodIn
from rag_app.domain.knowledge_bases import KnowledgeBase
from rag_app.domain.models import Model, ModelChoice
from rag_app.domain.usage import CallKind
from rag_app.errors import PermanentError, RagAppError, TransientError

LOCAL = "local"  # quotes and cannot write: it can stand in for an answer and for nothing else

# What became of a model, in a few words after its provider's name. Another provider can do nothing about a
# question that a content rule forbids (`filtered`), and asking around for one that allows it is no help.
WORDS = {
    "rate_limit": "got more requests than it allows",
    "overloaded": "was overloaded",
    "unreachable": "could not be reached",
    "slow": "did not answer in time",
    "unreadable": "sent something that is not an answer",
    "interrupted": "broke off before its first word",
    "paused": "was having trouble",
    "key": "refused the API key",
    "no_key": "has no API key",
    "quota": "had no credit or quota left",
    "not_allowed": "did not let this key use the model",
    "unknown_model": "does not offer the model",
    "too_long": "could not read so much at once",
    "refused": "did not accept the request",
}


@dataclass(frozen=True)
class Failed:
    """A model that did not answer."""

    model: Model
    label: str  # the provider's
    error: RagAppError

    @property
    def is_elsewhere_fine(self) -> bool:
        """Whether some other model may do better."""
        return self.error.kind in WORDS

    @property
    def stood_in(self) -> StoodIn:
        """What is told of it, where another one answered."""
        kind = self.error.kind
        return StoodIn(self.model.provider, self.model.id, kind, f"{self.label} {WORDS[kind]}")


def order_of(kb: KnowledgeBase, kind: CallKind) -> Iterator[ModelChoice]:
    """The models to try, each once: the knowledge base's own first."""
    own = ModelChoice(kb.llm_provider, kb.llm_model)
    yield own
    for choice in dict.fromkeys(kb.llm_fallbacks):
        if choice != own and (kind == "chat" or choice.provider != LOCAL):
            yield choice


def may_help(failed: Failed, other: Model) -> bool:
    """Whether another model may answer where this one failed."""
    if failed.error.kind == "too_long":
        ours, others = failed.model.context_tokens, other.context_tokens
        return ours is None or others is None or others > ours
    return failed.is_elsewhere_fine


def all_failed(failures: Iterable[Failed]) -> RagAppError:
    """What to tell the asker when nobody answered: of each model why, the knowledge base's own first."""
    errors = [failed.error for failed in failures]
    if len(errors) == 1:
        return errors[0]
    said = " ".join(dict.fromkeys(str(error) for error in errors))
    waits = [error.retry_after_s for error in errors if isinstance(error, TransientError)]
    if not waits:
        return PermanentError(said, kind=errors[0].kind)
    named = [wait for wait in waits if wait is not None]
    return TransientError(said, retry_after_s=min(named, default=None), kind=errors[0].kind)
