"""Pages at /s/<slug>, in front of a server of files that knows nothing of links."""

import httpx2
import pytest
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from rag_app.api.share_pages import SharePages

ETAG = '"the page"'


async def files(scope, receive, send):
    """Answers as the server of the built pages does: the same page for every slug, with an ETag."""
    known = Request(scope).headers.get("if-none-match") == ETAG
    headers = {"ETag": ETAG}
    response = Response(status_code=304, headers=headers) if known else HTMLResponse("chat", headers=headers)
    await response(scope, receive, send)


@pytest.fixture
async def visitor(services):
    transport = httpx2.ASGITransport(SharePages(files))
    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost:3000") as caller:
        yield caller


@pytest.fixture
async def link(owner):
    kb = await owner.create_kb()
    address = f"/api/knowledge-bases/{kb['id']}/share-links"
    return address, (await owner.http.post(address)).json()["slug"]


async def test_a_visitor_is_known_from_the_first_page_on(visitor, link):
    first = await visitor.get(f"/s/{link[1]}/")
    second = await visitor.get(f"/s/{link[1]}/")

    assert first.status_code == 200
    assert "HttpOnly" in first.headers["set-cookie"]
    assert "set-cookie" not in second.headers


async def test_a_link_that_never_was_is_not_found_and_gives_no_cookie(visitor):
    response = await visitor.get(f"/s/{'x' * 22}/")

    assert response.status_code == 404
    assert "set-cookie" not in response.headers


async def test_a_page_the_browser_has_kept_does_not_bring_a_dead_link_back(visitor, link, owner):
    assert (await visitor.get(f"/s/{link[1]}/")).status_code == 200
    await owner.http.delete(link[0])

    response = await visitor.get(f"/s/{link[1]}/", headers={"If-None-Match": ETAG})

    assert response.status_code == 404


async def test_other_pages_are_left_alone(visitor):
    assert (await visitor.get("/login/")).status_code == 200
