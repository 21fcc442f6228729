"""An address that somebody typed leads to a server on the internet, or nowhere.

Nothing here opens a socket: `tests/guarded.py` notes who would have been connected to.
"""

import asyncio
import gzip
import ipaddress
import socket

import httpcore2
import httpx2
import pytest

from rag_app.domain.private_hosts import parse_private_hosts
from rag_app.errors import PermanentError
from rag_app.net import guard as guard_module
from rag_app.net.addresses import is_public
from rag_app.net.guard import AddressRefused
from rag_app.net.transport import GuardedTransport
from tests.guarded import OK, PUBLIC, Names, Network, client, guard, redirect

METADATA = "169.254.169.254"


@pytest.fixture(autouse=True)
def _no_socket_is_opened(monkeypatch):
    def never(*_, **__):
        pytest.fail("a packet would have left")

    monkeypatch.setattr(httpcore2.AnyIOBackend, "connect_tcp", never)
    monkeypatch.setattr(socket.socket, "connect", never)
    monkeypatch.setattr(asyncio.base_events.BaseEventLoop, "getaddrinfo", never)


async def fetch(url, guarded=None, network=None, **more):
    """Ask as a user of the guard would, both ways: typed and checked, then fetched."""
    guarded, network = guarded or guard(), network or Network()
    async with client(guarded, network, **more) as http:
        return await http.get(url)


DISGUISES = [
    "http://127.0.0.1/", "http://127.255.255.254/", "http://[::1]/", "http://[::]/", "http://0.0.0.0/",
    "http://[::ffff:127.0.0.1]/", "http://[::ffff:a9fe:a9fe]/", "http://[::127.0.0.1]/",
    "http://0x7f000001/", "http://0x7f.0.0.1/", "http://2130706433/", "http://017700000001/", "http://127.1/",
    "http://0177.0.0.1/", "http://0/", "http://1.2.3.4.5/", f"http://{METADATA}/latest/meta-data/",
    "http://169.254.170.2/", "http://168.63.129.16/", "http://100.100.100.200/", "http://192.0.0.192/",
    "http://[fd00:ec2::254]/", "http://[fd00::1]/", "http://[fe80::1]/", "http://[fe80::1%25eth0]/",
    "http://[fec0::1]/", "http://[ff02::1]/", "http://10.0.0.1/", "http://172.16.0.1/", "http://172.31.9.9/",
    "http://192.168.1.1/", "http://100.64.0.1/", "http://100.127.255.255/", "http://192.88.99.1/",
    "http://198.18.0.1/", "http://192.0.2.1/", "http://203.0.113.9/", "http://224.0.0.1/",
    "http://240.0.0.1/", "http://255.255.255.255/", "http://[64:ff9b::7f00:1]/", "http://[64:ff9b:1::a00:1]/",
    "http://[2002:7f00:1::]/", "http://[2001:0:7f00:1::]/", "http://[2001:db8::1]/", "http://[100::1]/",
    "http://localhost/", "http://localhost./", "http://LOCALHOST/", "http://api.localhost/",
    "http://①②⑦.⓪.⓪.①/", "http://127。0。0。1/", "http://１２７.0.0.1/", "http://%6cocalhost/",
    "http://ok.example%00.evil/", "http://a..b/", "http:///x", "http://[::1", "http://-ok.example/",
    "http://ok.example@127.0.0.1/", "http://127.0.0.1\\@ok.example/", "http://ok.example:80@127.0.0.1/",
    "http://user@ok.example/", "http://:secret@ok.example/", "http://127.0.0.1\t.ok.example/",
    "http://ok.ex\nample/", "http://ok.example /", " http://ok.example/", "http://ok.example#@127.0.0.1/",
    "//ok.example/", "ok.example", "", "/etc/passwd",
    "file:///etc/passwd", "ftp://ok.example/", "gopher://ok.example:70/_x", "data:text/plain,x",
    "jar:http://ok.example!/", "dict://ok.example:11211/", "javascript:alert(1)", "ws://ok.example/",
    "http://ok.example:22/", "http://ok.example:25/", "http://ok.example:5432/", "http://ok.example:6379/",
    "http://ok.example:11211/", "http://ok.example:2375/", "http://ok.example:0/", "http://ok.example:99999/",
    "https://ok.example:80000000000000/", "http://ok.example:80a/",
]  # fmt: skip


@pytest.mark.parametrize("url", DISGUISES)
def test_typed_address_is_refused_before_anybody_is_asked(url):
    """Names that lead to private addresses are only found out when they are looked up: see below."""
    guarded = guard()
    with pytest.raises(AddressRefused) as refused:
        parsed = guarded.parse(url)
        asyncio.run(guarded.check_server(parsed))

    assert isinstance(refused.value, PermanentError)
    assert guarded.resolve.asked == []


@pytest.mark.parametrize("url", DISGUISES)
async def test_no_connection_is_made_where_the_check_was_forgotten(url):
    if url == "http://ok.example#@127.0.0.1/":  # what follows “#” is never sent
        return
    network = Network()
    with pytest.raises((AddressRefused, httpx2.InvalidURL, httpx2.UnsupportedProtocol)):
        await fetch(url, network=network)

    assert network.connected == []


@pytest.mark.parametrize("address", [PUBLIC, "8.8.8.8", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"])
async def test_public_servers_are_reached(address):
    network = Network()

    answer = await fetch("https://ok.example/v1", guard(names={"ok.example": [address]}), network)

    assert answer.text == "ok"
    assert network.connected == [(address, 443)]
    assert network.tls_names == ["ok.example"]
    assert b"Host: ok.example" in network.sent[0]


@pytest.mark.parametrize(
    "found",
    [
        pytest.param(["10.0.0.7"], id="private"),
        pytest.param([METADATA], id="metadata"),
        pytest.param(["127.0.0.1"], id="this machine"),
        pytest.param(["::ffff:10.0.0.7"], id="mapped"),
        pytest.param(["fe80::1%2"], id="link-local with its zone"),
        pytest.param([PUBLIC, "10.0.0.7"], id="one public, one private"),
        pytest.param(["10.0.0.7", PUBLIC], id="one private, one public"),
        pytest.param(["nonsense"], id="no address"),
    ],
)
async def test_name_that_leads_into_a_private_network_is_refused(found):
    guarded, network = guard(names={"evil.example": found}), Network()

    with pytest.raises(AddressRefused) as refused:
        await fetch("http://evil.example/", guarded, network)
    with pytest.raises(AddressRefused):
        await guarded.check_server(guarded.parse("http://evil.example/"))

    assert network.connected == []
    assert not any(address in str(refused.value) for address in found)


async def test_unknown_name_and_private_name_are_told_in_the_same_words():
    guarded, said = guard(names={"db.corp": ["10.0.0.7"]}), set()

    for name in ("db.corp", "no-such-name.corp"):
        with pytest.raises(AddressRefused) as refused:
            await guarded.check_server(guarded.parse(f"http://{name}/"))
        said.add(str(refused.value))

    assert len(said) == 1


async def test_name_that_changes_is_looked_up_once_and_the_checked_address_is_reached():
    guarded, network = guard(names={"rebind.example": [[PUBLIC], ["127.0.0.1"]]}), Network()

    answer = await fetch("http://rebind.example/", guarded, network)

    assert answer.status_code == 200
    assert network.connected == [(PUBLIC, 80)]
    assert guarded.resolve.asked == ["rebind.example"]


async def test_name_that_changes_is_refused_at_its_next_connection():
    guarded, network = guard(names={"rebind.example": [[PUBLIC], ["127.0.0.1"]]}), Network()
    closing = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"
    network.answers = (closing,)

    async with client(guarded, network) as http:
        await http.get("http://rebind.example/")
        with pytest.raises(AddressRefused):
            await http.get("http://rebind.example/")

    assert network.connected == [(PUBLIC, 80)]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    "location",
    [
        "http://127.0.0.1/", "//127.0.0.1/", f"http://{METADATA}/latest", "http://[::ffff:a9fe:a9fe]/",
        "http://localhost:8080/", "http://evil.example/", "http://ok.example:6379/", "file:///etc/passwd",
        "http://u:p@www.ok.example/", "http://2130706433/", "gopher://ok.example/",
    ],
)  # fmt: skip
async def test_redirect_is_checked_like_the_first_address(location, status):
    guarded = guard(names={"evil.example": ["10.0.0.7"]})
    network = Network(answers=(redirect(location, status), OK))

    with pytest.raises((AddressRefused, httpx2.UnsupportedProtocol)):
        await fetch("http://ok.example/", guarded, network)

    assert network.connected == [(PUBLIC, 80)]


async def test_last_of_many_hops_is_checked_too():
    hops = [redirect(f"http://www.ok.example/{n}") + b"" for n in range(4)]
    closing = [hop.replace(b"Content-Length: 0", b"Connection: close\r\nContent-Length: 0") for hop in hops]
    network = Network(answers=(*closing, redirect("http://127.0.0.1/"), OK))

    with pytest.raises(AddressRefused):
        await fetch("http://ok.example/", network=network)

    assert {host for host, _ in network.connected} == {PUBLIC}
    assert len(network.connected) == 5


async def test_redirect_to_another_public_server_is_a_connection_of_its_own():
    network = Network(answers=(redirect("https://www.ok.example/x"), OK))

    assert (await fetch("http://ok.example/", network=network)).text == "ok"
    assert network.connected == [(PUBLIC, 80), (PUBLIC, 443)]
    assert network.tls_names == ["www.ok.example"]


async def test_two_names_on_one_address_do_not_share_a_connection():
    """Else what is meant for one would be sent to whom only the other's certificate speaks for."""
    network = Network()

    async with client(guard(), network) as http:
        await http.get("https://ok.example/")
        await http.get("https://www.ok.example/")

    assert network.tls_names == ["ok.example", "www.ok.example"]


async def test_caller_cannot_choose_another_name_for_tls():
    network = Network()

    async with client(guard(), network) as http:
        await http.get("https://ok.example/", extensions={"sni_hostname": "other.example"})

    assert network.tls_names == ["ok.example"]


async def test_proxies_of_the_environment_are_no_way_around(monkeypatch):
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:3128")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:3128")
    network = Network()

    await fetch("http://ok.example/", network=network)

    assert network.connected == [(PUBLIC, 80)]


async def test_second_address_is_tried_where_the_first_is_dead():
    network = Network(dead=frozenset({"8.8.4.4"}))

    answer = await fetch("http://ok.example/", guard(names={"ok.example": ["8.8.4.4", PUBLIC]}), network)

    assert answer.status_code == 200
    assert network.connected == [("8.8.4.4", 80), (PUBLIC, 80)]


async def test_unknown_name_is_a_failed_connection():
    with pytest.raises(httpx2.ConnectError):
        await fetch("http://nobody.example/")


async def test_slow_resolver_counts_as_slow_connection():
    async def hangs(*_):
        await asyncio.Event().wait()

    guarded = guard_module.Guard(resolve=hangs)
    transport = GuardedTransport(guarded, network=Network())
    async with httpx2.AsyncClient(transport=transport, trust_env=False, timeout=0.01) as http:
        with pytest.raises(httpx2.ConnectTimeout):
            await http.get("http://ok.example/")


async def test_unix_sockets_are_never_opened():
    transport = GuardedTransport(guard(), network=Network())

    with pytest.raises(httpcore2.ConnectError):
        await transport._pool._network_backend.connect_unix_socket("/var/run/docker.sock")


# ---- answers that do not end


async def test_endless_answer_is_cut():
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n"
    network = Network(answers=([head, *[b"x" * 1000] * 100],))

    with pytest.raises(httpx2.ReadError, match="too long"):
        await fetch("http://ok.example/", network=network, max_bytes=10_000)


async def test_slow_drip_is_cut():
    class Drip(Network):
        async def connect_tcp(self, host, port, *_, **__):
            stream = await super().connect_tcp(host, port)

            async def read(*_, **__):
                if stream._buffer:
                    return stream._buffer.pop(0)
                await asyncio.Event().wait()

            stream.read = read
            return stream

    head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"

    with pytest.raises(httpx2.ReadTimeout):
        await fetch("http://ok.example/", network=Drip(answers=([head, b"x"],)), max_seconds=0.05)
    with pytest.raises(httpx2.ReadTimeout):  # not even a head
        await fetch("http://ok.example/", network=Drip(answers=([b"HTTP/1.1 200"],)), max_seconds=0.05)


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "GZIP"])
async def test_nothing_is_unpacked(coding):
    bomb = gzip.compress(bytes(1_000_000))
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {coding}\r\nContent-Length: {len(bomb)}\r\n\r\n".encode()
    network = Network(answers=([head, bomb],))

    with pytest.raises(httpx2.DecodingError):
        await fetch("http://ok.example/", network=network)

    assert b"Accept-Encoding: identity" in network.sent[0]
    assert b"gzip" not in network.sent[0]


# ---- what the operator lists


@pytest.mark.parametrize(
    ("listed", "url", "found", "is_let_in"),
    [
        ("localhost:11434", "http://localhost:11434/v1", ["127.0.0.1", "::1"], True),
        ("localhost:11434", "http://localhost:8000/v1", ["127.0.0.1"], False),
        ("localhost", "http://localhost:8000/v1", ["127.0.0.1"], True),
        ("localhost", "http://localhost:6379/", ["127.0.0.1"], False),
        ("localhost:6379", "http://localhost:6379/", ["127.0.0.1"], True),
        ("gpu.corp", "http://gpu.corp:8000/v1", ["10.1.2.3"], True),
        ("GPU.corp.", "http://gpu.Corp:8000/v1", ["10.1.2.3"], True),
        ("gpu.corp", "http://gpu2.corp:8000/v1", ["10.1.2.3"], False),
        ("gpu.corp", "http://gpu.corp.evil.example:8000/v1", ["10.1.2.3"], False),
        ("gpu.corp", "http://gpu.corp/v1", [METADATA], False),
        ("gpu.corp", "http://gpu.corp/v1", ["fd00:ec2::254"], False),
        ("gpu.corp", "http://gpu.corp/v1", ["10.1.2.3", METADATA], False),
        ("gpu.corp", "http://gpu.corp/v1", ["224.0.0.1"], False),
        ("10.1.0.0/16", "https://gpu.corp:8000/v1", ["10.1.2.3"], True),
        ("10.1.0.0/16", "http://gpu.corp:8000/v1", ["10.1.2.3"], False),  # by name only with https
        ("10.1.0.0/16", "http://10.1.2.3:8000/v1", [], True),
        ("10.1.0.0/16", "http://10.2.2.3:8000/v1", [], False),
        ("10.1.0.0/16", "http://10.1.2.3:5432/v1", [], False),
        ("10.1.2.3", "http://10.1.2.3:8000/v1", [], True),
        ("10.1.2.3:8000", "http://10.1.2.3:8000/v1", [], True),
        ("10.1.2.3:8000", "http://10.1.2.3:8001/v1", [], False),
        ("[fd00::7]:8000", "http://[fd00::7]:8000/v1", [], True),
        ("fd00::/8", "http://[fd00::7]:8000/v1", [], True),
        ("169.254.0.0/16", f"http://{METADATA}/", [], False),
        (METADATA, f"http://{METADATA}/", [], True),
        ("0.0.0.0/1", "http://0.0.0.0/", [], False),
        ("127.0.0.1", "http://2130706433/", [], False),
    ],
)
async def test_listed_servers_of_the_own_network(listed, url, found, is_let_in):
    host = httpx2.URL(url).host.lower()
    guarded, network = guard(listed, names={host: found}, needs_https=True), Network()

    if is_let_in:
        await guarded.check_server(guarded.parse(url))
        assert (await fetch(url, guarded, network)).text == "ok"
    else:
        with pytest.raises(AddressRefused):
            await fetch(url, guarded, network)
        assert network.connected == []


async def test_keys_go_to_the_internet_through_tls_only():
    guarded, network = guard(needs_https=True), Network(answers=(redirect("http://www.ok.example/"),))

    with pytest.raises(AddressRefused, match="https"):
        guarded.parse("http://ok.example/v1")
    with pytest.raises(AddressRefused, match="https"):
        await fetch("https://ok.example/v1", guarded, network)

    assert network.connected == [(PUBLIC, 443)]


@pytest.mark.parametrize(
    "text",
    [
        "10.0.0.0/33",
        "10.0.0.1/8",
        "0.0.0.0/0",
        "::/0",
        "gpu corp/x",
        "host:0",
        "host:70000",
        "a:b:c",
        "http://gpu",
        ":80",
        "*",
    ],
)
def test_list_that_cannot_be_read_is_refused(text):
    with pytest.raises(ValueError, match="names"):
        parse_private_hosts(text)


def test_addresses_that_python_calls_global_and_we_do_not():
    for address in (
        "192.0.0.192", "192.88.99.1", "64:ff9b::7f00:1", "2002:7f00:1::", "::127.0.0.1", "fec0::1",
                    "168.63.129.16", "5f00::1", "3fff::1",
    ):  # fmt: skip
        assert not is_public(ipaddress.ip_address(address)), address


def test_nothing_python_calls_private_is_public():
    samples = [ipaddress.ip_address(n << 16 | 1) for n in range(0, 2**16, 7)]

    assert [str(one) for one in samples if is_public(one) and not one.is_global] == []


async def test_names_are_looked_up_by_the_system():
    """The one thing the other tests replace."""
    asked = []

    class Loop:
        async def getaddrinfo(self, host, port, **more):
            asked.append((host, port, more))
            return [
                (2, 1, 6, "", (PUBLIC, port)),
                (2, 1, 6, "", (PUBLIC, port)),
                (10, 1, 6, "", ("::1", port, 0, 0)),
            ]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(guard_module.asyncio, "get_running_loop", Loop)
        found = await guard_module.look_up("ok.example", 443)

    assert found == [PUBLIC, "::1"]
    assert asked == [("ok.example", 443, {"type": socket.SOCK_STREAM})]


def test_resolver_of_the_tests_tells_what_it_knows():
    assert asyncio.run(Names({"a": ["1.1.1.1"]})("a", 80)) == ["1.1.1.1"]
