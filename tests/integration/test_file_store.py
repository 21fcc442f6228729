"""Files on disk: complete or not there at all."""

import errno
import hashlib
import os
import time

import pytest

from rag_app.errors import StorageFull, TooLarge
from rag_app.storage import Storage


@pytest.fixture
def storage(tmp_path):
    return Storage(tmp_path / "files")


async def blocks(*contents: bytes):
    for content in contents:
        yield content


def files(storage):
    return [path for path in storage.root.rglob("*") if path.is_file()]


async def test_bytes_are_kept_under_their_hash(storage):
    stored = await storage.receive(blocks(b"one ", b"two"), name="a.txt", max_bytes=100)

    assert (stored.sha256, stored.size_bytes) == (hashlib.sha256(b"one two").hexdigest(), 7)
    assert storage.path(stored.sha256).read_bytes() == b"one two"
    assert len(files(storage)) == 1


async def test_bytes_are_written_out_before_they_are_acknowledged(storage, monkeypatch):
    sizes = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: sizes.append(os.fstat(descriptor).st_size))

    await storage.receive(blocks(b"less than a buffer"), name="a.txt", max_bytes=100)

    assert sizes[0] == len(b"less than a buffer")
    assert len(sizes) == 4  # the file, and the folders its name is in


async def test_a_file_that_is_too_large_leaves_nothing(storage):
    with pytest.raises(TooLarge, match=r"a\.txt is larger"):
        await storage.receive(blocks(b"x" * 60, b"x" * 60), name="a.txt", max_bytes=100)

    assert files(storage) == []


@pytest.mark.parametrize("step", ["fsync", "write"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
async def test_a_full_disk_leaves_nothing(storage, monkeypatch, step, code):
    def full(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    async def filling():
        yield b"x" * 20_000
        if step == "write":
            full()
        yield b"y"

    if step == "fsync":
        monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageFull, match="disk is full"):
        await storage.receive(filling(), name="a.txt", max_bytes=10**6)

    assert files(storage) == []


async def test_a_reader_that_breaks_off_leaves_nothing(storage):
    async def breaking():
        yield b"some"
        raise ConnectionError

    with pytest.raises(ConnectionError):
        await storage.receive(breaking(), name="a.txt", max_bytes=100)

    assert files(storage) == []


async def test_uploads_of_killed_processes_are_removed_and_living_ones_spared(storage):
    incoming = storage.root / "incoming"
    incoming.mkdir(parents=True)
    for name, age_s in (("old", 7200), ("new", 10)):
        (incoming / name).touch()
        os.utime(incoming / name, (time.time(), time.time() - age_s))

    assert storage.remove_unfinished() == 1
    assert [path.name for path in files(storage)] == ["new"]
