"""Addresses of a website are written in one way, and patterns mean what people expect of them."""

import httpx2
import pytest

from rag_app.errors import InvalidInput
from rag_app.rag.sources import _urls, web
from rag_app.rag.sources._fetching import Answer
from rag_app.rag.sources._frontier import Frontier
from rag_app.rag.sources._robots import wishes


@pytest.mark.parametrize(
    ("typed", "normal"),
    [
        ("HTTP://Example.COM:80/a/../b/./c/?b=2&a=1#part", "http://example.com/b/c/?a=1&b=2"),
        ("https://example.com:443", "https://example.com/"),
        ("https://example.com:8443/", "https://example.com:8443/"),
        ("https://example.com./a", "https://example.com/a"),
        ("https://example.com/a;jsessionid=AB12?x=1", "https://example.com/a?x=1"),
        ("https://example.com/(S(lit3py55))/p.aspx", "https://example.com/p.aspx"),
        ("https://example.com/?utm_source=a&gclid=b&PHPSESSID=c&q=d", "https://example.com/?q=d"),
        ("https://example.com/?sid=12", "https://example.com/?sid=12"),
        ("https://example.com/?sid=0123456789abcdef0123", "https://example.com/"),
        ("https://example.com//a///b", "https://example.com/a/b"),
        ("https://example.com/%7euser/ü", "https://example.com/~user/%C3%BC"),
        ("https://example.com/a%2Fb", "https://example.com/a%2Fb"),
        ("https://example.com/a/..", "https://example.com/"),
        ("https://example.com/../../x", "https://example.com/x"),
        ("https://bücher.example/", "https://xn--bcher-kva.example/"),
        ("http://[2606:2800::1]:8080/x", "http://[2606:2800::1]:8080/x"),
        ("ftp://example.com/", None),
        ("https://user@example.com/", None),
        ("mailto:a@b.c", None),
        ("https:///x", None),
        ("https://example.com/" + "x" * 2000, None),
    ],
)
def test_an_address_is_written_in_one_way(typed, normal):
    assert _urls.normal(typed) == normal
    if normal is not None:
        assert _urls.normal(normal) == normal


@pytest.mark.parametrize(
    ("address", "site"),
    [
        ("https://www.example.com/a", "example.com"),
        ("http://example.com:80/", "example.com"),
        ("https://example.com:8443/", "example.com:8443"),
        ("https://docs.example.com/", "docs.example.com"),
        ("https://example.com.evil.example/", "example.com.evil.example"),
    ],
)
def test_a_site_is_its_host_with_or_without_www(address, site):
    assert _urls.site_of(address) == site


@pytest.mark.parametrize(
    ("pattern", "path", "is_meant"),
    [
        ("/docs", "/docs", True),
        ("/docs", "/docs/a/b", True),
        ("/docs", "/docs?x=1", True),
        ("/docs", "/docs-old", False),
        ("/docs/", "/docs/a", True),
        ("/docs/*", "/docs/a/b", True),
        ("/docs/*", "/docs", False),
        ("*.pdf", "/a/b.pdf", True),
        ("*.pdf", "/a/b.pdf?v=2", True),
        ("*/print/*", "/a/print/b", True),
        ("/a*b*c", "/aXbYc", True),
        ("/a*a", "/a", False),
        ("/*?lang=de", "/x?lang=de", True),
        ("/*?lang=de", "/x?lang=en", False),
        ("/", "/anything", True),
        ("*", "/anything", True),
        ("/[a-z].html", "/b.html", False),
    ],
)
def test_a_pattern_means_what_people_expect(pattern, path, is_meant):
    assert _urls.matches(pattern, f"https://example.com{path}") is is_meant


def test_a_pattern_of_many_stars_takes_no_longer_than_others():
    """As an expression it would be tried in more ways than there is time for."""
    assert not _urls.matches("*a" * 60 + "*b", "https://example.com/" + "a" * 900)


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        ({}, "url"),
        ({"url": ""}, "url"),
        ({"url": "not an address"}, "url"),
        ({"url": "nonsense"}, "url"),
        ({"url": 7}, "url"),
        ({"url": "ftp://example.com"}, "url"),
        ({"url": "https://example.com\\x"}, "url"),
        ({"url": "https://example.com", "mode": "all"}, "mode"),
        ({"url": "https://example.com", "max_depth": -1}, "max_depth"),
        ({"url": "https://example.com", "max_depth": 21}, "max_depth"),
        ({"url": "https://example.com", "max_pages": 0}, "max_pages"),
        ({"url": "https://example.com", "max_pages": 10_001}, "max_pages"),
        ({"url": "https://example.com", "max_pages": True}, "max_pages"),
        ({"url": "https://example.com", "max_pages": "5"}, "max_pages"),
        ({"url": "https://example.com", "delay_s": 0}, "delay_s"),
        ({"url": "https://example.com", "delay_s": float("nan")}, "delay_s"),
        ({"url": "https://example.com", "include": "/docs"}, "include"),
        ({"url": "https://example.com", "include": [7]}, "include"),
        ({"url": "https://example.com", "exclude": ["/x" * 200]}, "exclude"),
        ({"url": "https://example.com", "exclude": [f"/{n}" for n in range(51)]}, "exclude"),
    ],
)
def test_a_wrong_setting_is_named(raw, field):
    with pytest.raises(InvalidInput) as error:
        web.check_config(raw)

    assert error.value.field == field


def test_settings_are_complete_and_in_their_normal_form():
    checked = web.check_config(
        {
            "url": "Example.com/Docs/../a#x",
            "mode": None,
            "include": [" docs ", "https://example.com/b/*", "/docs", ""],
        }
    )

    assert checked == {
        "url": "https://example.com/a", "mode": "page", "max_depth": 3, "max_pages": 200,
        "include": ["/docs", "/b/*"], "exclude": [], "delay_s": 1.0,
    }  # fmt: skip
    assert web.check_config(checked) == checked
    assert web.title(checked) == "example.com/a"
    assert web.identity(checked) == web.identity(web.check_config({"url": "http://www.example.com/a"}))


def test_what_is_met_on_a_shorter_way_is_read():
    frontier = Frontier(max_depth=1)
    frontier.add(["https://a.example/far"], depth=2)
    frontier.add(["https://a.example/far"], depth=1)

    assert frontier.take().url == "https://a.example/far"
    assert frontier.take() is None


def test_what_waits_is_bounded(monkeypatch):
    monkeypatch.setattr("rag_app.rag.sources._frontier.MAX_WAITING", 3)
    frontier = Frontier(max_depth=1)
    frontier.add([f"https://a.example/{'x' * n}" for n in range(5)], depth=0)

    assert len(frontier) == 3
    assert frontier.is_cut


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("noindex", {"noindex"}),
        ("NoIndex, nofollow", {"noindex", "nofollow"}),
        ("none", {"none", "noindex", "nofollow"}),
        ("simplerag: noindex", {"noindex"}),
        ("otherbot: noindex, nofollow", set()),
        ("otherbot: noindex, simplerag: nofollow", {"nofollow"}),
        ("", {""}),
    ],
)
def test_wishes_are_for_all_or_for_us(header, expected):
    answer = Answer("https://a.example/", 200, httpx2.Headers({"x-robots-tag": header}))

    assert wishes(answer, "SimpleRAG (+https://rag.example)") == expected
