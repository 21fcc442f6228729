"""Mailboxes from REST to search: connected, read by the worker, found, changed, and gone again."""

import json
import time
from collections.abc import Iterator
from email.message import EmailMessage
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
import structlog

from rag_app.rag.sources import _imap
from rag_app.services.mailboxes import TOO_LATE
from tests.conftest import ORIGIN
from tests.mail_server import PASSWORD, MailServer, dovecot
from tests.mails import mail
from tests.oauth_server import OAuthServer, oauth_server

pytestmark = pytest.mark.timeout(300)
GUEST = "guest@gmail.example"


@pytest.fixture(scope="module")
def server() -> Iterator[MailServer]:
    with dovecot() as running:
        yield running


@pytest.fixture(scope="module")
def provider(server) -> Iterator[OAuthServer]:
    with oauth_server(server.tokens, GUEST) as running:
        yield running


@pytest.fixture
def config(config, server, provider, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(server.authority))
    changes = {
        "rag_allowed_private_hosts": ", ".join(
            f"localhost:{port}" for port in (server.tls_port, server.port, provider.port)
        ),
        "google_oauth_client_id": "our id",
        "google_oauth_client_secret": "our secret",
        "google_oauth_base_url": provider.url,
    }
    return type(config)(**config.model_dump(exclude_unset=True) | changes, _env_file=None)


@pytest.fixture
def address(server) -> str:
    """A mailbox of the test's own."""
    return f"box{server.n_put}-{len(server.sign_outs())}@example.test"


@pytest.fixture
async def kb_id(owner) -> int:
    return (await owner.create_kb("Mails"))["id"]


def settings(server: MailServer, address: str, **more):
    return {"address": address, "host": "localhost", "port": server.tls_port, "password": PASSWORD, **more}


def with_attachment() -> bytes:
    message = EmailMessage()
    message["From"], message["Subject"] = "Grace Hopper <grace@example.org>", "Price list"
    message["Message-ID"], message["Date"] = "<prices@x>", "Tue, 12 May 2026 14:05:00 +0200"
    message.set_content("The new prices are attached.")
    message.add_attachment(
        b"plan,price\nplatinum,4711 EUR\n", maintype="text", subtype="csv", filename="prices.csv"
    )
    return message.as_bytes()


async def items_of(owner, mailbox: str) -> dict[str, dict]:
    """What a mailbox consists of, by name."""
    answer = await owner.http.get(f"{mailbox}/items")
    return {item["name"]: item for item in answer.json()["items"]}


async def test_mailbox_is_connected_read_searched_and_read_again(
    owner, other, kb_id, server, address, run_jobs, services
):
    base = f"/api/knowledge-bases/{kb_id}/mailboxes"
    server.put(
        mail("Ada Lovelace <ada@example.org>", "Holiday rule", "Everybody has 25 days.", message_id="<h@x>"),
        with_attachment(),
        b"",
        user=address,
    )
    with structlog.testing.capture_logs() as logs:
        made = await owner.http.post(base, json=settings(server, address))
        assert made.status_code == 201, made.text
        mailbox = made.json()
        assert mailbox["name"] == address and mailbox["has_password"] and mailbox["folders"] == ["INBOX"]
        await run_jobs()
        read = (await owner.http.get(f"{base}/{mailbox['id']}")).json()

    assert read["run"]["status"] == "completed", read
    assert (read["run"]["n_added"], read["run"]["n_failed"]) == (3, 1)
    assert (read["n_items"], read["n_failed"]) == (3, 1)
    items = {
        item["name"]: item for item in (await owner.http.get(f"{base}/{mailbox['id']}/items")).json()["items"]
    }
    assert items["(no subject)"]["reason"] == "This mail is empty (0 bytes)."
    assert items["prices.csv"]["parent"] == items["Price list"]["key"]

    (found, *_) = await owner.search(kb_id, "How many days does everybody have?")
    assert "Everybody has 25 days." in found["content"]
    assert "Ada Lovelace" in found["content"] or "Ada Lovelace" in json.dumps(found)
    by_sender = await owner.search(kb_id, "mail from Ada Lovelace about the Holiday rule")
    assert by_sender[0]["document_id"] == items["Holiday rule"]["document_id"]
    by_attachment = await owner.search(kb_id, "platinum 4711")
    assert by_attachment[0]["document_id"] == items["prices.csv"]["document_id"]

    server.put(mail(subject="New one", body="A mail about zebras.", message_id="<z@x>"), user=address)
    assert (await owner.http.post(f"{base}/{mailbox['id']}/run")).status_code == 202
    await run_jobs()
    again = (await owner.http.get(f"{base}/{mailbox['id']}")).json()
    assert again["run"]["n_added"] == 1 and again["n_items"] == 4
    assert server.sign_outs()[-1]["bodies"] == 1
    assert "zebras" in (await owner.search(kb_id, "zebras"))[0]["content"]

    assert PASSWORD not in made.text + json.dumps(again) + repr(logs)
    for method, path in (
        ("GET", ""),
        ("PUT", ""),
        ("DELETE", ""),
        ("POST", "/run"),
        ("GET", "/items"),
        ("GET", "/runs"),
    ):
        answer = await other.http.request(
            method, f"{base}/{mailbox['id']}{path}", json={} if method == "PUT" else None
        )
        assert answer.status_code == 404, (method, path)


async def test_password_is_stored_encrypted(owner, kb_id, server, address, sql):
    await owner.http.post(f"/api/knowledge-bases/{kb_id}/mailboxes", json=settings(server, address))
    ((secret, config),) = sql("SELECT secret, config::text FROM sources")
    assert PASSWORD.encode() not in bytes(secret)
    assert PASSWORD not in config


async def test_connection_is_tried_without_keeping_anything(owner, other, kb_id, server, address, sql):
    check = f"/api/knowledge-bases/{kb_id}/mailboxes/check"
    good = await owner.http.post(check, json=settings(server, address))
    assert good.json()["is_ok"] and "INBOX" in good.json()["details"], good.text
    assert good.json()["port"] == server.tls_port

    bad = (await owner.http.post(check, json=settings(server, address, password="no good"))).json()
    assert (bad["is_ok"], bad["message"]) == (False, _imap.WRONG_PASSWORD)
    assert sql("SELECT 1 FROM sources") == []
    assert (await other.http.post(check, json=settings(server, address))).status_code == 404

    private = await owner.http.post(check, json=settings(server, address, host="127.0.0.1", port=993))
    assert "RAG_ALLOWED_PRIVATE_HOSTS" in private.json()["message"]

    wrong = await owner.http.post(check, json={"address": "nobody", "host": "a b", "password": "x"})
    assert wrong.status_code == 422


async def test_tests_of_connections_are_limited(owner, kb_id, server, address):
    check = f"/api/knowledge-bases/{kb_id}/mailboxes/check"
    bodies = [settings(server, address, host="private.invalid", port=22)] * 11
    statuses = [(await owner.http.post(check, json=body)).status_code for body in bodies]
    assert statuses == [200] * 10 + [429]


async def test_passwords_that_are_stored_are_limited_as_well(owner, kb_id, server, address):
    base = f"/api/knowledge-bases/{kb_id}/mailboxes"
    statuses = [
        (await owner.http.post(base, json=settings(server, f"{n}-{address}"))).status_code for n in range(11)
    ]
    assert statuses == [201] * 10 + [429]


async def test_stored_password_goes_to_no_other_server(owner, kb_id, server, address):
    base = f"/api/knowledge-bases/{kb_id}/mailboxes"
    mailbox = (await owner.http.post(base, json=settings(server, address))).json()
    moved = await owner.http.put(
        f"{base}/{mailbox['id']}", json={"port": server.port, "security": "starttls"}
    )
    assert moved.status_code == 422 and "password again" in moved.text
    tried = await owner.http.post(
        f"{base}/check", json={"mailbox_id": mailbox["id"], "port": server.port, "security": "starttls"}
    )
    assert tried.json()["is_ok"] is False and "Enter the password" in tried.json()["message"]
    same = await owner.http.post(f"{base}/check", json={"mailbox_id": mailbox["id"], "folders": ["Sent"]})
    assert same.json()["is_ok"], same.text


async def test_settings_are_changed_and_everything_is_looked_at_again(
    owner, kb_id, server, address, run_jobs
):
    base = f"/api/knowledge-bases/{kb_id}/mailboxes"
    server.put(
        mail(subject="Keep me", message_id="<k@x>", body="Write to bob@example.org."),
        mail(subject="Not me", message_id="<n@x>", body="Other words."),
        user=address,
    )
    mailbox = (await owner.http.post(base, json=settings(server, address))).json()
    await run_jobs()
    changed = await owner.http.put(
        f"{base}/{mailbox['id']}",
        json={
            "subject_filter": ["keep"],
            "mask_personal_data": True,
            "sync_frequency_hours": 6,
            "name": "Post",
        },
    )
    assert changed.status_code == 200, changed.text
    assert changed.json()["sync_frequency_hours"] == 6 and changed.json()["name"] == "Post"
    await run_jobs()
    items = {
        item["name"]: item for item in (await owner.http.get(f"{base}/{mailbox['id']}/items")).json()["items"]
    }
    assert (items["Keep me"]["status"], items["Not me"]["status"]) == ("kept", "missing")
    (found, *_) = await owner.search(kb_id, "write to whom")
    assert "bob@example.org" not in found["content"] and "[e-mail address]" in found["content"]


async def test_removed_mailbox_takes_its_mails_along_unless_they_are_kept(
    owner, kb_id, server, address, run_jobs, sql
):
    base = f"/api/knowledge-bases/{kb_id}/mailboxes"
    server.put(mail(subject="A", message_id="<a@x>", body="Words about zebras."), user=address)
    for keep, n_left in ((False, 0), (True, 1)):
        mailbox = (await owner.http.post(base, json=settings(server, address))).json()
        await run_jobs()
        gone = await owner.http.delete(f"{base}/{mailbox['id']}", params={"keep_documents": keep})
        assert gone.status_code == 204
        assert sql("SELECT count(*) FROM documents") == [(n_left,)]
        assert len(await owner.search(kb_id, "zebras")) == n_left


async def test_plan_limits_mailboxes(owner, kb_id, server, address, sql, services):
    base = f"/api/knowledge-bases/{kb_id}/mailboxes"
    await services.admin.change_owner(owner.user["id"], owner.user["id"], {"overrides": {"mailboxes": 1}})
    assert (await owner.http.post(base, json=settings(server, address))).status_code == 201
    second = await owner.http.post(base, json=settings(server, f"second-{address}"))
    assert second.status_code == 409 and second.json()["limit"] == "mailboxes", second.text
    assert len((await owner.http.get(base)).json()["items"]) == 1


async def test_same_mailbox_twice_is_refused(owner, kb_id, server, address):
    base = f"/api/knowledge-bases/{kb_id}/mailboxes"
    assert (await owner.http.post(base, json=settings(server, address))).status_code == 201
    assert (await owner.http.post(base, json=settings(server, address))).status_code == 409


# Sign-in of a provider


def gmail(server: MailServer) -> dict[str, object]:
    return {"provider": "gmail", "address": GUEST, "host": "localhost", "port": server.tls_port}


async def depart(owner, kb_id: int, server: MailServer, **more) -> str:
    """Begin to connect in the owner's browser; returns where the provider sends it back to."""
    asked = await owner.http.post(
        f"/api/knowledge-bases/{kb_id}/mailboxes/authorize", json=gmail(server) | more
    )
    assert asked.status_code == 200, asked.text
    away = await owner.http.get(asked.json()["url"].removeprefix(ORIGIN))
    assert away.status_code == 303, away.text
    async with httpx2.AsyncClient() as browser:
        back = await browser.get(away.headers["location"])
    return back.headers["location"].removeprefix(ORIGIN)


async def test_mailbox_is_connected_by_google_and_given_back(owner, kb_id, server, provider, run_jobs, sql):
    server.put(mail(subject="By token", message_id="<t@x>", body="Words about zebras."), user=GUEST)
    back = await depart(owner, kb_id, server, months_to_sync=12)
    sent = parse_qs(urlsplit(back).query)
    assert set(sent) == {"code", "state"}
    landed = await owner.http.get(back)
    assert f"/email?kb={kb_id}&connected=" in landed.headers["location"], landed.headers
    await run_jobs()
    base = f"/api/knowledge-bases/{kb_id}/mailboxes"
    (mailbox,) = (await owner.http.get(base)).json()["items"]
    assert mailbox["run"]["status"] == "completed" and mailbox["months_to_sync"] == 12
    assert "zebras" in (await owner.search(kb_id, "zebras"))[0]["content"]

    (refresh_token,) = provider.refresh_tokens
    ((config,),) = sql("SELECT config::text FROM sources")
    assert refresh_token not in config + json.dumps(mailbox)

    replayed = await owner.http.get(back)
    assert "failed=1" in replayed.headers["location"]

    assert (await owner.http.delete(f"{base}/{mailbox['id']}")).status_code == 204
    assert provider.revoked == [refresh_token]


async def test_ended_token_is_renewed_by_the_run(owner, kb_id, server, provider, run_jobs, services):
    await owner.http.get(await depart(owner, kb_id, server))
    server.tokens.clear()  # the access token is worth nothing any more
    scope = {"owner_id": owner.user["id"], "kind": "email"}
    (source,) = await services.sources.list_of(kb_id, **scope)
    refresh_token = next(iter(provider.refresh_tokens))
    ended = json.dumps({"refresh_token": refresh_token, "access_token": "ended", "expires_at": 0})
    await services.sources.change(kb_id, source.id, secret=ended, **scope)
    await run_jobs()
    (source,) = await services.sources.list_of(kb_id, **scope)
    assert source.run is not None and source.run.status == "completed", source.run
    assert provider.asked[-1]["grant_type"] == "refresh_token"

    provider.refresh_tokens.clear()
    await services.sources.change(kb_id, source.id, secret=ended, **scope)
    await services.sources.run_now(kb_id, source.id, **scope)
    await run_jobs()
    (source,) = await services.sources.list_of(kb_id, **scope)
    assert "has ended or was taken back" in source.problem
    assert refresh_token not in source.problem


async def test_answer_of_the_provider_counts_only_in_the_browser_that_asked(owner, other, kb_id, server, sql):
    """Another browser, another account, a forged or missing state: nothing is connected."""
    back = await depart(owner, kb_id, server)
    code = parse_qs(urlsplit(back).query)["code"][0]
    stolen = await other.http.get(back)
    assert "failed=1" in stolen.headers["location"]

    cookies = dict(owner.http.cookies)
    other.http.cookies.update({name: value for name, value in cookies.items() if "mail" in name})
    assert "failed=1" in (await other.http.get(back)).headers["location"]

    for path in (
        f"/auth/mail/callback?code={code}",
        f"/auth/mail/callback?code={code}&state=forged",
        "/auth/mail/callback",
    ):
        owner.http.cookies.clear()
        for name, value in cookies.items():
            owner.http.cookies.set(name, value)
        assert "failed=1" in (await owner.http.get(path)).headers["location"], path
    assert sql("SELECT 1 FROM sources") == []


async def test_ticket_of_another_account_leads_nowhere(owner, other, kb_id, server, client):
    asked = await owner.http.post(f"/api/knowledge-bases/{kb_id}/mailboxes/authorize", json=gmail(server))
    path = asked.json()["url"].removeprefix(ORIGIN)
    assert "failed=1" in (await other.http.get(path)).headers["location"]
    assert "/login" in (await client.get(path)).headers["location"]
    assert "failed=1" in (await owner.http.get("/auth/mail/start?ticket=nonsense")).headers["location"]
    refused = await other.http.post(f"/api/knowledge-bases/{kb_id}/mailboxes/authorize", json=gmail(server))
    assert refused.status_code == 404


async def test_refused_permission_and_the_wrong_account_connect_nothing(
    owner, kb_id, server, provider, sql, monkeypatch
):
    monkeypatch.setattr(provider, "refuses", True)
    landed = await owner.http.get(await depart(owner, kb_id, server))
    assert "failed=1" in landed.headers["location"]
    assert "permission" in landed.headers["set-cookie"]

    monkeypatch.setattr(provider, "refuses", False)
    monkeypatch.setattr(provider, "user", "somebody-else@gmail.example")
    landed = await owner.http.get(await depart(owner, kb_id, server))
    assert "failed=1" in landed.headers["location"]
    assert sql("SELECT 1 FROM sources") == []
    assert not provider.refresh_tokens or provider.revoked


async def test_provider_that_is_not_set_up(owner, kb_id, server):
    answer = await owner.http.post(
        f"/api/knowledge-bases/{kb_id}/mailboxes/authorize",
        json={"provider": "outlook", "address": "a@outlook.com"},
    )
    assert answer.status_code == 422 and "not set up" in answer.text


async def test_pending_sign_in_ends(owner, services, kb_id, server, monkeypatch):
    path = await services.mailboxes.begin(kb_id, owner_id=owner.user["id"], raw=gmail(server))
    later = time.time() + 3600
    monkeypatch.setattr("rag_app.services.mailboxes.time.time", lambda: later)
    with pytest.raises(Exception, match=TOO_LATE[:30]):
        services.mailboxes.start(path.partition("ticket=")[2], owner_id=owner.user["id"])
