"""Nobody is signed in who should not be, and nobody stays so who should not."""

import asyncio
import base64
import json
import time
from dataclasses import replace
from types import SimpleNamespace
from uuid import uuid4

import httpx2
import pytest
import sqlalchemy as sa
from joserfc import jwt
from joserfc.jwk import OctKey
from starlette.requests import Request

from rag_app import bootstrap
from rag_app.api.app import create_api, layers
from rag_app.api.auth import client_address
from rag_app.crypto import AccessTokens, hash_token
from tests.conftest import ORIGIN

PASSWORD = "a long enough secret"


def part(content) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")


def forged(owner, secret: str) -> dict[str, str]:
    header, claims, signature = owner.tokens["access_token"].split(".")
    sid = json.loads(base64.urlsafe_b64decode(claims + "=="))["sid"]
    good = {"sid": sid, "sub": "1", "exp": int(time.time()) + 3600}
    deep = base64.urlsafe_b64encode(b"[" * 10_000).decode().rstrip("=")
    return {
        "without signature": f"{part({'alg': 'none', 'typ': 'JWT'})}.{part(good)}.",
        "alg None in capitals": f"{part({'alg': 'NONE'})}.{part(good)}.{signature}",
        "other key": jwt.encode({"alg": "HS256"}, good, OctKey.import_key("x" * 40)),
        "empty key": f"{part({'alg': 'HS256'})}.{part(good)}.{signature}",
        "key in the header": jwt.encode(
            {"alg": "HS256", "jwk": {"kty": "oct", "k": "eHh4"}}, good, OctKey.import_key("x" * 40)
        ),
        "other algorithm": jwt.encode(
            {"alg": "HS512"}, good, OctKey.import_key(secret), algorithms=["HS512"]
        ),
        "expired": jwt.encode(
            {"alg": "HS256"}, good | {"exp": int(time.time()) - 120}, OctKey.import_key(secret)
        ),
        "without expiry": jwt.encode({"alg": "HS256"}, {"sid": sid}, OctKey.import_key(secret)),
        "expiry is text": jwt.encode(
            {"alg": "HS256"}, good | {"exp": "9999999999"}, OctKey.import_key(secret)
        ),
        "no such sign-in": AccessTokens(secret).sign(sign_in_id=uuid4(), user_id=1, lifetime_s=60),
        "sign-in is a list": jwt.encode({"alg": "HS256"}, good | {"sid": [sid]}, OctKey.import_key(secret)),
        "claims changed": f"{header}.{part(good | {'exp': 9999999999})}.{signature}",
        "signature cut": f"{header}.{claims}.{signature[:-4]}",
        "nested beyond reason": f"{deep}.{claims}.{signature}",
        "five parts": f"{header}.{claims}.{claims}.{claims}.{signature}",
        "refresh token": owner.tokens["refresh_token"],
        "sign-in id": sid,
        "garbage": "��\\x00.",
        "long": "a." * 20_000,
    }


async def test_forged_token_is_nobody(owner, client, config):
    let_in = []

    for kind, token in forged(owner, bootstrap.secret_key(config)).items():
        for name, value in (("Authorization", f"Bearer {token}"), ("Cookie", f"rag_sign_in={token}")):
            response = await client.get("/api/auth/me", headers={name: value.encode()})
            if response.status_code != 401:
                let_in.append(f"{kind} as {name}: {response.status_code}")

    assert let_in == []


async def test_ended_sign_in_is_refused_at_once_by_every_way(owner, client):
    token = owner.tokens["access_token"]
    ways = ({"Authorization": f"Bearer {token}"}, {"Cookie": f"rag_sign_in={token}"})
    assert [(await client.get("/api/auth/me", headers=way)).status_code for way in ways] == [200, 200]

    await owner.http.post("/api/auth/logout")

    assert [(await client.get("/api/auth/me", headers=way)).status_code for way in ways] == [401, 401]
    refreshed = await client.post("/api/auth/refresh", json={"refresh_token": owner.tokens["refresh_token"]})
    assert refreshed.status_code == 401


@pytest.mark.parametrize("where", ["query", "body", "x-api-key", "basic"])
async def test_tokens_count_only_where_they_belong(owner, client, where):
    token = owner.tokens["access_token"]
    asked = {
        "query": {"params": {"access_token": token, "token": token}},
        "body": {"content": token},
        "x-api-key": {"headers": {"X-API-Key": token, "X-Access-Token": token}},
        "basic": {"headers": {"Authorization": f"Basic {token}"}},
    }[where]

    assert (await client.request("GET", "/api/auth/me", **asked)).status_code == 401


async def renew(client, token):
    return await client.post("/api/auth/refresh", json={"refresh_token": token})


async def wait_out_the_grace(services):
    async with services.engine.begin() as connection:
        await connection.execute(sa.text("UPDATE sign_ins SET refreshed_at = now() - interval '1 minute'"))


async def test_renewed_token_replaces_the_old(owner, client):
    renewed = (await renew(client, owner.tokens["refresh_token"])).json()

    assert renewed["refresh_token"] != owner.tokens["refresh_token"]
    assert (await renew(client, renewed["refresh_token"])).status_code == 200


async def test_token_used_twice_ends_the_whole_sign_in(owner, client, services):
    renewed = (await renew(client, owner.tokens["refresh_token"])).json()
    await wait_out_the_grace(services)

    assert (await renew(client, owner.tokens["refresh_token"])).status_code == 401

    assert (await renew(client, renewed["refresh_token"])).status_code == 401
    me = await client.get("/api/auth/me", headers={"Authorization": f"Bearer {renewed['access_token']}"})
    assert me.status_code == 401
    async with services.engine.connect() as connection:
        noted = await connection.execute(
            sa.text("SELECT count(*) FROM audit_log WHERE action = 'refresh_token_reused'")
        )
        assert noted.scalar_one() == 1


async def test_two_tabs_that_renew_at_once_both_stay(owner, client, services):
    one, two = await asyncio.gather(*(renew(client, owner.tokens["refresh_token"]) for _ in range(2)))
    await wait_out_the_grace(services)

    assert (one.status_code, two.status_code) == (200, 200)
    again = (await renew(client, one.json()["refresh_token"])).json()
    other_tab = await renew(client, two.json()["refresh_token"])
    assert other_tab.status_code == 200  # within the grace again
    assert other_tab.json()["refresh_token"] == again["refresh_token"]


@pytest.mark.parametrize("token", ["", "x", "x" * 200, "null", "' OR 1=1 --", "\u00e9"])
async def test_guessed_refresh_tokens_are_refused(owner, client, token):
    assert (await renew(client, token)).status_code in {401, 422}


async def test_next_refresh_token_needs_the_secret():
    assert AccessTokens("a" * 40).next_refresh("t") != AccessTokens("b" * 40).next_refresh("t")
    assert len(AccessTokens("a" * 40).next_refresh("t")) == 43


async def test_changed_password_ends_every_other_sign_in(owner, client):
    login = {"email": owner.email, "password": PASSWORD}
    elsewhere = (await client.post("/api/auth/login", json=login)).json()

    changed = await owner.http.put(
        "/api/auth/password", json={"current_password": PASSWORD, "new_password": "another long secret"}
    )

    assert changed.status_code == 204
    assert (await owner.http.get("/api/auth/me")).status_code == 200
    token = {"Authorization": f"Bearer {elsewhere['access_token']}"}
    assert (await client.get("/api/auth/me", headers=token)).status_code == 401
    assert (await renew(client, elsewhere["refresh_token"])).status_code == 401
    assert (await client.post("/api/auth/login", json=login)).status_code == 401


async def test_twenty_first_registrations_make_one_super_admin(client):
    async def register(number):
        body = {"email": f"first-{number}@example.com", "password": PASSWORD}
        return (await client.post("/api/auth/register", json=body)).json()["user"]["role"]

    roles = await asyncio.gather(*(register(number) for number in range(20)))

    assert sorted(roles) == ["kb_owner"] * 19 + ["super_admin"]


async def test_one_address_is_registered_once_by_twenty(client):
    body = {"email": "Same@Example.com", "password": PASSWORD}

    done = await asyncio.gather(*(client.post("/api/auth/register", json=body) for _ in range(20)))

    assert sorted(response.status_code for response in done) == [201] + [409] * 19


async def test_role_cannot_be_chosen(owner, client):
    body = {"email": "eve@example.com", "password": PASSWORD, "role": "super_admin"}

    assert (await client.post("/api/auth/register", json=body)).status_code == 422


# ---------------------------------------------------------------- guessing passwords


async def guess(client, email, **more):
    return await client.post("/api/auth/login", json={"email": email, "password": "wrong guess"}, **more)


async def test_guessing_has_to_wait_and_says_nothing_about_the_account(owner, client):
    known = [await guess(client, owner.email) for _ in range(11)]
    unknown = [await guess(client, "nobody@example.com") for _ in range(11)]

    assert [response.status_code for response in known] == [401] * 10 + [429]
    assert [response.status_code for response in unknown] == [401] * 10 + [429]
    assert known[0].json() == unknown[0].json()
    assert int(known[-1].headers["Retry-After"]) > 0
    right = await client.post("/api/auth/login", json={"email": owner.email, "password": PASSWORD})
    assert right.status_code == 429  # else the limit would tell the right one


async def test_guesses_sent_all_at_once_are_limited_as_well(owner, client):
    done = await asyncio.gather(*(guess(client, owner.email) for _ in range(40)))

    assert sum(response.status_code == 401 for response in done) <= 12
    assert sum(response.status_code == 429 for response in done) >= 28


async def test_spellings_of_an_address_are_one_account(owner, client):
    shapes = [owner.email, owner.email.upper(), f" {owner.email}", f"{owner.email}\t", owner.email.title()]
    done = [await guess(client, shapes[number % 5]) for number in range(11)]

    assert done[-1].status_code == 429


async def test_browser_form_is_limited_like_the_api(owner, client):
    for _ in range(10):
        await guess(client, owner.email)

    answer = await client.post("/auth/login", data={"email": owner.email, "password": PASSWORD})

    assert "rag_sign_in" not in answer.cookies
    assert answer.headers["location"].startswith("/login")


async def test_work_is_the_same_for_unknown_addresses(services, owner, client, monkeypatch):
    checked = []
    passwords = services.accounts.passwords
    original = type(passwords).verify

    async def noted(self, password, stored, **more):
        checked.append(stored is not None)
        return await original(self, password, stored, **more)

    monkeypatch.setattr(type(passwords), "verify", noted)
    await guess(client, owner.email)
    await guess(client, "nobody@example.com")

    assert checked == [True, False]


# ---------------------------------------------------------------- addresses behind proxies


def request(peer, *forwarded):
    headers = [(b"x-forwarded-for", value.encode()) for value in forwarded]
    return Request({"type": "http", "client": (peer, 1), "headers": headers})


ADDRESSES = {  # peer, X-Forwarded-For, who is counted
    "forged by the caller": ("9.9.9.9", ["1.1.1.1"], "9.9.9.9"),
    "told by our proxy": ("10.0.0.1", ["1.1.1.1"], "1.1.1.1"),
    "forged in front of our proxy's": ("10.0.0.1", ["6.6.6.6, 1.1.1.1"], "1.1.1.1"),
    "our proxy adds a header of its own": ("10.0.0.1", ["6.6.6.6", "1.1.1.1"], "1.1.1.1"),
    "two of our proxies": ("10.0.0.1", ["1.1.1.1, 10.0.0.2"], "1.1.1.1"),
    "nobody but proxies": ("10.0.0.1", ["10.0.0.2"], "10.0.0.1"),
    "no address": ("10.0.0.1", ["<script>"], "10.0.0.1"),
    "what one person gets of IPv6": ("10.0.0.1", ["2001:db8::1"], "2001:db8::/64"),
    "IPv4 on a socket for both": ("::ffff:1.2.3.4", [], "1.2.3.4"),
}


async def test_caller_is_told_apart_by_an_address_they_cannot_choose(services):
    settings = services.settings.model_copy(update={"rag_trusted_proxies": "10.0.0.1, 10.0.0.2"})
    bootstrap.use(replace(services, settings=settings))
    try:
        counted = {name: client_address(request(peer, *told)) for name, (peer, told, _) in ADDRESSES.items()}
    finally:
        bootstrap.use(services)

    assert counted == {name: expected for name, (_, _, expected) in ADDRESSES.items()}


async def test_forged_header_is_no_way_around_the_limit(owner, client):
    done = [
        await guess(client, owner.email, headers={"X-Forwarded-For": f"1.1.1.{number}"})
        for number in range(11)
    ]

    assert done[-1].status_code == 429


# ---------------------------------------------------------------- browsers


ELSEWHERE = [
    "https://evil.example", "//evil.example", "/\\evil.example", "\\\\evil.example", "javascript:alert(1)",
    "/\t/evil.example", "/\n/evil.example", " //evil.example", "%2f%2fevil.example", "evil.example",
    "http:evil.example", "/\x00/evil.example", "/é//evil.example", "data:text/html,x", "/" + "a" * 600,
]  # fmt: skip


async def test_sign_in_leads_to_pages_of_ours_only(new_owner, client):
    owner, led = await new_owner(), set()

    for path in ELSEWHERE:
        form = {"email": owner.email, "password": PASSWORD, "next": path}
        led.add((await client.post("/auth/login", data=form)).headers["location"])
    for path in ELSEWHERE[:5]:
        form = {"email": owner.email, "password": "wrong guess", "next": path}
        led.add((await client.post("/auth/login", data=form)).headers["location"])

    assert led == {"/knowledge-bases", "/login/?next=/knowledge-bases"}


@pytest.fixture
async def https(services, config):
    """A browser at an installation that is reached through https."""
    settings = config.model_copy(update={"rag_base_url": "https://rag.example.org"})
    bootstrap.use(replace(services, settings=settings))
    wrapped = create_api()
    for layer in layers(settings):
        wrapped = layer(wrapped)
    transport = httpx2.ASGITransport(wrapped)
    async with httpx2.AsyncClient(transport=transport, base_url="https://rag.example.org") as browser:
        yield browser
    bootstrap.use(services)


def cookies_of(response):
    return {
        header.partition("=")[0]: {item.strip().lower() for item in header.split(";")[1:]}
        for header in response.headers.get_list("set-cookie")
    }


async def test_cookie_over_https_is_tied_to_host_and_hidden_from_scripts(https):
    answer = await https.post("/auth/register", data={"email": "ada@example.com", "password": PASSWORD})

    flags = cookies_of(answer)["__Host-rag_sign_in"]
    assert {"httponly", "samesite=lax", "secure", "path=/"} <= flags
    assert not any(flag.startswith("domain") for flag in flags)
    assert "max-age=31536000" in answer.headers["strict-transport-security"]


async def test_cookie_over_http_is_hidden_from_scripts(client):
    answer = await client.post("/auth/register", data={"email": "ada@example.com", "password": PASSWORD})

    flags = cookies_of(answer)["rag_sign_in"]
    assert {"httponly", "samesite=lax", "path=/"} <= flags


async def test_cookie_of_plain_http_does_not_count_over_https(https, owner):
    cookie = {"Cookie": f"rag_sign_in={owner.tokens['access_token']}"}

    assert (await https.get("/api/auth/me", headers=cookie)).status_code == 401


async def test_message_after_a_failure_holds_no_password(client):
    answer = await client.post(
        "/auth/login", data={"email": "ada@example.com", "password": "hunter2 hunter2"}
    )

    assert "hunter2" not in str(answer.headers) + answer.text


FOREIGN = (
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://localhost:3001"},
    {"Origin": "http://localhost:3000.evil.example"},
    {"Origin": "http://evil.example/http://localhost:3000"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
)


async def test_what_other_sites_make_a_browser_send_is_refused(owner, client, rows):
    before, cookie, let_in = await rows(), f"rag_sign_in={owner.tokens['access_token']}", []

    for headers in FOREIGN:
        for path in ("/api/knowledge-bases", "/auth/logout", "/auth/login", "/api/auth/logout"):
            answer = await client.post(path, json={"name": "Mine"}, headers=headers | {"Cookie": cookie})
            if answer.status_code != 403:
                let_in.append(f"{path} {headers}: {answer.status_code}")

    assert let_in == []
    assert await rows() == before


async def test_json_under_another_name_is_not_read(owner, client, rows):
    """These kinds are what a foreign page may send without asking first."""
    before, cookie = await rows(), f"rag_sign_in={owner.tokens['access_token']}"

    for kind in ("text/plain", "application/x-www-form-urlencoded", "", "multipart/form-data"):
        headers = {"Cookie": cookie, "Content-Type": kind}
        answer = await client.post("/api/knowledge-bases", content=b'{"name": "Mine"}', headers=headers)
        assert answer.status_code in {400, 415, 422}, kind

    assert await rows() == before


async def test_own_pages_may_send(owner, client):
    cookie = f"rag_sign_in={owner.tokens['access_token']}"
    headers = {"Cookie": cookie, "Origin": ORIGIN, "Sec-Fetch-Site": "same-origin"}

    assert (
        await client.post("/api/knowledge-bases", json={"name": "Mine"}, headers=headers)
    ).status_code == 201


@pytest.mark.parametrize(
    ("origin", "is_let_in"),
    [
        (ORIGIN, True),
        (None, True),  # no browser
        ("https://evil.example", False),
        ("null", False),
        ("http://localhost:3001", False),
    ],
)
async def test_websocket_of_a_foreign_page_is_refused(app, origin, is_let_in):
    headers = [(b"host", b"localhost:3000"), *([(b"origin", origin.encode())] if origin else [])]
    scope = {
        "type": "websocket", "path": "/_event", "raw_path": b"/_event", "query_string": b"",
        "headers": headers, "client": ("127.0.0.1", 1), "subprotocols": [], "root_path": "", "scheme": "ws",
    }  # fmt: skip
    sent, seen = [], SimpleNamespace(inner=False)

    async def receive():
        seen.inner = True
        return {"type": "websocket.connect"}

    async def send(message):
        sent.append(message)

    await app(scope, receive, send)

    was_asked = seen.inner or sent[0].get("reason") != "foreign origin"
    assert was_asked is is_let_in


async def test_tokens_are_kept_as_hashes(owner, services):
    async with services.engine.connect() as connection:
        found = await connection.execute(sa.text("SELECT refresh_hash FROM sign_ins"))
        assert bytes(found.scalar_one()) == hash_token(owner.tokens["refresh_token"])
