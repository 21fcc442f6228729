"""A whole installation, attacked over the wire: its pages, its websocket, what the framework brings."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit
from uuid import uuid4

import httpx2
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin

from rag_app.ui.feedback import FeedbackState
from tests.e2e.conftest import Installation, running

pytestmark = pytest.mark.e2e

EVENTS = "/_event"
NOTE = "only for the one who wrote it"


@pytest.fixture(scope="module")
def installation() -> Iterator[Installation]:
    """An installation of this file's own."""
    with running() as started:
        yield started


@pytest.fixture
async def browser(installation):
    """Somebody who has just signed in."""
    async with httpx2.AsyncClient(base_url=installation.url) as http:
        form = {"email": f"{uuid4().hex}@example.com", "password": "a long enough secret"}
        answer = await http.post("/auth/register", data=form)
        assert answer.status_code == 303
        yield http


def cookie(http) -> str:
    return f"rag_sign_in={http.cookies['rag_sign_in']}"


@asynccontextmanager
async def tab(url: str, token: str, *, cookies: str = "", origin: Origin | None = None):
    """Open a page's websocket as its script does (Engine.IO 4, Socket.IO 5)."""
    host = urlsplit(url).netloc
    address = f"ws://{host}{EVENTS}/?EIO=4&transport=websocket&token={token}"
    headers = {"Cookie": cookies} if cookies else {}
    async with connect(address, additional_headers=headers, origin=origin) as socket:
        assert str(await socket.recv()).startswith("0")
        await socket.send(f"40{EVENTS},")
        yield socket


async def call(socket, name: str, *, until: str, **payload) -> str:
    """Call a handler; returns all that comes until the one part that must."""
    event = {"name": name, "payload": payload, "router_data": {"pathname": "/", "query": {}, "asPath": "/"}}
    await socket.send(f"42{EVENTS},{json.dumps(['event', event])}")
    heard = []
    async with asyncio.timeout(30):
        while not heard or until not in heard[-1]:
            heard.append(str(await socket.recv()))
    return "\n".join(heard)


async def hydrate(socket) -> str:
    """All that the server remembers of a tab and shows its browser."""
    return await call(socket, "reflex___state____state.hydrate", until=FeedbackState.get_full_name())


async def leave_note(url: str, token: str, cookies: str) -> None:
    async with tab(url, token, cookies=cookies) as socket:
        await call(socket, f"{FeedbackState.get_full_name()}.show", until=NOTE, text=NOTE, tone="info")


async def test_same_browser_finds_its_tab_again(installation, browser):
    """Without this the next tests would pass for a server that remembers nothing."""
    token = str(uuid4())
    await leave_note(installation.url, token, cookie(browser))

    async with tab(installation.url, token, cookies=cookie(browser)) as socket:
        assert NOTE in await hydrate(socket)


@pytest.mark.parametrize("who", ["nobody", "forged", "somebody else", "another visitor"])
async def test_tab_of_somebody_else_is_an_empty_one(installation, browser, who):
    token = str(uuid4())
    await leave_note(installation.url, token, cookie(browser))
    async with httpx2.AsyncClient(base_url=installation.url) as http:
        form = {"email": f"{uuid4().hex}@example.com", "password": "a long enough secret"}
        await http.post("/auth/register", data=form)
        cookies = {
            "nobody": "",
            "forged": "rag_sign_in=forged",
            "somebody else": cookie(http),
            "another visitor": f"{cookie(browser)}; rag_visitor={'v' * 43}",
        }[who]

    async with tab(installation.url, token, cookies=cookies) as socket:
        shown = await hydrate(socket)

    assert NOTE not in shown


async def test_websocket_of_a_foreign_page_is_refused(installation):
    for origin in ("https://evil.example", "null", "http://localhost:1"):
        with pytest.raises(InvalidStatus) as refused:
            async with tab(installation.url, str(uuid4()), origin=Origin(origin)):
                pass
        assert refused.value.response.status_code == 403
    async with tab(installation.url, str(uuid4()), origin=Origin(installation.url)) as socket:
        await hydrate(socket)


async def test_handlers_that_are_private_or_unknown_cannot_be_called(installation, browser):
    payload = {"var_name": "notices", "value": [NOTE], "text": NOTE, "tone": "info"}
    for name in ("_count", "setvar", "__init__", "set_notices", "show.fn"):
        async with tab(installation.url, str(uuid4()), cookies=cookie(browser)) as socket:
            event = {"name": f"{FeedbackState.get_full_name()}.{name}", "payload": payload}
            await socket.send(f"42{EVENTS},{json.dumps(['event', event])}")
            assert NOTE not in await hydrate(socket)


@pytest.mark.parametrize(
    "path", ["/", "/login/", "/register/", "/no-such-page", "/s/no-such-link-no-such-link"]
)
async def test_pages_carry_the_headers_that_keep_them_safe(installation, path):
    async with httpx2.AsyncClient(base_url=installation.url) as http:
        response = await http.get(path)

    policy = dict(
        part.strip().partition(" ")[::2] for part in response.headers["content-security-policy"].split(";")
    )
    assert policy["default-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert policy["object-src"] == "'none'"
    assert policy["base-uri"] == policy["form-action"] == "'self'"
    assert policy["img-src"] == "'self' data:"
    assert "unsafe" not in policy["script-src"]
    assert "*" not in response.headers["content-security-policy"]
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["x-frame-options"] == "DENY"
    assert response.headers["referrer-policy"] == "same-origin"
    assert "access-control-allow-origin" not in response.headers


async def test_foreign_origin_is_given_no_leave_to_read(installation):
    async with httpx2.AsyncClient(base_url=installation.url) as http:
        for origin in ("https://evil.example", "null"):
            for method in ("GET", "OPTIONS"):
                response = await http.request(
                    method, "/api/auth/me",
                    headers={"Origin": origin, "Access-Control-Request-Method": "GET"},
                )  # fmt: skip
                assert response.headers.get("access-control-allow-origin") not in {origin, "*"}


async def test_what_the_framework_brings_is_closed(installation):
    async with httpx2.AsyncClient(base_url=installation.url) as http:
        for path in ("/_upload", "/_upload/x", "/%5Fupload", "/_all_routes", "/auth-codespace"):
            assert (await http.get(path)).status_code == 404
            assert (await http.post(path, files={"files": b"x"})).status_code in {403, 404, 405}
        polling = await http.get(f"{EVENTS}/", params={"EIO": "4", "transport": "polling"})
        assert polling.status_code >= 400


LOGIN = b"POST /api/auth/login HTTP/1.%d\r\nHost: x\r\nContent-Type: application/json\r\n"
ME = b"GET /api/auth/me HTTP/1.1\r\nHost: x\r\n"


@pytest.mark.parametrize(
    "raw",
    [
        LOGIN % 1 + b"Content-Length: -5\r\n\r\n{}",
        LOGIN % 1 + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}x",
        LOGIN % 0 + b"Content-Length: 2\r\nOrigin: null\r\n\r\n{}",
        ME + b"Cookie: rag_sign_in=\xff\xfe\r\n\r\n",
        ME + b"Authorization: Bearer \xff\r\n\r\n",
        ME + b"Idempotency-Key: a\x00b\r\n\r\n",
        b"GET /s/%00%ff HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /api/knowledge-bases/%2e%2e%2f1 HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
    ids=lambda raw: repr(raw[-40:]),
)
async def test_odd_requests_are_answered_without_a_failure(installation, raw):
    parts = urlsplit(installation.url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    writer.write(raw.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1))
    await writer.drain()
    answer = await asyncio.wait_for(reader.read(4096), 10)
    writer.close()
    await writer.wait_closed()

    assert answer[:9] in {b"HTTP/1.1 ", b"HTTP/1.0 "}
    assert answer[9:10] == b"4"
