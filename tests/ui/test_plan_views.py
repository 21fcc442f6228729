"""Plans, budgets and accounts in words, and what is typed about them."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from rag_app.domain.limits import (
    DOCUMENTS,
    LIMITS,
    MESSAGES,
    REQUESTS,
    STORAGE,
    Budget,
    Meter,
    OwnerPlan,
    OwnerUsage,
    Plan,
)
from rag_app.errors import InvalidInput
from rag_app.ui.dashboard.admin.view import (
    account_view,
    changes_between,
    limits_in,
    overrides_in,
    typed_overrides,
    values_of,
)
from rag_app.ui.dashboard.limit_notice import about, words
from rag_app.ui.dashboard.settings.plan_view import budget_of, budget_view, meter_view

JANUARY = datetime(2027, 1, 1, tzinfo=UTC)
BUDGET = Budget(7, "Handbook", Decimal(10), Decimal("2.5"), 0, JANUARY)


def plan(*meters, budgets=()):
    return Plan(OwnerPlan(1, "free", "Free", {}, {}), meters, budgets)


@pytest.mark.parametrize(
    ("meter", "amount", "hint", "has_bar", "percent", "is_close"),
    [
        (Meter(DOCUMENTS, 1204, 5000), "1,204 of 5,000", "", True, 24, False),
        (Meter(DOCUMENTS, 3, None), "3, no limit", "", False, 0, False),
        (Meter(REQUESTS, None, 3000), "Up to 3,000", "", False, 0, False),
        (Meter(REQUESTS, None, None), "No limit", "", False, 0, False),
        (Meter(STORAGE, 2**30, 5 * 2**30), "1.0 GB of 5.0 GB", "", True, 20, False),
        (Meter(MESSAGES, 80, 100, JANUARY), "80 of 100", "anew on 1 January 2027", True, 80, True),
        (Meter(DOCUMENTS, 7, 5), "7 of 5", "all of it stays", True, 100, True),
        (Meter(DOCUMENTS, 0, 0), "0 of 0", "", True, 100, False),
    ],
)
def test_a_limit_in_words(meter, amount, hint, has_bar, percent, is_close):
    view = meter_view(meter)

    assert (view.amount, view.has_bar, view.percent, view.is_close) == (amount, has_bar, percent, is_close)
    assert hint in view.hint


@pytest.mark.parametrize(
    ("budget", "is_priced", "spent", "percent", "warning"),
    [
        (BUDGET, True, "$2.50 of $10.00", 25, ""),
        (replace(BUDGET, spent=Decimal("0.000001")), True, "less than $0.01 of $10.00", 0, ""),
        (replace(BUDGET, most=Decimal(0)), True, "$2.50 of $0.00", 100, ""),
        (replace(BUDGET, n_unpriced=1), True, "$2.50 of $10.00", 25, "1 call of this month cost an unknown"),
        (replace(BUDGET, spent=Decimal(0)), False, "$0.00 of $10.00", 0, "Nobody knows what"),
        (replace(BUDGET, most=None), False, "$2.50", 0, ""),
    ],
)
def test_a_budget_in_words(budget, is_priced, spent, percent, warning):
    view = budget_view(budget, is_priced=is_priced)

    assert (view.spent, view.percent) == (spent, percent)
    assert view.warning.startswith(warning)
    assert bool(view.warning) is bool(warning)


@pytest.mark.parametrize(
    ("text", "amount"),
    [("", None), (" 20 ", 20), ("$1,000.50", Decimal("1000.50")), ("0", 0), (".5", Decimal("0.5"))],
)  # fmt: skip
def test_a_typed_budget(text, amount):
    assert budget_of(text) == amount


@pytest.mark.parametrize("text", ["much", "-1", "1e9", "1.234", "10000000", "²", ".", "1.2.3", "NaN"])
def test_what_is_no_budget(text):
    with pytest.raises(InvalidInput):
        budget_of(text)


def test_the_notice_names_what_is_reached_before_what_is_near():
    near, reached = Meter(DOCUMENTS, 9, 10), Meter(MESSAGES, 100, 100, JANUARY)
    spent = replace(BUDGET, spent=Decimal(9))

    assert words(plan(Meter(DOCUMENTS, 1, 10))) == ""
    assert words(plan(near)) == "You are close to a limit: documents (9 of 10)."
    told = words(plan(near, reached, budgets=(spent,)))
    assert told == (
        "You have reached a limit: questions a month (100 of 100); documents (9 of 10), and 1 more."
    )


def test_a_dismissed_notice_comes_back_for_something_else():
    near, reached = Meter(MESSAGES, 90, 100, JANUARY), Meter(MESSAGES, 100, 100, JANUARY)
    later = replace(near, resets_at=datetime(2027, 2, 1, tzinfo=UTC))

    assert about(plan(), 1) == ""
    assert len({about(plan(each), 1) for each in (near, reached, later)} | {about(plan(near), 2)}) == 4
    assert about(plan(near), 1) == about(plan(replace(near, used=95)), 1)


def test_own_limits_are_typed_and_read_back():
    own = {"documents": 7, "storage_bytes": 5 * 2**30, "chunks": None}

    form = typed_overrides(own)

    assert (form["documents"], form["storage_bytes"], form["chunks"], form["mailboxes"]) == (
        "7", "5", "unlimited", "",
    )  # fmt: skip
    assert overrides_in(form, own) == own
    assert overrides_in({**form, "documents": "", "chunks": "1,000", "storage_bytes": "0.5"}, own) == {
        "chunks": 1000,
        "storage_bytes": 2**29,
    }


def test_a_size_that_was_rounded_when_shown_is_kept_as_it_was():
    limits = {"storage_bytes": 1_234_567_891}

    assert limits_in(values_of(limits), limits) == limits


@pytest.mark.parametrize("text", ["many", "-1", "1.5", "²", "9" * 30, "nan"])
def test_what_is_no_limit_is_said_at_its_field(text):
    with pytest.raises(InvalidInput) as raised:
        limits_in({"documents": text}, {})

    assert list(raised.value.problems) == ["documents"]


def test_changes_of_a_plan_in_words():
    before, after = {"documents": 5000, "chunks": 9}, {"documents": 3, "storage_bytes": 2**30}

    assert changes_between(before, after) == [
        "Documents: 5,000 → 3",
        "Storage for files: No limit → 1.0 GB",
        "Chunks of text: 9 → No limit",
    ]


def test_an_account_in_words():
    owner = OwnerUsage(
        3, "bea@example.com", "", "kb_owner", "free", "Free", {"documents": None}, True,
        JANUARY, 1, 2, 2**20, 1, 12_000,
    )  # fmt: skip

    view = account_view(owner, now=JANUARY)

    assert (view.name, view.contents) == (
        "bea@example.com",
        "1\u00a0knowledge\u00a0base, 2\u00a0documents, 1.0\u00a0MB",
    )
    assert (view.usage, view.since) == ("1\u00a0question, 12,000\u00a0tokens", "just now")
    assert view.has_own_limits


def test_every_limit_has_words_for_one_and_many():
    for limit in LIMITS.values():
        assert limit.in_words(1) != limit.in_words(2)
