"""The same done to many documents or entries, and the log of what was tried, through the API."""

import pytest

from rag_app.errors import TransientError
from rag_app.services import documents as documents_service
from rag_app.services import ingestion
from tests.sample_files import pdf_bytes

LOCKED = ("locked.pdf", pdf_bytes(["Secret."], password="secret"))


@pytest.fixture
async def kb(owner):
    return await owner.create_kb()


@pytest.fixture
def base(kb):
    return f"/api/knowledge-bases/{kb['id']}"


@pytest.fixture
def add(owner, kb, run_jobs):
    async def add(*files):
        made = await owner.upload(kb["id"], *files)
        await run_jobs()
        return [job["document_id"] for job in made]

    return add


@pytest.fixture
def documents(owner, base):
    async def documents():
        items = (await owner.http.get(f"{base}/documents")).json()["items"]
        return {one["id"]: one for one in items}

    return documents


@pytest.fixture
def bulk(owner, base):
    async def bulk(action, *ids, **more):
        return await owner.http.post(f"{base}/documents/bulk", json={"action": action, "ids": ids, **more})

    return bulk


@pytest.fixture
def attempts(owner, base):
    async def attempts(document_id):
        found = (await owner.http.get(f"{base}/documents/{document_id}/attempts")).json()["items"]
        return [(one["kind"], one["reason"], one["retry_in_s"]) for one in reversed(found)]

    return attempts


FILES = [(f"{name}.txt", f"The {name} is blue.".encode()) for name in ("sky", "sea", "door")]


async def test_selected_documents_are_deleted_and_the_others_stay(add, bulk, documents):
    sky, sea, door = await add(*FILES)

    result = await bulk("delete", sky, door, sky)

    assert result.json() == {"n_done": 2, "skipped": []}
    assert list(await documents()) == [sea]


async def test_selected_documents_are_read_again_but_not_while_they_are_being_read(
    add, bulk, documents, run_jobs
):
    sky, sea, _ = await add(*FILES)
    await bulk("reingest", sky)

    result = (await bulk("reingest", sky, sea)).json()

    assert result["n_done"] == 1
    assert [(one["id"], one["name"]) for one in result["skipped"]] == [(sky, "sky.txt")]
    assert "being read right now" in result["skipped"][0]["reason"]
    await run_jobs()
    assert {one["status"] for one in (await documents()).values()} == {"ready"}


async def test_failed_documents_are_tried_again_and_others_are_left(add, bulk):
    locked, sky = await add(LOCKED, FILES[0])

    result = (await bulk("retry", locked, sky)).json()

    assert result["n_done"] == 1
    assert [one["id"] for one in result["skipped"]] == [sky]


async def test_tags_are_added_and_taken_away_whatever_their_case(add, bulk, documents):
    sky, sea, _ = await add(*FILES)
    await bulk("add_tags", sky, tags=["Nature"])

    await bulk("add_tags", sky, sea, tags=["Blue", "nature"])
    assert {each: one["tags"] for each, one in (await documents()).items() if each in {sky, sea}} == {
        sky: ["Nature", "Blue"],
        sea: ["Blue", "nature"],
    }

    await bulk("remove_tags", sky, sea, tags=["BLUE"])
    assert [(await documents())[each]["tags"] for each in (sky, sea)] == [["Nature"], ["nature"]]


async def test_a_document_with_too_many_tags_is_named_and_the_others_go_on(add, bulk, documents):
    sky, sea, _ = await add(*FILES)
    await bulk("add_tags", sky, tags=[f"tag {n}" for n in range(20)])

    result = (await bulk("add_tags", sky, sea, tags=["One more"])).json()

    assert result["n_done"] == 1
    assert "at most 20 tags" in result["skipped"][0]["reason"]
    assert (await documents())[sea]["tags"] == ["One more"]


async def test_a_document_of_another_knowledge_base_stops_it_all(owner, add, bulk, documents):
    ids = await add(*FILES)
    elsewhere = await owner.create_kb("Elsewhere")
    [job] = await owner.upload(elsewhere["id"], FILES[0])

    result = await bulk("delete", ids[0], job["document_id"])

    assert result.status_code == 404
    assert len(await documents()) == 3


@pytest.mark.parametrize(
    "body",
    [
        {"action": "delete", "ids": []},
        {"action": "delete", "ids": list(range(1, 202))},
        {"action": "burn", "ids": [1]},
        {"action": "add_tags", "ids": [1], "tags": [" "]},
    ],
)
async def test_what_cannot_be_done_is_refused(owner, base, body):
    assert (await owner.http.post(f"{base}/documents/bulk", json=body)).status_code == 422


async def test_retry_all_reaches_every_failed_file(services, owner, kb, add, documents, monkeypatch):
    monkeypatch.setattr(documents_service, "RETRIED_AT_ONCE", 2)
    locked = [(f"{n}.pdf", pdf_bytes([f"Secret {n}."], password="secret")) for n in range(5)]
    await add(*locked, FILES[0])

    n_retried = await services.documents.retry_all_failed(kb["id"], owner_id=owner.user["id"])

    assert n_retried == 5
    assert sorted(one["status"] for one in (await documents()).values()) == ["ready", *["received"] * 5]


# The log of what was tried


async def test_a_document_that_was_read_says_so(add, attempts):
    [sky] = await add(FILES[0])

    assert await attempts(sky) == [("queued", "", None), ("begun", "", None), ("completed", "", None)]


async def test_a_document_that_cannot_be_read_says_why_each_time(add, attempts, bulk, run_jobs):
    [locked] = await add(LOCKED)
    await bulk("retry", locked)
    await run_jobs()

    [queued, begun, failed, asked, again, still] = await attempts(locked)

    assert [one[0] for one in (queued, begun, asked, again)] == ["queued", "begun", "asked_again", "begun"]
    assert (failed[0], still[0]) == ("failed", "failed")
    assert "password" in failed[1]


async def test_a_passing_trouble_is_told_with_when_it_is_tried_again(add, attempts, monkeypatch):
    async def away(*_, **__):
        raise TransientError("Could not reach the model.")

    monkeypatch.setattr(ingestion, "embed", away)
    [sky] = await add(FILES[0])

    assert (await attempts(sky))[-1] == ("waits", "Could not reach the model.", 3)


async def test_a_worker_that_died_and_one_that_was_told_to_stop_are_told_apart(
    services, owner, kb, attempts, monkeypatch
):
    [job] = await owner.upload(kb["id"], FILES[0])
    ingest = services.ingestion.ingest

    async def stopped(*_, **__):
        raise ingestion.asyncio.CancelledError

    monkeypatch.setattr(ingestion, "parse_file", stopped)
    with pytest.raises(ingestion.asyncio.CancelledError):
        await ingest(job["id"], n_crashes=0, is_last_try=False)
    monkeypatch.undo()
    await ingest(job["id"], n_crashes=1, is_last_try=False)

    told = [one[0] for one in await attempts(job["document_id"])]
    assert told == ["queued", "begun", "handed_back", "resumed", "completed"]


async def test_stopping_a_file_is_told(owner, kb, base, attempts):
    [job] = await owner.upload(kb["id"], FILES[0])
    await owner.http.post(f"{base}/jobs/{job['id']}/cancel")

    assert [one[0] for one in await attempts(job["document_id"])] == ["queued", "cancelled"]


# Entries of the FAQ


@pytest.fixture
async def entries(owner, base):
    made = []
    for name in ("One", "Two", "Three"):
        pair = {"question": f"{name}?", "answer": name}
        made.append((await owner.http.post(f"{base}/knowledge", json=pair)).json()["id"])
    return made


async def test_selected_entries_are_deleted_all_or_none(owner, base, entries):
    one, two, three = entries
    missing = await owner.http.post(f"{base}/knowledge/bulk", json={"action": "delete", "ids": [one, 99_999]})
    assert missing.status_code == 404

    done = await owner.http.post(f"{base}/knowledge/bulk", json={"action": "delete", "ids": [one, three]})

    assert done.json() == {"n_done": 2}
    left = (await owner.http.get(f"{base}/knowledge")).json()["items"]
    assert [entry["id"] for entry in left] == [two]


async def test_selected_entries_are_exported(owner, base, entries):
    exported = await owner.http.get(f"{base}/knowledge/export", params={"ids": [entries[0], entries[2]]})
    missing = await owner.http.get(f"{base}/knowledge/export", params={"ids": [entries[0], 99_999]})

    questions = [line.split(",")[0] for line in exported.text.splitlines()[1:]]
    assert questions == ["Three?", "One?"]
    assert missing.status_code == 404
