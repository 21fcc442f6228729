"""Mailboxes in a real browser, on a real mail server: connect, watch, find, change, remove."""

import re
from collections.abc import Iterator
from email.message import EmailMessage

import pytest
from playwright.async_api import Locator, expect

from tests.e2e.conftest import Installation, Person, person, running
from tests.e2e.test_story import DESKTOP, PATIENCE_MS, PHONE, sign_up
from tests.mail_server import PASSWORD, USER, MailServer, dovecot
from tests.mails import mail
from tests.oauth_server import OAuthServer, oauth_server

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]
GUEST = "guest@gmail.example"


@pytest.fixture(scope="module")
def server() -> Iterator[MailServer]:
    with dovecot() as there:
        yield there


@pytest.fixture(scope="module")
def provider(server: MailServer) -> Iterator[OAuthServer]:
    with oauth_server(server.tokens, GUEST) as there:
        yield there


@pytest.fixture(scope="module")
def with_mail(server: MailServer, provider: OAuthServer) -> Iterator[Installation]:
    """An installation that may reach the mail server and the stand-in of Google."""
    hosts = ", ".join(f"localhost:{port}" for port in (server.tls_port, server.port, provider.port))
    with running(
        SSL_CERT_FILE=str(server.authority),
        RAG_ALLOWED_PRIVATE_HOSTS=hosts,
        GOOGLE_OAUTH_CLIENT_ID="our id",
        GOOGLE_OAUTH_CLIENT_SECRET="our secret",
        GOOGLE_OAUTH_BASE_URL=provider.url,
    ) as started:
        yield started


def fill_mailbox(server: MailServer) -> None:
    """A few mails, one with an attachment, one that nobody can read."""
    message = EmailMessage()
    message["From"], message["Subject"] = "Grace Hopper <grace@example.org>", "Price list"
    message["Message-ID"], message["Date"] = "<prices@x>", "Tue, 12 May 2026 14:05:00 +0200"
    message.set_content("The new prices are attached.")
    table = b"plan,price\nplatinum,4711 EUR\n"
    message.add_attachment(table, maintype="text", subtype="csv", filename="prices.csv")
    many = [
        mail("Bob <bob@example.org>", f"Report {n}", f"Report number {n} is fine.", message_id=f"<r{n}@x>")
        for n in range(12)
    ]
    holiday = mail("Ada <ada@example.org>", "Holiday", "Everybody has 25 days.", message_id="<h@x>")
    server.put(*many, holiday, message.as_bytes(), b"")
    server.put(mail(subject="Filed away", message_id="<f@x>", body="Old words."), folder="Archive")


async def test_mailbox_from_connecting_to_searching(with_mail, browser, server):
    fill_mailbox(server)
    async with person(browser, with_mail.url, viewport=DESKTOP) as owner:
        await sign_up(owner, "ada@example.com")
        await create_kb(owner)
        await see_what_mail_is_good_for(owner)
        await be_told_what_is_wrong(owner, server)
        await connect(owner, server)
        await watch_it_being_read(owner)
        await find_a_mail(owner)
        await change_settings(owner)
        await look_at_it_on_a_phone(owner)
        await remove_it(owner)
        assert owner.complaints == []


async def test_sign_in_of_google_that_ends_in_a_refusal(with_mail, browser, provider, monkeypatch):
    """One that is given is tried in test_mailboxes.py: here it would lead to Google itself."""
    monkeypatch.setattr(provider, "refuses", True)
    async with person(browser, with_mail.url, viewport=PHONE, color_scheme="dark") as owner:
        await sign_up(owner, "grace@example.com")
        await create_kb(owner)
        page = owner.page
        await page.goto("/email/")
        await page.get_by_role("button", name="Connect Gmail").click()
        window = page.get_by_role("dialog", name="Connect Gmail")
        await window.get_by_label("E-mail address").fill(GUEST)
        await owner.shoot("email-google-phone-dark")
        await window.get_by_role("button", name="Continue").click()
        departure = window.get_by_role("link", name="Go to Google")
        await owner.shoot("email-departure-phone-dark")
        await departure.click()
        await page.wait_for_url(re.compile(r"/email/?\?failed=1"))
        await expect(page.get_by_role("alert")).to_contain_text("permission was not given")
        await owner.shoot("email-failed-phone-dark")


async def create_kb(owner: Person) -> None:
    page = owner.page
    await page.get_by_role("button", name=re.compile("Create")).first.click()
    window = page.get_by_role("dialog", name="New knowledge base")
    await window.locator("input[name=name]").fill("Office")
    await window.get_by_role("button", name="Create", exact=True).click()
    await page.wait_for_url(re.compile(r"/knowledge/?\?kb="))


async def see_what_mail_is_good_for(owner: Person) -> None:
    page = owner.page
    await page.get_by_role("link", name="Email Integration").first.click()
    await expect(page.get_by_role("heading", name="Answers from your mail")).to_be_visible()
    await owner.shoot("email-empty")


def dialog_of(owner: Person) -> Locator:
    return owner.page.get_by_role("dialog", name="Connect a mailbox")


async def be_told_what_is_wrong(owner: Person, server: MailServer) -> None:
    page = owner.page
    await page.get_by_role("button", name="Connect Another mailbox").click()
    window = dialog_of(owner)
    await window.get_by_role("button", name="Test connection").click()
    await expect(window.get_by_text("Enter the password.")).to_be_visible()
    await window.get_by_label("E-mail address").fill(USER)
    await window.locator("input[name=password]").fill("not the password")
    await window.get_by_text("Mail server", exact=True).click()
    await window.locator("input[name=host]").fill("localhost")
    await window.locator("input[name=port]").fill(str(server.tls_port))
    await window.get_by_role("button", name="Test connection").click()
    await expect(window.get_by_text("The server refuses this user name and password.")).to_be_visible()
    await owner.shoot("email-wrong-password")


async def connect(owner: Person, server: MailServer) -> None:
    window = dialog_of(owner)
    await window.locator("input[name=password]").fill(PASSWORD)
    await window.get_by_role("button", name="Test connection").click()
    await expect(window.get_by_text(re.compile("Connected. This mailbox has"))).to_be_visible()
    await expect(window.get_by_label("INBOX")).to_be_checked()
    await window.get_by_label("Archive").check()
    await owner.shoot("email-folders")
    await window.get_by_role("button", name="Connect and read").click()
    await expect(window).to_be_hidden()


async def watch_it_being_read(owner: Person) -> None:
    page = owner.page
    card = page.get_by_role("listitem").filter(has_text=USER)
    await expect(card.get_by_text("Up to date")).to_be_visible(timeout=PATIENCE_MS)
    await expect(card.get_by_text(re.compile("16 mails · 1 could not be read"))).to_be_visible()
    await owner.shoot("email-list")
    await card.get_by_role("link", name=USER).click()
    await expect(page.get_by_role("link", name="Filed away")).to_be_visible()
    await expect(page.get_by_text("This mail is empty (0 bytes).")).to_be_visible()
    await owner.shoot("email-mails")
    await page.get_by_role("tab", name="History").click()
    await page.get_by_role("button", name="Show what happened").click()
    await expect(page.get_by_role("dialog").get_by_text("Report 11")).to_be_visible()
    await owner.shoot("email-history")
    await page.keyboard.press("Escape")


async def find_a_mail(owner: Person) -> None:
    page = owner.page
    await page.get_by_role("link", name="Semantic Search").first.click()
    await page.get_by_role("searchbox").fill("How many days does everybody have?")
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("Everybody has 25 days.").first).to_be_visible(timeout=PATIENCE_MS)
    await owner.shoot("email-search")


async def change_settings(owner: Person) -> None:
    page = owner.page
    await page.get_by_role("link", name="Email Integration").first.click()
    await page.get_by_role("button", name=f"More about {USER}").click()
    await page.get_by_role("menuitem", name="Settings").click()
    window = page.get_by_role("dialog", name=f"Settings of {USER}")
    await expect(window.locator("input[name=password]")).to_have_value("")
    await window.get_by_label("Look for new mails").select_option("168")
    await owner.shoot("email-settings")
    await window.get_by_role("button", name="Save").click()
    await expect(window).to_be_hidden()
    await expect(page.get_by_text(re.compile("Every week, next in"))).to_be_visible()
    await page.get_by_role("button", name=f"More about {USER}").click()
    await page.get_by_role("menuitem", name="Pause").click()
    await expect(page.get_by_text("Paused: it is not read by itself.")).to_be_visible()


async def look_at_it_on_a_phone(owner: Person) -> None:
    page = owner.page
    await page.set_viewport_size({"width": 390, "height": 844})
    await owner.shoot("email-list-phone")
    wide = await page.evaluate("document.documentElement.scrollWidth > innerWidth")
    assert not wide
    await page.set_viewport_size({"width": 1440, "height": 900})


async def remove_it(owner: Person) -> None:
    page = owner.page
    await page.get_by_role("button", name=f"More about {USER}").click()
    await page.get_by_role("menuitem", name="Remove").click()
    window = page.get_by_role("dialog", name=f"Remove “{USER}”?")
    await owner.shoot("email-remove")
    await window.get_by_role("button", name="Remove with its mails").click()
    await expect(page.get_by_role("heading", name="Answers from your mail")).to_be_visible()
