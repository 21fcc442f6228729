"""A website for tests: real HTTP on a loopback port, and a log of what was asked for."""

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

FILLER = (
    "This article goes on for a while, as articles do, so that it looks like one to whatever reads it. It "
    "tells its story in whole sentences, with commas and full stops, and comes to an end after a few of them."
)
NAVIGATION = "<nav><ul><li><a href='/'>Home sweet home</a></li></ul></nav>"
COOKIES = "<div id='cookie-banner' class='cookie-consent'><p>We love cookies. Accept all of them?</p></div>"


@dataclass(frozen=True)
class Answer:
    """What is sent; `parts` one by one, without a length, where a body is not known before."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    parts: Iterable[bytes] | None = None


@dataclass(frozen=True)
class Asked:
    """One request as it came; header names in lower case."""

    path: str
    headers: Mapping[str, str]


Page = Answer | Callable[[Asked], Answer]


def html(title: str, text: str = "", *, links: Iterable[str] = (), head: str = "", **headers: str) -> Answer:
    """A page as websites have them: menu and banner around an article, with links below it."""
    listed = "".join(f"<li><a href='{link}'>More</a></li>" for link in links)
    body = (
        f"<!doctype html><html lang='en'><head><title>{title}</title>{head}</head><body>{COOKIES}{NAVIGATION}"
        f"<main><article><h1>{title}</h1><p>{text or title}. {FILLER}</p></article></main>"
        f"<aside><ul>{listed}</ul></aside><footer><p>© A company</p></footer></body></html>"
    )
    return Answer(body.encode(), headers={"Content-Type": "text/html; charset=utf-8", **headers})


def sitemap(*addresses: str, kind: str = "urlset") -> Answer:
    """A sitemap, or with `sitemapindex` a list of them."""
    inner = "url" if kind == "urlset" else "sitemap"
    entries = "".join(f"<{inner}><loc>{address}</loc></{inner}>" for address in addresses)
    namespace = "http://www.sitemaps.org/schemas/sitemap/0.9"
    body = f'<?xml version="1.0" encoding="UTF-8"?><{kind} xmlns="{namespace}">{entries}</{kind}>'
    return Answer(body.encode(), headers={"Content-Type": "application/xml"})


def text(content: str, kind: str = "text/plain") -> Answer:
    """A file of text."""
    return Answer(content.encode(), headers={"Content-Type": kind})


def moved(to: str, status: int = 301) -> Answer:
    """A redirect."""
    return Answer(status=status, headers={"Location": to})


NOT_THERE = Answer(b"<h1>Not found</h1>", 404, {"Content-Type": "text/html"})


class Website:
    """Serves `pages` by path (with query) on 127.0.0.1; use it as a context manager.

    Pages have an ETag made of their bytes, unless they bring one or `has_etags` is False.
    """

    def __init__(self, pages: Mapping[str, Page] | None = None, *, has_etags: bool = True) -> None:
        self.pages: dict[str, Page] = dict(pages or {})
        self.otherwise: Callable[[Asked], Answer] | None = None
        self.has_etags = has_etags
        self.log: list[Asked] = []
        self.unchanged: list[str] = []

    @property
    def asked(self) -> list[str]:
        """The paths asked for, in order, without robots.txt."""
        return [each.path for each in self.log if each.path != "/robots.txt"]

    def forget(self) -> None:
        """Begin the log anew."""
        self.log.clear()
        self.unchanged.clear()

    def __enter__(self) -> Self:
        site = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                asked = Asked(self.path, {name.lower(): value for name, value in self.headers.items()})
                site.log.append(asked)
                self._send(site._answer(asked))

            def _send(self, answer: Answer) -> None:
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                if answer.parts is None:
                    self.send_header("Content-Length", str(len(answer.body)))
                    self.end_headers()
                    self.wfile.write(answer.body)
                    return
                self.send_header("Connection", "close")
                self.end_headers()
                try:
                    for part in answer.parts:
                        self.wfile.write(part)
                        self.wfile.flush()
                except OSError:
                    pass  # the reader had enough, as it should
                self.close_connection = True

            def log_message(self, *_: object) -> None:
                """Tests read what was asked, not a log."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()
        self.host = f"127.0.0.1:{self._server.server_port}"
        self.url = f"http://{self.host}"
        return self

    def _answer(self, asked: Asked) -> Answer:
        page = self.pages.get(asked.path)
        if page is None:
            page = self.otherwise or NOT_THERE
        answer = page(asked) if callable(page) else page
        if answer.status != 200 or answer.parts is not None or not self.has_etags:
            return answer
        etag = answer.headers.get("ETag", f'"{hash(answer.body)}"')
        if asked.headers.get("if-none-match") == etag:
            self.unchanged.append(asked.path)
            return Answer(status=304, headers={"ETag": etag})
        return Answer(answer.body, 200, {**answer.headers, "ETag": etag})

    def __exit__(self, *_: Any) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
