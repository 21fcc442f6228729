"""Websites are read as their owner configured, as the site asks, and never more than that.

The site is real HTTP on the loopback; what was asked for is in its log.
"""

import gzip
import importlib.util
import itertools
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from rag_app.errors import PermanentError, TransientError
from rag_app.rag.parsers import web_pages
from rag_app.rag.parsers.contract import ParseLimits
from rag_app.rag.sources import _crawl, _fetching, _frontier, _sitemaps, _urls, web
from rag_app.rag.sources._crawl import NEEDS_BROWSER
from rag_app.rag.sources.contract import Checkpoint, Found, Gone, Left
from tests.web_reading import Memory, Reading, parts, paths, read
from tests.websites import Answer, Website, html, moved, sitemap, text

HTML = {"Content-Type": "text/html"}


@pytest.fixture
def site():
    with Website() as served:
        yield served


# ---- one page


async def test_a_page_is_kept_as_its_content_with_title_headings_and_table_without_menu_and_banner(site):
    site.pages["/leave"] = Answer(
        b"""<html><head><title>Leave - ACME</title><meta name="author" content="Jo Doe">
        <meta property="article:published_time" content="2025-03-04T10:00:00+02:00"></head><body>
        <div id="cookie-consent"><p>We use cookies to improve your experience. Accept all?</p></div>
        <nav><a href="/">Home sweet home</a></nav><header><p>ACME incorporated</p></header>
        <main><article><h1>Leave policy</h1><p>Employees have 25 days of leave a year. Please ask
        <a href="/hr">human resources</a> if anything is unclear about them.</p><h2>Long service</h2>
        <p>Whoever has been here for longer gets more of them, as this table shows.</p>
        <table><tr><th>Years</th><th>Days</th></tr><tr><td>5</td><td>28</td></tr></table></article></main>
        <footer><p>All rights reserved, ACME 2026.</p></footer></body></html>""",
        headers=HTML,
    )

    reading = await read(f"{site.url}/leave")

    page = reading.found[f"{site.url}/leave"]
    content = page.content.decode()
    assert page.name == "Leave policy"
    assert page.file_name == "leave.md"
    assert page.url == f"{site.url}/leave"
    assert page.modified_at is not None
    assert page.modified_at.isoformat() == "2025-03-04T00:00:00+00:00"
    assert content.startswith("# Leave policy\n")
    assert "## Long service" in content
    assert "| 5 | 28 |" in content
    assert "human resources" in content
    assert "Author: Jo Doe" in content
    for around in ("cookies", "Home sweet home", "rights reserved"):
        assert around not in content
    assert site.asked == ["/leave"]
    assert reading.saw_everything


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ("Grüße aus Köln".encode("latin-1"), "text/html; charset=ISO-8859-1"),
        ("Grüße aus Köln".encode("cp1252"), "text/html"),
        (b"<meta charset=windows-1252>" + "Grüße aus Köln".encode("cp1252"), "text/html"),
        ("\ufeffGrüße aus Köln".encode("utf-16"), "text/html; charset=utf-8"),
        ("Grüße aus Köln".encode(), "text/html; charset=no-such-charset"),
        (b"<?xml version='1.0' encoding='utf-8'?><html><body>" + "Grüße aus Köln".encode(), "text/html"),
    ],
)
async def test_letters_are_read_in_whatever_encoding(site, body, content_type):
    site.pages["/"] = Answer(body, headers={"Content-Type": content_type})

    assert "Grüße aus Köln" in (await read(site.url)).texts()[f"{site.url}/"]


async def test_text_and_documents_are_kept_as_what_they_are(site):
    site.pages |= {
        "/notes.txt": text("Plain notes."),
        "/data/table.csv": text("a,b\n1,2\n", "text/csv"),
        "/files?id=7": Answer(
            b"%PDF-1.4 ...",
            headers={
                "Content-Type": "application/pdf",
                "Content-Disposition": 'attachment; filename="../../Terms.pdf"',
            },
        ),
        "/get/manual.pdf": Answer(b"%PDF-1.4", headers={"Content-Type": "application/octet-stream"}),
    }

    names = {path: (await read(site.url + path)).of(Found)[0].file_name for path in site.pages}

    assert names == {
        "/notes.txt": "notes.txt",
        "/data/table.csv": "table.csv",
        "/files?id=7": "Terms.pdf",
        "/get/manual.pdf": "manual.pdf",
    }


@pytest.mark.parametrize(
    "kind", ["image/png", "video/mp4", "application/zip", "application/json", "font/woff2"]
)
async def test_what_is_neither_page_nor_document_is_not_even_received(site, kind):
    sent = []

    def endless():
        for n in itertools.count():
            sent.append(n)
            yield b"x" * 1000

    site.pages["/x"] = lambda _: Answer(headers={"Content-Type": kind}, parts=endless())

    reading = await read(f"{site.url}/x")

    assert kind in reading.reasons[f"{site.url}/x"]
    assert reading.of(Left)[0].kind == "skipped"
    assert len(sent) < 10_000


@pytest.mark.parametrize(
    "body",
    [
        b"<div id='root'></div><noscript>You need to enable JavaScript to run this app.</noscript>"
        b"<script src='/app.js'></script>",
        b"<app-root>Loading...</app-root><script src='/main.js' type=module></script>",
        b"<body><script>" + b"render();" * 100 + b"</script></body>",
    ],
)
async def test_a_page_that_javascript_makes_is_reported_and_not_kept_as_empty(site, body):
    site.pages["/"] = Answer(body, headers=HTML)

    reading = await read(site.url)

    assert reading.reasons == {f"{site.url}/": NEEDS_BROWSER}
    assert reading.saw_everything
    checked = await web.build(web.check_config({"url": site.url}), parts()).check()
    assert (checked.is_ok, checked.message) == (False, NEEDS_BROWSER)


async def test_a_short_page_with_scripts_is_no_application(site):
    site.pages["/"] = Answer(
        b"<h1>Closed</h1><p>We are closed today.</p><script src='/count.js'></script>",
        headers=HTML,
    )

    assert "We are closed today." in (await read(site.url)).texts()[f"{site.url}/"]


async def test_what_search_engines_may_not_keep_we_do_not_keep_either(site):
    site.pages |= {
        "/": html("Home", links=["/meta", "/header", "/theirs", "/nofollow", "/link"]),
        "/meta": html("Meta", head="<meta name='ROBOTS' content='noindex, follow'>", links=["/behind"]),
        "/header": html("Header", **{"X-Robots-Tag": "noindex"}),
        "/theirs": html("Theirs", **{"X-Robots-Tag": "otherbot: noindex, nofollow"}),
        "/nofollow": html("Not on", head="<meta name=robots content=nofollow>", links=["/hidden"]),
        "/link": html("Link", head="", links=[]),
        "/behind": html("Behind"),
        "/hidden": html("Hidden"),
    }

    reading = await read(site.url, "crawl")

    assert sorted(paths(reading.found)) == ["/", "/behind", "/link", "/nofollow", "/theirs"]
    assert sorted(paths(reading.reasons)) == ["/header", "/meta"]
    assert "noindex" in reading.reasons[f"{site.url}/meta"]
    assert "/hidden" not in site.asked


# ---- sitemaps


async def test_exactly_the_pages_of_a_sitemap_are_read(site):
    site.pages |= {
        "/robots.txt": text(f"User-agent: *\nSitemap: {site.url}/maps/index.xml\n"),
        "/maps/index.xml": sitemap(
            f"{site.url}/maps/a.xml", f"{site.url}/maps/b.xml.gz", kind="sitemapindex"
        ),
        "/maps/a.xml": sitemap(f"{site.url}/a1", f"{site.url}/a2#x", f"{site.url}/a1", "http://other.example/x"),
        "/maps/b.xml.gz": Answer(gzip.compress(sitemap(f"{site.url}/b1").body)),
        "/a1": html("A1", links=["/not-listed"]),
        "/a2": html("A2"),
        "/b1": html("B1"),
    }  # fmt: skip

    reading = await read(site.url, "sitemap")

    assert site.asked == ["/maps/index.xml", "/maps/a.xml", "/maps/b.xml.gz", "/a1", "/a2", "/b1"]
    assert sorted(paths(reading.found)) == ["/a1", "/a2", "/b1"]
    assert reading.saw_everything
    assert "1 addresses in the sitemap are on other sites" in reading.notes


async def test_a_sitemap_is_looked_for_where_sitemaps_are(site):
    site.pages |= {"/sitemap.xml": sitemap(f"{site.url}/a"), "/a": html("A")}

    assert paths((await read(f"{site.url}/about", "sitemap")).found) == ["/a"]


async def test_a_site_without_a_sitemap_says_so(site):
    with pytest.raises(PermanentError, match=r"No sitemap was found.*follow links"):
        await read(site.url, "sitemap")


async def test_patterns_choose_from_a_sitemap(site):
    listed = ["/docs/a", "/docs/b", "/docs/old/c", "/blog/d", "/docs"]
    site.pages |= {"/sitemap.txt": text("\n".join(site.url + path for path in listed))}
    site.pages |= {path: html(path) for path in listed}

    reading = await read(f"{site.url}/sitemap.txt", "sitemap", include=["/docs"], exclude=["/docs/old/*"])

    assert sorted(paths(reading.found)) == ["/docs", "/docs/a", "/docs/b"]
    assert site.asked == ["/sitemap.txt", "/docs/a", "/docs/b", "/docs"]


async def test_a_part_of_the_sitemap_that_fails_loses_nothing_that_is_there(site):
    memory = Memory()
    site.pages |= {
        "/sitemap.xml": sitemap(f"{site.url}/a.xml", f"{site.url}/b.xml", kind="sitemapindex"),
        "/a.xml": sitemap(f"{site.url}/a"),
        "/b.xml": sitemap(f"{site.url}/b"),
        "/a": html("A"),
        "/b": html("B"),
    }
    assert (await read(site.url, "sitemap", memory=memory)).saw_everything
    site.pages["/b.xml"] = Answer(status=503)

    reading = await read(site.url, "sitemap", memory=memory)

    assert not reading.saw_everything
    assert "/b.xml" in reading.notes


def bomb(n_bytes: int) -> bytes:
    return gzip.compress(bytes(n_bytes))


@pytest.mark.parametrize(
    ("body", "says"),
    [
        pytest.param(bomb(300_000_000), "larger than a sitemap may be", id="gzip bomb"),
        pytest.param(
            b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;">]><urlset><url><loc>&b;</loc></url></urlset>',
            "document type", id="billion laughs",
        ),
        pytest.param(
            b'<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]><urlset><url><loc>&f;</loc></url></urlset>',
            "document type", id="file of ours",
        ),
        pytest.param(b'<!DOCTYPE x SYSTEM "http://evil.example/x.dtd"><a/>', "document type", id="outer DTD"),
        pytest.param(b"<urlset><url><loc>", "not proper XML", id="cut off") ,
        pytest.param(b"<html><body>Not found</body></html>", "not a sitemap", id="a page"),
        pytest.param(b"\x1f\x8bnonsense", "damaged", id="damaged gzip"),
        pytest.param(b"<a>" * 100, "not a sitemap", id="deep"),
    ],
)  # fmt: skip
async def test_hostile_sitemaps_are_refused_with_their_reason(site, body, says):
    site.pages["/sitemap.xml"] = Answer(body, headers={"Content-Type": "application/xml"})

    try:
        await read(site.url, "sitemap")
        said = ""
    except PermanentError as error:
        said = str(error)

    assert says in said
    assert site.asked == ["/sitemap.xml"]


async def test_sitemaps_that_lead_into_each_other_come_to_an_end(site):
    site.otherwise = lambda asked: sitemap(
        *(f"{site.url}{asked.path}/{n}.xml" for n in range(5)), kind="sitemapindex"
    )

    await read(f"{site.url}/sitemap.xml", "sitemap")

    assert len(site.asked) == 1 + 5 + 25


async def test_lists_of_lists_are_followed_only_so_far(site):
    site.pages |= {
        "/sitemap.xml": sitemap(*(f"{site.url}/{n}.xml" for n in range(5)), kind="sitemapindex"),
        "/a": html("A"),
    } | {f"/{n}.xml": sitemap(f"{site.url}/a") for n in range(5)}
    reader = web.build(web.check_config({"url": site.url}), parts())

    async with reader._tools() as tools:
        found = await _sitemaps.listing(
            f"{site.url}/", fetcher=tools.fetcher, robots=tools.robots, pages=tools.pages, max_files=3
        )

    assert site.asked == ["/sitemap.xml", "/0.xml", "/1.xml"]
    assert (list(found.pages), found.is_cut, found.is_complete) == ([f"{site.url}/a"], True, False)


async def test_so_many_addresses_are_taken_from_sitemaps_and_no_more(site, monkeypatch):
    monkeypatch.setattr(_sitemaps, "MAX_LISTED", 3)
    site.pages |= {f"/{n}": html(f"Page {n}") for n in range(9)}
    site.pages["/sitemap.xml"] = sitemap(*(f"{site.url}/{n}" for n in range(9)))

    reading = await read(site.url, "sitemap")

    assert sorted(paths(reading.found)) == ["/0", "/1", "/2"]
    assert not reading.saw_everything
    assert "the rest was left out" in reading.notes


async def test_many_addresses_keep_nobody_else_from_working(site, monkeypatch):
    threads = set()
    normal = _urls.normal

    def noted(address):
        if "/p" in str(address):
            threads.add(threading.current_thread())
        return normal(address)

    monkeypatch.setattr(_urls, "normal", noted)
    site.pages["/sitemap.xml"] = sitemap(*(f"{site.url}/p{n}" for n in range(1200)))
    site.pages["/"] = html("Home", links=[f"/p{n}" for n in range(50)])

    listed = await check(site.url, mode="sitemap")
    crawl = await check(site.url, mode="crawl")

    assert listed.message == "The sitemap lists 1,200 pages that would be read."
    assert "It links to 51 more pages that would be read." in crawl.details
    assert threads
    assert threading.main_thread() not in threads


# ---- crawls


async def test_a_crawl_stays_on_the_site_within_its_depth_and_asks_for_each_page_once(site):
    site.pages |= {
        "/": html("Home", links=["/a", "/b", "/a#top", "/a?utm_source=x", "http://other.example/",
                                 "mailto:x@y.z", "javascript:void(0)", "/picture.PNG", "//127.0.0.1:1/x"]),
        "/a": html("A", links=["/", "/b", "/c", "./d/../c"]),
        "/b": html("B", links=["/c"]),
        "/c": html("C", links=["/deep"]),
        "/deep": html("Deep", links=["/deeper"]),
        "/deeper": html("Deeper"),
    }  # fmt: skip

    reading = await read(site.url, "crawl", max_depth=2)

    assert site.asked == ["/", "/a", "/b", "/c"]
    assert sorted(paths(reading.found)) == ["/", "/a", "/b", "/c"]
    assert reading.saw_everything
    assert "pictures" in reading.notes


async def test_patterns_choose_from_a_crawl_but_for_where_it_begins(site):
    site.pages |= {
        "/": html("Home", links=["/docs/a", "/blog/b", "/docs/private/c"]),
        "/docs/a": html("A", links=["/docs/x?page=2", "/about"]),
        "/docs/x?page=2": html("X"),
    }

    reading = await read(site.url, "crawl", include=["/docs/*"], exclude=["*/private/*"])

    assert site.asked == ["/", "/docs/a", "/docs/x?page=2"]
    assert reading.saw_everything


async def test_a_crawl_that_was_cut_says_how_much_is_left_and_declares_nothing_gone(site):
    site.pages["/"] = html("Home", links=[f"/{n}" for n in range(40)])
    site.pages |= {f"/{n}": html(f"Page {n}") for n in range(40)}

    reading = await read(site.url, "crawl", max_pages=6)

    assert len(site.asked) == 6
    assert "Stopped at 6 pages; 35 more addresses were found." in reading.notes
    assert not reading.saw_everything


async def test_the_plan_limits_the_pages_of_one_crawl(site):
    site.pages["/"] = html("Home", links=["/a", "/b", "/c"])
    site.pages |= {path: html(path) for path in ("/a", "/b", "/c")}

    await read(site.url, "crawl", max_pages=100, max_items=2)

    assert site.asked == ["/", "/a"]


async def test_progress_says_what_is_read_and_how_much_there_will_be(site):
    site.pages |= {"/": html("Home", links=["/a", "/b"]), "/a": html("A"), "/b": html("B")}

    reading = await read(site.url, "crawl")

    shown = [
        (event.stage, event.n_expected) for event in reading.events if type(event).__name__ == "Progress"
    ]
    assert shown == [("Looking at robots.txt", None), ("Reading /", 1), ("Reading /a", 3), ("Reading /b", 3)]


# ---- manners


async def test_robots_txt_is_obeyed(site):
    site.pages |= {
        "/robots.txt": text(
            "User-agent: *\nDisallow: /\n\nUser-agent: simplerag\nDisallow: /private\nAllow: /private/open\n"
        ),
        "/": html("Home", links=["/private/a", "/private/open", "/b"]),
        "/private/open": html("Open", links=["/private"]),
        "/b": html("B"),
        "/private/a": html("Secret"),
    }

    reading = await read(site.url, "crawl")

    assert site.asked == ["/", "/private/open", "/b"]
    assert site.log[0].path == "/robots.txt"
    assert "2 addresses were left out" in reading.notes
    assert "robots.txt" in reading.notes


async def test_a_redirect_to_what_robots_txt_forbids_is_not_followed(site):
    site.pages |= {
        "/robots.txt": text("User-agent: *\nDisallow: /private"),
        "/": html("Home", links=["/door"]),
        "/door": moved("/private/x"),
        "/private/x": html("Secret"),
    }

    reading = await read(site.url, "crawl")

    assert site.asked == ["/", "/door"]
    assert "robots.txt" in reading.reasons[f"{site.url}/door"]


async def test_a_first_page_that_robots_txt_forbids_is_told(site):
    site.pages |= {"/robots.txt": text("User-agent: *\nDisallow: /"), "/": html("Home")}

    with pytest.raises(PermanentError, match=r"robots\.txt"):
        await read(site.url)
    checked = await web.build(web.check_config({"url": site.url}), parts()).check()

    assert site.asked == []
    assert not checked.is_ok
    assert "robots.txt" in checked.message


@pytest.mark.parametrize("status", [500, 503, 429])
async def test_nothing_is_read_while_robots_txt_cannot_be_had(site, status):
    site.pages |= {"/robots.txt": Answer(status=status), "/": html("Home")}

    with pytest.raises(TransientError, match=r"robots\.txt"):
        await read(site.url)

    assert site.asked == []


@pytest.mark.parametrize("status", [401, 403, 404, 410])
async def test_without_robots_txt_everything_may_be_read(site, status):
    site.pages |= {"/robots.txt": Answer(status=status), "/": html("Home")}

    assert paths((await read(site.url)).found) == ["/"]


async def test_robots_txt_without_end_is_cut(site):
    site.pages |= {
        "/robots.txt": lambda _: Answer(
            headers={"Content-Type": "text/plain"},
            parts=itertools.chain([b"User-agent: *\nDisallow: /b\n"], itertools.repeat(b"# more\n" * 1000)),
        ),
        "/": html("Home", links=["/b"]),
    }

    await read(site.url, "crawl")

    assert site.asked == ["/"]


@pytest.mark.parametrize(
    ("robots", "configured", "pause"),
    [
        ("", 0.5, 0.5),
        ("User-agent: *\nCrawl-delay: 7", 0.5, 7),
        ("User-agent: *\nCrawl-delay: 7", 9.0, 9),
        ("User-agent: *\nRequest-rate: 1/5s", 0.5, 5),
        ("User-agent: *\nCrawl-delay: 86400", 0.5, 30),
    ],
)
async def test_there_is_a_pause_between_two_pages(site, robots, configured, pause):
    site.pages |= {"/robots.txt": text(robots), "/": html("Home", links=["/a"]), "/a": html("A")}

    reading = await read(site.url, "crawl", delay_s=configured)

    assert len(site.asked) == 2
    assert reading.pauses == [pause, pause]  # after robots.txt, and after the first page
    assert ("asks for 86,400 seconds" in reading.notes) == (pause == 30)


async def test_a_site_that_asks_for_a_moment_gets_it(site):
    answers = iter([Answer(status=429, headers={"Retry-After": "17"}), html("Home")])
    site.pages["/"] = lambda _: next(answers)

    reading = await read(site.url)

    assert 17 in reading.pauses
    assert paths(reading.found) == ["/"]


async def test_a_site_that_asks_for_a_day_is_tried_again_later(site):
    site.pages["/"] = Answer(status=503, headers={"Retry-After": "86400"})

    with pytest.raises(TransientError) as error:
        await read(site.url)

    assert error.value.retry_after_s == 86400
    assert site.asked == ["/"]


async def test_requests_say_who_asks_and_want_nothing_compressed(site):
    site.pages["/"] = html("Home")

    await read(site.url)

    assert {each.headers["user-agent"] for each in site.log} == {"SimpleRAG (+http://localhost:3000)"}
    assert {each.headers["accept-encoding"] for each in site.log} == {"identity"}


# ---- redirects, canonical addresses, copies


async def test_a_redirected_page_is_kept_under_its_own_address(site):
    site.pages |= {
        "/": html("Home", links=["/old", "/older", "/new"]),
        "/older": moved("/old", 302),
        "/old": moved("new", 308),
        "/new": html("New"),
    }

    reading = await read(site.url, "crawl")

    assert sorted(paths(reading.found)) == ["/", "/new"]
    assert site.asked.count("/new") == 1
    assert reading.reasons == {}


async def test_what_leads_to_another_site_is_left_out(site):
    with Website({"/": html("Other")}) as other:
        site.pages |= {"/": html("Home", links=["/away"]), "/away": moved(other.url)}

        reading = await read(site.url, "crawl")

    assert "another site" in reading.reasons[f"{site.url}/away"]
    assert paths(reading.found) == ["/"]


@pytest.mark.parametrize(
    ("pages", "says"),
    [
        pytest.param({"/x": moved("/x")}, "on and on", id="to itself"),
        pytest.param({"/x": moved("/y"), "/y": moved("/x")}, "on and on", id="in a circle"),
        pytest.param({"/x": moved("http://[::1")}, "cannot be read", id="no address"),
        pytest.param({"/x": moved("file:///etc/passwd")}, "could not be reached", id="a file"),
        pytest.param({"/x": moved("http://10.0.0.1/")}, "could not be reached", id="private"),
        pytest.param({"/x": Answer(status=403)}, "does not let programs", id="forbidden"),
        pytest.param({"/x": Answer(status=401)}, "signed in", id="closed"),
        pytest.param({"/x": Answer(b"x", 200, {"Content-Type": "text/html", "Content-Encoding": "gzip"})},
                     "compressed", id="compressed"),
        pytest.param({}, "no such page", id="not there"),
    ],
)  # fmt: skip
async def test_one_bad_address_is_listed_with_its_reason_and_stops_nothing(site, pages, says):
    site.pages |= {"/": html("Home", links=["/x", "/z"]), "/z": html("Z"), **pages}

    reading = await read(site.url, "crawl")

    assert says in reading.reasons[f"{site.url}/x"]
    assert sorted(paths(reading.found)) == ["/", "/z"]
    assert len(site.asked) <= 3 + _fetching.MAX_REDIRECTS
    assert says in str(await failure(f"{site.url}/x"))


async def failure(url: str) -> Exception:
    with pytest.raises((PermanentError, TransientError)) as error:
        await read(url)
    return error.value


async def test_a_page_is_read_under_the_address_it_calls_its_own(site):
    site.pages |= {
        "/": html("Home", links=["/list?order=up", "/list?order=down"]),
        "/list?order=up": html("List", "Up", head="<link rel='canonical' href='/list'>"),
        "/list?order=down": html("List", "Down", head="<link rel='canonical' href='/list'>"),
        "/list": html("List", "Whole", head="<link rel='canonical' href='/list'>"),
    }

    reading = await read(site.url, "crawl")

    assert sorted(paths(reading.found)) == ["/", "/list"]
    assert all(reason.endswith("/list.") for reason in reading.reasons.values())
    assert len(reading.reasons) == 2


async def test_pages_that_all_call_themselves_the_first_page_are_read_all_the_same(site):
    canonical = "<link rel=canonical href='/'>"
    site.pages |= {"/": html("Home", links=["/a"], head=canonical), "/a": html("A", head=canonical)}

    assert sorted(paths((await read(site.url, "crawl")).found)) == ["/", "/a"]


async def test_the_same_text_is_kept_once(site):
    site.pages |= {
        "/": html("Home", links=["/a", "/print/a", "/b"]),
        "/a": html("A", "The same"),
        "/print/a": html("A", "The same"),
        "/b": html("B"),
    }
    memory = Memory()

    first = await read(site.url, "crawl", memory=memory)

    assert sorted(paths(first.found)) == ["/", "/a", "/b"]
    assert first.reasons == {f"{site.url}/print/a": f"Same text as {site.url}/a."}

    site.pages["/"] = html("Home", links=["/print/a", "/a", "/b"])  # the order of the day
    second = await read(site.url, "crawl", memory=memory)

    assert second.reasons == {f"{site.url}/print/a": f"Same text as {site.url}/a."}
    assert second.gone == []


# ---- traps


async def test_a_calendar_without_end_takes_neither_all_pages_nor_for_ever(site, monkeypatch):
    monkeypatch.setattr(_frontier, "MAX_DATES", 5)

    def calendar(asked):
        year, month = map(int, asked.path.split("/")[2:4])
        following = year * 12 + month
        return html(f"{year}-{month}", f"Nothing on in {year}-{month}",
                    links=[f"/calendar/{following // 12}/{following % 12 + 1}"])  # fmt: skip

    site.pages |= {"/": html("Home", links=["/calendar/2026/1", "/a"]), "/a": html("A")}
    site.otherwise = lambda asked: (
        calendar(asked) if asked.path.startswith("/calendar/") else Answer(status=404)
    )

    reading = await read(site.url, "crawl", max_depth=4, max_pages=1000)
    assert len(site.asked) == 2 + 4

    site.forget()
    dates = [f"/calendar/{year}/{month}" for year in range(2020, 2030) for month in range(1, 13)]
    site.pages["/"] = html("Home", links=["/a", *dates])
    reading = await read(site.url, "crawl", max_pages=1000)

    assert len(site.asked) == 2 + 5
    assert "endlessly many" in reading.notes


@pytest.mark.parametrize("limit", ["MAX_VARIANTS", "MAX_COPIES"])
async def test_what_is_left_out_as_a_trap_is_not_gone(site, monkeypatch, limit):
    memory = Memory()
    pages = {f"/list?id={n}": html(f"Thing {n}") for n in range(8)}
    site.pages |= {"/": html("Home", links=[*pages, "/a"]), "/a": html("A"), **pages}
    first = await read(site.url, "crawl", memory=memory)
    assert len(first.found) == 10
    monkeypatch.setattr(_frontier, limit, 3)
    if limit == "MAX_COPIES":
        copies = {f"/list?copy={n}": html("Thing 0") for n in range(5)}
        site.pages |= {"/": html("Home", links=["/list?id=0", *copies, *pages]), **copies}
    else:
        site.pages["/"] = html("Home", links=list(pages))

    reading = await read(site.url, "crawl", memory=memory)

    assert {f"{site.url}{path}" for path in pages} <= set(reading.same)
    assert len(reading.same) == len(set(reading.same))
    assert reading.gone == []
    assert reading.saw_everything  # which makes `/a` go


async def test_sessions_in_addresses_are_not_pages(site):
    counter = itertools.count()

    def page(asked):
        session = f"{next(counter):016x}"
        return html("Shop", f"Page {asked.path.partition(';')[0].partition('?')[0]}", links=[
            f"/shop?PHPSESSID={session}", f"/shop/cart;jsessionid={session}", f"/(S({session}))/shop/help",
            f"/shop?sid={session}&utm_source={session}",
        ])  # fmt: skip

    site.pages["/"] = page
    site.otherwise = page

    reading = await read(site.url, "crawl", max_depth=20)

    assert site.asked == ["/", "/shop", "/shop/cart", "/shop/help"]
    assert reading.saw_everything


async def test_sessions_nobody_knows_end_with_the_same_text(site):
    counter = itertools.count()

    def page(_):
        return html("Shop", "Buy this", links=[f"/shop?visitor={next(counter)}" for _ in range(3)])

    site.pages["/"] = html("Home", links=["/shop?visitor=x"])
    site.otherwise = page

    reading = await read(site.url, "crawl", max_depth=20)

    assert len(site.asked) == 1 + 1 + 5
    assert "same text" in reading.notes


@pytest.mark.parametrize(
    ("following", "n_pages"),
    [
        pytest.param(lambda path: f"{path}/sub/sub".replace("//", "/"), 2, id="a folder in itself"),
        pytest.param(lambda path: f"{path}/a/b".replace("//", "/"), 3, id="two folders in each other"),
    ],
)
async def test_folders_that_lead_into_themselves_come_to_an_end(site, following, n_pages):
    site.pages["/"] = html("Home", links=[following("/")])
    site.otherwise = lambda asked: html(asked.path, f"At {asked.path}", links=[following(asked.path)])

    reading = await read(site.url, "crawl", max_depth=20)

    assert len(site.asked) == n_pages
    assert "folders repeat" in reading.notes


async def test_filters_in_every_combination_come_to_an_end(site, monkeypatch):
    monkeypatch.setattr(_frontier, "MAX_VARIANTS", 7)
    site.pages["/"] = html("Home", links=[f"/list?color={n}&size={m}" for n in range(40) for m in range(10)])
    site.otherwise = lambda asked: html(asked.path, f"About {asked.path}")

    reading = await read(site.url, "crawl", max_pages=1000)

    assert len(site.asked) == 1 + 7
    assert "endlessly many" in reading.notes


async def test_a_body_without_end_is_cut(site):
    site.pages |= {
        "/": html("Home", links=["/endless", "/liar"]),
        "/endless": lambda _: Answer(headers=HTML, parts=itertools.repeat(b"<p>more</p>" * 10_000)),
        "/liar": Answer(parts=[], headers={"Content-Type": "text/html", "Content-Length": "99999999999"}),
    }

    reading = await read(site.url, "crawl")

    assert set(reading.reasons) == {f"{site.url}/endless", f"{site.url}/liar"}
    assert all("larger than 8 MB" in reason for reason in reading.reasons.values())


async def test_a_body_that_drips_is_given_up(site):
    gate = threading.Event()

    def drip():
        while not gate.wait(0.05):
            yield b"<p>"

    site.pages |= {
        "/": html("Home", links=["/slow"]),
        "/slow": lambda _: Answer(headers=HTML, parts=drip()),
    }

    try:
        reading = await read(site.url, "crawl", request_s=2.0)
    finally:
        gate.set()

    assert "took too long" in reading.reasons[f"{site.url}/slow"]


async def test_damaged_html_is_a_page_like_any_other(site):
    nested = b"<div>" * 3000 + b"Deep down." + b"</div>" * 3000
    site.pages |= {
        "/": html("Home", links=["/a", "/b", "/c", "/d"]),
        "/a": Answer(b"<p>Not closed <b>and <i>crossed</b></i> <table><tr><td>cell", headers=HTML),
        "/b": Answer(nested, headers=HTML),
        "/c": Answer(b"\x00\xff\xfe<p>Odd bytes\x00 here.</p>", headers=HTML),
        "/d": Answer(b"", headers=HTML),
    }  # fmt: skip

    reading = await read(site.url, "crawl")

    assert {"/", "/a"} <= set(paths(reading.found))
    assert len(reading.found) + len(reading.reasons) == 5
    assert "no text" in reading.reasons[f"{site.url}/d"]


# ---- again and again


async def test_a_second_run_asks_only_for_what_has_changed_and_still_finds_its_way(site):
    site.pages |= {
        "/": html("Home", links=["/a"]),
        "/a": html("A", links=["/b"]),
        "/b": html("B", "Old"),
    }
    memory = Memory()
    await read(site.url, "crawl", memory=memory)
    site.forget()
    site.pages["/b"] = html("B", "New")

    reading = await read(site.url, "crawl", memory=memory)

    assert site.asked == ["/", "/a", "/b"]
    assert site.unchanged == ["/", "/a"]
    assert paths(reading.same) == ["/", "/a"]
    assert paths(reading.found) == ["/b"]
    assert reading.saw_everything


async def test_adverts_that_change_change_nothing(site):
    site.has_etags = False
    memory = Memory()
    advert = "<nav>Buy {}!</nav>"
    for n in range(2):
        page = html("Home", "Our prices")
        site.pages["/"] = Answer(
            page.body.replace(b"<main>", advert.format(n).encode() + b"<main>"), 200, page.headers
        )
        reading = await read(site.url, memory=memory)

    assert paths(reading.same) == ["/"]
    assert not reading.found


async def test_what_is_said_to_be_unchanged_by_its_date_is_believed(site):
    date = "Mon, 01 Jun 2026 10:00:00 GMT"

    def page(asked):
        is_known = asked.headers.get("if-modified-since") == date
        return Answer(status=304) if is_known else html("Home", **{"Last-Modified": date})

    site.has_etags, site.pages["/"] = False, page
    memory = Memory()

    await read(site.url, memory=memory)

    assert paths((await read(site.url, memory=memory)).same) == ["/"]


async def test_a_page_with_too_many_links_to_remember_is_always_read(site):
    links = [f"/{'x' * 200}/{n}" for n in range(300)]
    site.pages["/"] = html("Home", links=links)
    memory = Memory()
    await read(site.url, "crawl", memory=memory, max_pages=1)
    site.forget()

    reading = await read(site.url, "crawl", memory=memory, max_pages=1)

    assert site.unchanged == []
    assert "300 more addresses" in reading.notes
    assert len(str(memory.items[f"{site.url}/"].state)) < 40_000


async def test_other_settings_look_at_every_page_again(site):
    site.pages |= {"/": html("Home", links=["/a"]), "/a": html("A")}
    memory = Memory()
    await read(site.url, "page", memory=memory)

    assert sorted(paths((await read(site.url, "crawl", memory=memory)).found)) == ["/a"]


@pytest.mark.parametrize("status", [404, 410])
async def test_a_vanished_page_is_gone(site, status):
    site.pages |= {"/": html("Home", links=["/a"]), "/a": html("A")}
    memory = Memory()
    await read(site.url, "crawl", memory=memory)
    site.pages["/a"] = Answer(status=status)

    reading = await read(site.url, "crawl", memory=memory)

    assert paths(reading.gone) == ["/a"]
    assert str(status) in reading.of(Gone)[0].reason


async def test_what_was_left_out_once_and_kept_before_goes_as_well(site):
    memory = Memory()
    site.pages |= {"/": html("Home", links=["/a"]), "/a": html("A")}
    await read(site.url, "crawl", memory=memory)
    site.pages["/a"] = Answer(b"", headers=HTML)
    assert list((await read(site.url, "crawl", memory=memory)).reasons) == [f"{site.url}/a"]
    del site.pages["/a"]

    assert (await read(site.url, "crawl", memory=memory)).gone == [f"{site.url}/a"]


async def test_a_sitemap_without_pages_makes_nothing_go(site):
    memory = Memory()
    site.pages |= {"/sitemap.xml": sitemap(f"{site.url}/a"), "/a": html("A")}
    assert (await read(site.url, "sitemap", memory=memory)).saw_everything
    site.pages["/sitemap.xml"] = sitemap()

    reading = await read(site.url, "sitemap", memory=memory)

    assert (reading.gone, reading.saw_everything) == ([], False)
    assert "lists no pages" in reading.notes


async def test_a_page_nobody_links_to_any_more_was_not_seen(site):
    site.pages |= {"/": html("Home", links=["/a"]), "/a": html("A")}
    memory = Memory()
    await read(site.url, "crawl", memory=memory)
    site.pages["/"] = html("Home")

    reading = await read(site.url, "crawl", memory=memory)

    assert f"{site.url}/a" not in str(reading.events)
    assert reading.saw_everything


async def test_a_page_that_moved_is_gone_from_where_it_was(site):
    site.pages |= {"/": html("Home", links=["/a"]), "/a": html("A")}
    memory = Memory()
    await read(site.url, "crawl", memory=memory)
    site.pages |= {"/a": moved("/b"), "/b": html("A")}

    reading = await read(site.url, "crawl", memory=memory)

    assert paths(reading.gone) == ["/a"]
    assert paths(reading.found) == ["/b"]


async def test_a_page_that_is_not_to_be_kept_any_more_goes(site):
    site.pages["/"] = html("Home")
    memory = Memory()
    await read(site.url, memory=memory)
    site.pages["/"] = html("Home", head="<meta name=robots content=noindex>")

    assert paths((await read(site.url, memory=memory)).gone) == ["/"]


async def test_a_page_that_fails_hides_nothing_that_is_behind_it(site):
    site.pages |= {"/": html("Home", links=["/a"]), "/a": html("A", links=["/b"]), "/b": html("B")}
    memory = Memory()
    await read(site.url, "crawl", memory=memory)
    site.pages["/a"] = Answer(status=500)

    for _ in range(2):
        site.forget()
        reading = await read(site.url, "crawl", memory=memory)

        assert site.asked == ["/", "/a", "/b"]
        assert paths(reading.same) == ["/", "/b"]
        assert "fault of its own" in reading.reasons[f"{site.url}/a"]
        assert reading.saw_everything


async def test_a_new_page_that_fails_keeps_others_from_being_missed_for_a_while(site):
    site.pages |= {"/": html("Home", links=["/a"]), "/a": Answer(status=500)}
    memory = Memory()

    declared = [(await read(site.url, "crawl", memory=memory)).saw_everything for _ in range(4)]

    assert declared == [False, False, True, True]


async def test_a_site_that_stops_answering_ends_the_attempt_and_keeps_what_there_is(site):
    site.pages["/"] = html("Home", links=[f"/{n}" for n in range(20)])
    site.pages["/robots.txt"] = Answer(status=404)
    site.otherwise = lambda _: Answer(status=502)
    reading = Reading()

    with pytest.raises(TransientError, match="fault of its own"):
        await read(site.url, "crawl", reading=reading)

    assert len(site.asked) == 1 + 5
    assert paths(reading.found) == ["/"]
    assert not reading.saw_everything


async def test_a_site_that_is_not_there_is_tried_again(site):
    with Website() as other:
        url = other.url

    with pytest.raises(TransientError, match="could not be reached"):
        await read(url)


async def test_a_first_page_that_is_gone_takes_nothing_along(site):
    site.pages |= {"/": html("Home", links=["/a"]), "/a": html("A")}
    memory = Memory()
    await read(site.url, "crawl", memory=memory)
    del site.pages["/"]

    with pytest.raises(PermanentError, match="no such page"):
        await read(site.url, "crawl", memory=memory)


# ---- trying it


async def test_a_check_says_what_would_be_read(site):
    site.pages |= {
        "/robots.txt": text(f"User-agent: *\nCrawl-delay: 3\nSitemap: {site.url}/sitemap.xml"),
        "/sitemap.xml": sitemap(f"{site.url}/a", f"{site.url}/b"),
        "/": html("Home", links=["/a", "/b", "/blog/c"]),
    }

    crawl = await check(site.url, mode="crawl", exclude=["/blog"])
    listed = await check(site.url, mode="sitemap")

    assert crawl.is_ok
    assert crawl.message == "Found: Home."
    assert "It links to 3 more pages that would be read." in crawl.details  # the first page too
    assert any("3 seconds" in line for line in crawl.details)
    assert (listed.is_ok, listed.message) == (True, "The sitemap lists 2 pages that would be read.")


async def check(url, **config):
    return await web.build(web.check_config({"url": url, **config}), parts()).check()


@pytest.mark.parametrize(
    ("pages", "says"),
    [
        ({"/": Answer(status=404)}, "no such page"),
        ({"/": Answer(status=500)}, "fault of its own"),
        ({"/": moved("http://nobody.example/")}, "could not be reached"),
        ({"/robots.txt": Answer(status=500), "/": html("Home")}, "robots.txt"),
        ({"/": Answer(b"", headers=HTML)}, "no text"),
        ({"/": Answer(b"GIF89a", headers={"Content-Type": "image/gif"})}, "neither a page nor a document"),
    ],
)
async def test_a_check_says_what_is_wrong(site, pages, says):
    site.pages |= pages

    checked = await check(site.url)

    assert not checked.is_ok
    assert says in checked.message


async def test_a_check_reads_but_the_first_sitemaps(site):
    maps = [f"{site.url}/{n}.xml" for n in range(5)]
    site.pages |= {"/sitemap.xml": sitemap(*maps, kind="sitemapindex")}
    site.pages |= {f"/{n}.xml": sitemap(f"{site.url}/{n}") for n in range(5)}

    checked = await check(site.url, mode="sitemap")

    assert site.asked == ["/sitemap.xml", "/0.xml"]
    assert (checked.is_ok, checked.message) == (
        True,
        "The sitemap lists at least 1 pages that would be read.",
    )


async def test_a_check_of_lists_of_lists_says_that_more_will_be_looked_at(site):
    site.otherwise = lambda asked: sitemap(f"{site.url}{asked.path}/1.xml", kind="sitemapindex")

    checked = await check(f"{site.url}/sitemap.xml", mode="sitemap")

    assert len(site.asked) == 2
    assert (checked.is_ok, "once you add it" in checked.message) == (True, True)


@pytest.mark.parametrize("mode", ["page", "sitemap", "crawl"])
async def test_a_check_does_not_wait_for_ever(site, mode):
    let_go = threading.Event()
    site.otherwise = lambda _: Answer(status=404 if let_go.wait(60) else 500)
    reader = web.build(web.check_config({"url": site.url, "mode": mode}), parts())

    try:
        checked = await replace(reader, check_s=0.05).check()
    finally:
        let_go.set()

    assert (checked.is_ok, "took too long" in checked.message) == (False, True)


# ---- the confined process


async def test_the_confined_process_keeps_no_compiled_modules(site):
    """It may write only so much: a module that was cut off broke every program that imported it."""
    source = Path(web_pages.__file__).with_name("_web_child.py")
    compiled = Path(importlib.util.cache_from_source(str(source)))
    compiled.unlink(missing_ok=True)
    site.pages["/"] = html("Home")

    await read(site.url)

    assert not compiled.exists()


async def test_a_page_that_kills_its_reader_is_one_page():
    async with web_pages.web_page_reader(ParseLimits()) as reader:
        await reader.page(b"<p>One", url="http://a.example/")
        reader._process.kill()
        with pytest.raises(PermanentError, match="could not be read"):
            await reader.page(b"<p>Two", url="http://a.example/")

        assert (await reader.page(b"<p>Three", url="http://a.example/")).text == "Three"


async def test_a_page_that_takes_too_long_is_given_up_and_the_next_is_read():
    async with web_pages.web_page_reader(ParseLimits(), wall_s=0.001) as reader:
        with pytest.raises(PermanentError, match="too long"):
            await reader.page(b"<p>Slow", url="http://a.example/")
        reader.wall_s = 60

        assert (await reader.page(b"<p>Quick", url="http://a.example/")).text == "Quick"


async def test_nothing_is_left_of_a_reader():
    async with web_pages.web_page_reader(ParseLimits()) as reader:
        await reader.page(b"<p>One", url="http://a.example/")
        process, folder = reader._process, reader.folder

    assert process.returncode is not None
    assert not folder.exists()


async def test_a_reader_that_has_read_many_pages_starts_anew(monkeypatch):
    monkeypatch.setattr(web_pages, "PAGES_PER_CHILD", 2)
    async with web_pages.web_page_reader(ParseLimits()) as reader:
        processes = set()
        for n in range(4):
            assert (await reader.page(f"<p>{n}".encode(), url="http://a.example/")).text == str(n)
            processes.add(reader._process.pid)

    assert len(processes) == 2


# ---- broken off


def shop(site, n_pages=6):
    site.pages["/"] = html("Home", links=[f"/{n}" for n in range(n_pages)])
    site.pages |= {f"/{n}": html(f"Page {n}", f"Number {n}", links=[f"/{n}/more"]) for n in range(n_pages)}
    site.pages |= {f"/{n}/more": html(f"More {n}", f"Number {n}") for n in range(n_pages)}


async def test_a_run_that_was_broken_off_goes_on_where_it_was(site, monkeypatch):
    monkeypatch.setattr(_crawl, "PAGES_PER_CHECKPOINT", 5)
    shop(site)
    memory = Memory(run_id=7)
    await read(site.url, "crawl", memory=memory, until=lambda event: isinstance(event, Checkpoint))
    first = list(site.asked)
    site.forget()

    reading = await read(site.url, "crawl", memory=memory)

    assert len(first) == 5
    assert set(first) & set(site.asked) == set()
    assert len(site.asked) == 13 - 5
    assert len(memory.items) == 13
    assert reading.saw_everything
    assert memory.cursor == {}


async def test_copies_are_known_after_a_break_as_well(site, monkeypatch):
    monkeypatch.setattr(_crawl, "PAGES_PER_CHECKPOINT", 2)
    site.pages |= {
        "/": html("Home", links=["/a", "/print/a"]),
        "/a": html("A", "The same"),
        "/print/a": html("A", "The same"),
    }
    memory = Memory(run_id=7)
    await read(site.url, "crawl", memory=memory, until=lambda event: isinstance(event, Checkpoint))

    reading = await read(site.url, "crawl", memory=memory)

    assert reading.reasons == {f"{site.url}/print/a": f"Same text as {site.url}/a."}


async def test_what_another_run_left_behind_is_no_beginning(site, monkeypatch):
    """What it has seen may be gone by now."""
    monkeypatch.setattr(_crawl, "PAGES_PER_CHECKPOINT", 5)
    shop(site)
    memory = Memory(run_id=7)
    await read(site.url, "crawl", memory=memory, until=lambda event: isinstance(event, Checkpoint))
    site.forget()
    memory.run_id = 8

    reading = await read(site.url, "crawl", memory=memory)

    assert len(site.asked) == 13
    assert reading.saw_everything


async def test_after_an_outage_only_the_rest_is_asked_for(site):
    shop(site)
    pages = dict(site.pages)
    site.pages = {path: pages[path] for path in ("/", "/0", "/1")}
    site.pages["/robots.txt"] = Answer(status=404)
    site.otherwise = lambda _: Answer(status=503)
    memory = Memory(run_id=7)
    with pytest.raises(TransientError):
        await read(site.url, "crawl", memory=memory)
    site.forget()
    site.pages, site.otherwise = pages, None

    await read(site.url, "crawl", memory=memory)

    assert {"/", "/0", "/1"} & set(site.asked) == set()
    assert site.asked[:5] == ["/2", "/3", "/4", "/5", "/0/more"]
    assert {item.status for item in memory.items.values()} == {"kept"}
    assert len(memory.items) == 13
    assert memory.cursor == {}


async def test_stopping_a_run_ends_its_process_and_asks_for_nothing_more(site):
    shop(site)

    reading = await read(site.url, "crawl", until=lambda event: isinstance(event, Found))

    assert site.asked == ["/"]
    assert len(reading.found) == 1


async def test_what_was_met_is_bounded(site, monkeypatch):
    monkeypatch.setattr(_frontier, "MAX_MET", 4)
    shop(site)

    reading = await read(site.url, "crawl")

    assert len(site.asked) == 4
    assert not reading.saw_everything
