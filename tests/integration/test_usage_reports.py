"""What was used is added up rightly: money that is not known, days, whose it is, and quickly."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from rag_app.db.queries import usage_reports
from rag_app.domain.usage_reports import (
    MAX_DAYS,
    Latency,
    Span,
    UsageFilters,
    UsageReport,
    Used,
    Viewer,
    last_days,
)
from rag_app.errors import InvalidInput, NotFound
from rag_app.services import usage_reports as reports_service
from tests.usage_rows import AddCall, add_call

MARCH = Span(date(2026, 3, 1), date(2026, 3, 31))


@pytest.fixture
def call(database, owner) -> AddCall:
    """Add a call, the owner's unless it names another's."""
    return lambda **values: add_call(database, values.pop("user_id", owner.user["id"]), **values)


@pytest.fixture
def viewer(owner) -> Viewer:
    """The owner, looking at their own."""
    return Viewer(owner.user["id"])


async def used(services, viewer, **filters: Any) -> Used:
    found = await services.usage_reports.report(
        viewer, MARCH, group_by="provider", filters=UsageFilters(**filters)
    )
    return found.totals


def lines(report: UsageReport) -> dict[str, int]:
    return {group.name: group.used.n_calls for group in report.groups}


async def test_nothing_used_costs_nothing_that_is_known(services, viewer):
    total = await used(services, viewer)

    assert (total, total.cost) == (Used(), 0)


async def test_tokens_and_costs_are_added_up(services, viewer, call):
    call(prompt_tokens=100, cached_tokens=40, completion_tokens=7, estimated_cost="0.0000012345")
    call(prompt_tokens=200, completion_tokens=3, estimated_cost="2.5")

    total = await used(services, viewer)

    assert (total.n_calls, total.prompt_tokens, total.cached_tokens, total.completion_tokens) == (
        2, 300, 40, 10
    )  # fmt: skip
    assert (total.tokens, total.cost) == (310, Decimal("2.5000012345"))
    assert (total.n_unknown_cost, total.n_estimated, total.n_errors) == (0, 0, 0)


async def test_unknown_cost_is_never_nothing(services, viewer, call):
    call(estimated_cost=None)
    call(estimated_cost=None)

    assert (await used(services, viewer)).cost is None

    call(estimated_cost="0.5")
    total = await used(services, viewer)
    assert (total.cost, total.n_unknown_cost) == (Decimal("0.5"), 2)


async def test_cost_known_to_be_nothing_is_no_unknown_one(services, viewer, call):
    call(provider="local", estimated_cost="0")

    total = await used(services, viewer)

    assert (total.cost, total.n_unknown_cost) == (0, 0)


async def test_estimates_and_errors_are_counted_by_their_kind(services, viewer, call):
    for outcome in ("complete", "rate_limit", "rate_limit", "key", "interrupted", "cancelled"):
        call(outcome=outcome, is_estimated=outcome == "interrupted")

    total = await used(services, viewer)

    assert (total.n_calls, total.n_estimated, total.n_errors) == (6, 1, 4)
    assert total.errors == {"rate_limit": 2, "interrupted": 1, "key": 1}


async def test_errors_of_all_groups_are_listed_most_often_first(services, viewer, call):
    for model, outcome, n in (("a", "key", 2), ("b", "rate_limit", 3), ("b", "key", 2)):
        for _ in range(n):
            call(model=model, outcome=outcome)

    found = await services.usage_reports.report(viewer, MARCH, group_by="model")

    assert list(found.totals.errors.items()) == [("key", 4), ("rate_limit", 3)]


async def test_errors_stand_with_their_group(services, viewer, call):
    call(model="a", outcome="key")
    call(model="b", outcome="complete")

    found = await services.usage_reports.report(viewer, MARCH, group_by="model")

    assert {group.name: dict(group.used.errors) for group in found.groups} == {"a": {"key": 1}, "b": {}}


async def test_latency_is_that_of_calls_that_were_answered(services, viewer, call):
    for n in range(1, 22):
        call(first_token_ms=n * 10, total_ms=n * 100)
    call(outcome="rate_limit", first_token_ms=None, total_ms=1)

    total = await used(services, viewer)

    assert (total.first_token, total.total) == (Latency(110, 200), Latency(1100, 2000))


async def test_latency_of_calls_that_told_none_is_not_there(services, viewer, call):
    call(first_token_ms=None, total_ms=None)

    assert ((await used(services, viewer)).first_token, (await used(services, viewer)).total) == (None, None)


async def test_days_begin_at_midnight_utc_and_none_is_left_out(services, viewer, call):
    call(created_at="2026-02-28 23:59:59.999999+00")
    call(created_at="2026-03-01 00:00:00+00")
    call(created_at="2026-03-02 01:30:00+02")  # still the first of March in UTC
    call(created_at="2026-03-03 23:59:59.999999+00")
    call(created_at="2026-03-04 00:00:00+00")

    found = await services.usage_reports.report(
        viewer, Span(date(2026, 3, 1), date(2026, 3, 3)), group_by="day"
    )

    assert [(group.key, group.used.n_calls) for group in found.groups] == [
        ("2026-03-01", 2),
        ("2026-03-02", 0),
        ("2026-03-03", 1),
    ]
    assert found.totals.n_calls == 3
    assert found.groups[1].used == Used()


@pytest.mark.parametrize(
    ("first", "last", "field"),
    [
        pytest.param(date(2026, 3, 2), date(2026, 3, 1), "to", id="ends before it begins"),
        pytest.param(date(2025, 3, 1), date(2026, 3, 2), "from", id="more than a year"),
        pytest.param(date(1, 1, 1), date(1, 1, 2), "from", id="long ago"),
        pytest.param(date(9999, 12, 1), date(9999, 12, 31), "from", id="no day after it"),
    ],
)
def test_times_that_cannot_be_reported_on(first, last, field):
    with pytest.raises(InvalidInput) as refused:
        Span(first, last)

    assert refused.value.field == field


def test_last_days_end_today_in_utc():
    span = last_days(7, now=datetime(2026, 3, 8, 0, 30, tzinfo=UTC))

    assert (span.first, span.last, len(span.days)) == (date(2026, 3, 2), date(2026, 3, 8), 7)
    assert len(last_days(MAX_DAYS).days) == MAX_DAYS


@pytest.mark.parametrize(
    ("filters", "n"),
    [
        ({"provider": "openai"}, 2),
        ({"provider": "anthropic"}, 1),
        ({"model": "b"}, 1),
        ({"kind": "judge"}, 1),
        ({"provider": "openai", "kind": "judge"}, 0),
        ({"model": "nobody's"}, 0),
    ],
)
async def test_filters_narrow(services, viewer, call, filters, n):
    call(model="a")
    call(model="b")
    call(provider="anthropic", model="c", kind="judge")

    assert (await used(services, viewer, **filters)).n_calls == n


async def test_dearest_group_is_first(services, viewer, call):
    call(model="cheap", estimated_cost="0.1")
    call(model="unknown")
    call(model="dear", estimated_cost="3")

    found = await services.usage_reports.report(viewer, MARCH, group_by="model")

    assert [(group.name, group.provider) for group in found.groups] == [
        ("dear", "openai"),
        ("cheap", "openai"),
        ("unknown", "openai"),
    ]


async def test_long_reports_say_how_many_lines_there_are(services, viewer, call, monkeypatch):
    monkeypatch.setattr(reports_service, "MAX_GROUPS", 2)
    for model in "abc":
        call(model=model)

    found = await services.usage_reports.report(viewer, MARCH, group_by="model")

    assert (len(found.groups), found.n_groups, found.totals.n_calls) == (2, 3, 3)


async def test_knowledge_base_goes_by_its_present_name_and_keeps_it_when_deleted(
    services, viewer, call, owner
):
    kb = await owner.create_kb("Rules")
    call(kb_id=kb["id"], kb_name="Rules", estimated_cost="1")
    call(kb_name="")
    await owner.http.put(f"/api/knowledge-bases/{kb['id']}", json={"name": "Handbook"})

    before = await services.usage_reports.report(viewer, MARCH, group_by="kb")
    await owner.http.delete(f"/api/knowledge-bases/{kb['id']}")
    after = await services.usage_reports.report(viewer, MARCH, group_by="kb")

    assert [(g.key, g.name, g.is_deleted) for g in before.groups] == [
        (str(kb["id"]), "Handbook", False),
        ("", "", False),
    ]
    assert [(g.key, g.name, g.is_deleted) for g in after.groups] == [("", "Handbook", True), ("", "", False)]
    assert (await used(services, viewer, deleted_kb="Handbook")).cost == 1
    assert (await services.usage_reports.choices(viewer, MARCH)).kbs[0].kb_id is None


async def test_choices_are_what_was_used_in_that_time(services, viewer, call, owner):
    kb = await owner.create_kb("Rules")
    call(kb_id=kb["id"], kb_name="Rules", model="b", kind="judge")
    call(provider="gemini", model="a")
    call(model="of another time", created_at="2026-04-01 00:00+00")

    found = await services.usage_reports.choices(viewer, MARCH)

    assert [(one.kb_id, one.name, one.owner) for one in found.kbs] == [(kb["id"], "Rules", "")]
    assert (found.providers, found.models, found.kinds) == (
        ("gemini", "openai"),
        ("a", "b"),
        ("chat", "judge"),
    )
    assert found.owners == ()


# ---- whose


async def test_owners_see_their_own_only(services, call, owner, other):
    kb = await owner.create_kb("Rules")
    call(kb_id=kb["id"], kb_name="Rules", model="mine")
    call(user_id=other.user["id"], model="theirs")
    them = Viewer(other.user["id"])

    found = await services.usage_reports.report(them, MARCH, group_by="model")
    batches = [batch async for batch in services.usage_reports.calls(them, MARCH)]
    choices = await services.usage_reports.choices(them, MARCH)

    assert lines(found) == {"theirs": 1}
    assert [one.model for batch in batches for one in batch] == ["theirs"]
    assert (choices.models, choices.kbs) == (("theirs",), ())
    with pytest.raises(NotFound):
        await services.usage_reports.report(
            them, MARCH, group_by="model", filters=UsageFilters(kb_id=kb["id"])
        )


async def test_filter_by_owner_reaches_nobody_else(services, call, owner, other):
    call(model="mine")
    call(user_id=other.user["id"], model="theirs")

    found = await services.usage_reports.report(
        Viewer(other.user["id"]), MARCH, group_by="model", filters=UsageFilters(owner_id=owner.user["id"])
    )

    assert lines(found) == {"theirs": 1}


async def test_super_admin_sees_all_owners(services, call, owner, other):
    kb = await other.create_kb("Theirs")
    call(model="mine", estimated_cost="1")
    call(user_id=other.user["id"], kb_id=kb["id"], kb_name="Theirs", model="theirs")
    admin = Viewer(owner.user["id"], all_owners=True)

    by_owner = await services.usage_reports.report(admin, MARCH, group_by="owner")
    by_kb = await services.usage_reports.report(admin, MARCH, group_by="kb")
    call(kb_name="Gone", estimated_cost="2")
    call(user_id=other.user["id"], kb_name="Gone", estimated_cost="3")
    gone = await services.usage_reports.report(
        admin, MARCH, group_by="kb", filters=UsageFilters(deleted_kb="Gone")
    )
    theirs = await services.usage_reports.report(
        admin, MARCH, group_by="model", filters=UsageFilters(owner_id=other.user["id"])
    )
    choices = await services.usage_reports.choices(admin, MARCH)

    assert lines(by_owner) == {owner.email: 1, other.email: 1}
    assert [(g.name, g.owner) for g in by_kb.groups] == [("", owner.email), ("Theirs", other.email)]
    assert [(g.name, g.owner, g.is_deleted) for g in gone.groups] == [
        ("Gone", other.email, True),
        ("Gone", owner.email, True),
    ]
    assert lines(theirs) == {"theirs": 1, "gpt-test": 1}
    assert {email for _, email in choices.owners} == {owner.email, other.email}


@pytest.mark.parametrize(
    "change", ["role = 'kb_owner'", "is_active = false"], ids=["no admin any more", "switched off"]
)
async def test_role_is_asked_of_the_database_each_time(services, call, owner, database, monkeypatch, change):
    monkeypatch.setattr(reports_service, "BATCH", 1)
    call()
    call()
    admin = Viewer(owner.user["id"], all_owners=True)
    batches = services.usage_reports.calls(admin, MARCH)
    await anext(batches)

    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(f"UPDATE users SET {change} WHERE id = %s".encode(), [owner.user["id"]])

    with pytest.raises(NotFound):
        await anext(batches)
    with pytest.raises(NotFound):
        await services.usage_reports.report(admin, MARCH, group_by="owner")
    with pytest.raises(NotFound):
        await services.usage_reports.choices(admin, MARCH)


async def test_owners_of_ones_own_calls_are_no_question(services, viewer):
    with pytest.raises(InvalidInput):
        await services.usage_reports.report(viewer, MARCH, group_by="owner")


# ---- every call


async def test_every_call_comes_once_in_its_order(services, viewer, call, monkeypatch):
    monkeypatch.setattr(reports_service, "BATCH", 3)
    for n in range(7):  # all at one moment: the order is that of their numbers
        call(model=f"m{n}")
    call(model="first", created_at="2026-03-01 00:00+00")

    batches = [batch async for batch in services.usage_reports.calls(viewer, MARCH)]

    assert [len(batch) for batch in batches] == [3, 3, 2]
    assert [one.model for batch in batches for one in batch] == ["first", *(f"m{n}" for n in range(7))]


# ---- among many


FILL = """
INSERT INTO llm_usage (user_id, kb_name, provider, model, prompt_tokens, completion_tokens, estimated_cost,
  first_token_ms, total_ms, outcome, created_at)
SELECT %(user)s, 'filled', 'openai', 'model ' || n %% 7, n %% 1000, n %% 100, 0.001, n %% 900, n %% 3000,
  CASE WHEN n %% 50 = 0 THEN 'rate_limit' ELSE 'complete' END,
  timestamptz '2026-01-01 00:00+00' + n * interval '365 days' / %(n)s
FROM generate_series(0, %(n)s - 1) AS n
"""


@pytest.mark.parametrize("group_by", ["day", "kb", "provider", "model", "kind"])
async def test_report_reads_the_owners_days_by_index_and_nothing_else(
    services, owner, other, database, group_by
):
    with psycopg.connect(database, autocommit=True) as connection:
        for user in (owner, other):
            connection.execute(FILL, {"user": user.user["id"], "n": 30_000})
        connection.execute("ANALYZE llm_usage")
    scope = usage_reports.own(owner.user["id"])
    conditions, values = usage_reports.calls_sql(scope, MARCH, UsageFilters())
    statement = usage_reports.report_sql(group_by, conditions)

    async with services.engine.connect() as connection:
        plan = await connection.execute(
            sa.text(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}"), values | {"limit": 10}
        )
        [node] = [one for one in nodes(plan.scalar_one()[0]["Plan"]) if "Index Cond" in one]

    assert node["Index Name"] == "idx_llm_usage_user_id"
    for column in ("user_id =", "created_at >=", "created_at <"):
        assert column in node["Index Cond"]
    assert node["Actual Rows"] == pytest.approx(30_000 * 31 / 365, abs=100)


def nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(found for child in plan.get("Plans", ()) for found in nodes(child))]
