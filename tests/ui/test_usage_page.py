"""The Usage page: in words and bars, of the days that are chosen, for who may see it."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from uuid import UUID

import psycopg
import pytest

from rag_app.domain.usage_reports import (
    AnswerUsage,
    ConversationUsage,
    KbChoice,
    Latency,
    Span,
    UsageChoices,
    UsageFilters,
    UsageGroup,
    UsageReport,
    Used,
)
from rag_app.errors import InvalidInput, NotSignedIn
from rag_app.ui.components.chart import LEAST, Point, chart
from rag_app.ui.dashboard.conversations.state import ConversationState
from rag_app.ui.dashboard.conversations.view import answer_costs, conversation_cost
from rag_app.ui.dashboard.usage.state import PAGE, UsageState
from rag_app.ui.dashboard.usage.view import (
    Narrowed,
    charts,
    cost_note,
    error_words,
    file_link,
    options,
    share,
    stats,
    table_lines,
)
from rag_app.ui.wording import cost, money, rounded, took
from tests.ui.conftest import happens
from tests.usage_rows import AddCall, add_call

TODAY = datetime.now(UTC)
TWO_DAYS = Span(date(2026, 3, 1), date(2026, 3, 2))


# ---- words


@pytest.mark.parametrize(
    ("dollars", "words"),
    [
        ("0", "$0.00"),
        ("0.0000004", "less than $0.000001"),
        ("0.0004", "$0.0004"),
        ("0.000426", "$0.00043"),
        ("0.0999", "$0.10"),
        ("0.5", "$0.50"),
        ("0.999", "$1.00"),
        ("1234.5", "$1,234.50"),
    ],
)
def test_money(dollars, words):
    assert money(Decimal(dollars)) == words


def test_times_and_large_numbers():
    assert [took(ms) for ms in (4, 99.4, 420, 9940, 61_000)] == ["4 ms", "99 ms", "0.4 s", "9.9 s", "61 s"]
    assert [rounded(n) for n in (12_345, 999_949, 1_234_567, 45_000_000)] == [
        "12,345", "999,949", "1.2 million", "45 million",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("used", "words", "note"),
    [
        pytest.param(Used(), "$0.00", "", id="nothing used"),
        pytest.param(Used(2, known_cost=Decimal("0.0004")), "$0.0004", "", id="all known"),
        pytest.param(Used(2, n_unknown_cost=2), "unknown", "", id="nothing known"),
        pytest.param(Used(2, known_cost=Decimal(1), n_unknown_cost=1), "$1.00", "1 unknown", id="half known"),
        pytest.param(Used(1, known_cost=Decimal(1), n_estimated=1), "≈ $1.00", "1 estimated", id="guessed"),
        pytest.param(Used(1, n_unknown_cost=1, n_estimated=1), "unknown", "1 estimated", id="neither"),
        pytest.param(Used(1, n_estimated=1), "$0.00", "", id="free, however much it was"),
    ],
)
def test_cost_is_never_nothing_for_something_unknown(used, words, note):
    assert (cost(used), cost_note(used)) == (words, note)


def test_numbers_at_the_top():
    used = Used(
        200, 9000, 4500, 1000, Decimal(3), 1, 4, {"key": 1}, Latency(400, 1200), Latency(2000, 5000)
    )  # fmt: skip

    assert [(one.label, one.value, one.hint) for one in stats(used)] == [
        ("Cost", "≈ $3.00", "Without 1 call of unknown price"),
        ("Calls to models", "200", "2 % with estimated tokens"),
        ("Tokens", "10,000", "9,000 read, 50 % of it cached, 1,000 written"),
        ("First word after", "0.4 s", "19 of 20 within 1.2 s · whole answer 2.0 s"),
        ("Errors", "1", "under 1 % of the calls"),
    ]
    assert [one.value for one in stats(Used(3, n_unknown_cost=3))] == ["unknown", "3", "0", "–", "0"]
    assert stats(Used(3, n_unknown_cost=3))[0].hint == "No model used here has a known price"


def test_shares_and_errors():
    assert [share(0, 5), share(1, 1000), share(1, 3), share(0, 0)] == ["0 %", "under 1 %", "33 %", "0 %"]
    assert [error_words("rate_limit"), error_words("some_new_kind")] == ["Asked too often", "Some new kind"]


def by_day(*used: Used) -> UsageReport:
    groups = tuple(UsageGroup(f"2026-03-0{n}", "", one) for n, one in enumerate(used, start=1))
    return UsageReport(TWO_DAYS, "day", used[0], groups, len(groups))


def test_days_as_bars():
    drawn = charts(
        by_day(
            Used(4, 300, 0, 100, Decimal("0.02"), errors={"key": 1}, first_token=Latency(400, 1600)), Used()
        )
    )

    cost, empty = drawn.cost.bars
    assert (cost.text, cost.height) == ("1 March 2026: $0.02", "100.00%")
    assert (empty.text, empty.height) == ("2 March 2026: $0.00", "0.00%")
    assert (drawn.cost.top, drawn.cost.first, drawn.cost.last) == ("$0.02", "1 Mar", "2 Mar")
    assert drawn.cost.summary == (
        "Cost by day, 1 March 2026 to 2 March 2026. Highest on 1 March 2026: $0.02."
    )
    assert drawn.tokens.bars[0].text == "1 March 2026: 300 read, 100 written"
    assert (drawn.tokens.bars[0].height, drawn.tokens.bars[0].upper_height) == ("75.00%", "25.00%")
    assert drawn.calls.bars[0].text == "1 March 2026: 4 calls · 1 error"
    assert drawn.speed.bars[0].text == "1 March 2026: half within 0.4 s, 19 of 20 within 1.6 s"
    assert drawn.speed.bars[1].text == "2 March 2026: no answers"


def test_unknown_cost_is_said_where_no_bar_stands():
    drawn = charts(by_day(Used(1, n_unknown_cost=1), Used())).cost

    assert drawn.bars[0].text == "1 March 2026: unknown"
    assert (drawn.is_flat, drawn.top) == (True, "")


@pytest.mark.parametrize(
    ("values", "heights"),
    [
        ([], []),
        ([0, 0], ["0.00%", "0.00%"]),
        ([100, 50], ["100.00%", "50.00%"]),
        ([1_000_000, 1], ["100.00%", f"{LEAST:.2f}%"]),
        ([0.3], ["75.00%"]),
    ],
    ids=str,
)
def test_bars_are_as_high_as_their_numbers_and_little_is_seen(values, heights):
    drawn = chart([Point("x", value) for value in values], shown=str)

    assert [bar.height for bar in drawn.bars] == heights


def test_bars_stand_side_by_side_inside_the_drawing():
    drawn = chart([Point("x", 1)] * 366, shown=str)

    places = [float(bar.place[:-1]) for bar in drawn.bars]
    assert places == sorted(places)
    assert places[-1] + float(drawn.bars[-1].place_width[:-1]) == pytest.approx(100, abs=0.1)


def test_lines_of_the_table():
    used = Used(1234, 5000, 0, 600, Decimal("0.5"), n_estimated=2, first_token=Latency(400, 900))
    labels = {"openai": "OpenAI"}

    def line(group_by, group):
        [found] = table_lines(UsageReport(TWO_DAYS, group_by, used, (group,), 1), labels)
        return found.name, found.note

    [whole] = table_lines(UsageReport(TWO_DAYS, "kind", used, (UsageGroup("chat", "", used),), 1), labels)
    assert (whole.read, whole.written, whole.cost) == ("≈ 5,000", "≈ 600", "≈ $0.50")
    assert (whole.cost_note, whole.calls) == ("2 estimated", "1,234")
    assert line("day", UsageGroup("2026-03-01", "", used)) == ("1 Mar 2026", "")
    assert line("kb", UsageGroup("7", "Rules", used)) == ("Rules", "")
    assert line("kb", UsageGroup("", "Rules", used, owner="a@b.c", is_deleted=True)) == (
        "Rules",
        "a@b.c · deleted",
    )
    assert line("kb", UsageGroup("", "", used)) == ("No knowledge base", "")
    assert line("provider", UsageGroup("openai", "openai", used)) == ("OpenAI", "")
    assert line("provider", UsageGroup("gone", "gone", used)) == ("gone", "")
    assert line("model", UsageGroup("m", "m", used, provider="openai")) == ("m", "OpenAI")
    assert line("model", UsageGroup("extractive-1", "extractive-1", used)) == ("Built-in model", "")
    assert line("kind", UsageGroup("rewrite", "rewrite", used)) == ("Follow-up questions", "")
    assert line("owner", UsageGroup("1", "a@b.c", used)) == ("a@b.c", "")


def test_newest_day_comes_first_and_days_without_calls_are_calm():
    newest, oldest = table_lines(by_day(Used(), Used(1234, first_token=Latency(400, 900))), {})

    assert (newest.name, newest.calls, newest.speed) == ("2 Mar 2026", "1,234", "0.4 s / 0.9 s")
    assert (oldest.name, oldest.calls, oldest.cost, oldest.speed) == ("1 Mar 2026", "0", "–", "–")


def test_filters_offer_what_was_used_and_keep_what_is_chosen():
    choices = UsageChoices(
        kbs=(KbChoice(7, "Rules", ""), KbChoice(None, "Old", "")), providers=("openai",), models=("m",)
    )

    offered = options(choices, Narrowed(model="gone", kb="deleted:Gone"), {"openai": "OpenAI"})

    assert offered.kbs == [
        ("", "All knowledge bases"),
        ("7", "Rules"),
        ("deleted:Old", "Old (deleted)"),
        ("deleted:Gone", "Gone"),
    ]
    assert offered.providers == [("", "All providers"), ("openai", "OpenAI")]
    assert offered.models == [("", "All models"), ("m", "m"), ("gone", "gone")]


def test_chosen_filters_limit_the_report():
    assert Narrowed().filters == UsageFilters()
    assert Narrowed("7", "openai", "m", "chat", "3").filters == UsageFilters(
        7, None, "openai", "m", "chat", 3
    )
    assert Narrowed("deleted:7").filters == UsageFilters(deleted_kb="7")


def test_file_is_that_of_the_page():
    filters = UsageFilters(deleted_kb="Rules & more", owner_id=3)

    assert file_link(TWO_DAYS, filters, "kb", all_owners=False) == (
        "/api/usage.csv?from=2026-03-01&to=2026-03-02&group_by=kb&deleted_kb=Rules+%26+more"
    )
    assert file_link(TWO_DAYS, UsageFilters(owner_id=3), "call", all_owners=True) == (
        "/api/admin/usage.csv?from=2026-03-01&to=2026-03-02&group_by=call&owner_id=3"
    )


def test_cost_of_answers_in_words():
    request = UUID(int=1)
    used = Used(2, 1500, 0, 60, Decimal("0.0004"), n_unknown_cost=1, n_estimated=1)
    usage = ConversationUsage(used, {request: AnswerUsage(used, "openai", "gpt-test", 400, 1234)})
    complete = SimpleNamespace(id=7, status="complete", metadata={"request_id": str(request)})
    broken = SimpleNamespace(id=8, status="interrupted", metadata={"request_id": str(request)})
    others = SimpleNamespace(id=9, status="complete", metadata={})

    words = answer_costs(usage, [complete, broken, others])  # ty: ignore[invalid-argument-type]

    money_and_tokens = "≈ $0.0004 and 1 call of unknown price · ≈ 1,500 tokens read, 60 written"
    time = "1.2 s, first word after 0.4 s"
    assert words == {
        "7": f"{money_and_tokens} · {time} · 2 calls",
        "8": f"{money_and_tokens} · {time} · gpt-test · 2 calls",
    }
    assert conversation_cost(usage) == (
        "≈ $0.0004 and 1 call of unknown price · ≈ 1,560 tokens · 2 calls to models"
    )
    assert conversation_cost(ConversationUsage(Used(), {})) == ""
    assert conversation_cost(ConversationUsage(Used(1, 10, n_unknown_cost=1), {})) == (
        "Cost unknown · 10 tokens · 1 call to a model"
    )


# ---- the page


@pytest.fixture
def call(database, owner) -> AddCall:
    """Add a call of today, the owner's unless it names another's."""

    def add(*, days_ago: int = 0, **values):
        moment = values.pop("created_at", TODAY - timedelta(days=days_ago))
        add_call(database, values.pop("user_id", owner.user["id"]), created_at=moment, **values)

    return add


async def do(state, name, *args):
    """Call a handler, and what it leads to."""
    for event in await happens(getattr(UsageState, name).fn(state, *args)):
        assert event is UsageState.refresh
        assert state.busy
        await happens(UsageState.refresh.fn(state))


@pytest.fixture
async def page(open_tab, owner):
    return await open_tab(owner).state(UsageState)


def names(state) -> dict[str, str]:
    return {line.name: line.calls for line in state.lines}


async def test_page_begins_with_the_last_thirty_days(page, call):
    call(estimated_cost="0.5")
    call(days_ago=29)
    call(days_ago=31)

    await do(page, "load")

    assert (page.loaded, page.is_empty, page.busy) == (True, False, False)
    assert [one.value for one in page.stats[:2]] == ["$0.50", "2"]
    assert len(page.charts.cost.bars) == 30
    assert page.lines[0].calls == "1"
    assert (len(page.lines), page.n_hidden) == (PAGE, 30 - PAGE)


async def test_page_without_calls_says_so(page):
    await do(page, "load")

    assert (page.is_empty, page.is_narrowed) == (True, False)


async def test_more_lines_are_shown_until_all_are(page, call):
    call()
    await do(page, "load")

    await do(page, "show_more")

    assert (len(page.lines), page.n_hidden) == (30, 0)

    await do(page, "group", "model")
    assert (len(page.lines), page.group_title) == (1, "Model")


async def test_other_days_are_chosen(page, call):
    call(days_ago=60, model="older")
    await do(page, "load")
    assert page.is_empty

    await do(page, "choose_range", "90")
    assert page.stats[1].value == "1"

    await do(page, "choose_range", "custom")
    assert page.stats[1].value == "1", "until days are named, nothing changes"

    day = (TODAY - timedelta(days=60)).date().isoformat()
    await do(page, "choose_days", {"from": day, "to": day})
    assert (page.stats[1].value, page.days, page.first_day, page.last_day) == ("1", "custom", day, day)
    assert len(page.charts.cost.bars) == 1


@pytest.mark.parametrize(
    "form",
    [{"from": "2026-03-02", "to": "2026-03-01"}, {"from": "", "to": "2026-03-01"}, {"from": "x"}, None, []],
    ids=str,
)
async def test_days_that_cannot_be_leave_the_page_as_it_was(page, form):
    await do(page, "load")

    with pytest.raises(InvalidInput):
        await do(page, "choose_days", form)

    assert (page.days, page.busy) == ("30", False)
    await do(page, "refresh")


async def test_calls_are_narrowed_and_all_shown_again(page, call, owner):
    kb = await owner.create_kb("Rules")
    call(kb_id=kb["id"], kb_name="Rules", model="a")
    call(kb_name="Gone", model="b", kind="judge", provider="gemini")
    await do(page, "load")
    await do(page, "group", "model")

    found = {}
    chosen = {str(kb["id"]): "kb", "deleted:Gone": "kb", "gemini": "provider", "a": "model", "judge": "kind"}
    for value, what in chosen.items():
        await do(page, "narrow", what, value)
        found[value] = names(page)
        await do(page, "show_all")

    assert found == {
        str(kb["id"]): {"a": "1"},
        "deleted:Gone": {"b": "1"},
        "gemini": {"b": "1"},
        "a": {"a": "1"},
        "judge": {"b": "1"},
    }
    assert names(page) == {"a": "1", "b": "1"}

    await do(page, "narrow", "model", "nobody's")
    assert (page.is_empty, page.is_narrowed) == (True, True)


async def test_days_without_a_call_lead_back_to_those_with_some(page, call):
    call()
    await do(page, "load")
    await do(page, "choose_days", {"from": "2020-01-01", "to": "2020-01-31"})
    assert (page.is_empty, page.is_narrowed) == (True, True)

    await do(page, "show_all")

    assert (page.days, page.is_empty, page.is_narrowed) == ("30", False, False)


async def test_filter_for_a_knowledge_base_that_is_gone_or_anothers_is_dropped(page, call, other):
    theirs = await other.create_kb("Theirs")
    call(model="a")
    await do(page, "load")
    await do(page, "group", "model")

    await do(page, "narrow", "kb", str(theirs["id"]))

    assert (page.narrowed, names(page)) == (Narrowed(), {"a": "1"})


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("choose_range", ["0"]),
        ("choose_range", [None]),
        ("narrow", ["password", "x"]),
        ("narrow", ["model", None]),
        ("narrow", ["model", "a\x00b"]),
        ("narrow", ["model", "\ud800"]),
        ("narrow", ["model", "x" * 1001]),
        ("group", ["secret"]),
    ],
    ids=str,
)
async def test_nonsense_is_refused(page, name, args):
    with pytest.raises(InvalidInput):
        await do(page, name, *args)


@pytest.mark.parametrize(("what", "value"), [("kb", "x"), ("kb", "9" * 30), ("owner", "me"), ("owner", "²")])
async def test_ids_that_are_none_narrow_nothing(page, what, value):
    await do(page, "narrow", what, value)

    assert page.narrowed == Narrowed()


async def test_super_admin_may_look_at_all_owners(page, call, owner, other):
    call(model="mine")
    call(user_id=other.user["id"], model="theirs")
    await do(page, "load")
    await do(page, "group", "model")
    assert (page.is_admin, names(page)) == (True, {"mine": "1"})

    await do(page, "show_owners", True)
    assert names(page) == {"mine": "1", "theirs": "1"}
    assert page.table_file.startswith("/api/admin/usage.csv?")

    await do(page, "group", "owner")
    assert names(page) == {owner.email: "1", other.email: "1"}

    await do(page, "narrow", "owner", str(other.user["id"]))
    assert names(page) == {other.email: "1"}

    await do(page, "show_owners", False)
    assert (page.group_by, page.narrowed, page.stats[1].value) == ("day", Narrowed(), "1")
    assert page.table_file.startswith("/api/usage.csv?")


async def test_nobody_else_may(open_tab, call, other):
    call(model="mine")
    page = await open_tab(other).state(UsageState)
    await do(page, "load")

    await do(page, "show_owners", True)
    await do(page, "group", "owner")

    assert (page.is_admin, page.all_owners, page.is_empty, page.group_by) == (False, False, True, "day")
    assert "owner" not in dict(page.groupings)
    assert page.options.owners == [("", "Every owner")]


async def test_super_admin_who_is_one_no_more_sees_their_own(page, call, owner, other, database):
    call(model="mine")
    call(user_id=other.user["id"], model="theirs")
    await do(page, "show_owners", True)
    assert page.stats[1].value == "2"
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("UPDATE users SET role = 'kb_owner' WHERE id = %s", [owner.user["id"]])

    await do(page, "group", "owner")

    assert (page.is_admin, page.all_owners, page.stats[1].value, page.group_by) == (False, False, "1", "day")


async def test_signed_out_people_see_nothing(open_tab, call):
    call()
    page = await open_tab(None).state(UsageState)

    await do(page, "load")
    assert (page.loaded, page.stats) == (False, [])
    with pytest.raises(NotSignedIn):
        await do(page, "group", "model")
    assert page.busy is False


# ---- a conversation


async def test_owner_reads_what_each_answer_cost(open_tab, owner, run_jobs):
    kb = await owner.create_kb()
    await owner.upload(kb["id"], ("rules.txt", b"Every employee has 25 days of holiday."))
    await run_jobs()
    conversation_id = await owner.converse(kb["id"])
    answer = await owner.ask(conversation_id, "How many days of holiday does every employee have?")
    tab = open_tab(owner)
    tab.go_to(f"/conversations/{conversation_id}")
    reader = await tab.state(ConversationState)

    await happens(ConversationState.open.fn(reader))

    assert reader.cost.startswith("$0.00 · ")
    assert reader.cost.endswith(" · 1 call to a model")
    assert list(reader.costs) == [str(answer["id"])]
    assert "tokens read" in reader.costs[str(answer["id"])]

    tab.go_to("/conversations/999999")
    await happens(ConversationState.open.fn(reader))
    assert (reader.cost, reader.costs, reader.missing) == ("", {}, True)
