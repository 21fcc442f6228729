"""The page of mailboxes without a browser: connecting, changing, and what it never remembers."""

from collections.abc import Iterator

import pytest

from rag_app.domain.sources import Schedule
from rag_app.errors import InvalidInput, NotFound
from rag_app.ui.dashboard.current_kb import CurrentKbState
from rag_app.ui.dashboard.email.state import MailboxesState, MailboxState
from rag_app.ui.dashboard.email.view import (
    MailboxForm,
    errors_of,
    folder_choices,
    read_problem,
    schedule_of,
    settings_of,
)
from tests.mail_server import PASSWORD, MailServer, dovecot
from tests.mails import mail

pytestmark = pytest.mark.timeout(300)
ADDRESS = "page@example.test"


@pytest.fixture(scope="module")
def server() -> Iterator[MailServer]:
    with dovecot() as running:
        running.put(mail(subject="First", message_id="<1@x>"), user=ADDRESS)
        running.put(mail(subject="Second", message_id="<2@x>"), user=ADDRESS, folder="Archive")
        yield running


@pytest.fixture
def config(config, server, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(server.authority))
    hosts = f"localhost:{server.tls_port}"
    given = config.model_dump(exclude_unset=True) | {"rag_allowed_private_hosts": hosts}
    return type(config)(**given, _env_file=None)


@pytest.fixture
async def page(open_tab, owner) -> MailboxesState:
    """The list of a new knowledge base."""
    kb = await owner.create_kb("Office")
    tab = open_tab(owner)
    tab.go_to(f"/email?kb={kb['id']}")
    (await tab.state(CurrentKbState)).kb_id = kb["id"]
    state = await tab.state(MailboxesState)
    await MailboxesState.load.fn(state)
    return state


def typed(server: MailServer, **more: object) -> dict[str, object]:
    """The form, as a browser sends it: boxes with an id come as bools."""
    return {
        "address": ADDRESS,
        "password": PASSWORD,
        "host": "localhost",
        "port": str(server.tls_port),
        "security": "tls",
        "months": "6",
        "every": "24",
        "on_deleted": "remove",
        "attachments": True,
        "mask": False,
        **more,
    }


async def finish(events) -> list:
    return [event async for event in events]


async def submit(page: MailboxesState, form: dict[str, object]) -> list:
    return await finish(MailboxesState.submit.fn(page, form))


async def test_first_press_tests_and_the_second_connects(page, server, run_jobs):
    await MailboxesState.begin.fn(page, "imap")
    await submit(page, typed(server, password="no good"))
    assert (page.works, page.is_open) == (False, True)
    assert page.said == "The server refuses this user name and password."

    await submit(page, typed(server))
    assert page.works
    assert [(folder.name, folder.is_chosen) for folder in page.folders][:1] == [("INBOX", True)]
    assert page.rows == []

    chosen = {"folder:INBOX": "on", "folder:Archive": "on"}
    await submit(page, typed(server, **chosen))
    assert not page.is_open
    assert [row.name for row in page.rows] == [ADDRESS]
    await run_jobs()
    await page._show()
    assert page.rows[0].facts.startswith("2 mails")


async def test_password_is_remembered_nowhere(page, server):
    await MailboxesState.begin.fn(page, "imap")
    await submit(page, typed(server))
    await submit(page, typed(server, **{"folder:INBOX": "on"}))
    await MailboxesState.edit.fn(page, page.rows[0].id)
    root = page.parent_state
    while root.parent_state is not None:
        root = root.parent_state
    assert PASSWORD not in repr(root.dict()) + repr(vars(page))


async def test_settings_are_shown_and_changed_without_the_password(page, server):
    await MailboxesState.begin.fn(page, "imap")
    await submit(page, typed(server))
    await submit(page, typed(server, **{"folder:INBOX": "on"}))
    await MailboxesState.edit.fn(page, page.rows[0].id)
    assert page.form.address == ADDRESS and page.window_title == f"Settings of {ADDRESS}"
    assert "Leave it empty" in page.password_hint

    await finish(MailboxesState.test.fn(page))
    assert page.works and "Archive" in [folder.name for folder in page.folders]

    await submit(page, typed(server, password="", every="0", mask=True, **{"folder:Archive": "on"}))
    assert not page.is_open
    await MailboxesState.edit.fn(page, page.rows[0].id)
    assert (page.form.folders, page.form.every, page.form.mask) == ("Archive", "0", True)
    assert "Read only when you ask for it." in page.rows[0].schedule


async def test_what_is_wrong_stands_at_its_field(page, server):
    await MailboxesState.begin.fn(page, "imap")
    await submit(page, typed(server, password=""))
    assert page.errors.password == "Enter the password."
    await submit(page, typed(server, address="nobody"))
    assert "e-mail address" in page.errors.address
    await submit(page, typed(server, port="many"))
    assert page.errors.port == "Please enter a number."
    assert page.is_open


async def test_no_folder_at_all_is_refused(page, server):
    await MailboxesState.begin.fn(page, "imap")
    await submit(page, typed(server))
    await submit(page, typed(server))
    assert page.errors.folders == "Choose at least one folder."


async def test_sign_in_that_is_not_set_up_is_not_offered(page):
    await MailboxesState.begin.fn(page, "gmail")
    assert not page.by_sign_in and not page.can_sign_in
    assert "app password" in page.password_hint.lower()
    await MailboxesState.use_sign_in.fn(page)
    assert not page.by_sign_in


async def test_one_mailbox_shows_its_mails(page, server, run_jobs, open_tab, owner):
    await MailboxesState.begin.fn(page, "imap")
    await submit(page, typed(server))
    await submit(page, typed(server, **{"folder:INBOX": "on"}))
    await run_jobs()
    tab = open_tab(owner)
    tab.go_to(f"/email/source/{page.rows[0].id}?kb={page.kb_id}")
    (await tab.state(CurrentKbState)).kb_id = page.kb_id
    one = await tab.state(MailboxState)
    await MailboxState.load.fn(one)
    assert [item.name for item in one.items] == ["First"]
    assert not one.is_missing


async def test_another_owner_sees_no_mailbox(page, server, open_tab, other):
    await MailboxesState.begin.fn(page, "imap")
    await submit(page, typed(server))
    await submit(page, typed(server, **{"folder:INBOX": "on"}))
    tab = open_tab(other)
    theirs = await tab.state(MailboxesState)
    theirs.kb_id = page.kb_id
    with pytest.raises(NotFound):
        await MailboxesState.edit.fn(theirs, page.rows[0].id)


def test_form_and_settings_say_the_same():
    raw = settings_of(
        {
            "address": " a@b.de ",
            "folders": "INBOX, Archive",
            "months": "12",
            "from_filter": "@x.de; Ada\nBob",
            "attachments": True,
            "mask": "on",
        },
        "imap",
        [],
    )
    assert raw["folders"] == ["INBOX", "Archive"]
    assert raw["from_filter"] == ["@x.de", "Ada", "Bob"]
    assert raw["with_attachments"] and raw["mask_personal_data"]
    assert "host" not in raw
    assert not settings_of({"attachments": False}, "imap", [])["with_attachments"]
    assert schedule_of({"every": "0"}) == Schedule(24, is_scheduled=False)
    assert schedule_of({"every": "6"}, grace_hours=5) == Schedule(6, grace_hours=5)


def test_errors_without_a_field_are_still_said():
    assert errors_of(InvalidInput("Odd.")).form == "Odd."
    assert errors_of(InvalidInput("Bad.", field="ticket")).form == "Bad."
    assert errors_of(InvalidInput("Bad.", problems={"host": "Which?", "x": "Y."})).host == "Which?"


def test_folders_that_are_gone_are_not_chosen():
    chosen = [folder.name for folder in folder_choices(["INBOX", "Sent"], ["Old"]) if folder.is_chosen]
    assert chosen == ["INBOX"]


@pytest.mark.parametrize("cookie", [None, "", "rag_mail_problem", "a=b", "rag_mail_problem=%ff", "\x00"])
def test_problem_of_a_strange_cookie(cookie):
    assert isinstance(read_problem(cookie), str)


def test_problem_that_was_left():
    assert read_problem("x=y; rag_mail_problem=No%20permission.") == "No permission."


def test_empty_form_has_usual_values():
    assert MailboxForm().months == "6"
