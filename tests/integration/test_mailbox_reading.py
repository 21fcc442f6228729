"""Mailboxes against a real mail server (Dovecot): what is read, what is read again, and what goes wrong."""

import email.policy
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from typing import Any
from urllib.parse import parse_qs

import httpx2
import pytest
from imap_tools.mailbox import BaseMailBox, MailBoxUnencrypted

from rag_app.errors import PermanentError, TransientError
from rag_app.net.guard import AddressRefused
from rag_app.rag.sources import _imap, _mail_reading, _mail_sandbox, _mail_text, _mailbox
from rag_app.rag.sources import email as kind
from rag_app.rag.sources._mail_config import Config
from rag_app.rag.sources._mail_oauth import OAuthProvider
from rag_app.rag.sources._mail_presets import Server, likely_servers
from rag_app.rag.sources.contract import Found, Gone, Same
from tests import killed_mail_child
from tests.guarded import PUBLIC, guard
from tests.mail_server import (
    HOST,
    OTHER_HOST,
    OTHER_PASSWORD,
    OTHER_USER,
    PASSWORD,
    MailServer,
    dovecot,
)
from tests.mailbox_run import Owner
from tests.mails import mail

N_MAILS = 2_000
pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def server() -> Iterator[MailServer]:
    with dovecot() as running:
        yield running


@pytest.fixture(autouse=True)
def trusts_the_servers_authority(server, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(server.authority))


@pytest.fixture
def box(server) -> Owner:
    """An empty mailbox of the test's own."""
    user = f"user{server.n_put}-{time.monotonic_ns()}@example.test"
    return Owner(server, config={"address": user, "username": user})


def put(box: Owner, *mails: bytes, **more):
    return box.server.put(*mails, user=box.config["username"], **more)


def numbered(n: int, first: int = 0) -> list[bytes]:
    return [
        mail("Ada <ada@example.org>", f"Mail {at}", f"The number is {at}.", message_id=f"<{at}@example.org>")
        for at in range(first, first + n)
    ]


def granted(token: str) -> str:
    """A secret with a token that holds for another hour."""
    return json.dumps({"refresh_token": "r", "access_token": token, "expires_at": time.time() + 3600})


def broken() -> dict[str, bytes]:
    """Every kind of mail that could stop a mailbox, by its Message-ID."""
    large = EmailMessage()
    large["From"], large["Subject"], large["Message-ID"] = "a@example.org", "Large", "<large@b>"
    large.set_content("The words of the large mail.")
    large.add_attachment(b"\0" * 50 * 1024 * 1024, maintype="application", subtype="pdf", filename="huge.pdf")
    tnef = EmailMessage()
    tnef["From"], tnef["Subject"], tnef["Message-ID"] = "a@example.org", "From Outlook", "<tnef@b>"
    tnef.set_content("Words beside it.")
    tnef.add_attachment(
        b"\x78\x9f\x3e\x22", maintype="application", subtype="ms-tnef", filename="winmail.dat"
    )
    inner = EmailMessage(policy=email.policy.default)
    inner["From"], inner["Subject"] = "grace@example.org", "Inner"
    inner.set_content("Words of the inner mail.")
    outer = EmailMessage()
    outer["From"], outer["Subject"], outer["Message-ID"] = "a@example.org", "Outer", "<outer@b>"
    outer.set_content("See below.")
    outer.add_attachment(inner)
    nested = b"".join(
        b"--b%d\r\nContent-Type: multipart/mixed; boundary=b%d\r\n\r\n" % (n, n + 1) for n in range(2000)
    )
    head = b"From: a@example.org\r\nSubject: %s\r\nMessage-ID: <%s@b>\r\n"

    def short(name: str, rest: bytes) -> bytes:
        return head % (name.encode(), name.encode()) + rest

    return {
        "zero": b"",
        "large": large.as_bytes(),
        "tnef": tnef.as_bytes(),
        "outer": outer.as_bytes(),
        "charset": short("charset", b"Content-Type: text/plain; charset=klingon\r\n\r\nGr\xc3\xbc\xc3\x9fe"),
        "comma": b'From: "Smith, John" <js@example.org>\r\nSubject: comma\r\nMessage-ID: <comma@b>\r\n\r\nA.',
        "nodate": short("nodate", b"\r\nNo date in it."),
        "invite": short(
            "invite", b"Content-Type: text/calendar\r\n\r\nBEGIN:VEVENT\r\nSUMMARY:Review\r\nEND:VEVENT\r\n"
        ),
        "sealed": short(
            "sealed", b"Content-Type: application/pkcs7-mime; smime-type=enveloped-data\r\n\r\nxx"
        ),
        "signed": short(
            "signed",
            b"Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n\r\nSigned words.\r\n--b\r\n"
            b"Content-Type: application/pkcs7-signature\r\n\r\nxx\r\n--b--\r\n",
        ),
        "bomb": short("bomb", b"X-A: " + b"a" * 3_000_000 + b"\r\n\r\nWords after the bomb."),
        "garbage": b"\x80\xff\xfe\x01 garbage" * 500,
        "empty": short("empty", b"\r\n"),
        "deep": short("deep", b"Content-Type: multipart/mixed; boundary=b0\r\n\r\n" + nested),
        "noid": b"From: a@example.org\r\nSubject: noid\r\n\r\nNo Message-ID.",
    }


async def test_two_thousand_mails_and_every_broken_one(box):
    bad = broken()
    put(box, *numbered(N_MAILS - len(bad)), *bad.values())
    await box.run()

    assert len(box.mails) + sum(not left.parent for left in box.left.values()) == N_MAILS
    assert sum(name.startswith("Mail ") for name in box.mails) == N_MAILS - len(bad)
    reasons = {left.name or "?": (left.kind, left.reason) for left in box.left.values()}
    assert reasons["sealed"] == ("skipped", _mail_text.ENCRYPTED)
    assert reasons["empty"] == ("skipped", _mail_text.NO_TEXT)
    assert reasons["deep"] == ("failed", _mail_text.TOO_DEEP)
    assert reasons["huge.pdf"] == ("skipped", _mail_text.TOO_LARGE)
    assert reasons["winmail.dat"] == ("skipped", _mail_text.TNEF)
    nameless = {left.reason for left in box.left.values() if left.name == "(no subject)"}
    assert nameless == {_mail_text.EMPTY, _mail_text.NO_MAIL}
    for name, words in {
        "Large": "The words of the large mail.",
        "From Outlook": "Words beside it.",
        "Outer": "Words of the inner mail.",
        "charset": "Grüße",
        "comma": "Smith, John",
        "nodate": "No date in it.",
        "invite": "Event: Review",
        "signed": "Signed words.",
        "bomb": "Words after the bomb.",
        "noid": "No Message-ID.",
    }.items():
        assert words in box.mails[name].content.decode()


async def test_second_run_reads_only_what_is_new(box):
    put(box, *numbered(300))
    await box.run()
    assert box.server.sign_outs()[-1]["bodies"] == 300

    await box.run()
    assert box.events[-1:] == [box.of(_mail_reading.Checkpoint)[-1]]
    assert not box.of(Found) and not box.of(Same)
    assert box.server.sign_outs()[-1] == {"bodies": 0, "bytes": 0, "headers": 0}

    put(box, *numbered(2, first=300))
    await box.run()
    assert sorted(found.name for found in box.of(Found)) == ["Mail 300", "Mail 301"]
    assert box.server.sign_outs()[-1]["bodies"] == 2
    assert box.server.sign_outs()[-1]["headers"] == 2


async def test_new_numbering_makes_no_duplicates(box):
    put(box, *numbered(50))
    await box.run()
    keys = set(box.known)
    box.server.number_anew(box.config["username"])
    await box.run()

    assert set(box.known) == keys
    assert not box.of(Found) and not box.of(Gone)
    assert len(box.of(Same)) == 50
    assert box.server.sign_outs()[-1]["bodies"] == 0

    put(box, *numbered(1, first=50))
    await box.run()
    assert [found.name for found in box.of(Found)] == ["Mail 50"]


async def test_run_that_is_broken_off_goes_on_where_it_was(box, monkeypatch):
    monkeypatch.setattr(_mail_reading, "HEADERS_AT_ONCE", 20)
    put(box, *numbered(100))
    await box.run(stop_after=2)
    assert len(box.mails) == 40
    assert "Mail 99" in box.mails  # the newest come first

    put(box, *numbered(1, first=100))
    await box.run()
    assert len(box.mails) == 101
    assert len(box.of(Found)) == 61


async def test_folders_with_any_name_and_a_mail_in_two_of_them(box):
    put(box, *numbered(3))
    put(box, *numbered(2), *numbered(1, first=10), folder="Archiv")
    box.change(folders=["INBOX", "Archiv"])
    await box.run()

    assert sorted(box.mails) == ["Mail 0", "Mail 1", "Mail 10", "Mail 2"]
    assert {*box.known[box.mails["Mail 1"].key].state["at"]} == {"INBOX", "Archiv"}

    check = await box.check()
    assert check.is_ok and check.details[0] == "INBOX" and "Archiv" in check.details


async def test_folder_with_umlauts_and_blanks(box):
    put(box, *numbered(1))
    connection = _connection(box)
    connection.client.create(_imap.encode_folder('Für "alle"/2026 & mehr')) if hasattr(
        _imap, "encode_folder"
    ) else None
    connection.folder.create("Für alle/2026 & mehr")
    connection.append(numbered(1, first=7)[0], "Für alle/2026 & mehr")
    connection.logout()
    box.change(folders=["Für alle/2026 & mehr"])
    await box.run()

    assert list(box.mails) == ["Mail 7"]
    assert "Für alle/2026 & mehr" in (await box.check()).details


def _connection(box: Owner) -> BaseMailBox:
    connection = MailBoxUnencrypted("127.0.0.1", box.server.port)
    return connection.login(box.config["username"], PASSWORD)


async def test_reading_marks_nothing_as_read(box):
    (path,) = put(box, *numbered(1))
    unread = path.with_name(path.name.removesuffix("S"))
    path.rename(unread)
    await box.run()
    assert unread.exists()


async def test_months_and_filters_decide_what_is_read(box):
    put(box, *numbered(2), at=datetime.now(UTC) - timedelta(days=200))
    put(box, *numbered(2, first=2))
    put(
        box,
        mail("Bob <bob@shop.example>", "Order 17", message_id="<o17@x>"),
        mail("Bob <bob@shop.example>", "Hello", message_id="<h@x>"),
    )
    box.change(months_to_sync=3)
    await box.run()
    assert sorted(box.mails) == ["Hello", "Mail 2", "Mail 3", "Order 17"]

    box.change(from_filter=["SHOP.example"], subject_filter=["order", "invoice"])
    await box.run()
    assert sorted(reason for reason in box.gone.values()) == [_mail_reading.LEFT_OUT] * 3
    assert box.notes == []  # they had been read, so they are not left out as new ones

    put(box, *numbered(3, first=20))
    await box.run()
    assert box.notes == ["Your filters left out 3 new mails."]

    box.change(months_to_sync=12, from_filter=[], subject_filter=[])
    await box.run()
    assert sorted(found.name for found in box.of(Found)) == [
        "Mail 0",
        "Mail 1",
        "Mail 20",
        "Mail 21",
        "Mail 22",
    ]
    assert len(box.of(Same)) == 4


def months_pass(monkeypatch) -> None:
    """From now on, mails of half a year ago are from before the months that are read."""
    real = Config.since
    monkeypatch.setattr(Config, "since", lambda config: real(replace(config, months_to_sync=1)))


def half_a_year_old(box: Owner, n: int, **more):
    return put(box, *numbered(n), at=datetime.now(UTC) - timedelta(days=150), **more)


async def test_mails_that_grow_older_stay_when_their_folder_is_numbered_anew(box, monkeypatch):
    half_a_year_old(box, 2)
    put(box, *numbered(1, first=5))
    await box.run()
    assert len(box.mails) == 3
    months_pass(monkeypatch)
    box.server.number_anew(box.config["username"])
    await box.run()

    assert not box.gone
    assert [same.key for same in box.of(Same)] == [box.mails["Mail 5"].key]


async def test_mails_that_grow_older_stay_when_settings_change(box, monkeypatch):
    half_a_year_old(box, 2)
    await box.run()
    months_pass(monkeypatch)
    box.change(subject_filter=["Mail 1"])
    await box.run()
    assert box.gone == {box.mails["Mail 0"].key: _mail_reading.LEFT_OUT}

    box.change(mask_personal_data=True)  # what was kept without masking must not stay as it is
    await box.run()
    assert [found.name for found in box.of(Found)] == ["Mail 1"]
    assert len(box.gone) == 1

    box.change(months_to_sync=3)
    await box.run()
    assert box.gone[box.mails["Mail 1"].key] == _mail_reading.LEFT_OUT


async def test_mails_that_grow_older_are_followed_and_deleted(box, monkeypatch):
    box.change(folders=["INBOX", "Done"])
    paths = half_a_year_old(box, 3)
    put(box, *numbered(1, first=7), folder="Done")
    await box.run()
    months_pass(monkeypatch)
    paths[0].rename(box.server.mail_folder(box.config["username"], "Done") / "cur" / paths[0].name)
    paths[1].unlink()
    put(box, *numbered(1, first=9), at=datetime.now(UTC) - timedelta(days=150), folder="Done")
    await box.run()

    assert not box.of(Found)  # the one that is old and new here is left alone
    assert [same.key for same in box.of(Same)] == [box.mails["Mail 0"].key]
    assert box.gone == {box.mails["Mail 1"].key: _mail_reading.DELETED}


async def test_only_mails_to_somebody(box):
    put(
        box,
        mail(
            subject="One", message_id="<1@x>", more={"To": "x@y.de", "Cc": '"Team, Support" <support@x.de>'}
        ),
    )
    put(box, mail(subject="Two", message_id="<2@x>"))
    box.change(to_filter=["support@x.de"])
    await box.run()
    assert list(box.mails) == ["One"]


@pytest.mark.parametrize("on_deleted", ["remove", "keep"])
async def test_mail_deleted_on_the_server_follows_the_owners_choice(box, on_deleted):
    box.change(on_deleted=on_deleted)
    paths = put(box, *numbered(5))
    await box.run()
    paths[2].unlink()
    put(box, *numbered(1, first=9))
    await box.run()

    gone = {box.found[key].name for key in box.gone}
    assert gone == ({"Mail 2"} if on_deleted == "remove" else set())
    assert [found.name for found in box.of(Found)] == ["Mail 9"]


async def test_mail_moved_into_another_folder_that_is_read_stays_the_same(box):
    box.change(folders=["INBOX", "Done"])
    paths = put(box, *numbered(3))
    put(box, *numbered(1, first=7), folder="Done")
    await box.run()
    paths[0].rename(box.server.mail_folder(box.config["username"], "Done") / "cur" / paths[0].name)
    await box.run()

    assert not box.gone
    assert [same.key for same in box.of(Same)] == [box.mails["Mail 0"].key]


async def test_mail_that_was_moved_away_comes_back(box):
    paths = put(box, *numbered(2))
    await box.run()
    away = box.server.folder / "elsewhere"
    paths[0].rename(away)
    await box.run()
    assert [event.reason for event in box.of(Gone)] == [_mail_reading.DELETED]
    put(box, away.read_bytes())
    await box.run()
    assert [same.key for same in box.of(Same)] == [box.mails["Mail 0"].key]
    assert box.known[box.mails["Mail 0"].key].status == "kept"


async def test_folder_that_is_gone_is_noted_and_deletes_nothing(box):
    box.change(folders=["INBOX", "Old"])
    put(box, *numbered(1))
    put(box, *numbered(1, first=5), folder="Old")
    await box.run()
    place = box.server.mail_folder(box.config["username"], "Old")
    place.rename(place.with_name("not-a-folder"))
    await box.run()

    assert box.notes == ["There is no folder called “Old” in this mailbox. What was read from it stays."]
    assert not box.gone


async def test_attachments_go_their_own_way(box):
    message = EmailMessage()
    message["From"], message["Subject"], message["Message-ID"] = "a@example.org", "Files", "<f@x>"
    message.set_content("Two files.")
    message.add_attachment(b"name,price\nPro,30\n", maintype="text", subtype="csv", filename="prices.csv")
    message.add_attachment(b"\x89PNG", maintype="image", subtype="png", filename="logo.png")
    put(box, message.as_bytes())
    await box.run()

    mail_key = box.mails["Files"].key
    (file,) = (found for found in box.found.values() if found.parent)
    assert (file.parent, file.name, file.content) == (mail_key, "prices.csv", b"name,price\nPro,30\n")
    (logo,) = box.left.values()
    assert (logo.parent, logo.kind, logo.reason) == (mail_key, "skipped", _mail_text.PICTURES)

    box.change(with_attachments=False)
    await box.run()
    assert set(box.gone) == {file.key, logo.key}


async def test_masking_covers_mails_and_attachments(box):
    message = EmailMessage()
    message["From"], message["Subject"] = "Grace <grace@example.org>", "Call +49 30 1234567"
    message["Message-ID"] = "<m@x>"
    message.set_content("Write to bob@example.org, order 4500123456.")
    message.add_attachment(
        b"name,tel\nBob,+49 30 7654321\n", maintype="text", subtype="csv", filename="tel.csv"
    )
    put(box, message.as_bytes())
    await box.run()
    assert b"bob@example.org" in next(iter(box.mails.values())).content

    box.change(mask_personal_data=True)
    await box.run()
    kept = box.of(Found)
    assert len(kept) == 2
    for found in kept:
        text = found.content.decode()
        assert "@example.org" not in text and "234567" not in found.name
        assert "1234567" not in text and "7654321" not in text
    assert "4500123456" in kept[0].content.decode()
    assert kept[1].file_name == "tel.csv.md"


async def test_one_mail_that_ends_its_reader_stops_no_other(box, monkeypatch):
    monkeypatch.setattr(_mail_sandbox, "_mail_child", killed_mail_child)
    monkeypatch.setattr(_mail_sandbox, "SECONDS_FOR_BATCH", 3)
    monkeypatch.setattr(_mail_sandbox, "SECONDS_FOR_ONE", 2)
    evil = [mail(subject=name, message_id=f"<{name}@x>", more={name: "yes"}) for name in ("X-Kill", "X-Slow")]
    put(box, *numbered(2), evil[0], *numbered(2, first=2), evil[1], *numbered(2, first=4))
    await box.run()

    assert sorted(box.mails) == [f"Mail {n}" for n in range(6)]
    assert {left.name: left.reason for left in box.left.values()} == {
        "X-Kill": _mail_sandbox.GAVE_UP,
        "X-Slow": _mail_sandbox.GAVE_UP,
    }


async def test_failed_mails_are_tried_again_when_asked(box, monkeypatch):
    put(box, *numbered(1), mail(subject="X-Kill", message_id="<k@x>", more={"X-Kill": "yes"}))
    with monkeypatch.context() as patched:
        patched.setattr(_mail_sandbox, "_mail_child", killed_mail_child)
        await box.run()
    (failed,) = box.left
    await box.run()
    assert not box.of(Found)

    await box.run(again=(box.known[failed],))
    assert [found.name for found in box.of(Found)] == ["X-Kill"]
    assert not box.left


async def test_mail_of_a_failed_attachment_is_read_again_when_asked(box, monkeypatch):
    message = EmailMessage()
    message["From"], message["Subject"], message["Message-ID"] = "a@example.org", "Files", "<again/f@x>"
    message.set_content("One file.")
    message.add_attachment(b"name,price\nPro,30\n", maintype="text", subtype="csv", filename="prices.csv")
    put(box, *numbered(1), message.as_bytes())

    async def fails(*_: object) -> None:
        raise PermanentError("It cannot be read.")

    box.change(mask_personal_data=True)
    with monkeypatch.context() as patched:
        patched.setattr(_mail_reading, "masked", fails)
        await box.run()
    (failed,) = box.left
    assert box.left[failed].parent == box.mails["Files"].key

    await box.run(again=(box.known[failed],))
    assert [found.name for found in box.of(Found)] == ["Files", "prices.csv"]
    assert not box.left


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param("link", id="link"),
        pytest.param("pipe", id="pipe"),
        pytest.param("folder", id="folder"),
        pytest.param("large", id="large"),
        pytest.param("none", id="no such file"),
        pytest.param("[" * 100_000, id="deep"),
        pytest.param("[]", id="list"),
        pytest.param("{}", id="empty"),
        pytest.param('{"attachments": [1]}', id="no attachment"),
    ],
)
def test_child_is_not_believed(tmp_path, monkeypatch, answer):
    monkeypatch.setattr(_mail_sandbox, "MAX_FILE_BYTES", 1_000_000)
    secret = tmp_path / "secret"
    secret.write_text("secret")
    work = tmp_path / "work"
    work.mkdir()
    file = work / "0.0.bin"
    whole = {"subject": "", "text": "", "reason": "", "is_damaged": False}
    attached = json.dumps(whole | {"attachments": [{"name": "a", "reason": "", "file": str(secret)}]})
    (work / "0.json").write_text(attached if answer.isalpha() else answer)
    match answer:
        case "link":
            file.symlink_to(secret)
        case "pipe":
            os.mkfifo(file)
        case "folder":
            file.mkdir()
        case "large":
            file.write_bytes(bytes(1_000_001))
    read = _mail_sandbox._result(work, "0")
    assert read is not None
    assert (read.reason, read.is_damaged, read.attachments) == (_mail_sandbox.GAVE_UP, True, ())
    assert _mail_sandbox._result(work, "1") is None


# Signing in


async def test_tokens_are_only_for_the_providers_own_server(box, monkeypatch):
    monkeypatch.setattr(_imap.socket, "create_connection", lambda *_, **__: pytest.fail("connected"))
    box.secret = granted("token")
    check = await box.check(provider="gmail")
    assert check.message == kind.OTHER_SERVER.format("imap.gmail.com")
    assert (await box.check(provider="imap")).message == kind.NO_SECRET
    box.secret = json.dumps({"refresh_token": "r"})  # nor is it renewed for another one
    assert (await box.check(provider="outlook")).message == kind.OTHER_SERVER.format("outlook.office365.com")


def is_ours(host: str, port: int) -> bool:
    """The operator lists the server of the tests."""
    return host == HOST


async def test_token_instead_of_a_password(box):
    box.is_listed = is_ours
    user = box.config["username"]
    box.server.tokens["good-token"] = user
    box.secret = json.dumps(
        {"refresh_token": "r", "access_token": "good-token", "expires_at": time.time() + 3600}
    )
    put(box, *numbered(2))
    await box.run()
    assert len(box.mails) == 2
    assert not box.saved


async def test_token_is_renewed_before_it_ends_and_kept(box):
    box.is_listed = is_ours
    user = box.config["username"]
    box.server.tokens["fresh-token"] = user
    asked: list[dict[str, list[str]]] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append(parse_qs(request.content.decode()))
        return httpx2.Response(
            200, json={"access_token": "fresh-token", "expires_in": 3600, "refresh_token": "r2"}
        )

    box.transport = lambda: httpx2.MockTransport(answer)
    box.oauth["gmail"] = OAuthProvider(
        "our-id", "our-secret", "https://p.example/a", "https://p.example/t", "mail"
    )
    box.config["provider"] = "gmail"
    box.secret = json.dumps({"refresh_token": "r1", "access_token": "old", "expires_at": time.time() + 60})
    put(box, *numbered(1))
    await box.run()

    assert len(box.mails) == 1
    assert asked[0]["refresh_token"] == ["r1"] and asked[0]["client_id"] == ["our-id"]
    kept = json.loads(box.saved[-1])
    assert (kept["refresh_token"], kept["access_token"]) == ("r2", "fresh-token")

    box.secret = json.dumps({"refresh_token": "r1", "access_token": "", "expires_at": 0})
    box.transport = lambda: httpx2.MockTransport(
        lambda _: httpx2.Response(400, json={"error": "invalid_grant"})
    )
    with pytest.raises(PermanentError, match="has ended or was taken back"):
        await box.run()
    box.transport = lambda: httpx2.MockTransport(lambda _: httpx2.Response(503))
    with pytest.raises(TransientError, match="does not answer"):
        await box.run()


async def test_ended_token_is_said(box):
    box.is_listed = is_ours
    box.secret = json.dumps(
        {"refresh_token": "r", "access_token": "unknown", "expires_at": time.time() + 3600}
    )
    check = await box.check()
    assert not check.is_ok
    assert check.message == _imap.EXPIRED


async def test_password_with_other_letters(box):
    box.secret = json.dumps({"password": OTHER_PASSWORD})
    check = await box.check(username=OTHER_USER)
    assert check.is_ok, check.message
    assert not (await box.check()).is_ok


@pytest.mark.parametrize("security", ["tls", "starttls"])
async def test_connection_is_encrypted_and_trusted(box, security):
    port = box.server.tls_port if security == "tls" else box.server.port
    check = await box.check(security=security, port=port)
    assert check.is_ok, check.message
    assert "3 folders" in check.message


async def test_without_encryption_only_where_the_operator_says_so(box):
    plain = {"security": "none", "port": box.server.port}
    assert "RAG_ALLOWED_PRIVATE_HOSTS" in (await box.check(**plain)).message
    box.is_listed = lambda host, port: host == HOST
    assert (await box.check(**plain)).is_ok


@pytest.mark.parametrize(
    ("change", "said"),
    [
        pytest.param({"host": "no.such.example"}, "server called no.such.example on", id="unknown name"),
        pytest.param({"port": 1}, "(port 1) refuses connections", id="refused"),
        pytest.param({"host": OTHER_HOST}, f"is for another name than {OTHER_HOST}", id="other name"),
        pytest.param({"port": "plain"}, "does not speak TLS", id="no TLS"),
        pytest.param({"folders": ["Nope"]}, "There is no folder called “Nope”", id="folder"),
    ],
)  # fmt: skip
async def test_connection_test_says_what_is_wrong(box, change, said):
    if change.get("port") == "plain":
        change = {"port": box.server.port}
    check = await box.check(**change)
    assert not check.is_ok
    assert said in check.message


async def test_wrong_password_is_said_and_not_repeated(box):
    box.secret = json.dumps({"password": "my secret words"})
    check = await box.check()
    assert check.message == _imap.WRONG_PASSWORD
    assert "my secret words" not in repr(check)
    with pytest.raises(_imap.SignInRefused):
        await box.run()


async def test_password_cannot_give_commands(box):
    """imaplib sends line breaks as they are."""
    box.secret = json.dumps({"password": 'x"\r\nA1 LOGOUT'})
    assert (await box.check()).message == _imap.WRONG_PASSWORD


async def test_folder_that_cannot_be_opened_just_now_is_not_taken_for_gone(box, monkeypatch):
    put(box, *numbered(1))
    await box.run()
    place = box.server.mail_folder(box.config["username"], "Locked")
    box.change(folders=["Locked"])
    put(box, *numbered(1), folder="Locked")
    (place / "cur").chmod(0)
    (place / "cur").rename(place / "was")
    (place / "cur").write_text("no folder")
    with pytest.raises(TransientError):
        await box.run()


async def test_no_password_at_all(box):
    box.secret = None  # type: ignore[assignment]
    assert (await box.check()).message == kind.NO_SECRET


async def test_untrusted_certificate_is_refused(box, monkeypatch):
    monkeypatch.delenv("SSL_CERT_FILE")
    check = await box.check()
    assert "not from a known authority" in check.message


@pytest.mark.parametrize(
    ("host", "said"),
    [
        ("imap.gmail.com", "Gmail needs an app password"),
        ("outlook.office365.com", "Sign in with Microsoft"),
        ("imap.web.de", "IMAP is switched on"),
    ],
)
def test_providers_have_hints_of_their_own(host, said):
    imap = object.__new__(_imap.Imap)
    imap.host = host
    refusal = imap._refusal(
        _imap.imaplib.IMAP4.error("[AUTHENTICATIONFAILED] Invalid credentials"), _imap.WRONG_PASSWORD
    )
    assert said in str(refusal)


# Servers that are no good


def _answering(*lines: bytes) -> socket.socket:
    """A connection to a server that says these lines, whatever it is told."""
    ours, theirs = socket.socketpair()
    theirs.sendall(b"".join(lines))
    ours.settimeout(5)
    _KEPT.append(theirs)
    return ours


_KEPT: list[socket.socket] = []


@pytest.fixture(autouse=True)
def close_the_other_ends():
    yield
    while _KEPT:
        _KEPT.pop().close()


def test_server_that_speaks_something_else():
    with pytest.raises(PermanentError, match="speaks IMAP"):
        _imap.Imap(_answering(b"220 mail.example ESMTP\r\n"), HOST, 993, "tls")


def test_answer_without_end_is_cut_off(monkeypatch):
    monkeypatch.setattr(_imap, "MAX_COMMAND_BYTES", 10_000)
    lines = b"* OK IMAP4rev1\r\n* CAPABILITY IMAP4rev1\r\n" + b"* OK more\r\n" * 5_000
    with pytest.raises(TransientError):
        _imap.Imap(_answering(lines), HOST, 993, "tls")


def test_literal_of_a_size_nobody_has_is_refused():
    lines = b"* OK hi\r\n* CAPABILITY IMAP4rev1 {4000000000}\r\n"
    with pytest.raises(TransientError):
        _imap.Imap(_answering(lines), HOST, 993, "tls")


def _listing(*lines: bytes) -> _imap.Imap:
    """A connection to a server with these folders."""
    ours, theirs = socket.socketpair()
    ours.settimeout(5)
    _KEPT.append(theirs)

    def answer() -> None:
        with theirs.dup() as there, there.makefile("rb") as asked:
            for more in (b"* CAPABILITY IMAP4rev1\r\n", b"".join(lines)):
                tag = asked.readline().split()[0]
                there.sendall(more + tag + b" OK done\r\n")

    theirs.sendall(b"* PREAUTH hi\r\n")
    threading.Thread(target=answer, daemon=True).start()
    imap = _imap.Imap(ours, HOST, 993, "tls")
    imap._client.state = "SELECTED"
    return imap


def test_folders_are_listed_however_they_are_written():
    imap = _listing(
        b'* LIST (\\HasNoChildren) "/" INBOX\r\n',
        b'* LIST (\\Sent) "/" "Gesendet/F&APw-r \\"alle\\" \\\\ x"\r\n',
        b"* LIST () NIL {7}\r\nA&AOQ-b\r\n",
        b'* LIST (\\Noselect) "\\\\" "Nothing"\r\n',
        b'* LIST () "/" "broken &A-"\r\n',
        b'* LIST () "/" "' + b"n" * 321 + b'"\r\n',
    )
    assert imap.folders() == [
        _imap.Folder("INBOX"),
        _imap.Folder('Gesendet/Für "alle" \\ x', "sent"),
        _imap.Folder("Aäb"),
    ]
    imap.close()


@pytest.mark.parametrize("said", [b"(" * 200_000, b"() " * 70_000, b'() "' + b"\\a" * 100_000])
def test_line_of_a_folder_that_would_take_long_is_refused(said):
    imap = _listing(b"* LIST " + said + b"\r\n")
    with pytest.raises(TransientError, match="makes no sense"):
        imap.folders()
    imap.close()


def test_folders_have_a_limit(monkeypatch):
    monkeypatch.setattr(_imap, "MAX_FOLDERS", 3)
    imap = _listing(*(b'* LIST () "/" "F%d"\r\n' % n for n in range(10)))
    assert [folder.name for folder in imap.folders()] == ["F0", "F1", "F2"]
    imap.close()


def test_more_numbers_than_were_asked_for_are_refused():
    imap = _listing(b"* SEARCH " + b"1 " * 10 + b"\r\n")
    assert imap.uids(_imap.Opened(1, 10)) == [1] * 10
    imap.close()
    for said in (b"1 " * 11, b"123456789 " * 100):
        imap = _listing(b"* SEARCH " + said + b"\r\n")
        with pytest.raises(TransientError, match="makes no sense"):
            imap.uids(_imap.Opened(1, 10))
        imap.close()


def test_folder_with_more_mails_than_anybody_has_is_refused():
    imap = object.__new__(_imap.Imap)  # it asks the server nothing
    with pytest.raises(PermanentError, match="more than 2,000,000 mails"):
        imap.uids(_imap.Opened(1, 4_000_000_000))


async def test_silent_server_is_given_up(box, monkeypatch):
    monkeypatch.setattr(_mailbox, "CONNECT_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        check = await box.check(port=silent.getsockname()[1])
    assert check.message == _mailbox.TOO_SLOW


@pytest.mark.parametrize("security", ["tls", "starttls"])
async def test_dripping_server_holds_no_thread(box, monkeypatch, security):
    """It never falls silent, so no limit on silence ends this; giving up has to."""
    monkeypatch.setattr(_mailbox, "CONNECT_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as dripping:
        check = await box.check(port=dripping.getsockname()[1], security=security)
        assert check.message == _mailbox.TOO_SLOW
        there, _ = dripping.accept()
        with there:
            there.settimeout(5)  # less than what silence is given
            while there.recv(1024):  # its hello, and then the end
                pass


# Addresses that must not be reached: nothing is ever connected to


HOSTILE = {
    "localhost": ["127.0.0.1"],
    "private.example": ["10.0.0.5"],
    "metadata.example": ["169.254.169.254"],
    "mixed.example": [PUBLIC, "192.168.1.1"],
    "mapped.example": ["::ffff:127.0.0.1"],
    "linklocal.example": ["fe80::1"],
    "cgnat.example": ["100.64.0.1"],
    "translated.example": ["64:ff9b::7f00:1"],
}


@pytest.mark.parametrize("host", [*HOSTILE, "127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "0.0.0.0"])
async def test_mail_servers_in_private_networks_are_refused(box, monkeypatch, host):
    monkeypatch.setattr(_imap.socket, "create_connection", lambda *_, **__: pytest.fail("connected"))
    box.addresses = guard(names=HOSTILE, ports=frozenset({143, 993})).addresses
    check = await box.check(host=host, port=993)
    assert check.message == _mailbox.NO_SERVER.format(host)  # as for a name that nobody has
    with pytest.raises(TransientError):
        async with _mailbox.connected(Server(host), box.parts()):
            pytest.fail("connected")


@pytest.mark.parametrize("port", [22, 25, 80, 110, 443, 465, 587, 995, 5432, 6379])
async def test_ports_of_other_services_are_refused(box, monkeypatch, port):
    monkeypatch.setattr(_imap.socket, "create_connection", lambda *_, **__: pytest.fail("connected"))
    box.addresses = guard(ports=frozenset({143, 993})).addresses
    assert (
        await box.check(host="ok.example", port=port)
    ).message == f"Port {port} is not one that such servers use."


async def test_web_pages_may_not_be_asked_of_mail_ports():
    with pytest.raises(AddressRefused):
        guard().parse("https://ok.example:993/")


async def test_connection_goes_to_the_address_that_was_checked(box, monkeypatch):
    connected: list[tuple[str, int]] = []

    def note(address: tuple[str, int], **_: object) -> socket.socket:
        connected.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(_imap.socket, "create_connection", note)
    looked_up = guard(names={"turns.example": [[PUBLIC], ["127.0.0.1"]]}, ports=frozenset({143, 993}))
    box.addresses = looked_up.addresses
    await box.check(host="turns.example", port=993)
    assert connected == [(PUBLIC, 993)]
    assert looked_up.resolve.asked == ["turns.example"]  # type: ignore[attr-defined]


async def test_server_of_a_domain_is_found(box, monkeypatch):
    asked: list[str] = []

    async def addresses(host: str, port: int) -> list[str]:
        asked.append(host)
        if host != "mail.example.test" or port != 993:
            raise OSError("unknown name")
        return ["127.0.0.1"]

    real = _imap.connect

    def here(addresses: list[str], host: str, port: int, security: str, **more: Any) -> _imap.Imap:
        return real(addresses, host, box.server.tls_port, security, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(_mailbox._imap, "connect", here)
    box.addresses = addresses  # type: ignore[assignment]
    found = await kind.detect("somebody@example.test", box.parts())
    assert found is not None and (found.host, found.port, found.security) == ("mail.example.test", 993, "tls")
    assert set(asked) == {server.host for server in likely_servers("x@example.test")}


async def test_well_known_domains_need_no_search(box):
    found = await kind.detect("ada@googlemail.com", box.parts())
    assert found is not None and found.host == "imap.gmail.com"
