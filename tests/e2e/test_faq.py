"""From a question nobody could answer to an entry that answers it, in a real browser.

Pictures are left in `test-artifacts/`, for people to look at.
"""

import re
from pathlib import Path

import pytest
from playwright.async_api import Locator, Page, expect

from tests.e2e.conftest import Person, person
from tests.e2e.test_retrieval import upload
from tests.e2e.test_story import DESKTOP, FILES, PATIENCE_MS, ask, create_kb, sign_up, write

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

DOGS = "May I bring my dog to the office?"
OTHER = "Who won the football world cup in 1954?"


async def test_a_question_nobody_could_answer_becomes_an_entry_that_answers_it(
    installation, browser, tmp_path
):
    async with person(browser, installation.url, viewport=DESKTOP) as owner:
        page = owner.page
        await sign_up(owner, "curator@example.com")
        await create_kb(owner, "Office")
        await upload(page, write({"holiday.pdf": FILES["holiday.pdf"]}, tmp_path))
        await be_refused(page, DOGS, OTHER)
        await dismiss_and_undo(owner)
        await answer_it(owner)
        await be_answered_at_once(page)
        await make_an_answer_an_entry(owner)
        await select_entries(owner)
        await select_documents(owner)
        assert owner.complaints == []


async def be_refused(page: Page, *questions: str) -> None:
    await page.get_by_role("link", name="Try the chat").first.click()
    for number, question in enumerate(questions, start=1):
        await ask(page, question)
        refusals = page.locator(".answer-text").filter(has_text="could not find an answer")
        await expect(refusals).to_have_count(number, timeout=PATIENCE_MS)


def group(page: Page, question: str) -> Locator:
    return page.get_by_role("listitem").filter(has=page.get_by_role("heading", name=question))


async def dismiss_and_undo(owner: Person) -> None:
    page = owner.page
    await page.goto("/faq/")
    await page.get_by_role("link", name="Unanswered questions").click()
    await expect(group(page, DOGS)).to_contain_text("Asked once")
    await page.get_by_role("button", name=f"Dismiss “{DOGS}”").click()
    await expect(group(page, DOGS)).to_have_count(0)
    await owner.shoot("80-dismissed")
    await page.get_by_role("button", name="Undo").click()
    await expect(group(page, DOGS)).to_be_visible()
    await page.get_by_role("button", name=f"Dismiss “{OTHER}”").click()
    await expect(group(page, OTHER)).to_have_count(0)


async def answer_it(owner: Person) -> None:
    page = owner.page
    await page.get_by_role("button", name=f"Answer “{DOGS}”").click()
    window = page.get_by_role("dialog", name="Answer this question")
    await expect(window.get_by_label("Question")).to_have_value(DOGS)
    await window.get_by_label("Answer", exact=True).fill("Yes, **small** dogs are welcome.")
    await owner.shoot("81-answer-it")
    await window.get_by_role("button", name="Save in the FAQ").click()
    await expect(page.get_by_text("No unanswered questions")).to_be_visible()
    await owner.shoot("82-all-answered")


async def be_answered_at_once(page: Page) -> None:
    await page.goto("/faq/")
    await expect(page.get_by_role("heading", name=DOGS)).to_be_visible()
    await expect(page.get_by_text("Being added")).to_have_count(0, timeout=PATIENCE_MS)
    await page.goto("/knowledge-bases/")
    await page.get_by_role("link", name="Try the chat").first.click()
    await page.get_by_role("button", name="New conversation").click()
    await page.get_by_label("Your question").fill(DOGS.lower())
    await page.get_by_role("button", name="Send").click()
    await expect(page.get_by_text("curated answer from the FAQ")).to_be_visible(timeout=PATIENCE_MS)
    await expect(page.get_by_role("link", name="In the FAQ")).to_be_visible()


async def make_an_answer_an_entry(owner: Person) -> None:
    page = owner.page
    await ask(page, "How many days of paid holiday does every employee have?")
    make = page.get_by_role("button", name="Make this an FAQ")
    await expect(make).to_be_visible(timeout=PATIENCE_MS)
    await make.click()
    window = page.get_by_role("dialog", name="Make this an FAQ")
    await expect(window.get_by_label("Answer", exact=True)).to_have_value(re.compile("25 days"))
    await window.get_by_label("Question").fill(DOGS)
    await window.get_by_role("button", name="Save in the FAQ").click()
    await expect(window.get_by_text("The FAQ has this question already")).to_be_visible()
    await owner.shoot("83-already-there")
    await window.get_by_label("Question").fill("How long is the holiday?")
    await window.get_by_label("Answer", exact=True).fill("25 days a year.")
    await window.get_by_role("button", name="Change that entry").click()
    await expect(window).to_be_hidden()
    await page.get_by_role("link", name="In the FAQ").last.click()
    entry = page.get_by_role("dialog", name="Change the entry")
    await expect(entry.get_by_label("Question")).to_have_value("How long is the holiday?")
    await entry.get_by_role("button", name="Cancel").click()


async def select_entries(owner: Person) -> None:
    page = owner.page
    await page.get_by_label("Select all on this page").click()
    await expect(page.get_by_text("2 selected")).to_be_visible()
    await page.get_by_label(f"Select “{DOGS}”").click()
    await expect(page.get_by_text("1 selected")).to_be_visible()
    async with page.expect_download() as download:
        await page.get_by_role("link", name="Export").last.click()
    exported = Path(await (await download.value).path()).read_text(encoding="utf-8-sig")
    assert "How long is the holiday?" in exported
    assert DOGS not in exported
    await expect(page.get_by_text("1 selected")).to_be_visible()  # a download leaves the page as it is
    await page.get_by_role("button", name="Delete", exact=True).click()
    await page.get_by_role("dialog").get_by_role("button", name="Delete entries").click()
    await expect(page.get_by_role("heading", name="How long is the holiday?")).to_have_count(0)
    await expect(page.get_by_role("heading", name=DOGS)).to_be_visible()


async def select_documents(owner: Person) -> None:
    page = owner.page
    await page.goto("/knowledge/")
    await page.get_by_label("Select holiday.pdf").click()
    await page.get_by_role("button", name="Tags", exact=True).click()
    window = page.get_by_role("dialog", name=re.compile("Tags of the selected documents"))
    await window.get_by_label("Tags", exact=True).fill("Rules")
    await window.get_by_role("button", name="Save").click()
    await expect(page.get_by_role("list", name="Tags").get_by_text("Rules")).to_be_visible()
    await page.get_by_role("link", name="holiday.pdf").click()
    tried = page.locator("#attempts")
    await expect(tried.get_by_role("listitem")).to_contain_text(["Ready", "Begun", "Queued"])
    await owner.shoot("84-what-was-tried")
    await page.goto("/knowledge/")
    await page.get_by_label("Select all on this page").click()
    await page.get_by_role("button", name="Delete", exact=True).click()
    await page.get_by_role("dialog").get_by_role("button", name="Delete documents").click()
    await expect(page.get_by_text("What happens with your files")).to_be_visible()
