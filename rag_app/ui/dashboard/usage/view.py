"""Usage in words and bars."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from urllib.parse import urlencode

from rag_app.domain.usage_reports import (
    Grouping,
    KbChoice,
    Latency,
    Span,
    UsageChoices,
    UsageFilters,
    UsageGroup,
    UsageReport,
    Used,
)
from rag_app.rag.llms import local
from rag_app.ui.components.chart import ChartView, Point, chart
from rag_app.ui.wording import cost, counted, is_guessed, listed, money, rounded, took

BUILT_IN = {known.id for known in local.MODELS}  # names that mean something to programs only
DELETED = "deleted:"  # before the name of a knowledge base that is gone, where others have their id
RANGES = {"7": "Last 7 days", "30": "Last 30 days", "90": "Last 90 days", "custom": "Choose days"}
GROUPINGS: dict[Grouping, str] = {
    "day": "Day",
    "kb": "Knowledge base",
    "provider": "Provider",
    "model": "Model",
    "kind": "Purpose",
    "owner": "Owner",
}
KINDS = {
    "chat": "Answers",
    "rewrite": "Follow-up questions",
    "variants": "Other wordings of questions",
    "judge": "Ranking of passages",
    "embedding": "Embedding",
    "test": "Tests of a key",
}
ERRORS = {
    "rate_limit": "Asked too often",
    "overloaded": "Provider overloaded",
    "unreachable": "Provider not reached",
    "slow": "No answer in time",
    "unreadable": "Answer not understood",
    "interrupted": "Answer broke off",
    "key": "Key refused",
    "no_key": "No key",
    "quota": "No credit left",
    "not_allowed": "Model not allowed for the key",
    "unknown_model": "Model not offered",
    "too_long": "Too much to read",
    "filtered": "Refused by a content rule",
    "refused": "Request refused",
    "failed": "Failed",
}

Options = list[tuple[str, str]]


@dataclass(frozen=True)
class StatView:
    """One number with its name."""

    label: str = ""
    value: str = ""
    hint: str = ""


@dataclass(frozen=True)
class LineView:
    """One line of the table."""

    name: str
    note: str
    calls: str
    read: str
    written: str
    cost: str
    cost_note: str
    speed: str
    errors: str


@dataclass(frozen=True)
class ChartsView:
    """The days as bars."""

    cost: ChartView = field(default_factory=ChartView)
    tokens: ChartView = field(default_factory=ChartView)
    calls: ChartView = field(default_factory=ChartView)
    speed: ChartView = field(default_factory=ChartView)


# ---- words


def cost_note(used: Used) -> str:
    """What is not known, or only guessed, of a cost."""
    unknown = f"{used.n_unknown_cost:,} unknown" if used.n_unknown_cost and used.cost is not None else ""
    return listed([unknown, f"{used.n_estimated:,} estimated" if is_guessed(used) else ""])


def share(part: int, whole: int) -> str:
    """A part in percent, as exactly as it matters."""
    percent = 100 * part / whole if whole else 0
    if 0 < percent < 1:
        return "under 1 %"
    return f"{percent:.0f} %"


def kind_words(kind: str) -> str:
    """What a call was for."""
    return KINDS.get(kind, kind)


def error_words(outcome: str) -> str:
    """What went wrong."""
    return ERRORS.get(outcome) or outcome.replace("_", " ").capitalize()


def model_words(model: str) -> str:
    """A model's name for people."""
    return "Built-in model" if model in BUILT_IN else model


def day_words(day: date) -> str:
    """A day."""
    return f"{day.day} {day:%B %Y}"


def short_day(day: date) -> str:
    """A day without its year."""
    return f"{day.day} {day:%b}"


def speed_words(latency: Latency | None) -> str:
    """How quickly half of the calls began, and nearly all."""
    return "" if latency is None else f"{took(latency.p50)} / {took(latency.p95)}"


# ---- the top of the page


def stats(used: Used) -> list[StatView]:
    """What all of it came to."""
    cached = f", {share(used.cached_tokens, used.prompt_tokens)} of it cached" if used.cached_tokens else ""
    return [
        StatView("Cost", cost(used), _cost_hint(used)),
        StatView("Calls to models", rounded(used.n_calls), _estimated(used)),
        StatView(
            "Tokens",
            rounded(used.tokens),
            f"{rounded(used.prompt_tokens)} read{cached}, {rounded(used.completion_tokens)} written",
        ),
        StatView(
            "First word after",
            took(used.first_token.p50) if used.first_token else "–",
            _speed_note(used),
        ),
        StatView(
            "Errors",
            rounded(used.n_errors),
            f"{share(used.n_errors, used.n_calls)} of the calls" if used.n_errors else "",
        ),
    ]


def errors(used: Used) -> list[str]:
    """What went wrong, most often first."""
    return [f"{error_words(outcome)}: {n:,}" for outcome, n in used.errors.items()]


def _cost_hint(used: Used) -> str:
    if not used.n_unknown_cost:
        return ""
    if used.cost is None:
        return "No model used here has a known price"
    return f"Without {counted(used.n_unknown_cost, 'call')} of unknown price"


def _estimated(used: Used) -> str:
    return f"{share(used.n_estimated, used.n_calls)} with estimated tokens" if used.n_estimated else ""


def _speed_note(used: Used) -> str:
    if used.first_token is None:
        return "No call has told"
    whole = f"whole answer {took(used.total.p50)}" if used.total else ""
    return listed([f"19 of 20 within {took(used.first_token.p95)}", whole])


# ---- bars


def charts(report: UsageReport) -> ChartsView:
    """A report by day as bars."""
    groups = report.groups
    span = report.span

    def drawn(name: str, points: list[Point], shown: str) -> ChartView:
        return chart(
            points,
            shown={"money": _scale_of_money, "number": _scale, "time": took}[shown],
            first=short_day(span.first),
            last=short_day(span.last),
            summary=_summary(name, span, points),
        )

    return ChartsView(
        cost=drawn("Cost", [_point(g, cost(g.used), _cost(g.used)) for g in groups], "money"),
        tokens=drawn(
            "Tokens",
            [
                _point(
                    g,
                    f"{g.used.prompt_tokens:,} read, {g.used.completion_tokens:,} written",
                    g.used.prompt_tokens,
                    g.used.completion_tokens,
                )
                for g in groups
            ],
            "number",
        ),
        calls=drawn(
            "Calls",
            [
                _point(
                    g,
                    listed([
                        counted(g.used.n_calls, "call"),
                        counted(g.used.n_errors, "error") if g.used.n_errors else "",
                    ]),
                    g.used.n_calls - g.used.n_errors,
                    g.used.n_errors,
                )
                for g in groups
            ],
            "number",
        ),
        speed=drawn("Time to the first word", [_speed_point(g) for g in groups], "time"),
    )  # fmt: skip


def _point(group: UsageGroup, words: str, lower: float, upper: float = 0) -> Point:
    return Point(f"{day_words(date.fromisoformat(group.key))}: {words}", float(lower), float(upper))


def _speed_point(group: UsageGroup) -> Point:
    latency = group.used.first_token
    if latency is None:
        return _point(group, "no answers", 0)
    words = f"half within {took(latency.p50)}, 19 of 20 within {took(latency.p95)}"
    return _point(group, words, latency.p50, latency.p95 - latency.p50)


def _cost(used: Used) -> float:
    return float(used.cost or 0)


def _scale(value: float) -> str:
    return rounded(round(value)) if value >= 1 else ""


def _scale_of_money(value: float) -> str:
    return money(Decimal(f"{value:.6g}"))


def _summary(name: str, span: Span, points: Sequence[Point]) -> str:
    days = f"{day_words(span.first)} to {day_words(span.last)}"
    highest = max(points, key=lambda point: point.lower + point.upper)
    return f"{name} by day, {days}. Highest on {highest.text}."


# ---- the table


def table_lines(report: UsageReport, labels: Mapping[str, str]) -> list[LineView]:
    """A report as lines; days with the newest first."""
    groups = reversed(report.groups) if report.group_by == "day" else report.groups
    return [_line(group, report.group_by, labels) for group in groups]


def _line(group: UsageGroup, group_by: Grouping, labels: Mapping[str, str]) -> LineView:
    used, guessed = group.used, "≈ " if group.used.n_estimated else ""
    name, note = _named(group, group_by, labels)
    return LineView(
        name=name,
        note=note,
        calls=f"{used.n_calls:,}",
        read=f"{guessed}{used.prompt_tokens:,}",
        written=f"{guessed}{used.completion_tokens:,}",
        cost=cost(used) if used.n_calls else "–",
        cost_note=cost_note(used),
        speed=speed_words(used.first_token) or "–",
        errors=f"{used.n_errors:,}",
    )


def _named(group: UsageGroup, group_by: Grouping, labels: Mapping[str, str]) -> tuple[str, str]:
    match group_by:
        case "day":
            day = date.fromisoformat(group.key)
            return f"{short_day(day)} {day.year}", ""
        case "kb":
            return group.name or "No knowledge base", listed(
                [group.owner, "deleted" if group.is_deleted else ""]
            )
        case "provider":
            return labels.get(group.key, group.key), ""
        case "model":
            return model_words(group.name), labels.get(group.provider, group.provider)
        case "kind":
            return kind_words(group.key), ""
        case "owner":
            return group.name, ""


# ---- what it can be narrowed to


@dataclass(frozen=True)
class Narrowed:
    """What is chosen in the filters; empty for all."""

    kb: str = ""
    provider: str = ""
    model: str = ""
    kind: str = ""
    owner: str = ""

    @property
    def filters(self) -> UsageFilters:
        """The same for a report."""
        return UsageFilters(
            kb_id=int(self.kb) if self.kb.isdigit() else None,
            deleted_kb=self.kb.removeprefix(DELETED) if self.kb.startswith(DELETED) else None,
            provider=self.provider or None,
            model=self.model or None,
            kind=self.kind or None,
            owner_id=int(self.owner) if self.owner else None,
        )


@dataclass(frozen=True)
class OptionsView:
    """What each filter offers, as (value, text)."""

    kbs: list[tuple[str, str]] = field(default_factory=list)
    providers: list[tuple[str, str]] = field(default_factory=list)
    models: list[tuple[str, str]] = field(default_factory=list)
    kinds: list[tuple[str, str]] = field(default_factory=list)
    owners: list[tuple[str, str]] = field(default_factory=list)


def options(choices: UsageChoices, narrowed: Narrowed, labels: Mapping[str, str]) -> OptionsView:
    """What was used in these days; what is chosen already stays on offer."""
    return OptionsView(
        kbs=_with([_kb_option(kb) for kb in choices.kbs], narrowed.kb, "All knowledge bases"),
        providers=_with(
            [(p, labels.get(p, p)) for p in choices.providers], narrowed.provider, "All providers"
        ),
        models=_with([(m, model_words(m)) for m in choices.models], narrowed.model, "All models"),
        kinds=_with([(k, kind_words(k)) for k in choices.kinds], narrowed.kind, "All purposes"),
        owners=_with([(str(n), email) for n, email in choices.owners], narrowed.owner, "Every owner"),
    )


def _kb_option(kb: KbChoice) -> tuple[str, str]:
    name = listed([kb.name, kb.owner])
    return (str(kb.kb_id), name) if kb.kb_id is not None else (DELETED + kb.name, f"{name} (deleted)")


def _with(found: Options, chosen: str, everything: str) -> Options:
    missing = [(chosen, chosen.removeprefix(DELETED))] if chosen and chosen not in dict(found) else []
    return [("", everything), *dict.fromkeys(found), *missing]


# ---- files


def file_link(span: Span, filters: UsageFilters, group_by: str, *, all_owners: bool) -> str:
    """Where a report can be had as a file; answered by the API."""
    wanted = {
        "from": span.first.isoformat(),
        "to": span.last.isoformat(),
        "group_by": group_by,
        "kb_id": filters.kb_id,
        "deleted_kb": filters.deleted_kb,
        "provider": filters.provider,
        "model": filters.model,
        "kind": filters.kind,
        "owner_id": filters.owner_id if all_owners else None,
    }
    path = "/api/admin/usage.csv" if all_owners else "/api/usage.csv"
    return f"{path}?{urlencode({name: value for name, value in wanted.items() if value is not None})}"
