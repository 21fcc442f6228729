"""A document gets another file: its identity stays, the old text serves until the new one is ready."""

import asyncio
import os

import psycopg
import pytest

from tests import sample_files
from tests.invariants import stray_files, violations

SICKNESS = b"# Sickness\n\nCall before nine when you are ill."
FIRST = b"# Leave\n\nEvery employee has 25 days of holiday a year.\n\n" + SICKNESS
SECOND = b"# Leave\n\nEvery employee has 30 days of holiday a year.\n\n" + SICKNESS
THIRD = b"# Leave\n\nEvery employee has 28 days of holiday a year."
BROKEN = sample_files.pdf_bytes(["text"])[:-400]


@pytest.fixture
async def kb(owner):
    return await owner.create_kb()


@pytest.fixture
def path(kb):
    return f"/api/knowledge-bases/{kb['id']}"


@pytest.fixture
async def document(owner, kb, run_jobs):
    """A ready document, with tags."""
    [job] = await owner.upload(kb["id"], ("leave.md", FIRST))
    await run_jobs()
    await owner.http.put(
        f"/api/knowledge-bases/{kb['id']}/documents/{job['document_id']}", json={"tags": ["HR"]}
    )
    return job["document_id"]


@pytest.fixture
def replace_by(owner, path, document):
    async def replace(content, name="leave.md"):
        return await owner.http.post(
            f"{path}/documents/{document}/versions", files=[("files", (name, content))]
        )

    return replace


@pytest.fixture
def versions(owner, path, document):
    async def found():
        items = (await owner.http.get(f"{path}/documents/{document}/versions")).json()["items"]
        return [(each["number"], each["state"]) for each in items]

    return found


def grow_old(folder):
    """Files that came just now are kept, because the same may be on its way in."""
    for file in (folder / "files").glob("??/??/*"):
        os.utime(file, (0, 0))


async def get(owner, path, document):
    return (await owner.http.get(f"{path}/documents/{document}")).json()


async def text_of(owner, kb, query="days of holiday"):
    return " ".join(passage["content"] for passage in await owner.search(kb["id"], query))


async def test_the_old_text_serves_until_the_new_one_is_ready(
    owner, kb, path, document, replace_by, versions, run_jobs, database, tmp_path
):
    assert await versions() == [(1, "current")]

    added = await replace_by(SECOND, "leave 2027.md")

    assert (added.status_code, added.json()["number"], added.json()["is_new"]) == (202, 2, True)
    assert await versions() == [(2, "waiting"), (1, "current")]
    meanwhile = await get(owner, path, document)
    assert (meanwhile["name"], meanwhile["version"], meanwhile["status"]) == ("leave.md", 1, "ready")
    assert "25 days" in await text_of(owner, kb)

    await run_jobs()

    after = await get(owner, path, document)
    assert (after["id"], after["name"], after["version"]) == (document, "leave 2027.md", 2)
    assert (after["tags"], after["status"], after["error_message"]) == (["HR"], "ready", None)
    assert await versions() == [(2, "current"), (1, "earlier")]
    text = await text_of(owner, kb)
    assert "30 days" in text and "25 days" not in text
    assert len((await owner.http.get(f"{path}/documents")).json()["items"]) == 1
    (tmp_path / "none").mkdir()
    assert stray_files(database, tmp_path, tmp_path / "none") == []
    wrong = [each for each in violations(database) if "more than one open or completed job" not in each]
    assert wrong == []


async def test_a_version_that_cannot_be_read_leaves_the_old_one_serving_and_says_so(
    owner, kb, path, document, replace_by, versions, run_jobs
):
    await replace_by(BROKEN, "leave.pdf")
    await run_jobs()

    after = await get(owner, path, document)
    assert (after["name"], after["version"], after["status"]) == ("leave.md", 1, "ready")
    assert "incomplete" in after["error_message"]
    assert await versions() == [(2, "failed"), (1, "current")]
    assert "25 days" in await text_of(owner, kb)
    original = await owner.http.get(f"{path}/documents/{document}/original")
    assert original.content == FIRST

    await replace_by(SECOND)
    await run_jobs()
    assert await versions() == [(3, "current"), (2, "failed"), (1, "earlier")]
    assert (await get(owner, path, document))["error_message"] is None


async def test_an_earlier_version_can_be_used_again(
    owner, kb, path, document, replace_by, versions, run_jobs, embedder
):
    await replace_by(SECOND)
    await run_jobs()
    base = f"{path}/documents/{document}/versions"
    assert (await owner.http.get(f"{base}/1/original")).content == FIRST
    assert (await owner.http.get(f"{base}/2/original")).content == SECOND
    assert (await owner.http.get(f"{base}/3/original")).status_code == 404
    assert (await owner.http.post(f"{base}/2/use")).status_code == 409
    assert (await owner.http.post(f"{base}/9/use")).status_code == 404

    used = await owner.http.post(f"{base}/1/use")
    await run_jobs()

    assert (used.status_code, used.json()["version"]) == (202, 1)
    assert await versions() == [(2, "earlier"), (1, "current")]
    assert "25 days" in await text_of(owner, kb)
    again = await replace_by(SECOND)  # the same bytes are the same version
    assert again.json()["number"] == 2


async def test_the_same_bytes_are_no_new_version(owner, path, document, replace_by, versions):
    same = await replace_by(FIRST, "other name.md")

    assert (same.status_code, same.json()["is_new"], same.json()["job"]["is_duplicate"]) == (202, False, True)
    assert await versions() == [(1, "current")]


async def test_a_file_that_is_another_document_is_no_version(owner, kb, document, replace_by, run_jobs):
    await owner.upload(kb["id"], ("other.md", SECOND))

    refused = await replace_by(SECOND)

    assert (refused.status_code, refused.json()["detail"]) == (
        409, "This very file is here already, as “other.md”.",
    )  # fmt: skip


async def test_a_file_that_becomes_another_document_meanwhile_leaves_the_old_version(
    owner, kb, path, document, replace_by, versions, run_jobs, database
):
    await replace_by(SECOND)
    await owner.upload(kb["id"], ("other.md", SECOND))
    await run_jobs()

    assert await versions() == [(2, "failed"), (1, "current")]
    assert "document of its own" in (await get(owner, path, document))["error_message"]


async def test_one_at_a_time(owner, path, document, replace_by, versions):
    answers = await asyncio.gather(replace_by(SECOND), replace_by(THIRD))

    assert sorted(answer.status_code for answer in answers) == [202, 409]
    assert len(await versions()) == 2


async def test_a_version_that_is_stopped_leaves_the_old_one(
    owner, kb, path, document, replace_by, versions, run_jobs
):
    job = (await replace_by(SECOND)).json()["job"]
    await owner.http.post(f"{path}/jobs/{job['id']}/cancel")
    await run_jobs()
    assert await versions() == [(2, "cancelled"), (1, "current")]

    await owner.http.post(f"{path}/jobs/{job['id']}/retry")
    await run_jobs()
    assert await versions() == [(2, "current"), (1, "earlier")]


async def test_what_was_switched_off_stays_off_where_its_text_is_the_same(
    owner, kb, path, document, replace_by, run_jobs, database
):
    await owner.http.put(f"{path}/rag-config", json={"chunk_tokens": 64, "overlap_tokens": 0})
    long = "\n\n".join(f"# Part {n}\n\n" + f"Rule number {n} is one of the many. " * 6 for n in range(3))
    await replace_by(long.encode())
    await run_jobs()
    chunk = next(c for c in (await get(owner, path, document))["chunks"] if "number 1" in c["content"])
    await owner.http.put(f"{path}/chunks/{chunk['id']}", json={"enabled": False})

    await replace_by(long.replace("number 2", "number two").encode())
    await run_jobs()

    chunks = (await get(owner, path, document))["chunks"]
    off = [each["content"] for each in chunks if not each["enabled"]]
    assert off == [each["content"] for each in chunks if each["content"] == chunk["content"]] != []
    assert "number 1" not in await text_of(owner, kb, "rule number 1 is one of the many")
    wrong = [each for each in violations(database) if "more than one open or completed job" not in each]
    assert wrong == []
    [off] = [each for each in chunks if not each["enabled"]][:1]
    await owner.http.put(f"{path}/chunks/{off['id']}", json={"enabled": True})
    assert "number 1" in await text_of(owner, kb, "rule number 1 is one of the many")


async def test_files_of_versions_are_kept_while_they_are_needed_and_count(
    owner, other, path, document, replace_by, run_jobs, services, tmp_path, database
):
    await replace_by(SECOND)
    await run_jobs()
    grow_old(tmp_path)

    assert await services.maintenance.clean_up() == 0
    meters = (await owner.http.get("/api/limits")).json()["meters"]
    storage = next(meter for meter in meters if meter["name"] == "storage_bytes")
    assert storage["used"] == len(FIRST) + len(SECOND)

    await owner.http.delete(f"{path}/documents/{document}")
    assert not list((tmp_path / "files").glob("??/??/*"))
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT count(*) FROM document_versions").fetchone() == (0,)


async def test_files_that_another_owner_has_too_survive(
    owner, other, path, document, replace_by, run_jobs, tmp_path
):
    theirs = await other.create_kb()
    await replace_by(SECOND)
    await run_jobs()
    await other.upload(theirs["id"], ("mine.md", FIRST))  # the first version's bytes
    grow_old(tmp_path)

    await owner.http.delete(f"{path}")

    assert [file.read_bytes() for file in (tmp_path / "files").glob("??/??/*")] == [FIRST]


async def test_versions_stay_within_the_plan(owner, other, run_jobs):
    kb = await other.create_kb()
    [job] = await other.upload(kb["id"], ("a.md", FIRST))
    await run_jobs()
    overrides = {"storage_bytes": len(FIRST) + 5}
    await owner.http.put(f"/api/admin/owners/{other.user['id']}", json={"overrides": overrides})

    refused = await other.http.post(
        f"/api/knowledge-bases/{kb['id']}/documents/{job['document_id']}/versions",
        files=[("files", ("a.md", SECOND))],
    )

    assert (refused.status_code, refused.json()["limit"]) == (409, "storage_bytes")
    base = f"/api/knowledge-bases/{kb['id']}/documents/{job['document_id']}"
    assert len((await other.http.get(f"{base}/versions")).json()["items"]) == 1


async def test_only_what_was_uploaded_has_versions(owner, path, run_jobs):
    entry = (await owner.http.post(f"{path}/knowledge", json={"question": "Why?", "answer": "So."})).json()
    await run_jobs()

    refused = await owner.http.post(
        f"{path}/documents/{entry['document_id']}/versions", files=[("files", ("a.md", b"x"))]
    )

    assert refused.status_code == 422


# ---- uploading under a name that is there already


async def upload(owner, path, content, **fields):
    form = [("files", ("leave.md", content))]
    return await owner.http.post(f"{path}/knowledge/upload", data=fields, files=form)


async def test_an_upload_keeps_both_unless_it_says_otherwise(owner, path, document, versions, run_jobs):
    both = await upload(owner, path, SECOND)
    assert both.json()["jobs"][0]["document_id"] != document
    await run_jobs()
    await owner.http.delete(f"{path}/documents/{both.json()['jobs'][0]['document_id']}")

    replaced = await upload(owner, path, THIRD, replace="true")
    await run_jobs()
    fresh = await owner.http.post(
        f"{path}/knowledge/upload", data={"replace": "true"}, files=[("files", ("new.md", b"New."))]
    )

    assert replaced.json()["jobs"][0]["document_id"] == document
    assert await versions() == [(2, "current"), (1, "earlier")]
    assert fresh.json()["jobs"][0]["document_id"] != document
    assert (await upload(owner, path, SECOND, replace="yes")).status_code == 422


async def test_a_page_can_ask_before_it_replaces(owner, path, document):
    found = await owner.http.post(
        f"{path}/knowledge/names", json={"names": ["leave.md", "Leave.md", "other.md"]}
    )

    assert found.json() == {"names": ["leave.md"]}
