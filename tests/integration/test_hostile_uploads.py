"""Files made to break something: each ends with a reason, the worker lives, the next file is read."""

from pathlib import Path

import pytest

from rag_app.settings import Settings
from tests import sample_files
from tests.invariants import violations

pytestmark = pytest.mark.timeout(600)

SHARED = Path(__file__).parents[3] / "shared" / "samples" / "bad"
GOOD = ("good.docx", sample_files.docx_bytes(["The harbour holds seven boats."]))


@pytest.fixture
def config(database, tmp_path):
    return Settings(
        database_url=database,
        rag_data_dir=tmp_path,
        rag_parse_timeout_s=20,
        rag_parse_memory_mb=1024,
        _env_file=None,  # type: ignore[call-arg]
    )


def hostile_files() -> dict[str, bytes]:
    return sample_files.hostile_files()


def shared_files() -> dict[str, bytes]:
    if not SHARED.is_dir():
        pytest.skip(f"there is no {SHARED}")
    return {path.name: path.read_bytes() for path in sorted(SHARED.iterdir())}


@pytest.mark.parametrize("collection", [hostile_files, shared_files])
async def test_every_bad_file_ends_with_a_reason_and_the_next_one_is_read(
    owner, run_jobs, database, collection
):
    files = collection()
    kb = await owner.create_kb()
    sent = [("files", file) for file in (*files.items(), GOOD)]
    upload = await owner.http.post(f"/api/knowledge-bases/{kb['id']}/knowledge/upload", files=sent)
    refused = upload.json()["refused"]

    await run_jobs()

    assert all(each["reason"].endswith(".") for each in refused)
    assert all(each["file_name"].endswith(".zip") for each in refused)  # what was in a ZIP
    n_archives = sum(name.endswith(".zip") for name in files)

    documents = (
        await owner.http.get(f"/api/knowledge-bases/{kb['id']}/documents", params={"limit": 200})
    ).json()["items"]
    assert len(documents) == len(set(files.values())) + 1 - n_archives
    for document in documents:
        assert document["status"] in {"ready", "failed"}, document
        if document["status"] == "failed":
            assert document["error_message"].endswith("."), document
    assert (await owner.search(kb["id"], "seven boats"))[0]["document_name"] == GOOD[0]
    assert not any(
        sample_files.SECRET in passage["content"] for passage in await owner.search(kb["id"], "secret")
    )
    assert violations(database) == []
