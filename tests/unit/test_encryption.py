"""Secrets at rest: what opens them, and everything that must not."""

import base64
import os
import re
import threading
from dataclasses import replace

import pytest

from rag_app.crypto import KeyRing, Place, Sealed, load_or_make_ring
from rag_app.domain.encryption import EncryptionKey, as_text, parse_keys
from rag_app.errors import InvalidInput, PermanentError
from rag_app.settings import read_settings

SECRET = "sk-proj-0123456789"
OLD = EncryptionKey("old", bytes(range(32)))
NEW = EncryptionKey("new", bytes(range(32, 64)))
RING = KeyRing((OLD,))
PLACE = Place(owner_id=7, table="provider_keys", row="openai", field="api_key")


def test_a_sealed_secret_opens_where_it_belongs():
    assert RING.open(RING.seal(SECRET, PLACE), PLACE) == SECRET


def test_a_seal_hides_the_secret_and_is_never_the_same_twice():
    first, second = RING.seal(SECRET, PLACE), RING.seal(SECRET, PLACE)

    assert SECRET.encode() not in first.ciphertext
    assert first.ciphertext != second.ciphertext


@pytest.mark.parametrize(
    "elsewhere",
    [
        pytest.param(replace(PLACE, owner_id=8), id="another owner"),
        pytest.param(replace(PLACE, table="email_credentials"), id="another table"),
        pytest.param(replace(PLACE, row="anthropic"), id="another row"),
        pytest.param(replace(PLACE, field="password"), id="another field"),
        pytest.param(
            replace(PLACE, table="provider_keysopenai", row=""), id="the same letters cut elsewhere"
        ),
    ],
)
def test_a_seal_that_was_moved_does_not_open(elsewhere):
    with pytest.raises(PermanentError, match="did not belong here") as refused:
        RING.open(RING.seal(SECRET, PLACE), elsewhere)

    assert SECRET not in str(refused.value)


def test_a_seal_under_another_keys_name_does_not_open():
    ring = KeyRing((OLD, EncryptionKey("alias", OLD.secret)))

    with pytest.raises(PermanentError):
        ring.open(replace(ring.seal(SECRET, PLACE), key_id="alias"), PLACE)


@pytest.mark.parametrize("position", [0, 1, 13, -1], ids=["version", "nonce", "text", "tag"])
def test_a_seal_with_one_changed_bit_does_not_open(position):
    sealed = RING.seal(SECRET, PLACE)
    bent = bytearray(sealed.ciphertext)
    bent[position] ^= 1

    with pytest.raises(PermanentError, match="damaged"):
        RING.open(Sealed(sealed.key_id, bytes(bent)), PLACE)


@pytest.mark.parametrize("stub", [b"", b"\x01", b"\x01" + b"0" * 12])
def test_a_stump_does_not_open(stub):
    with pytest.raises(PermanentError, match="damaged"):
        RING.open(Sealed("old", stub), PLACE)


def test_the_first_key_encrypts_and_all_decrypt():
    before = RING.seal(SECRET, PLACE)
    ring = KeyRing((NEW, OLD))

    assert ring.open(before, PLACE) == SECRET
    assert ring.seal(SECRET, PLACE).key_id == "new"


def test_a_missing_key_is_named():
    sealed = RING.seal(SECRET, PLACE)

    with pytest.raises(PermanentError, match="encryption key “old”"):
        KeyRing((NEW,)).open(sealed, PLACE)


# ---- the operator's keys


@pytest.mark.parametrize(
    ("text", "says"),
    [
        pytest.param(" , ", "at least one key", id="nothing"),
        pytest.param(base64.b64encode(os.urandom(32)).decode(), "id:key", id="no id"),
        pytest.param("a b:xyz", "id:key", id="space in the id"),
        pytest.param("k1:not*base64", "not 32 bytes", id="not base64"),
        pytest.param("k1:" + base64.b64encode(os.urandom(16)).decode(), "not 32 bytes", id="too short"),
        pytest.param("k1:" + base64.b64encode(b"secret12" * 4).decode(), "too simple", id="a repeated word"),
        pytest.param("k1:" + base64.b64encode(bytes(32)).decode(), "too simple", id="zeros"),
        pytest.param(f"{as_text(OLD)},{as_text(replace(NEW, id='old'))}", "same key id twice", id="id twice"),
    ],
)
def test_keys_that_cannot_be_used_stop_the_start_with_a_sentence(monkeypatch, tmp_path, text, says):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RAG_ENCRYPTION_KEYS", text)

    with pytest.raises(InvalidInput, match=re.escape(says)) as refused:
        read_settings()

    assert str(refused.value).startswith("RAG_ENCRYPTION_KEYS: ")
    assert text.partition(":")[2] == "" or text.partition(":")[2] not in str(refused.value)


def test_keys_are_read_in_order_with_commas_or_lines():
    assert parse_keys(f"{as_text(NEW)}, {as_text(OLD)}") == (NEW, OLD)
    assert parse_keys(f"{as_text(NEW)}\n{as_text(OLD)}\n") == (NEW, OLD)


def test_keys_may_be_written_in_the_base64_of_addresses():
    key = EncryptionKey("k", b"\xfb\xff" * 8 + bytes(range(16)))
    assert parse_keys(as_text(key).replace("+", "-").replace("/", "_")) == (key,)


def test_a_key_does_not_show_when_printed():
    assert base64.b64encode(OLD.secret).decode() not in repr(RING)
    assert repr(OLD.secret) not in repr(RING)


# ---- the kept keys


def test_without_keys_of_the_operator_one_is_made_and_kept(tmp_path):
    ring = load_or_make_ring(tmp_path, None)
    sealed = ring.seal(SECRET, PLACE)

    assert load_or_make_ring(tmp_path, None).open(sealed, PLACE) == SECRET
    assert (tmp_path / "encryption.keys").stat().st_mode & 0o077 == 0


def test_processes_that_start_together_keep_the_same_key(tmp_path):
    start, rings = threading.Barrier(8), []

    def load():
        start.wait()
        rings.append(load_or_make_ring(tmp_path, None))

    threads = [threading.Thread(target=load) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len({ring.newest for ring in rings}) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["encryption.keys"]


def test_operators_keys_come_first_and_the_kept_one_still_opens(tmp_path):
    sealed = load_or_make_ring(tmp_path, None).seal(SECRET, PLACE)

    ring = load_or_make_ring(tmp_path, as_text(NEW))

    assert ring.newest == "new"
    assert ring.open(sealed, PLACE) == SECRET


def test_operators_keys_leave_no_file_behind(tmp_path):
    assert load_or_make_ring(tmp_path, as_text(NEW)).newest == "new"
    assert list(tmp_path.iterdir()) == []


def test_a_spoilt_file_of_keys_is_never_replaced(tmp_path):
    (tmp_path / "encryption.keys").write_text("garbage")

    with pytest.raises(PermanentError, match="Restore it from a backup"):
        load_or_make_ring(tmp_path, None)

    assert (tmp_path / "encryption.keys").read_text() == "garbage"
