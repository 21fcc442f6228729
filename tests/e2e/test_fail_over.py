"""One provider fails, another answers, and the page says who: set up and seen in a real browser."""

import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from playwright.async_api import expect

from tests.e2e.conftest import Installation, Person, person, running
from tests.e2e.test_story import DESKTOP, FILES, PATIENCE_MS, PHONE, ask, sign_up, write
from tests.fake_llms import FORMATS, FakeLLMServer

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

ANSWER = "Every employee has 25 days of paid holiday [1]."
QUESTION = "How many days of paid holiday does every employee have?"


@pytest.fixture
async def providers() -> AsyncIterator[FakeLLMServer]:
    async with FakeLLMServer(ANSWER, pause_s=0.05) as server:
        yield server


@pytest.fixture
def with_keys(providers: FakeLLMServer) -> Iterator[Installation]:
    """An installation of its own, whose providers are the stand-in."""
    settings = {f"{name.upper()}_API_KEY": "sk-test" for name in FORMATS}
    settings |= {f"{name.upper()}_BASE_URL": providers.base_url(name) for name in FORMATS}
    with running(**settings) as started:
        yield started


async def test_another_model_takes_over_and_the_page_says_so(with_keys, browser, providers, tmp_path):
    async with person(browser, with_keys.url, viewport=DESKTOP) as owner:
        await sign_up(owner, "ada@example.com")
        await create_kb_with_gemini(owner)
        await upload_one(owner, tmp_path)
        await choose_a_stand_in(owner)
        await see_the_final_prompt(owner)
        providers.fail_with("gemini", "overloaded")
        await be_answered_by_the_stand_in(owner)
        await stop_an_answer(owner, providers)
        await see_an_incomplete_answer_and_try_again(owner, providers)
        assert owner.complaints == []
        link = await share(owner)
    providers.fail_with("gemini", "quota")
    async with person(browser, with_keys.url, viewport=PHONE, color_scheme="dark") as visitor:
        await be_answered_without_the_owners_troubles(visitor, link)


async def create_kb_with_gemini(owner: Person) -> None:
    page = owner.page
    await page.get_by_role("button", name=re.compile("Create")).first.click()
    window = page.get_by_role("dialog", name="New knowledge base")
    await window.get_by_label("Who writes the answers").select_option("gemini")
    await window.locator("input[name=name]").fill("Handbook")
    await window.get_by_role("button", name="Create", exact=True).click()
    await page.wait_for_url(re.compile(r"/knowledge/?\?kb="))


async def upload_one(owner: Person, folder: Path) -> None:
    page = owner.page
    paths = write({"holiday.pdf": FILES["holiday.pdf"]}, folder)
    await page.locator("input[type=file]:not([webkitdirectory])").set_input_files(paths)
    await expect(page.locator("table").get_by_text("Ready", exact=True)).to_have_count(1, timeout=PATIENCE_MS)


async def choose_a_stand_in(owner: Person) -> None:
    page = owner.page
    await page.goto("/settings/?tab=answers")
    await page.get_by_label("Add a model").select_option("openai|gpt-6-luna")
    await page.get_by_label("Add a model").select_option("anthropic|claude-haiku-5-5")
    order = page.get_by_role("list", name="Models that stand in").get_by_role("listitem")
    await expect(order).to_have_count(2)
    await page.get_by_role("button", name="Ask Claude Haiku 5.5 (Anthropic) sooner").click()
    await expect(order.first).to_contain_text("Claude Haiku 5.5")
    await page.get_by_role("button", name="Remove GPT-6 Luna (OpenAI)").click()
    await expect(order).to_have_count(1)
    await page.get_by_label("Language of the answers").select_option("en")
    await owner.shoot("50-answers-changed")
    await page.get_by_role("button", name="Save", exact=True).click()
    await expect(page.get_by_text("Questions are answered like this from now on.").last).to_be_visible()
    await page.reload()
    await expect(order).to_have_count(1)
    await expect(page.get_by_label("Language of the answers")).to_have_value("en")


async def see_the_final_prompt(owner: Person) -> None:
    page = owner.page
    await page.get_by_label("A question").fill(QUESTION)
    await page.get_by_role("button", name="Show the prompt").click()
    prompt = page.get_by_role("region", name="Passages and question")
    await expect(prompt).to_contain_text("25 days of paid holiday", timeout=PATIENCE_MS)
    await expect(page.get_by_role("region", name="Instructions")).to_contain_text("Answer in English")
    await prompt.scroll_into_view_if_needed()
    await owner.shoot("51-final-prompt")
    await page.set_viewport_size(PHONE)
    await page.emulate_media(color_scheme="dark")
    await owner.shoot("52-final-prompt-phone")
    await page.get_by_role("heading", name="If it cannot answer").scroll_into_view_if_needed()
    await owner.shoot("53-answers-phone")
    await page.emulate_media(color_scheme="light")
    await page.set_viewport_size(DESKTOP)


async def be_answered_by_the_stand_in(owner: Person) -> None:
    page = owner.page
    await page.goto("/knowledge-bases/")
    await page.get_by_role("link", name="Try the chat").first.click()
    await ask(page, QUESTION)
    told = page.get_by_text("Answered by Claude Haiku 5.5, because Google Gemini was overloaded")
    await expect(told).to_be_visible(timeout=PATIENCE_MS)
    await expect(page.get_by_text("25 days of paid holiday").first).to_be_visible()
    await owner.shoot("54-stood-in")


async def stop_an_answer(owner: Person, providers: FakeLLMServer) -> None:
    page = owner.page
    providers.fail_with("anthropic", "stall")
    await ask(page, "How long is the paid holiday of an employee in each calendar year?")
    growing = page.locator("article[aria-busy=true]").get_by_text("Every employee")
    await expect(growing).to_be_visible(timeout=PATIENCE_MS)
    await page.get_by_role("button", name="Stop the answer").click()
    await providers.wait_for_disconnects()  # the provider's request ends with it
    await expect(page.get_by_text("Incomplete answer.").first).to_be_visible()
    await expect(page.get_by_text("The answer was stopped.").first).to_be_visible()


async def see_an_incomplete_answer_and_try_again(owner: Person, providers: FakeLLMServer) -> None:
    page = owner.page
    providers.fail_with("anthropic", "cut times=1")
    await page.get_by_role("button", name="Try again").click()
    await expect(page.get_by_text("Anthropic broke off in the middle of the answer.").first).to_be_visible(
        timeout=PATIENCE_MS
    )
    await expect(page.get_by_text("Incomplete answer.").first).to_be_visible()
    await owner.shoot("55-incomplete")
    await page.get_by_role("button", name="Try again").click()
    await expect(page.get_by_text("Incomplete answer.")).to_have_count(0, timeout=PATIENCE_MS)
    await expect(page.get_by_text(re.compile("Answered by Claude Haiku 5.5, because")).last).to_be_visible(
        timeout=PATIENCE_MS
    )


async def share(owner: Person) -> str:
    page = owner.page
    await page.goto("/knowledge-bases/")
    await page.get_by_role("button", name="Share").first.click()
    window = page.get_by_role("dialog", name="Share this chat")
    await window.get_by_text("Anyone with the link can chat").click()
    await expect(window.locator("#share-link")).to_have_value(re.compile("/s/"))
    return await window.locator("#share-link").input_value()


async def be_answered_without_the_owners_troubles(visitor: Person, link: str) -> None:
    page = visitor.page
    await page.goto(link)
    await ask(page, QUESTION)
    await expect(page.get_by_text("Claude Haiku 5.5").first).to_be_visible(timeout=PATIENCE_MS)
    await expect(page.get_by_text(re.compile("because|quota|credit"))).to_have_count(0)
    await visitor.shoot("56-visitor")
