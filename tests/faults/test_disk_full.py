"""The disk fills up under an upload: it is refused in words, and nothing is left of it."""

import os
import subprocess

import pytest

from rag_app.settings import Settings

pytestmark = pytest.mark.fault

SMALL, LARGE = b"A small text about boats.", os.urandom(3 * 2**20)


@pytest.fixture
def small_disk(tmp_path):
    """A folder on a disk of two megabytes."""
    if os.geteuid() != 0:
        pytest.skip("only root can make a small disk")
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "none", folder], check=False)
    if made.returncode != 0:
        pytest.skip("this machine lets nobody mount a disk")
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.fixture
def config(database, small_disk):
    return Settings(database_url=database, rag_data_dir=small_disk, _env_file=None)  # type: ignore[call-arg]


async def test_a_full_disk_refuses_a_file_and_the_next_small_one_is_taken(owner, config, run_jobs):
    kb = await owner.create_kb()
    url = f"/api/knowledge-bases/{kb['id']}"

    refused = await owner.http.post(f"{url}/knowledge/upload", files=[("files", ("large.txt", LARGE))])
    listed = (await owner.http.get(f"{url}/documents")).json()["items"]

    assert refused.status_code == 507
    assert "disk is full" in refused.json()["detail"]
    assert listed == []
    assert [path for path in (config.rag_data_dir / "files").rglob("*") if path.is_file()] == []

    await owner.upload(kb["id"], ("small.txt", SMALL))
    await run_jobs()
    assert (await owner.search(kb["id"], "boats"))[0]["document_name"] == "small.txt"
