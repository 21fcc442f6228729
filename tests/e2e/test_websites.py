"""A website as somebody adds it in a real browser: looked at, read, asked about, and read again."""

import re
from collections.abc import Iterator

import pytest
from playwright.async_api import expect

from tests.e2e.conftest import Installation, Person, person, running
from tests.e2e.test_story import DESKTOP, PATIENCE_MS, create_kb, sign_up
from tests.websites import Answer, Website, html

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def lenient_installation() -> Iterator[Installation]:
    """One whose operator has listed this machine, where the website of the test is."""
    with running(RAG_ALLOWED_PRIVATE_HOSTS="127.0.0.1") as started:
        yield started


@pytest.fixture
def site() -> Iterator[Website]:
    with Website() as served:
        served.pages |= {
            "/": html("Wheels help center", "We sell bicycles", links=["/returns", "/shipping", "/app"]),
            "/returns": html("Returns", "A bicycle can be sent back within thirty days"),
            "/shipping": html("Shipping", "Shipping a bicycle abroad costs forty euros"),
            "/app": Answer(
                b"<div id='root'></div><noscript>Enable JavaScript.</noscript><script src='/a.js'></script>",
                headers={"Content-Type": "text/html"},
            ),
        }
        yield served


async def test_a_website_is_added_read_asked_about_and_read_again(lenient_installation, browser, site):
    async with person(browser, lenient_installation.url, viewport=DESKTOP) as owner:
        await sign_up(owner, "web@example.com")
        await create_kb(owner, "Bicycles")
        await add(owner, site)
        await look_at_its_pages(owner, site)
        await ask(owner, site)
        site.pages["/returns"] = html("Returns", "A bicycle can be sent back within sixty days")
        await read_again(owner)
        await remove(owner)
        assert owner.complaints == []


async def add(owner: Person, site: Website) -> None:
    page = owner.page
    await page.get_by_role("link", name="Web Sources").click()
    await page.get_by_role("button", name="Add the first website").click()
    window = page.get_by_role("dialog", name="Add a website")
    await window.get_by_label("Address", exact=True).fill("http://10.0.0.1/")
    await window.get_by_role("button", name="Check the address").click()
    await expect(window.get_by_text("not the address of a server on the internet")).to_be_visible()
    await window.get_by_label("Address", exact=True).fill(site.url)
    await window.get_by_role("button", name=re.compile("Check the address|Add it all the same")).click()
    await expect(window.get_by_text("Found: Wheels help center.")).to_be_visible(timeout=PATIENCE_MS)
    await owner.shoot("web-1-checked")
    await window.get_by_role("button", name="Add the website").click()
    await expect(window).not_to_be_visible()
    await expect(page.get_by_text(re.compile("Waiting for its turn|Reading")).first).to_be_visible()
    await owner.shoot("web-2-reading")
    await expect(page.get_by_text("Up to date")).to_be_visible(timeout=PATIENCE_MS)
    await expect(page.get_by_text("3 pages")).to_be_visible()


async def look_at_its_pages(owner: Person, site: Website) -> None:
    page = owner.page
    await page.get_by_role("link", name=site.host, exact=True).click()
    await expect(page.get_by_role("link", name="Returns", exact=True)).to_be_visible()
    await page.get_by_label("State").select_option("failed")
    await expect(page.get_by_text("This page needs a browser")).to_be_visible()
    await expect(page.get_by_role("link", name="Returns", exact=True)).not_to_be_visible()
    await page.get_by_label("State").select_option("")
    await page.get_by_label("Find a page").fill("shipp")
    await expect(page.get_by_role("link", name="Returns", exact=True)).not_to_be_visible()
    await owner.shoot("web-3-pages")


async def ask(owner: Person, site: Website) -> None:
    page = owner.page
    kb_id = re.search(r"kb=(\d+)", page.url)
    assert kb_id is not None
    await page.goto(f"/chat/{kb_id[1]}")
    await page.get_by_label("Your question").fill("Within how many days can a bicycle be sent back?")
    await page.get_by_label("Your question").press("Enter")
    outside = page.get_by_role("link", name="Open Returns in a new tab")
    await expect(outside).to_be_visible(timeout=PATIENCE_MS)
    await expect(outside).to_have_attribute("href", f"{site.url}/returns")
    await expect(outside).to_have_attribute("target", "_blank")
    await expect(outside).to_have_attribute("rel", re.compile("noopener"))
    await page.locator("button.source").filter(has_text="Returns").click()
    await expect(page.get_by_role("link", name="Open the web page")).to_have_attribute(
        "href", f"{site.url}/returns"
    )
    await owner.shoot("web-4-cited")


async def read_again(owner: Person) -> None:
    page = owner.page
    await page.goto("/web-sources")
    await page.get_by_role("button", name=re.compile("^More about")).click()
    await page.get_by_role("menuitem", name="Read now").click()
    await expect(page.get_by_text(re.compile("Waiting for its turn|Reading")).first).to_be_visible()
    await expect(page.get_by_text("Up to date")).to_be_visible(timeout=PATIENCE_MS)
    await page.locator("li.card a").first.click()
    await page.get_by_role("tab", name="History").click()
    await expect(page.get_by_text(re.compile("1 changed")).first).to_be_visible()
    await page.get_by_role("button", name="Show what happened").first.click()
    window = page.get_by_role("dialog")
    await expect(window.get_by_text(re.compile("within sixty days"))).to_be_visible()
    await expect(window.get_by_text(re.compile("within thirty days"))).to_be_visible()
    await owner.shoot("web-5-changed")
    await page.keyboard.press("Escape")


async def remove(owner: Person) -> None:
    page = owner.page
    await page.goto("/web-sources")
    await page.get_by_role("button", name=re.compile("^More about")).click()
    await page.get_by_role("menuitem", name="Settings").click()
    window = page.get_by_role("dialog", name="Change the website")
    await window.get_by_label("Name").fill("Wheels")
    await window.get_by_role("button", name="Save").click()
    await expect(page.get_by_role("link", name="Wheels", exact=True)).to_be_visible()
    await page.get_by_role("button", name="More about Wheels").click()
    await page.get_by_role("menuitem", name="Remove").click()
    await page.get_by_role("button", name="Remove with its pages").click()
    await expect(page.get_by_text("Answers from websites")).to_be_visible()
