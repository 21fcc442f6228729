"""How a knowledge base is searched, in a real browser: settings, another embedding model, Semantic Search.

Pictures are left in `test-artifacts/`, for people to look at.
"""

import contextlib
import re
import signal
from collections.abc import Iterator

import psutil
import pytest
from playwright.async_api import Locator, Page, expect

from tests.e2e.conftest import Installation, Person, person
from tests.e2e.test_story import DESKTOP, FILES, PATIENCE_MS, PHONE, create_kb, sign_up, write
from tests.sample_files import html_bytes

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

HANDBOOK = {
    "holiday.pdf": FILES["holiday.pdf"],
    "canteen.html": html_bytes(
        "<h1>Canteen</h1><p>The canteen is open from eleven to two. Lunch costs four euros for employees.</p>"
    ),
    "urlaub.txt": (
        "Jeder Mitarbeiter hat fünfundzwanzig Tage Urlaub im Jahr. Nicht genommene Tage verfallen am Ende "
        "des Monats März. Die Kantine ist von elf bis zwei Uhr geöffnet."
    ).encode(),
}


async def test_settings_of_the_search_are_explained_kept_taken_back_and_reset(installation, browser):
    async with person(browser, installation.url, viewport=DESKTOP) as owner:
        await sign_up(owner, "knobs@example.com")
        await create_kb(owner, "Knobs")
        await owner.page.goto("/settings/")
        await turn(owner)
        await keep(owner)
        await take_back(owner)
        await reset(owner)
        assert owner.complaints == []


async def turn(owner: Person) -> None:
    page = owner.page
    await expect(preset(page, "Balanced")).to_have_attribute("aria-pressed", "true")
    await expect(
        page.get_by_text("Documents full of names, numbers and codes profit from words")
    ).to_be_visible()
    # What is not set up on this installation is not offered.
    await expect(page.get_by_label("Reranker", exact=True).locator("option")).to_have_text(["Built in"])
    await preset(page, "Thorough").click()
    await expect(page.get_by_label("Candidates")).to_have_value("200")
    await expect(page.get_by_label("Reranker", exact=True)).to_be_enabled()
    await page.get_by_label("Rerank", exact=True).click()
    await expect(page.get_by_label("Reranker", exact=True)).to_be_disabled()
    await expect(page.get_by_text("Has no effect while “Rerank” is off.").first).to_be_visible()
    await page.get_by_label("Meaning or words").press("End")
    await expect(page.get_by_text("meaning only", exact=True)).to_be_visible()
    await expect(page.get_by_text("You have changes that are not saved.").last).to_be_visible()
    await expect(preset(page, "Your own")).to_have_attribute("aria-pressed", "true")
    await owner.shoot("20-knobs-turned")


async def keep(owner: Person) -> None:
    page = owner.page
    await page.get_by_label("Candidates").fill("7")
    await page.get_by_role("button", name="Save", exact=True).click()
    await expect(page.get_by_text("Please choose a whole number from 20 to 300.")).to_be_visible()
    await owner.shoot("21-knob-refused")
    await page.get_by_label("Candidates").fill("150")
    await page.get_by_role("button", name="Save", exact=True).click()
    await expect(page.get_by_text("Saved. Questions are searched like this").last).to_be_visible()
    await owner.shoot("22-knobs-saved")
    await page.reload()
    await see_own(page)


async def see_own(page: Page) -> None:
    await expect(page.get_by_label("Candidates")).to_have_value("150")
    await expect(page.get_by_label("Rerank", exact=True)).not_to_be_checked()
    await expect(page.get_by_label("Meaning or words")).to_have_value("1")
    await expect(preset(page, "Your own")).to_have_attribute("aria-pressed", "true")


async def take_back(owner: Person) -> None:
    page = owner.page
    await preset(page, "Fast").click()
    await page.get_by_role("button", name="Save", exact=True).click()
    await page.get_by_role("button", name="Undo").click()
    await expect(page.get_by_text("Taken back.").last).to_be_visible()
    await see_own(page)
    await page.reload()
    await see_own(page)


async def reset(owner: Person) -> None:
    page = owner.page
    await page.get_by_role("button", name="Reset to recommended").click()
    window = page.get_by_role("dialog", name="Reset to recommended?")
    await owner.shoot("23-reset")
    await window.get_by_role("button", name="Reset to recommended").click()
    await expect(preset(page, "Balanced")).to_have_attribute("aria-pressed", "true")
    await page.reload()
    await expect(preset(page, "Balanced")).to_have_attribute("aria-pressed", "true")
    await expect(page.get_by_label("Candidates")).to_have_value("100")
    await page.set_viewport_size(PHONE)
    await owner.shoot("24-settings-on-a-phone")


def preset(page: Page, title: str) -> Locator:
    return page.get_by_role("group", name="Presets").get_by_role("button", name=re.compile(f"^{title}"))


async def test_another_embedding_model_is_prepared_while_the_old_one_serves(installation, browser, tmp_path):
    async with person(browser, installation.url, viewport=DESKTOP) as owner:
        page = owner.page
        await sign_up(owner, "models@example.com")
        await create_kb(owner, "Models")
        await upload(page, write(HANDBOOK, tmp_path))
        await page.goto("/settings/")
        models = page.get_by_role("region", name="Embedding model")
        with paused_worker(installation):  # so that there is a meanwhile on any machine
            await models.get_by_role("button", name="Use “Light English”").click()
            window = page.get_by_role("dialog", name="Switch “Models” to “Light English”?")
            await expect(window.get_by_text("All 3 chunks are embedded anew")).to_be_visible()
            await window.get_by_role("button", name="Switch").click()
            await expect(models.get_by_text("0 of 3 chunks")).to_be_visible()
            await owner.shoot("25-model-being-prepared")
            await find_lunch(owner)
        await expect(in_use(models)).to_contain_text("Light English", timeout=PATIENCE_MS)
        await expect(models.get_by_role("progressbar")).to_have_count(0)
        await owner.shoot("26-model-switched")
        await find_lunch(owner)
        assert owner.complaints == []


def in_use(models: Locator) -> Locator:
    return models.get_by_role("listitem").filter(has_text="In use")


async def find_lunch(owner: Person) -> None:
    """Search in a second tab, so that the first goes on showing what it shows."""
    page = await owner.context.new_page()
    await page.goto("/search/")
    await search(page, "What does lunch cost?")
    await expect(page.get_by_role("link", name="canteen.html")).to_be_visible(timeout=PATIENCE_MS)
    await page.close()


@contextlib.contextmanager
def paused_worker(installation: Installation) -> Iterator[None]:
    children = psutil.Process(installation.process.pid).children()
    [worker] = [child for child in children if "worker" in child.cmdline()]
    worker.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        worker.send_signal(signal.SIGCONT)


async def test_a_new_tab_goes_on_with_the_knowledge_base_used_last(installation, browser):
    async with person(browser, installation.url, viewport=DESKTOP) as owner:
        await sign_up(owner, "two@example.com")
        for name in ("Older", "Newer"):
            await owner.page.goto("/knowledge-bases/")
            await create_kb(owner, name)
        await chooser(owner.page).select_option("Older")
        await expect(owner.page.get_by_role("heading", name="Older", level=1)).to_be_visible()

        second = await owner.context.new_page()
        await second.goto("/knowledge/")

        await expect(second.get_by_role("heading", name="Older", level=1)).to_be_visible()


def chooser(page: Page) -> Locator:
    return page.get_by_label("Knowledge base", exact=True).locator("visible=true")


async def test_semantic_search_says_why_and_can_be_narrowed(installation, browser, tmp_path):
    async with person(browser, installation.url, viewport=DESKTOP) as owner:
        await sign_up(owner, "search@example.com")
        await create_kb(owner, "Handbook")
        await upload(owner.page, write(HANDBOOK, tmp_path))
        await tag(owner.page, "holiday.pdf", "rules")
        await owner.page.goto("/search/")
        await see_why(owner)
        await see_what_was_corrected(owner)
        await narrow(owner)
        await find_nothing(owner)
        assert owner.complaints == []


async def see_why(owner: Person) -> None:
    page = owner.page
    await search(page, "What does lunch cost?")
    best = found(page).first
    await expect(best.get_by_role("link")).to_have_text("canteen.html", timeout=PATIENCE_MS)
    await expect(best.get_by_text(re.compile("^Found because it has your word"))).to_be_visible()
    await expect(best.locator("mark").filter(has_text="Lunch")).to_be_visible()
    await best.get_by_text("Show the details").click()
    await expect(best.get_by_text(re.compile("1st by meaning"))).to_be_visible()
    await expect(best.get_by_text(re.compile("read a second time"))).to_be_visible()
    for step in ("Understanding the question", "Searching by meaning and words", "Reading the best again"):
        await expect(page.locator(".trace-step").filter(has_text=step)).to_have_text(re.compile(r"\d m?s"))
    await expect(page.locator(".trace-step").filter(has_text="Asking in several ways")).to_contain_text(
        "skipped"
    )
    await owner.shoot("27-search-explained")


async def see_what_was_corrected(owner: Person) -> None:
    page = owner.page
    await search(page, "canteeen")
    await expect(found(page).first.get_by_role("link")).to_have_text("canteen.html")
    spelling = page.locator(".trace-step").filter(has_text="Correcting the spelling")
    await expect(spelling).to_contain_text(re.compile("“canteeen”; also looked for “canteen”", re.IGNORECASE))
    await expect(found(page).first.get_by_text(re.compile("you wrote “canteeen”")).first).to_be_visible()
    await expect(found(page).first.locator("mark").first).to_have_text(re.compile("canteen", re.IGNORECASE))
    await owner.shoot("28-search-corrected")


async def narrow(owner: Person) -> None:
    """By tag, by language, by document: each leaves one document, and without it the others come back."""
    page = owner.page
    await page.locator("summary", has_text="Filters").click()
    for choice, document in (("rules", "holiday.pdf"), ("German", "urlaub.txt")):
        await page.get_by_role("button", name=choice, exact=True).click()
        await search(page, f"holiday {choice}")
        await expect(found(page).get_by_role("link")).to_have_text([document])
        await page.get_by_role("button", name="Clear the filters").click()
    await page.get_by_label("Documents").fill("cant")
    await page.get_by_role("button", name="canteen.html", exact=True).click()
    await search(page, "holiday in one document")
    await expect(found(page).get_by_role("link")).to_have_text(["canteen.html"])
    await expect(page.get_by_text("in 1 document").first).to_be_visible()
    await owner.shoot("29-search-narrowed")
    await page.get_by_role("button", name="No longer only in canteen.html").click()
    await search(page, "holiday anywhere")
    await expect(found(page)).to_have_count(3)


async def find_nothing(owner: Person) -> None:
    page = owner.page
    await page.get_by_role("button", name="rules", exact=True).click()
    await page.get_by_role("button", name="German", exact=True).click()
    await search(page, "holiday where nothing is")
    await expect(page.get_by_role("heading", name="Nothing found with these filters")).to_be_in_viewport()
    await owner.shoot("30-search-nothing")
    await page.get_by_role("button", name="Clear the filters").first.click()
    await page.locator("summary", has_text="Try other settings").click()
    await page.get_by_label("Least score").press("End")
    await expect(page.get_by_text("at least 100 %", exact=True)).to_be_visible()
    await search(page, "holiday beyond doubt")
    await expect(page.get_by_role("heading", name="Nothing scores high enough")).to_be_visible()
    await page.set_viewport_size(PHONE)
    await page.get_by_role("button", name="Back to the saved settings").click()
    await search(page, "holiday on a phone")
    await expect(found(page).first.get_by_role("link")).to_have_text("holiday.pdf")
    await expect(page.get_by_text("for “holiday on a phone”")).to_be_in_viewport()
    await owner.shoot("31-search-on-a-phone")


def found(page: Page) -> Locator:
    return page.get_by_role("main").locator("li", has=page.get_by_text("Likely answers your question"))


async def search(page: Page, query: str) -> None:
    """Search, and wait until the page shows what was found for this query and no other."""
    await page.get_by_label("What are you looking for?").fill(query)
    await page.get_by_label("What are you looking for?").press("Enter")
    await expect(page.get_by_role("status").filter(has_text=f"for “{query}”")).to_be_visible(
        timeout=PATIENCE_MS
    )


async def upload(page: Page, paths: list[str]) -> None:
    await page.locator("input[type=file]:not([webkitdirectory])").set_input_files(paths)
    await expect(page.locator("table").get_by_text("Ready", exact=True)).to_have_count(
        len(paths), timeout=PATIENCE_MS
    )


async def tag(page: Page, document: str, name: str) -> None:
    await page.get_by_role("link", name=document).click()
    await page.get_by_label("Add a tag").fill(name)
    await page.get_by_role("button", name="Add", exact=True).click()
    await expect(page.get_by_role("button", name=f"Take the tag {name} away")).to_be_visible()
