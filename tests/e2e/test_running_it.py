"""Keys, usage, plans, accounts and models in a real browser, as owners and whoever runs it use them.

The providers are stand-ins on this machine. Pictures are left in `test-artifacts/`, for people to look at.
"""

import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from playwright.async_api import Locator, Page, expect

from tests.e2e.conftest import Installation, Person, person, running
from tests.e2e.test_story import DESKTOP, FILES, PATIENCE_MS, PHONE, ask, sign_up, write
from tests.fake_llms import FORMATS, FakeLLMServer

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

ANSWER = "Every employee has 25 days of paid holiday [1]."
QUESTION = "How many days of paid holiday does every employee have?"
KEY = "AIza-a-key-of-the-owner-4321"
PASSWORD = "a long enough secret"


@pytest.fixture(scope="module")
async def providers() -> AsyncIterator[FakeLLMServer]:
    async with FakeLLMServer(ANSWER) as server:
        yield server


@pytest.fixture(scope="module")
def running_here(providers: FakeLLMServer) -> Iterator[Installation]:
    """An installation whose providers are the stand-in, and which has no keys."""
    with running(**{f"{name.upper()}_BASE_URL": providers.base_url(name) for name in FORMATS}) as started:
        yield started


async def test_an_owner_brings_a_key_spends_money_and_sees_where_it_went(
    running_here, browser, providers, tmp_path
):
    async with person(browser, running_here.url, viewport=DESKTOP) as owner:
        await sign_up(owner, "ada@example.com")  # the first account runs the installation
        await add_a_key(owner, providers)
        await be_answered_with_it(owner, tmp_path)
        await see_what_it_cost(owner)
        await narrow_and_download(owner)
        await see_all_owners(owner)
        await set_a_budget(owner)
        await take_the_key_away(owner)
        assert owner.complaints == []


async def everywhere(owner: Person, name: str) -> None:
    """Leave pictures of a page on a desktop and a phone, light and dark."""
    await owner.shoot(f"{name}-desktop")
    await owner.page.emulate_media(color_scheme="dark")
    await owner.shoot(f"{name}-desktop-dark")
    await owner.page.set_viewport_size(PHONE)
    await owner.shoot(f"{name}-phone-dark")
    await owner.page.emulate_media(color_scheme="light")
    await owner.shoot(f"{name}-phone")
    await owner.page.set_viewport_size(DESKTOP)


def gemini(page: Page) -> Locator:
    return page.get_by_role("listitem").filter(has=page.get_by_role("heading", name="Google Gemini"))


async def add_a_key(owner: Person, providers: FakeLLMServer) -> None:
    page = owner.page
    await page.goto("/settings/?tab=providers")
    await expect(gemini(page).get_by_text("No key")).to_be_visible()
    providers.fail_with("gemini", "bad_key")
    await page.get_by_role("button", name="Add a key: Google Gemini").click()
    window = page.get_by_role("dialog", name="Key for Google Gemini")
    await window.get_by_label("Key", exact=True).fill(KEY)
    await window.get_by_role("button", name="Save and test").click()
    await expect(gemini(page).get_by_text("Your key ····4321")).to_be_visible()
    await expect(gemini(page).get_by_role("status")).to_contain_text("refused", timeout=PATIENCE_MS)
    providers.fail_with("gemini", "")
    await page.get_by_role("button", name="Test the key for Google Gemini").click()
    await expect(gemini(page).get_by_text("it works")).to_be_visible(timeout=PATIENCE_MS)
    await everywhere(owner, "60-providers")
    await page.reload()
    await expect(gemini(page).get_by_text("Your key ····4321")).to_be_visible()
    assert KEY not in await page.content()


async def be_answered_with_it(owner: Person, folder: Path) -> None:
    page = owner.page
    await page.goto("/knowledge-bases/")
    await page.get_by_role("button", name=re.compile("Create")).first.click()
    window = page.get_by_role("dialog", name="New knowledge base")
    await window.get_by_label("Who writes the answers").select_option("gemini")
    await window.locator("input[name=name]").fill("Handbook")
    await window.get_by_role("button", name="Create", exact=True).click()
    await page.wait_for_url(re.compile(r"/knowledge/?\?kb="))
    paths = write({"holiday.pdf": FILES["holiday.pdf"]}, folder)
    await page.locator("input[type=file]:not([webkitdirectory])").set_input_files(paths)
    await expect(page.locator("table").get_by_text("Ready", exact=True)).to_have_count(1, timeout=PATIENCE_MS)
    await try_the_chat(page)
    await ask(page, QUESTION)
    await expect(page.locator("button.cite").first).to_be_visible(timeout=PATIENCE_MS)


async def try_the_chat(page: Page) -> None:
    await page.goto("/knowledge-bases/")
    await page.get_by_role("link", name="Try the chat").first.click()
    await expect(page.get_by_role("button", name="Send")).to_be_visible()


async def see_what_it_cost(owner: Person) -> None:
    page = owner.page
    await page.goto("/usage/")
    await expect(page.get_by_role("heading", name="In numbers")).to_be_visible()
    await expect(page.get_by_text("Key refused").first).to_be_visible()  # the test with the bad key
    await page.get_by_label("By", exact=True).select_option(label="Purpose")
    await expect(lines(page).filter(has_text="Answers")).to_contain_text("$")
    await expect(lines(page).filter(has_text="Tests of a key")).to_be_visible()
    await everywhere(owner, "61-usage")


def lines(page: Page) -> Locator:
    return page.get_by_role("table", name="Usage").locator("tbody").get_by_role("row")


async def narrow_and_download(owner: Person) -> None:
    page = owner.page
    await page.get_by_label("Purpose", exact=True).select_option(label="Tests of a key")
    await expect(lines(page)).to_have_count(1)
    await page.get_by_role("button", name="Download").click()
    async with page.expect_download() as download:
        await page.get_by_role("menuitem", name="Every single call (CSV)").click()
    calls = Path(await (await download.value).path()).read_text(encoding="utf-8-sig").splitlines()
    assert len(calls) == 3, calls  # the header, the test that failed and the one that worked
    assert all("gemini" in call and KEY not in call for call in calls[1:])
    await page.get_by_label("Time", exact=True).select_option(label="Choose days")
    await page.get_by_label("From").fill("2020-01-01")
    await page.get_by_label("Until").fill("2020-01-31")
    await page.get_by_role("button", name="Show", exact=True).click()
    await expect(page.get_by_text("No call fits")).to_be_visible()
    await page.get_by_role("button", name="Show all").click()
    await expect(page.get_by_role("heading", name="In numbers")).to_be_visible()


async def see_all_owners(owner: Person) -> None:
    page = owner.page
    await expect(page.get_by_label("Owner", exact=True)).to_have_count(0)
    await page.get_by_label("All owners").click()
    await page.get_by_label("Owner", exact=True).select_option(label="ada@example.com")
    await page.get_by_label("By", exact=True).select_option(label="Owner")
    await expect(lines(page)).to_contain_text(["ada@example.com"])
    await everywhere(owner, "62-usage-of-all-owners")
    await page.get_by_label("All owners").click()
    await expect(page.get_by_label("Owner", exact=True)).to_have_count(0)


async def set_a_budget(owner: Person) -> None:
    page = owner.page
    await page.goto("/settings/?tab=limits")
    await expect(meter(page, "Knowledge bases")).to_contain_text(
        "1, no limit"
    )  # whoever runs it may have all
    budget = page.get_by_label("Budget in US dollars")
    save = page.get_by_role("region", name="Monthly budget").get_by_role("button", name="Save")
    await budget.fill("a lot")
    await save.click()
    await expect(page.get_by_text("Please enter dollars and cents")).to_be_visible()
    await budget.fill("0")
    await save.click()
    await expect(page.get_by_text("$0.00", exact=False).first).to_be_visible()
    await everywhere(owner, "63-plan")
    await try_the_chat(page)
    await page.locator("textarea").first.fill("How long is the holiday?")
    await page.locator("textarea").first.press("Enter")
    await expect(page.get_by_text(re.compile("budget", re.IGNORECASE)).first).to_be_visible()
    await owner.shoot("64-budget-spent")
    await page.goto("/settings/?tab=limits")
    await expect(budget).to_have_value("0.00")
    await budget.fill("")
    await save.click()
    await try_the_chat(page)
    await ask(page, "How long is the paid holiday?")
    await expect(page.locator("button.cite").last).to_be_visible(timeout=PATIENCE_MS)


def meter(page: Page, label: str) -> Locator:
    return page.get_by_role("region", name="Your plan").get_by_role("listitem").filter(has_text=label)


async def take_the_key_away(owner: Person) -> None:
    page = owner.page
    await page.goto("/settings/?tab=providers")
    await page.get_by_role("button", name="Remove the key for Google Gemini").click()
    window = page.get_by_role("dialog", name=re.compile("Remove"))
    await expect(window.get_by_text("cannot answer until there is a key again")).to_be_visible()
    await window.get_by_role("button", name="Remove", exact=True).click()
    await expect(gemini(page).get_by_text("No key")).to_be_visible()


# Who runs the installation


async def test_who_runs_it_changes_accounts_plans_and_models(installation_of_admin, browser, tmp_path):
    site, admin = installation_of_admin
    async with person(browser, site.url, viewport=DESKTOP) as other:
        await sign_up(other, "bob@example.com")
        await give_a_larger_plan_with_one_limit(admin)
        await meet_the_limit(other, tmp_path)
        await switch_off(admin)
        await be_shut_out(other)
        await switch_on(admin)
        await log_in(other.page, "bob@example.com")
        assert [text for text in other.complaints if "401" not in text and "409" not in text] == []
    await change_a_plan(admin)
    await change_models(admin)
    assert admin.complaints == []


@pytest.fixture
async def installation_of_admin(running_here, browser) -> AsyncIterator[tuple[Installation, Person]]:
    """The installation, and the one who runs it, signed in."""
    async with person(browser, running_here.url, viewport=DESKTOP) as admin:
        await admin.page.goto("/login/")
        await log_in(admin.page, "ada@example.com")
        yield running_here, admin


async def log_in(page: Page, email: str) -> None:
    await page.goto("/login/")
    await page.locator("input[name=email]").fill(email)
    await page.locator("input[name=password]").fill(PASSWORD)
    await page.get_by_role("button", name="Log in").click()
    await page.wait_for_url(re.compile("/knowledge-bases"))


async def find_bob(page: Page) -> Locator:
    await page.goto("/admin/")
    await expect(page.get_by_role("table", name="Accounts")).to_contain_text("ada@example.com")
    await page.get_by_label("Search accounts").fill("bob@")
    await page.get_by_role("button", name="Search", exact=True).click()
    rows = page.get_by_role("table", name="Accounts").locator("tbody").get_by_role("row")
    await expect(rows).to_have_count(1)
    return rows


async def give_a_larger_plan_with_one_limit(admin: Person) -> None:
    page = admin.page
    await page.goto("/admin/")
    await expect(page.get_by_role("table", name="Accounts")).to_contain_text("ada@example.com")
    await everywhere(admin, "65-accounts")
    bob = await find_bob(page)
    await bob.get_by_role("button", name=re.compile("More about")).click()
    await page.get_by_role("menuitem", name="Plan and own limits").click()
    window = page.get_by_role("dialog", name=re.compile("Plan of"))
    await window.get_by_label("Plan", exact=True).select_option("pro")
    await window.locator("input[name=documents]").fill("many")
    await window.get_by_role("button", name="Save").click()
    await expect(window.get_by_role("alert").first).to_be_visible()
    await admin.shoot("66-own-limits")
    await window.locator("input[name=documents]").fill("1")
    await window.get_by_role("button", name="Save").click()
    await expect(window).to_be_hidden()
    await expect(bob).to_contain_text("Pro")
    await expect(bob).to_contain_text("Own limits")


async def meet_the_limit(other: Person, folder: Path) -> None:
    page = other.page
    await page.goto("/settings/?tab=limits")
    await expect(page.get_by_text("Pro", exact=True)).to_be_visible()
    await expect(meter(page, "Documents")).to_contain_text("0 of 1")
    await page.goto("/knowledge-bases/")
    await page.get_by_role("button", name=re.compile("Create")).first.click()
    window = page.get_by_role("dialog", name="New knowledge base")
    await window.locator("input[name=name]").fill("Bob's")
    await window.get_by_role("button", name="Create", exact=True).click()
    await page.wait_for_url(re.compile(r"/knowledge/?\?kb="))
    paths = write({name: FILES[name] for name in ("holiday.pdf", "welcome.html")}, folder)
    await page.locator("input[type=file]:not([webkitdirectory])").set_input_files(paths)
    await expect(page.get_by_text(re.compile("allows 1 document")).first).to_be_visible(timeout=PATIENCE_MS)
    await expect(page.locator("table tbody tr")).to_have_count(1)
    await other.shoot("67-limit-met")


async def switch_off(admin: Person) -> None:
    page = admin.page
    bob = await find_bob(page)
    await bob.get_by_role("button", name=re.compile("More about")).click()
    await page.get_by_role("menuitem", name="Switch off").click()
    await page.get_by_role("dialog").get_by_role("button", name="Switch off").click()
    await expect(bob).to_contain_text("Switched off")


async def be_shut_out(other: Person) -> None:
    page = other.page
    await page.reload()
    await page.wait_for_url(re.compile("/login"))
    await page.locator("input[name=email]").fill("bob@example.com")
    await page.locator("input[name=password]").fill(PASSWORD)
    await page.get_by_role("button", name="Log in").click()
    await expect(page.get_by_role("alert").first).to_be_visible()
    await other.shoot("68-switched-off")


async def switch_on(admin: Person) -> None:
    page = admin.page
    bob = await find_bob(page)
    await bob.get_by_role("button", name=re.compile("More about")).click()
    await page.get_by_role("menuitem", name="Switch on").click()
    await expect(bob.get_by_text("Switched off")).to_have_count(0)


async def change_a_plan(admin: Person) -> None:
    page = admin.page
    await page.goto("/admin/")
    await page.get_by_role("tab", name="Plans").click()
    await page.get_by_role("button", name="Change the plan Free").click()
    window = page.get_by_role("dialog", name=re.compile("Plan “Free”"))
    await window.locator("input[name=documents]").fill("77")
    await window.get_by_role("button", name="Go on").click()
    await expect(window.get_by_text(re.compile("77"))).to_be_visible()
    await admin.shoot("69-plan-asked")
    await window.get_by_role("button", name="Change the plan").click()
    await expect(window).to_be_hidden()
    await expect(page.get_by_text("77", exact=True)).to_be_visible()
    await everywhere(admin, "70-plans")
    await page.reload()
    await page.get_by_role("tab", name="Plans").click()
    await expect(page.get_by_text("77", exact=True)).to_be_visible()


async def change_models(admin: Person) -> None:
    page = admin.page
    await page.goto("/admin/models/")
    models = page.get_by_role("table", name="Models of Google Gemini")
    luna = models.get_by_role("row").filter(has_text="gemini-3.5-flash-lite")
    await everywhere(admin, "71-models")
    await luna.get_by_role("button", name=re.compile("^Change")).click()
    window = page.get_by_role("dialog")
    await window.locator("input[name=input]").fill("12.5")
    await window.get_by_role("button", name="Save").click()
    await expect(luna).to_contain_text("12.5")
    await luna.get_by_role("button", name=re.compile("^Undo")).click()
    await page.get_by_role("dialog").get_by_role("button", name="Undo").click()
    await expect(luna).not_to_contain_text("12.5")
    await add_what_the_provider_lists(admin, models)


async def add_what_the_provider_lists(admin: Person, models: Locator) -> None:
    page = admin.page
    await page.get_by_role("button", name="Ask OpenAI for its list of models").click()
    await expect(page.get_by_text("Also listed by the provider.")).to_be_visible(timeout=PATIENCE_MS)
    await page.get_by_role("button", name=re.compile("Add .*gpt-7-nova", re.IGNORECASE)).click()
    window = page.get_by_role("dialog", name="Add a model")
    await window.locator("input[name=context_tokens]").fill("100000")
    await window.locator("input[name=max_output_tokens]").fill("8000")
    await admin.shoot("72-add-a-model")
    await window.get_by_role("button", name="Save").click()
    row = page.get_by_role("table", name="Models of OpenAI").get_by_role("row").filter(has_text="gpt-7-nova")
    await expect(row).to_be_visible()


# What a page remembers


REMEMBER_WHAT_WAS_SHOWN = """
window.shown = "";
new MutationObserver(() => { window.shown += document.querySelector("main")?.innerText ?? ""; })
  .observe(document, { childList: true, subtree: true, characterData: true });
"""


async def test_a_page_that_is_loaded_again_shows_nothing_of_before(running_here, browser):
    async with person(browser, running_here.url, viewport=DESKTOP) as owner:
        page = owner.page
        await sign_up(owner, "eve@example.com")
        made = await owner.context.request.post(
            "/api/knowledge-bases", data={"name": "Former name"}, headers={"Origin": running_here.url}
        )
        await page.goto("/knowledge-bases/")
        await expect(page.get_by_role("heading", name="Former name")).to_be_visible()
        kb_id = (await made.json())["id"]
        await owner.context.request.put(
            f"/api/knowledge-bases/{kb_id}",
            data={"name": "Present name"},
            headers={"Origin": running_here.url},
        )

        await page.add_init_script(REMEMBER_WHAT_WAS_SHOWN)
        await page.reload()
        await expect(page.get_by_role("heading", name="Present name")).to_be_visible()

        shown = await page.evaluate("window.shown")
        assert "Present name" in shown
        assert "Former name" not in shown
