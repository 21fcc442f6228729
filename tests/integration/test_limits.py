"""Plans and budgets: nothing goes beyond them, however many ask at once, and nothing is taken away."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import psycopg
import pytest
from pydantic import SecretStr

from rag_app.db import engine
from rag_app.domain.answers import Usage
from rag_app.domain.limits import KNOWLEDGE_BASES, MAILBOXES, check_limits, period_start, resets_at
from rag_app.domain.models import Model, Price
from rag_app.domain.usage import CallContext, ProviderCall
from rag_app.errors import InvalidInput, LimitReached, PlanFull
from rag_app.services.limits import FOR_VISITORS
from rag_app.settings import Settings
from tests.fake_llms import PROMPT_TOKENS, FakeLLMServer

NOW = datetime(2026, 12, 30, 21, tzinfo=UTC)
TEXT = b"Employees have 25 days of leave a year."


@pytest.fixture
async def provider():
    async with FakeLLMServer("Employees have 25 days [1].") as server:
        yield server


@pytest.fixture
def config(database, tmp_path, provider, monkeypatch):
    monkeypatch.setattr(engine, "POOL_TIMEOUT_S", 60)  # a hundred at once wait for each other here
    return Settings(
        database_url=database,
        rag_data_dir=tmp_path,
        openai_api_key=SecretStr("sk-test"),
        openai_base_url=provider.base_url("openai"),
        _env_file=None,  # type: ignore[call-arg]
    )


@pytest.fixture
def clock(services):
    """A moment that a test may change."""
    moments = [NOW]
    object.__setattr__(services.quotas, "now", lambda: moments[-1])
    return moments


@pytest.fixture
def allow(services, clock, owner):
    """Give the first owner limits."""

    async def give(account=owner, **limits):
        await services.admin.change_owner(owner.user["id"], account.user["id"], {"overrides": limits})

    return give


@pytest.fixture
def sql(database):
    def ask(statement, *values):
        with psycopg.connect(database) as connection:
            cursor = connection.execute(statement, values)
            return cursor.fetchall() if cursor.description else []

    return ask


@pytest.fixture
def priced(services):
    """Let every hosted model cost a cent a token."""

    def find(provider, model):
        price = Price(Decimal(10_000), Decimal(10_000))
        return Model(provider, model, model, prices=(price,), price_version="test")

    object.__setattr__(services.calls.catalogue, "find", find)


async def together(n, make):
    return await asyncio.gather(*(make(number) for number in range(n)))


async def meters(owner):
    found = (await owner.http.get("/api/limits")).json()
    return {meter["name"]: meter for meter in found["meters"]}


async def upload(owner, kb_id, name, content):
    files = [("files", (name, content))]
    return await owner.http.post(f"/api/knowledge-bases/{kb_id}/knowledge/upload", files=files)


async def ask(http, conversation_id, **headers):
    return await http.post(
        f"/api/chat/conversations/{conversation_id}/messages", json={"content": "Leave?"}, headers=headers
    )


# ---- a hundred at once


async def test_a_hundred_knowledge_bases_at_once_stop_at_ten(owner, allow, sql):
    await allow(knowledge_bases=10)

    answers = await together(
        100, lambda n: owner.http.post("/api/knowledge-bases", json={"name": f"Number {n}"})
    )

    statuses = sorted(answer.status_code for answer in answers)
    assert statuses == [201] * 10 + [409] * 90
    assert sql("SELECT count(*) FROM knowledge_bases") == [(10,)]
    refusal = next(answer.json() for answer in answers if answer.status_code == 409)
    assert refusal["limit"] == "knowledge_bases"
    assert "“Enterprise” allows 10 knowledge bases" in refusal["detail"]


async def test_a_hundred_documents_at_once_stop_at_ten(owner, allow, sql):
    kb = await owner.create_kb()
    await allow(documents=10)

    answers = await together(100, lambda n: upload(owner, kb["id"], f"{n}.txt", f"Text {n}".encode()))

    assert sorted(answer.status_code for answer in answers) == [202] * 10 + [409] * 90
    assert sql("SELECT count(*) FROM documents") == [(10,)]
    assert sql("SELECT count(*) FROM document_processing_jobs") == [(10,)]


async def test_a_hundred_questions_at_once_stop_at_ten(owner, allow, run_jobs, sql):
    kb = await owner.create_kb()
    await allow(messages_per_month=10)
    conversations = await together(100, lambda _: owner.converse(kb["id"]))

    answers = await together(100, lambda n: ask(owner.http, conversations[n]))

    assert sorted(answer.status_code for answer in answers) == [200] * 10 + [429] * 90
    assert sql("SELECT count(*) FROM messages WHERE sender = 'user'") == [(10,)]
    refusal = next(answer for answer in answers if answer.status_code == 429)
    assert refusal.headers["Retry-After"] == str(27 * 3600)
    assert "1 January 2027 (00:00 UTC)" in refusal.json()["detail"]
    assert (await meters(owner))["messages_per_month"]["used"] == 10


async def test_a_hundred_questions_of_visitors_at_once_stop_at_ten(owner, client, allow, sql):
    kb = await owner.create_kb()
    slug = (await owner.http.post(f"/api/knowledge-bases/{kb['id']}/share-links")).json()["slug"]
    await allow(visitor_messages_per_day=10)

    async def visit(_):
        begun = await client.post("/api/chat/conversations", json={"share_slug": slug})
        client.cookies.clear()
        return begun.json()

    visits = [await visit(n) for n in range(100)]
    answers = await together(
        100, lambda n: ask(client, visits[n]["id"], **{"X-Visitor-Token": visits[n]["visitor_token"]})
    )

    assert sorted(answer.status_code for answer in answers) == [200] * 10 + [429] * 90
    refusal = next(answer for answer in answers if answer.status_code == 429)
    assert refusal.json()["detail"] == FOR_VISITORS
    assert "limit" not in refusal.json()
    assert refusal.headers["Retry-After"] == str(3 * 3600)
    assert sql("SELECT used::int FROM usage_counters WHERE scope = 'link'") == [(10,)]
    assert (await meters(owner))["messages_per_month"]["used"] == 10


async def test_a_hundred_evaluations_at_once_stop_at_ten(services, owner, allow):
    await allow(evaluations_per_month=10)

    async def begin(_):
        try:
            await services.quotas.take_evaluation(owner_id=owner.user["id"])
        except LimitReached:
            return False
        return True

    assert sum(await together(100, begin)) == 10
    await services.quotas.give_back_evaluation(owner_id=owner.user["id"])
    assert sum(await together(3, begin)) == 1


async def test_limits_of_one_owner_do_not_hold_up_another(services, owner, other, allow):
    await allow(knowledge_bases=5)
    async with services.quotas.sessions.begin() as session:
        await services.quotas.keep_within(session, KNOWLEDGE_BASES, owner_id=owner.user["id"])

        await other.create_kb()  # while the owner's plan is held


# ---- amounts


async def test_storage_counts_the_same_bytes_once(owner, allow):
    first, second = await owner.create_kb("A"), await owner.create_kb("B")
    await allow(storage_bytes=100)
    await owner.upload(first["id"], ("a.txt", b"x" * 60))

    await owner.upload(second["id"], ("a.txt", b"x" * 60))

    assert (await meters(owner))["storage_bytes"]["used"] == 60
    refused = await upload(owner, first["id"], "b.txt", b"y" * 41)
    assert refused.status_code == 409
    assert "allows 100 bytes of files" in refused.json()["detail"]
    await owner.upload(first["id"], ("b.txt", b"y" * 40))


async def test_files_of_one_upload_that_no_longer_fit_are_told_one_by_one(owner, allow):
    kb = await owner.create_kb()
    await allow(documents=1)

    answer = await owner.http.post(
        f"/api/knowledge-bases/{kb['id']}/knowledge/upload",
        files=[("files", (f"{n}.txt", f"Text {n}".encode())) for n in range(3)],
    )

    assert answer.status_code == 202
    assert [job["file_name"] for job in answer.json()["jobs"]] == ["0.txt"]
    assert [each["file_name"] for each in answer.json()["refused"]] == ["1.txt", "2.txt"]


async def test_a_full_plan_refuses_before_the_first_byte_is_kept(owner, allow, tmp_path):
    kb = await owner.create_kb()
    await allow(documents=0)

    refused = await upload(owner, kb["id"], "a.txt", TEXT)

    assert refused.status_code == 409
    assert list((tmp_path / "files").glob("??/??/*")) == []


async def test_a_document_with_too_many_chunks_fails_in_words_and_works_with_a_larger_plan(
    owner, allow, run_jobs
):
    kb = await owner.create_kb()
    await owner.upload(kb["id"], ("first.txt", TEXT))
    await run_jobs()
    await allow(chunks=2)
    long = b"\n\n".join(f"# Part {n}\n\n".encode() + b"word " * 300 for n in range(6))
    [job] = await owner.upload(kb["id"], ("long.md", long))

    await run_jobs()

    base = f"/api/knowledge-bases/{kb['id']}"
    failed = (await owner.http.get(f"{base}/jobs/{job['id']}")).json()
    assert failed["status"] == "failed"
    assert "allows 2 chunks of text" in failed["error_message"]
    assert (await meters(owner))["chunks"]["used"] == 1
    await allow(chunks=1000)
    await owner.http.post(f"{base}/jobs/{job['id']}/retry")
    await run_jobs()
    assert (await owner.http.get(f"{base}/jobs/{job['id']}")).json()["status"] == "completed"


async def test_chunks_being_made_count_already(services, owner, allow, run_jobs, sql):
    kb = await owner.create_kb()
    jobs = [(await owner.upload(kb["id"], (f"{n}.txt", f"Text {n}".encode())))[0] for n in range(3)]
    sql("UPDATE document_processing_jobs SET status = 'processing', chunks_total = 7 WHERE id = %s",
        jobs[0]["id"])  # fmt: skip
    await allow(chunks=8)

    await services.ingestion.ingest(jobs[1]["id"], n_crashes=0, is_last_try=True)
    await services.ingestion.ingest(jobs[2]["id"], n_crashes=0, is_last_try=True)

    found = dict(sql("SELECT id, status::text FROM document_processing_jobs WHERE id > %s", jobs[0]["id"]))
    assert found == {jobs[1]["id"]: "completed", jobs[2]["id"]: "failed"}


async def test_a_smaller_plan_takes_nothing_away_and_stops_growth(owner, allow, run_jobs):
    kb = await owner.create_kb()
    [job, _] = await owner.upload(kb["id"], ("a.txt", TEXT), ("b.txt", b"Boats are blue."))
    await run_jobs()

    await allow(knowledge_bases=0, documents=1, storage_bytes=1, chunks=1)

    base = f"/api/knowledge-bases/{kb['id']}"
    assert len((await owner.http.get(f"{base}/documents")).json()["items"]) == 2
    assert await owner.search(kb["id"], "leave")
    assert (await ask(owner.http, await owner.converse(kb["id"]))).status_code == 200
    again = await owner.http.post(f"{base}/documents/{job['document_id']}/reingest")
    await run_jobs()
    assert (await owner.http.get(f"{base}/jobs/{again.json()['id']}")).json()["status"] == "completed"
    assert (await upload(owner, kb["id"], "c.txt", b"More")).status_code == 409
    assert (await owner.http.post("/api/knowledge-bases", json={"name": "More"})).status_code == 409


async def test_mailboxes_and_pages_are_ready_for_who_adds_them(services, owner, allow, sql):
    await allow(mailboxes=0, pages_per_crawl=7)
    owner_id, kb = owner.user["id"], await owner.create_kb("KB")
    sql("""INSERT INTO sources (kb_id, kind, name, identity)
           VALUES (%s, 'email', 'a@example.com', 'a@example.com')""", kb["id"])  # fmt: skip

    assert await services.quotas.pages_per_crawl(owner_id=owner_id) == 7
    with pytest.raises(PlanFull, match="allows 0 mailboxes"):
        await services.quotas.check_room(MAILBOXES, owner_id=owner_id)
    with pytest.raises(PlanFull, match="allows 0 mailboxes"):
        async with services.quotas.sessions.begin() as session:
            await services.quotas.keep_within(session, MAILBOXES, owner_id=owner_id)


# ---- periods


async def test_a_refused_question_leaves_no_trace_and_costs_nothing(owner, allow, sql):
    kb = await owner.create_kb()
    conversation = await owner.converse(kb["id"])
    await allow(messages_per_month=0)

    assert (await ask(owner.http, conversation)).status_code == 429

    assert sql("SELECT count(*) FROM messages") == [(0,)]
    assert sql("SELECT count(*) FROM usage_counters") == [(0,)]


async def test_asking_again_that_is_refused_keeps_the_old_answer(owner, allow, sql):
    kb = await owner.create_kb()
    conversation = await owner.converse(kb["id"])
    await allow(messages_per_month=1)
    answer = (await ask(owner.http, conversation)).json()

    refused = await owner.http.post(f"/api/chat/conversations/{conversation}/messages/{answer['id']}/retry")

    assert refused.status_code == 429
    assert sql("SELECT count(*) FROM messages") == [(2,)]


async def test_counting_begins_anew_with_the_month(owner, allow, clock):
    kb = await owner.create_kb()
    conversation = await owner.converse(kb["id"])
    await allow(messages_per_month=1)
    assert (await ask(owner.http, conversation)).status_code == 200
    assert (await ask(owner.http, conversation)).status_code == 429

    clock.append(datetime(2027, 1, 1, tzinfo=UTC))

    assert (await ask(owner.http, conversation)).status_code == 200
    assert (await meters(owner))["messages_per_month"]["used"] == 1


async def test_requests_per_minute_follow_the_plan(owner, other, allow):
    await allow(other, requests_per_minute=12)

    statuses = [(await other.http.get("/api/knowledge-bases")).status_code for _ in range(14)]

    assert 429 in statuses
    refused = await other.http.get("/api/limits")
    assert refused.json()["limit"] == "requests_per_minute"
    assert int(refused.headers["Retry-After"]) >= 1
    assert (await owner.http.get("/api/knowledge-bases")).status_code == 200


# ---- hosted models


@pytest.fixture
async def hosted(owner, run_jobs):
    """A conversation that a hosted model answers."""
    kb = await owner.create_kb(llm_provider="openai")
    await owner.upload(kb["id"], ("leave.md", TEXT))
    await run_jobs()
    return kb["id"], await owner.converse(kb["id"])


async def test_tokens_are_counted_as_the_provider_says_and_stop_the_next_call(
    owner, hosted, allow, provider, sql
):
    kb_id, conversation = hosted
    await allow(tokens_per_month=PROMPT_TOKENS)
    assert (await ask(owner.http, conversation)).status_code == 200
    n_asked = len(provider.requests)

    refused = await ask(owner.http, conversation)

    assert refused.status_code == 429
    assert refused.json()["limit"] == "tokens_per_month"
    assert len(provider.requests) == n_asked
    assert sql("SELECT count(*) FROM messages") == [(2,)]
    [(total,)] = sql("SELECT sum(total_tokens) FROM llm_usage")
    assert (await meters(owner))["tokens_per_month"]["used"] == total > PROMPT_TOKENS
    await owner.http.put(f"/api/knowledge-bases/{kb_id}", json={"llm_provider": "local"})
    assert (await ask(owner.http, conversation)).status_code == 200  # the built-in model is free


async def test_tokens_of_an_owners_own_key_do_not_count(services, owner, clock):
    call = ProviderCall(
        CallContext(owner.user["id"], "chat"), "openai", "m", Usage(10, 5), "complete", key_source="owner"
    )

    await services.usage.record(call)
    assert (await meters(owner))["tokens_per_month"]["used"] == 0
    await services.usage.record(replace(call, key_source="installation"))
    await services.usage.record(replace(call, provider="local", key_source="none"))

    assert (await meters(owner))["tokens_per_month"]["used"] == 15


async def test_a_budget_stops_hosted_models_and_says_so(owner, hosted, clock, priced, provider, client):
    kb_id, conversation = hosted
    changed = await owner.http.put(f"/api/knowledge-bases/{kb_id}", json={"monthly_budget_usd": 0.4})
    assert changed.json()["monthly_budget_usd"] == 0.4
    assert (await ask(owner.http, conversation)).status_code == 200
    n_asked = len(provider.requests)
    [budget] = (await owner.http.get("/api/limits")).json()["budgets"]
    assert budget["spent_usd"] == pytest.approx((PROMPT_TOKENS + 6) / 100, abs=0.1)

    refused = await ask(owner.http, conversation)

    assert refused.status_code == 429
    assert "“Handbook” has spent its budget of $0.40" in refused.json()["detail"]
    slug = (await owner.http.post(f"/api/knowledge-bases/{kb_id}/share-links")).json()["slug"]
    visit = (await client.post("/api/chat/conversations", json={"share_slug": slug})).json()
    told = await ask(client, visit["id"])
    assert told.status_code == 429
    assert "budget" not in told.text
    assert len(provider.requests) == n_asked
    await owner.http.put(f"/api/knowledge-bases/{kb_id}", json={"monthly_budget_usd": None})
    assert (await ask(owner.http, conversation)).status_code == 200


async def test_the_budget_is_asked_for_before_each_call(services, owner, hosted, clock, provider):
    """A question let in before the money was gone is not answered after."""
    kb_id, conversation = hosted
    await owner.http.put(f"/api/knowledge-bases/{kb_id}", json={"monthly_budget_usd": 0})

    async def let_in(kb):
        pass

    object.__setattr__(services.calls, "check", let_in)
    answer = await ask(owner.http, conversation)

    assert answer.status_code == 502
    assert "has spent its budget" in answer.json()["detail"]
    assert provider.requests == []


async def test_calls_without_a_known_price_are_told(owner, services, hosted, clock):
    kb_id, _ = hosted
    await owner.http.put(f"/api/knowledge-bases/{kb_id}", json={"monthly_budget_usd": 5})
    context = CallContext(owner.user["id"], "chat", kb_id)
    call = ProviderCall(context, "openai", "unheard-of", Usage(10, 5), "complete")

    await services.usage.record(call)
    await services.usage.record(replace(call, cost=Decimal("0.0000000003")))
    await services.usage.record(replace(call, usage=Usage(), outcome="failed"))

    [budget] = (await owner.http.get("/api/limits")).json()["budgets"]
    assert (budget["spent_usd"], budget["n_unpriced"]) == (3e-10, 1)


async def test_impossible_budgets_are_refused(owner):
    kb = await owner.create_kb()

    for amount in (-1, 10**9, "much"):
        answer = await owner.http.put(f"/api/knowledge-bases/{kb['id']}", json={"monthly_budget_usd": amount})
        assert answer.status_code == 422


# ---- the super admin


async def test_the_first_account_has_no_limits_and_the_next_ones_the_plan_of_the_settings(owner, other):
    assert (owner.user["subscription_tier"], other.user["subscription_tier"]) == ("enterprise", "free")
    free = await meters(other)
    assert free["documents"]["limit"] == 5000
    assert {meter["limit"] for meter in (await meters(owner)).values()} == {None}


async def test_the_super_admin_sets_plan_and_own_limits_of_an_account(owner, other, sql):
    address = f"/api/admin/owners/{other.user['id']}"

    changed = await owner.http.put(
        address, json={"tier": "pro", "overrides": {"documents": 7, "chunks": None}}
    )

    assert changed.status_code == 200
    found = await meters(other)
    assert (found["documents"]["limit"], found["chunks"]["limit"]) == (7, None)
    assert found["knowledge_bases"]["limit"] == 200
    assert (await owner.http.get(address)).json()["overrides"] == {"documents": 7, "chunks": None}
    [(details,)] = sql("SELECT details FROM audit_log WHERE action = 'account_changed'")
    assert details["before"] == {"tier": "free", "overrides": {}}
    assert details["after"] == {"tier": "pro", "overrides": {"documents": 7, "chunks": None}}


async def test_owners_are_found_by_name_and_address_page_by_page(owner, new_owner):
    made = [await new_owner(f"person-{n}@example.com") for n in range(3)]
    await made[0].create_kb()

    first = (await owner.http.get("/api/admin/owners?query=PERSON-&limit=2")).json()
    rest = (await owner.http.get(f"/api/admin/owners?query=person-&cursor={first['next_cursor']}")).json()

    found = [*first["items"], *rest["items"]]
    assert [each["email"] for each in found] == [f"person-{n}@example.com" for n in (2, 1, 0)]
    assert [each["n_knowledge_bases"] for each in found] == [0, 0, 1]


async def test_a_plan_is_data(owner, other, sql):
    limits = (await owner.http.get("/api/admin/tiers/free")).json()["limits"]

    changed = await owner.http.put("/api/admin/tiers/free", json={"limits": {**limits, "documents": 3}})

    assert changed.json()["n_owners"] == 1
    assert (await meters(other))["documents"]["limit"] == 3
    [(details,)] = sql("SELECT details FROM audit_log WHERE action = 'plan_changed'")
    assert (details["before"]["documents"], details["after"]["documents"]) == (5000, 3)


@pytest.mark.parametrize(
    "limits", [{"dokuments": 1}, {"documents": -1}, {"requests_per_minute": 0}, {"documents": 10**18}]
)
async def test_impossible_limits_are_refused(owner, limits):
    for address, body in (
        ("/api/admin/tiers/free", {"limits": limits}),
        (f"/api/admin/owners/{owner.user['id']}", {"overrides": limits}),
    ):
        assert (await owner.http.put(address, json=body)).status_code == 422


async def test_an_account_that_is_switched_off_is_signed_out_and_can_come_back(owner, other, client):
    address = f"/api/admin/owners/{other.user['id']}"

    assert (await owner.http.put(address, json={"is_active": False})).json()["is_active"] is False
    assert (await other.http.get("/api/limits")).status_code == 401
    assert (await owner.http.put(address, json={"is_active": True})).json()["is_active"] is True

    assert (await other.http.get("/api/limits")).status_code == 401  # the old sign-in has ended for good
    body = {"email": other.email, "password": "a long enough secret"}
    assert (await client.post("/api/auth/login", json=body)).status_code == 200


async def test_the_super_admin_cannot_switch_off_their_own_account(owner):
    refused = await owner.http.put(f"/api/admin/owners/{owner.user['id']}", json={"is_active": False})

    assert refused.status_code == 409
    assert (await owner.http.get("/api/limits")).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/api/admin/owners", None),
        ("GET", "/api/admin/owners/1", None),
        ("PUT", "/api/admin/owners/2", {"tier": "enterprise"}),
        ("GET", "/api/admin/tiers", None),
        ("GET", "/api/admin/tiers/free", None),
        ("PUT", "/api/admin/tiers/free", {"limits": {}}),
    ],
)
async def test_to_others_the_administration_does_not_exist(other, method, path, body, sql):
    answer = await other.http.request(method, path, json=body)

    assert answer.status_code == 404
    assert sql("SELECT DISTINCT subscription_tier FROM users WHERE id = %s", other.user["id"]) == [("free",)]


async def test_a_super_admin_who_is_one_no_more_is_refused_at_once(owner, other, sql):
    sql("UPDATE users SET role = 'kb_owner' WHERE id = %s", owner.user["id"])

    assert (await owner.http.get("/api/admin/owners")).status_code == 404


# ---- dates and numbers


@pytest.mark.parametrize(
    ("period", "now", "begins", "ends"),
    [
        ("month", datetime(2026, 12, 31, 23, 59, tzinfo=UTC), "2026-12-01", "2027-01-01"),
        ("month", datetime(2028, 2, 29, tzinfo=UTC), "2028-02-01", "2028-03-01"),
        ("day", datetime(2028, 2, 28, 12, tzinfo=UTC), "2028-02-28", "2028-02-29"),
    ],
)
def test_when_counting_begins_anew(period, now, begins, ends):
    assert str(period_start(period, now)) == begins
    assert f"{resets_at(period, now):%Y-%m-%d %H:%M}" == f"{ends} 00:00"


def test_true_is_no_number():
    with pytest.raises(InvalidInput):
        check_limits({"documents": True})
