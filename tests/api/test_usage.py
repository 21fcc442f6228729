"""Reports of usage through the API: what they say, as a file too, and what a conversation cost."""

import csv
import io
from decimal import Decimal

import pytest

from rag_app.api import csv_files
from rag_app.services import usage_reports as reports_service
from tests.usage_rows import AddCall, add_call

MARCH = {"from": "2026-03-01", "to": "2026-03-31"}


@pytest.fixture
def call(database, owner) -> AddCall:
    """Add a call, the owner's unless it names another's."""
    return lambda **values: add_call(database, values.pop("user_id", owner.user["id"]), **values)


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


async def test_report_by_model(owner, call):
    call(model="a", estimated_cost="0.0004", first_token_ms=100, total_ms=900)
    call(model="a", is_estimated=True, outcome="interrupted", estimated_cost="0.0001")
    call(model="b", provider="gemini")

    answer = await owner.http.get("/api/usage", params=MARCH | {"group_by": "model"})

    told = answer.json()
    assert (told["from"], told["to"], told["group_by"], told["n_groups"]) == (
        "2026-03-01", "2026-03-31", "model", 2
    )  # fmt: skip
    assert told["totals"]["cost_usd"] == 0.0005
    assert told["totals"]["n_unknown_cost"] == 1
    a, b = told["items"]
    assert a == {
        "key": "a", "name": "a", "provider": "openai", "owner": "", "is_deleted": False, "n_calls": 2,
        "prompt_tokens": 200, "cached_tokens": 0, "completion_tokens": 20, "cost_usd": 0.0005,
        "n_unknown_cost": 0, "n_estimated": 1, "n_errors": 1, "errors": {"interrupted": 1},
        "first_token_ms": {"p50": 100.0, "p95": 100.0}, "total_ms": {"p50": 900.0, "p95": 900.0},
    }  # fmt: skip
    assert (b["provider"], b["cost_usd"]) == ("gemini", None)


async def test_report_of_the_last_thirty_days_by_day_is_what_comes_unasked(owner):
    told = (await owner.http.get("/api/usage")).json()

    assert (told["group_by"], len(told["items"])) == ("day", 30)
    assert told["items"][-1]["key"] == told["to"]
    assert (told["totals"]["n_calls"], told["totals"]["cost_usd"]) == (0, 0)


@pytest.mark.parametrize(
    ("params", "status"),
    [
        ({"from": "2026-03-02", "to": "2026-03-01"}, 422),
        ({"from": "2020-01-01", "to": "2026-03-01"}, 422),
        ({"to": "0001-01-01"}, 422),
        ({"to": "9999-12-31"}, 422),
        ({"from": "yesterday"}, 422),
        ({"group_by": "owner"}, 422),
        ({"group_by": "nothing"}, 422),
        ({"provider": "nobody"}, 422),
        ({"model": "\x00"}, 422),
        ({"kb_id": 2**31}, 422),
        ({"kb_id": 12345}, 404),
    ],
    ids=str,
)
async def test_questions_that_have_no_answer(owner, params, status):
    for path in ("/api/usage", "/api/usage.csv"):
        if path.endswith("csv") and params == {"group_by": "owner"}:
            continue  # refused by the service there: see the next test
        answer = await owner.http.get(path, params=params)
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")


async def test_file_by_owner_is_for_super_admins(owner, other, call):
    call()
    params = MARCH | {"group_by": "owner"}

    assert (await owner.http.get("/api/usage.csv", params=params)).status_code == 422
    assert (await other.http.get("/api/admin/usage.csv", params=params)).status_code == 404
    [line] = table((await owner.http.get("/api/admin/usage.csv", params=params)).text)
    assert (line["name"], line["calls"]) == (owner.email, "1")


async def test_every_call_as_a_file(owner, call, monkeypatch):
    monkeypatch.setattr(reports_service, "BATCH", 2)
    kb = await owner.create_kb("Rules, all")
    call(kb_id=kb["id"], kb_name="old name", estimated_cost="0.0000012000", created_at="2026-03-01 10:00+02")
    for _ in range(4):
        call(is_estimated=True)

    answer = await owner.http.get("/api/usage.csv", params=MARCH)

    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    name = "usage-2026-03-01-to-2026-03-31-by-call.csv"
    assert answer.headers["content-disposition"] == f'attachment; filename="{name}"'
    first, *rest = table(answer.text)
    assert (first["time_utc"], first["kb_name"]) == ("2026-03-01T08:00:00.000+00:00", "Rules, all")
    assert (first["cost_usd"], first["estimated"], first["owner"]) == ("0.0000012", "no", "")
    assert [(line["cost_usd"], line["estimated"]) for line in rest] == [("", "yes")] * 4


async def test_table_as_a_file(owner, call):
    call(model="a", estimated_cost="2")
    call(model="b", outcome="key")

    answer = await owner.http.get("/api/usage.csv", params=MARCH | {"group_by": "model"})

    a, b = table(answer.text)
    assert (a["key"], a["provider"], a["calls"], a["cost_usd"], a["errors"]) == ("a", "openai", "1", "2", "0")
    assert (b["key"], b["cost_usd"], b["calls_of_unknown_cost"], b["errors"]) == ("b", "", "1", "1")


async def test_names_do_not_become_formulas(owner, call):
    call(kb_name='=HYPERLINK("https://evil.example";"x")', model="@SUM(1)")

    for group_by, column in (("call", "kb_name"), ("kb", "name")):
        answer = await owner.http.get("/api/usage.csv", params=MARCH | {"group_by": group_by})
        [line] = table(answer.text)
        assert line[column] == '\'=HYPERLINK("https://evil.example";"x")'


@pytest.mark.parametrize(
    ("cell", "written"),
    [
        ("=1+1", "'=1+1"),
        (" =1+1", " '=1+1"),
        ("\t=1", "'\t'=1"),
        ("＝1", "'＝1"),
        ("-2", "'-2"),
        ("a;=1", "a;'=1"),
        ("a; @x", "a; '@x"),
        ("a-b", "a-b"),
        ("me@example.com", "me@example.com"),
        (Decimal("0E-10"), "0"),
        (Decimal("100"), "100"),
        (-1.5, "-1.5"),
        (True, "yes"),
        (None, ""),
    ],
)
def test_cells_of_a_file(cell, written):
    [[read, _]] = csv.reader(io.StringIO(csv_files.lines([[cell, "x"]]), newline=""))

    assert read == written


# ---- whose


async def test_no_other_owners_calls_in_any_report(owner, other, call):
    kb = await owner.create_kb("Rules")
    call(kb_id=kb["id"], kb_name="Rules", model="secret-model")

    for path in ("/api/usage", "/api/usage.csv"):
        for group_by in ("day", "kb", "provider", "model", "kind"):
            answer = await other.http.get(path, params=MARCH | {"group_by": group_by})
            assert answer.status_code == 200
            assert "secret-model" not in answer.text
            assert "Rules" not in answer.text
        assert (await other.http.get(path, params=MARCH | {"kb_id": kb["id"]})).status_code == 404
    told = (await other.http.get("/api/usage", params=MARCH | {"deleted_kb": "Rules"})).json()
    assert told["totals"]["n_calls"] == 0


async def test_report_of_all_owners_is_for_super_admins(owner, other, client, call):
    call(user_id=other.user["id"], model="theirs")

    for path in ("/api/admin/usage", "/api/admin/usage.csv"):
        assert "theirs" in (await owner.http.get(path, params=MARCH | {"group_by": "model"})).text
        assert (await other.http.get(path, params=MARCH)).status_code == 404
        assert (await client.get(path, params=MARCH)).status_code == 401
    of_one = await owner.http.get(
        "/api/admin/usage", params=MARCH | {"owner_id": owner.user["id"], "group_by": "model"}
    )
    assert of_one.json()["items"] == []


# ---- conversations


async def test_conversation_says_what_it_cost_to_its_owner(owner, database, run_jobs):
    kb = await owner.create_kb()
    await owner.upload(kb["id"], ("rules.txt", b"Every employee has 25 days of holiday."))
    await run_jobs()
    conversation_id = await owner.converse(kb["id"])
    answer = await owner.ask(conversation_id, "How many days of holiday does every employee have?")

    read = (await owner.http.get(f"/api/chat/conversations/{conversation_id}")).json()

    mine = read["usage"]["answers"][str(answer["id"])]
    assert (mine["provider"], mine["model"], mine["cost_usd"]) == ("local", "extractive-1", 0)
    assert mine["completion_tokens"] == answer["usage"]["completion_tokens"]
    assert read["usage"]["total"]["n_calls"] == 1


async def test_answers_that_were_asked_again_stay_in_the_sum(owner, database, run_jobs):
    kb = await owner.create_kb()
    conversation_id = await owner.converse(kb["id"])
    answer = await owner.ask(conversation_id, "How many days?")
    retried = await owner.http.post(
        f"/api/chat/conversations/{conversation_id}/messages/{answer['id']}/retry"
    )

    usage = (await owner.http.get(f"/api/chat/conversations/{conversation_id}")).json()["usage"]

    assert list(usage["answers"]) == [str(retried.json()["id"])]
    assert usage["total"]["n_calls"] == 2


async def test_visitors_are_not_told_what_it_cost(owner, other, client):
    kb = await owner.create_kb()
    slug = (await owner.http.post(f"/api/knowledge-bases/{kb['id']}/share-links")).json()["slug"]
    visit = (await client.post("/api/chat/conversations", json={"share_slug": slug})).json()
    client.cookies.clear()
    visitor = {"X-Visitor-Token": visit["visitor_token"]}
    path = f"/api/chat/conversations/{visit['id']}"
    await client.post(f"{path}/messages", json={"content": "How many days?"}, headers=visitor)

    assert (await client.get(path, headers=visitor)).json()["usage"] is None
    assert (await other.http.get(path, headers=visitor)).json()["usage"] is None
    assert (await owner.http.get(path)).json()["usage"]["total"]["n_calls"] == 1
