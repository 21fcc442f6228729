"""How large a file and how long a document may be, by the owner's plan: refused before anything is paid."""

import pytest

from tests import sample_files
from tests.integration.test_zip_uploads import zipped

PDF = sample_files.pdf_bytes([f"Page {n} of the report." for n in range(1, 6)])


@pytest.fixture
def allow(owner, other):
    async def set_limits(**limits):
        response = await owner.http.put(f"/api/admin/owners/{other.user['id']}", json={"overrides": limits})
        assert response.status_code == 200, response.text

    return set_limits


@pytest.fixture
async def kb(other):
    return await other.create_kb()


@pytest.fixture
def path(kb):
    return f"/api/knowledge-bases/{kb['id']}"


async def documents(other, path):
    return (await other.http.get(f"{path}/documents")).json()["items"]


async def test_plans_come_with_both_limits(other):
    meters = {meter["name"]: meter for meter in (await other.http.get("/api/limits")).json()["meters"]}

    assert meters["file_size_bytes"]["limit"] == 50 * 2**20
    assert meters["pages_per_document"]["limit"] == 1000
    assert (meters["file_size_bytes"]["used"], meters["file_size_bytes"]["label"]) == (
        None,
        "Size of one file",
    )


async def test_a_file_that_is_too_large_for_the_plan_says_so(other, path, allow, tmp_path):
    await allow(file_size_bytes=1000)

    refused = await other.http.post(f"{path}/knowledge/upload", files=[("files", ("big.txt", b"x" * 1001))])
    in_zip = await other.http.post(
        f"{path}/knowledge/upload",
        files=[("files", ("all.zip", zipped([("small.txt", b"Small."), ("big.txt", b"x" * 1001)])))],
    )
    named_zip = await other.http.post(
        f"{path}/knowledge/upload", files=[("files", ("big.zip", b"no archive " * 200))]
    )

    assert (refused.status_code, refused.json()["limit"]) == (409, "file_size_bytes")
    assert refused.json()["detail"] == (
        "big.txt is larger than 1,000 bytes, which is the most your plan “Free” allows for one file. "
        "Split it, or ask whoever runs this installation for a larger plan."
    )
    assert [each["file_name"] for each in in_zip.json()["refused"]] == ["big.txt"]
    assert named_zip.status_code == 409
    assert [each["name"] for each in await documents(other, path)] == ["small.txt"]
    assert len([file for file in (tmp_path / "files").rglob("*") if file.is_file()]) == 1


async def test_a_new_version_keeps_to_it_too(other, path, allow, run_jobs, kb):
    [job] = await other.upload(kb["id"], ("a.txt", b"Some text."))
    await run_jobs()
    await allow(file_size_bytes=100)

    refused = await other.http.post(
        f"{path}/documents/{job['document_id']}/versions", files=[("files", ("a.txt", b"x" * 101))]
    )

    assert (refused.status_code, refused.json()["limit"]) == (409, "file_size_bytes")


async def test_a_document_of_too_many_pages_costs_nothing_and_can_be_read_with_a_larger_plan(
    other, path, allow, run_jobs, kb, embedder
):
    await allow(pages_per_document=4)
    [job] = await other.upload(kb["id"], ("report.pdf", PDF))
    await run_jobs()

    [document] = await documents(other, path)
    assert document["status"] == "failed"
    assert document["error_message"] == (
        "This PDF has 5 pages; at most 4 are read. That is what your plan “Free” allows: split it into "
        "parts, or ask whoever runs this installation for a larger plan."
    )
    assert embedder.n_embedded == 0

    await allow(pages_per_document=5)
    await other.http.post(f"{path}/jobs/{job['id']}/retry")
    await run_jobs()
    assert (await documents(other, path))[0]["status"] == "ready"


async def test_slides_and_sheets_are_pages_as_well(other, path, allow, run_jobs, kb):
    await allow(pages_per_document=1)
    await other.upload(kb["id"], ("plan.pptx", sample_files.pptx_bytes()))
    await run_jobs()

    [document] = await documents(other, path)
    assert "2 pages; at most 1" in document["error_message"]


async def test_a_smaller_plan_does_not_take_a_document_away_that_is_read_again(
    other, path, allow, run_jobs, kb
):
    [job] = await other.upload(kb["id"], ("report.pdf", PDF))
    await run_jobs()
    await allow(pages_per_document=1)

    await other.http.post(f"{path}/documents/{job['document_id']}/reingest")
    await run_jobs()

    [document] = await documents(other, path)
    assert (document["status"], document["n_pages"], document["error_message"]) == ("ready", 5, None)


async def test_no_plan_can_shut_everything_out(owner, other):
    refused = await owner.http.put(
        f"/api/admin/owners/{other.user['id']}", json={"overrides": {"file_size_bytes": 0}}
    )

    assert refused.status_code == 422
