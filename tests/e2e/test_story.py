"""The main job as a newcomer does it, in a real browser: from no account to a public link that answers.

Pictures of every step are left in `test-artifacts/`, for people to look at.
"""

import re
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.e2e.conftest import Person, person
from tests.sample_files import docx_bytes, html_bytes, pdf_bytes, pptx_bytes, scanned_pdf_bytes, xlsx_bytes

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

DESKTOP = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}
PATIENCE_MS = 120_000  # a busy machine, not a promise

FILES = {
    "holiday.pdf": pdf_bytes([
        "Holiday rules. Every employee has 25 days of paid holiday in each calendar year.",
        "Unused days expire on 31 March of the following year. Part-time staff get a share of the days.",
    ]),
    "expenses.docx": docx_bytes(),
    "slides.pptx": pptx_bytes(),
    "prices.xlsx": xlsx_bytes(),
    "welcome.html": html_bytes(
        "<h1>Canteen</h1><p>The canteen is open from eleven to two. Lunch costs four euros for employees.</p>"
    ),
    "locked.pdf": pdf_bytes(["Secret."], password="secret"),
}  # fmt: skip


async def test_a_newcomer_gets_a_public_chat_that_cites_their_documents(installation, browser, tmp_path):
    paths = write(FILES, tmp_path)
    async with person(browser, installation.url, viewport=DESKTOP) as owner:
        await sign_up(owner, "ada@example.com")
        await create_kb(owner, "Employee handbook")
        await upload(owner, paths)
        await ask_in_preview(owner)
        link = await share(owner)
        async with person(
            browser, installation.url, viewport=PHONE, color_scheme="dark", has_touch=True, is_mobile=True
        ) as visitor:
            await visit(visitor, link)
            await see_the_visit(owner)
            await renew_link(owner)
            await find_the_old_link_dead(visitor, link)
            # The 404 of the dead page is the only thing a console may complain of.
            assert [text for text in visitor.complaints if "404" not in text] == []
        await search(owner)
        assert owner.complaints == []


def write(files: dict[str, bytes], folder: Path) -> list[str]:
    paths = []
    for name, content in files.items():
        (folder / name).write_bytes(content)
        paths.append(str(folder / name))
    return paths


async def sign_up(owner: Person, email: str) -> None:
    page = owner.page
    await page.goto("/")
    await owner.shoot("01-landing")
    await page.get_by_role("link", name="Create account").first.click()
    await page.wait_for_url(re.compile("/register"))
    await page.locator("input[name=name]").fill("Ada Lovelace")
    await page.locator("input[name=email]").fill(email)
    await page.locator("input[name=password]").fill("a long enough secret")
    await owner.shoot("02-register")
    await page.get_by_role("button", name="Create account").click()
    await page.wait_for_url(re.compile("/knowledge-bases"))
    await expect(page.get_by_role("heading", name="My Knowledge Bases")).to_be_visible()
    await owner.shoot("03-no-knowledge-base-yet")


async def create_kb(owner: Person, name: str) -> None:
    page = owner.page
    await page.get_by_role("button", name=re.compile("Create|New knowledge base")).first.click()
    window = page.get_by_role("dialog", name="New knowledge base")
    await expect(window.get_by_label("Who writes the answers")).to_have_value("local")
    await window.get_by_role("button", name="Create", exact=True).click()
    await expect(window).to_be_visible()  # a name is missing: said in place, nothing made
    await window.locator("input[name=name]").fill(name)
    await owner.shoot("04-create")
    await window.get_by_role("button", name="Create", exact=True).dblclick()
    await page.wait_for_url(re.compile(r"/knowledge/?\?kb="))
    await owner.shoot("05-no-documents-yet")


async def upload(owner: Person, paths: list[str]) -> None:
    page = owner.page
    await page.locator("input[type=file]:not([webkitdirectory])").set_input_files(paths)
    await owner.shoot("06-reading")
    await expect(page.locator("table").get_by_text("Ready", exact=True)).to_have_count(5, timeout=PATIENCE_MS)
    await expect(page.get_by_text(re.compile("protected with a password")).first).to_be_visible()
    await owner.shoot("07-ready")
    await page.reload()
    await expect(page.locator("table").get_by_text("Ready", exact=True)).to_have_count(5)
    await page.locator("input[type=file]:not([webkitdirectory])").set_input_files(paths[:1])
    await expect(page.get_by_text(re.compile("already|duplicate", re.IGNORECASE)).first).to_be_visible()
    await page.get_by_role("link", name="holiday.pdf").click()
    await expect(page.get_by_text("25 days of paid holiday").first).to_be_visible()
    await owner.shoot("08-document")


async def ask_in_preview(owner: Person) -> None:
    page = owner.page
    await page.goto("/knowledge-bases/")
    await page.get_by_role("link", name="Try the chat").first.click()
    await ask(page, "How many days of paid holiday does every employee have?")
    await expect(page.get_by_text(re.compile("25 days of paid holiday")).first).to_be_visible(
        timeout=PATIENCE_MS
    )
    await owner.shoot("09-answer")
    await page.locator("button.cite").first.click()
    panel = page.get_by_role("dialog", name=re.compile("Source"))
    await expect(panel.get_by_text("holiday.pdf").first).to_be_visible()
    await expect(panel.locator("mark").first).to_contain_text("25 days")
    await owner.shoot("10-citation")
    await page.keyboard.press("Escape")
    await ask(page, "When do they expire?")  # a follow-up: “they” are the days
    await expect(page.get_by_text(re.compile("31 March")).first).to_be_visible(timeout=PATIENCE_MS)
    await ask(page, "Who won the football world cup in 1954?")
    await expect(page.get_by_text(re.compile("could not find an answer")).first).to_be_visible(
        timeout=PATIENCE_MS
    )
    await owner.shoot("11-not-guessed")


async def ask(page: Page, question: str) -> None:
    await expect(page.get_by_role("button", name="Send")).to_be_visible()  # “Stop” while an answer comes
    await page.locator("textarea").first.fill(question)
    await page.locator("textarea").first.press("Enter")
    await expect(page.get_by_text(question).first).to_be_visible()


async def share(owner: Person) -> str:
    page = owner.page
    await page.get_by_role("button", name="Share").first.click()
    window = page.get_by_role("dialog", name="Share this chat")
    await window.get_by_text("Anyone with the link can chat").click()
    await expect(window.locator("#share-link")).to_have_value(re.compile("/s/"))
    await expect(window.get_by_role("img", name=re.compile("QR"))).to_be_visible()
    await owner.shoot("12-shared")
    link = await window.locator("#share-link").input_value()
    await page.keyboard.press("Escape")
    return link


async def visit(visitor: Person, link: str) -> None:
    page = visitor.page
    await page.goto(link)
    await expect(page.get_by_role("heading", name="Employee handbook").first).to_be_visible()
    await visitor.shoot("13-visitor")
    await ask(page, "What does lunch in the canteen cost?")
    await expect(page.get_by_text(re.compile("four euros")).first).to_be_visible(timeout=PATIENCE_MS)
    await visitor.shoot("14-visitor-answer")
    await page.locator("button.cite").first.click()
    await expect(page.get_by_text("welcome.html").first).to_be_visible()
    await visitor.shoot("15-visitor-citation")
    await page.keyboard.press("Escape")
    await page.reload()
    await expect(page.get_by_text(re.compile("four euros")).first).to_be_visible()


async def see_the_visit(owner: Person) -> None:
    page = owner.page
    await page.goto("/conversations/")
    await page.get_by_text("What does lunch in the canteen cost?").first.click()
    await expect(page.get_by_text(re.compile("four euros")).first).to_be_visible()
    await owner.shoot("16-conversation")


async def renew_link(owner: Person) -> None:
    page = owner.page
    await page.goto("/knowledge-bases/")
    await page.get_by_role("button", name="Share").first.click()
    window = page.get_by_role("dialog", name="Share this chat")
    old = await window.locator("#share-link").input_value()
    await window.get_by_role("button", name="New link").click()
    await window.get_by_role("button", name="Make a new link").click()
    await expect(window.locator("#share-link")).not_to_have_value(old)
    await page.keyboard.press("Escape")


async def find_the_old_link_dead(visitor: Person, link: str) -> None:
    response = await visitor.page.goto(link)
    assert response is not None
    assert response.status == 404
    await expect(visitor.page.get_by_text(re.compile("not available", re.IGNORECASE)).first).to_be_visible()
    await visitor.shoot("17-dead-link")


async def search(owner: Person) -> None:
    page = owner.page
    await page.goto("/search/")
    await page.get_by_label("What are you looking for?").fill("unused holiday")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("link", name="holiday.pdf").first).to_be_visible(timeout=PATIENCE_MS)
    await expect(page.locator("mark").first).to_be_visible()
    await owner.shoot("18-search")


async def test_a_scan_without_text_is_never_ready_in_silence(installation, browser, tmp_path):
    """With Tesseract it is read; without, it fails saying so."""
    paths = write({"scan.pdf": scanned_pdf_bytes("INVOICE NUMBER 4711")}, tmp_path)
    async with person(browser, installation.url, viewport=DESKTOP) as owner:
        await sign_up(owner, "scan@example.com")
        await create_kb(owner, "Scans")
        await owner.page.locator("input[type=file]:not([webkitdirectory])").set_input_files(paths)
        outcome = owner.page.get_by_text(re.compile("text recognised in pictures|Install Tesseract")).first
        await expect(outcome).to_be_visible(timeout=PATIENCE_MS)


async def test_nobody_gets_into_the_dashboard_without_signing_in(installation, browser):
    async with person(browser, installation.url, viewport=DESKTOP) as stranger:
        for path in ("/knowledge-bases/", "/knowledge/", "/conversations/", "/settings/", "/chat/1/"):
            await stranger.page.goto(path)
            await stranger.page.wait_for_url(re.compile("/login"))


async def test_signing_out_ends_the_other_tabs_too(installation, browser):
    async with person(browser, installation.url, viewport=DESKTOP) as owner:
        await sign_up(owner, "tabs@example.com")
        second = await owner.context.new_page()
        await second.goto("/knowledge-bases/")
        await expect(second.get_by_role("heading", name="My Knowledge Bases")).to_be_visible()
        await owner.page.get_by_role("button", name=re.compile("Ada")).last.click()
        await owner.page.get_by_role("menuitem", name="Log out").last.click()
        await owner.page.wait_for_url(re.compile("/$"))

        await second.get_by_role("button", name=re.compile("Create")).first.click()

        await second.wait_for_url(re.compile("/login"))
