import errno
import hashlib
import os

import pytest

from rag_app.errors import InvalidInput, StorageFull, TooLarge
from rag_app.storage import Storage


async def blocks(*parts: bytes):
    for part in parts:
        yield part


def everything_below(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


async def test_bytes_are_kept_under_their_hash(tmp_path):
    stored = await Storage(tmp_path).receive(blocks(b"ab", b"c"), name="x", max_bytes=10)

    assert stored.sha256 == hashlib.sha256(b"abc").hexdigest()
    assert Storage(tmp_path).path(stored.sha256).read_bytes() == b"abc"


async def test_the_same_bytes_are_kept_once(tmp_path):
    storage = Storage(tmp_path)
    await storage.receive(blocks(b"abc"), name="x", max_bytes=10)
    await storage.receive(blocks(b"abc"), name="y", max_bytes=10)

    assert len(everything_below(tmp_path)) == 1


async def test_too_much_leaves_nothing_behind(tmp_path):
    with pytest.raises(TooLarge):
        await Storage(tmp_path).receive(blocks(b"abc", b"def"), name="x", max_bytes=5)

    assert everything_below(tmp_path) == []


async def test_a_full_disk_is_said_and_leaves_nothing_behind(tmp_path, monkeypatch):
    def no_space(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("rag_app.storage._flush", no_space)

    with pytest.raises(StorageFull):
        await Storage(tmp_path).receive(blocks(b"abc"), name="x", max_bytes=10)

    assert everything_below(tmp_path) == []


async def test_a_broken_stream_leaves_nothing_behind(tmp_path):
    async def breaking():
        yield b"abc"
        raise ConnectionError

    with pytest.raises(ConnectionError):
        await Storage(tmp_path).receive(breaking(), name="x", max_bytes=10)

    assert everything_below(tmp_path) == []


@pytest.mark.parametrize("name", ["../../x", "A" * 64, "g" * 64, ""])
def test_a_path_is_made_of_hashes_only(tmp_path, name):
    with pytest.raises(InvalidInput):
        Storage(tmp_path).path(name)


async def test_young_bytes_are_not_removed(tmp_path):
    storage = Storage(tmp_path)
    stored = await storage.receive(blocks(b"abc"), name="x", max_bytes=10)

    assert not storage.remove_if_old(stored.sha256)
    assert storage.remove_if_old(stored.sha256, min_age_s=0)
    assert list(storage.hashes()) == []
