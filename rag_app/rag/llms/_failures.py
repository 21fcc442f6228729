"""Turn what a provider's SDK raised into our errors, with a sentence for people.

SDK error ─┬─ refusal (status, codes, text) ── first row of `_ROWS` that fits ──┐
           ├─ lost connection ── unreachable ──────────────────────────────────┼─ Failure
           ├─ our own timer ── slow ───────────────────────────────────────────┤
           └─ anything else ── unreadable ─────────────────────────────────────┘

The provider's own words are read but never passed on: they may repeat the prompt, the key or an address.
"""

from dataclasses import dataclass
from math import inf

import httpx2

from rag_app.errors import PermanentError, TransientError


@dataclass(frozen=True)
class Refusal:
    """What a provider answered instead of an answer; codes and text in lower case."""

    status: int
    codes: frozenset[str] = frozenset()
    text: str = ""
    retry_after_s: float | None = None


@dataclass(frozen=True)
class Failure:
    """Why there is no answer: `kind` for programs, which `error` carries too, and `error` for the reader."""

    kind: str
    error: TransientError | PermanentError
    may_retry: bool = False


@dataclass(frozen=True)
class _Row:
    kind: str
    sentence: str
    statuses: frozenset[int] = frozenset()
    codes: frozenset[str] = frozenset()
    phrases: tuple[str, ...] = ()  # for a plain 400, where text is all a provider gives
    is_transient: bool = False

    def fits(self, refusal: Refusal) -> bool:
        return bool(
            refusal.status in self.statuses
            or refusal.codes & self.codes
            or (refusal.status == 400 and any(phrase in refusal.text for phrase in self.phrases))
        )


# Order matters: a used-up quota is a 429 like a rate limit, and a bad Gemini key a 400 like a long prompt.
_ROWS = (
    _Row(
        "key",
        "{label} refused the API key. Check it in the settings.",
        statuses=frozenset({401}),
        codes=frozenset({"invalid_api_key", "authentication_error", "api_key_invalid", "unauthenticated"}),
        phrases=("api key not valid",),
    ),
    _Row(
        "quota",
        "The {label} account has no credit left or has used up its quota.",
        statuses=frozenset({402}),
        codes=frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_error", "daily_quota"}),
        phrases=("credit balance is too low",),
    ),
    _Row(
        "too_long",
        "The question with its passages is too long for this model. Use fewer passages or another model.",
        statuses=frozenset({413}),
        codes=frozenset({"context_length_exceeded", "request_too_large"}),
        phrases=(
            "prompt is too long",
            "context length",
            "context window",
            "context limit",
            "exceeds the maximum number of tokens",
        ),
    ),
    _Row(
        "filtered",
        "The content rules of {label} do not allow this question or its passages.",
        codes=frozenset({"content_filter", "content_policy_violation", "invalid_prompt"}),
    ),
    _Row(
        "unknown_model",
        "{label} does not offer this model. Choose another one in the settings.",
        statuses=frozenset({404}),
        codes=frozenset({"model_not_found", "not_found_error", "not_found"}),
    ),
    _Row(
        "not_allowed",
        "{label} does not let this API key use this model. Choose another model or key.",
        statuses=frozenset({403}),
        codes=frozenset({"permission_error", "permission_denied"}),
    ),
    _Row(
        "rate_limit",
        "{label} gets more requests than it allows. Try again in a moment.",
        statuses=frozenset({429}),
        codes=frozenset({"rate_limit_error", "rate_limit_exceeded", "resource_exhausted"}),
        is_transient=True,
    ),
    _Row(
        "overloaded",
        "{label} is overloaded. Try again in a moment.",
        statuses=frozenset({408, 409, *range(500, 600)}),
        codes=frozenset({"overloaded_error", "api_error", "server_error", "unavailable", "internal"}),
        is_transient=True,
    ),
)
_OTHER = _Row("refused", "{label} did not accept the request. Choose another model in the settings.")


def refused(label: str, refusal: Refusal) -> Failure:
    """Explain what the provider known as `label` said."""
    row = next((row for row in _ROWS if row.fits(refusal)), _OTHER)
    sentence = row.sentence.format(label=label)
    if not row.is_transient:
        return Failure(row.kind, PermanentError(sentence, kind=row.kind))
    error = TransientError(sentence, retry_after_s=refusal.retry_after_s, kind=row.kind)
    return Failure(row.kind, error, may_retry=True)


def broke(label: str, error: Exception) -> Failure:
    """Explain why nothing understandable came from the provider known as `label`."""
    if isinstance(error, TimeoutError):  # ours: the SDKs have no timers of their own here
        return _silence("slow", f"{label} did not answer in time.")
    if any(isinstance(cause, httpx2.TransportError) for cause in (error, error.__cause__)):
        return _silence("unreachable", f"{label} cannot be reached. Try again in a moment.", may_retry=True)
    return _silence("unreadable", f"{label} sent something that is not an answer.")


def _silence(kind: str, sentence: str, *, may_retry: bool = False) -> Failure:
    return Failure(kind, TransientError(sentence, kind=kind), may_retry)


def seconds(value: object) -> float | None:
    """Read a waiting time such as `7`, `"7"` or `"7.5s"`; None where there is none, or a date."""
    try:
        waiting = float(str(value).strip().removesuffix("s"))
    except ValueError:
        return None
    return waiting if 0 <= waiting < inf else None
