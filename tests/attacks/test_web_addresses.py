"""A website leads nowhere but to servers on the internet, whatever it says and however it is asked.

Nothing here opens a socket: `tests/guarded.py` notes who would have been connected to.
"""

import asyncio
import socket

import httpcore2
import pytest

from rag_app.errors import InvalidInput, PermanentError
from rag_app.rag.sources import web
from tests.attacks.test_typed_addresses import DISGUISES
from tests.guarded import PUBLIC, Network, guard
from tests.web_reading import Reading, parts, read

METADATA = "169.254.169.254"
# Read in one way only, these lead to the public server they name.
HARMLESS = {"http://ok.example#@127.0.0.1/", "ok.example", " http://ok.example/"}
PRIVATE = [
    "http://127.0.0.1/", "//127.0.0.1/", "http://[::1]/", f"http://{METADATA}/latest/meta-data/",
    "http://[::ffff:a9fe:a9fe]/", "http://2130706433/", "http://0x7f000001/", "http://127.1/", "http://0/",
    "http://localhost:8080/", "http://localhost./", "http://evil.example/", "http://ok.example:6379/",
    "http://ok.example:22/", "http://100.64.0.1/", "http://[fd00::1]/", "http://[64:ff9b::7f00:1]/",
    "http://u:p@www.ok.example/", "http://①②⑦.⓪.⓪.①/", "file:///etc/passwd", "gopher://ok.example/_x",
    "http://127.0.0.1\\@ok.example/",
]  # fmt: skip


@pytest.fixture(autouse=True)
def _no_socket_is_opened(monkeypatch):
    def never(*_, **__):
        pytest.fail("a packet would have left")

    monkeypatch.setattr(httpcore2.AnyIOBackend, "connect_tcp", never)
    monkeypatch.setattr(socket.socket, "connect", never)
    monkeypatch.setattr(asyncio.base_events.BaseEventLoop, "getaddrinfo", never)


def closing(body: str = "", *, status: str = "200 OK", kind: str = "text/html", **headers: str) -> bytes:
    more = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return (
        f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nConnection: close\r\n{more}"
        f"Content-Length: {len(body.encode())}\r\n\r\n{body}"
    ).encode()


NO_ROBOTS = closing(status="404 Not Found")


def leads_to(location: str, status: int = 302) -> bytes:
    return closing(status=f"{status} Found", Location=location)


async def attempt(
    network: Network, url: str = "http://ok.example/", mode: str = "page", **names: object
) -> tuple[Reading, Exception | None]:
    guarded = guard(names={"evil.example": ["10.0.0.7"], **names})
    reading = Reading()
    try:
        await read(url, mode, built_from=parts(guarded, network=network), reading=reading)
    except (InvalidInput, PermanentError) as error:
        return reading, error
    return reading, None


@pytest.mark.parametrize("url", DISGUISES)
async def test_an_address_that_is_not_of_a_public_server_is_refused_before_anybody_is_asked(url):
    network = Network(answers=(NO_ROBOTS, closing("<p>Public")))

    _, error = await attempt(network, url)

    if url in HARMLESS:
        assert {host for host, _ in network.connected} == {PUBLIC}
    else:
        assert error is not None
        assert network.connected == []


@pytest.mark.parametrize("url", [url for url in DISGUISES if url not in HARMLESS])
async def test_trying_an_address_is_no_way_around(url):
    network = Network()
    try:
        reader = web.build(web.check_config({"url": url}), parts(guard(), network=network))
    except (InvalidInput, PermanentError):
        return
    checked = await reader.check()

    assert not checked.is_ok
    assert network.connected == []


@pytest.mark.parametrize(
    "found", [["10.0.0.7"], [METADATA], ["127.0.0.1"], ["::1"], [PUBLIC, "10.0.0.7"], ["fe80::1%2"]]
)
@pytest.mark.parametrize("mode", ["page", "sitemap", "crawl"])
async def test_a_name_that_leads_into_a_private_network_is_refused(found, mode):
    network = Network()

    _, error = await attempt(network, "http://inside.example/", mode, **{"inside.example": found})

    assert isinstance(error, PermanentError)
    assert network.connected == []
    assert not any(address in str(error) for address in found)


@pytest.mark.parametrize("mode", ["page", "sitemap", "crawl"])
@pytest.mark.parametrize("redirects", [False, True])
async def test_names_of_a_private_network_cannot_be_guessed(mode, redirects):
    said = set()
    for name in ("inside.example", "nobody.example"):
        url = f"http://{name}/"
        answers = (NO_ROBOTS, leads_to(url))
        guarded = guard(names={"inside.example": ["10.0.0.7"]})
        config = web.check_config({"url": "http://ok.example/" if redirects else url, "mode": mode})
        reader = web.build(config, parts(guarded, network=Network(answers=answers)))
        said.add(await reader.check())

    [checked] = said
    assert not checked.is_ok


async def test_a_name_that_changes_is_refused_from_then_on():
    network = Network(answers=(NO_ROBOTS, closing("<p>Public")))

    _, error = await attempt(
        network, "http://rebind.example/", **{"rebind.example": [[PUBLIC], ["127.0.0.1"]]}
    )

    assert isinstance(error, PermanentError)
    assert network.connected == [(PUBLIC, 80)]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("location", PRIVATE)
async def test_a_redirect_into_a_private_network_is_refused(location, status):
    network = Network(answers=(NO_ROBOTS, leads_to(location, status), closing("<p>Secret")))

    reading, error = await attempt(network)

    assert error is not None
    assert reading.found == {}
    assert network.connected == [(PUBLIC, 80)] * 2


@pytest.mark.parametrize("n_hops", [1, 2, 3, 4])
async def test_the_last_of_many_hops_is_checked_too(n_hops):
    hops = [leads_to(f"http://www.ok.example/{n}") for n in range(n_hops)]
    # robots.txt of the second host is asked for once, at the first hop to it
    network = Network(answers=(NO_ROBOTS, hops[0], NO_ROBOTS, *hops[1:], leads_to("http://127.0.0.1/")))

    _, error = await attempt(network)

    assert error is not None
    assert {host for host, _ in network.connected} == {PUBLIC}
    assert len(network.connected) == n_hops + 3


@pytest.mark.parametrize("location", PRIVATE)
async def test_robots_txt_may_not_lead_there_either(location):
    network = Network(answers=(leads_to(location), closing("<p>Public")))

    await attempt(network)

    assert {host for host, _ in network.connected} == {PUBLIC}
    assert len(network.connected) <= 2


@pytest.mark.parametrize("location", PRIVATE)
async def test_links_frames_and_canonical_addresses_lead_nowhere_else(location):
    page = (
        f"<html><head><base href='{location}'><link rel=canonical href='{location}'>"
        f"<meta http-equiv=refresh content='0; url={location}'></head><body><p>Public text of a page.</p>"
        f"<a href='{location}'>a</a><a href='relative'>b</a><iframe src='{location}'></iframe></body></html>"
    )
    network = Network(answers=(NO_ROBOTS, closing(page)))

    reading, error = await attempt(network, mode="crawl")

    assert error is None
    assert all(each == (PUBLIC, 80) for each in network.connected)
    assert list(reading.found) in (
        ["http://ok.example/"],
        ["http://ok.example/", "http://ok.example/relative"],
    )


@pytest.mark.parametrize("location", PRIVATE)
async def test_sitemaps_lead_nowhere_else(location):
    robots = closing(f"Sitemap: http://ok.example/s.xml\nSitemap: {location}\n", kind="text/plain")
    index = closing(f"<sitemapindex><sitemap><loc>{location}</loc></sitemap></sitemapindex>", kind="text/xml")
    pages = closing(f"<urlset><url><loc>{location}</loc></url></urlset>", kind="text/xml")
    for sitemap in (index, pages):
        network = Network(answers=(robots, sitemap))

        reading, _ = await attempt(network, mode="sitemap")

        assert network.connected == [(PUBLIC, 80)] * 2
        assert reading.found == {}


async def test_a_document_outside_is_not_fetched_by_what_a_sitemap_expands_to():
    sitemap = closing(
        f'<!DOCTYPE x [<!ENTITY % e SYSTEM "http://{METADATA}/x"> %e;]><urlset/>', kind="text/xml"
    )
    network = Network(answers=(NO_ROBOTS, sitemap))

    _, error = await attempt(network, mode="sitemap")

    assert isinstance(error, PermanentError)
    assert network.connected == [(PUBLIC, 80)] * 2


async def test_proxies_of_the_environment_are_no_way_around(monkeypatch):
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:3128")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:3128")
    network = Network(answers=(NO_ROBOTS, closing("<p>Public")))

    await attempt(network)

    assert network.connected == [(PUBLIC, 80)] * 2
