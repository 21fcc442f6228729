"""The page of websites: what its state shows and keeps."""

import pytest

from rag_app.domain.sources import Schedule
from rag_app.errors import InvalidInput
from rag_app.settings import Settings
from rag_app.ui.dashboard.current_kb import CurrentKbState
from rag_app.ui.dashboard.web_sources import view
from rag_app.ui.dashboard.web_sources.page import web_source_page, web_sources_page
from rag_app.ui.dashboard.web_sources.state import WebSourcesState, WebSourceState
from rag_app.ui.dashboard.web_sources.view import WebForm
from tests.ui.conftest import InBackground, happens
from tests.websites import Website, html


@pytest.fixture
def config(database, tmp_path) -> Settings:
    """An installation whose operator has listed this machine."""
    return Settings(
        database_url=database, rag_data_dir=tmp_path, rag_allowed_private_hosts="127.0.0.1", _env_file=None
    )  # type: ignore[call-arg]


@pytest.fixture
def site():
    with Website({"/": html("Welcome", "We sell bicycles", links=["/a"]), "/a": html("A")}) as served:
        yield served


@pytest.fixture
async def tab(owner, open_tab):
    kb = await owner.create_kb()
    opened = open_tab(owner)
    opened.go_to(f"/web-sources?kb={kb['id']}")
    await happens((await opened.state(CurrentKbState)).load())
    return opened


@pytest.fixture
async def page(tab):
    """The page's state, loaded."""
    state = await tab.state(WebSourcesState)
    await happens(state.load())
    return state


async def submit(page, **form):
    handler = WebSourcesState.event_handlers["submit"].fn
    return await happens(handler(InBackground(page), form))


async def add(page, url, **form):
    await happens(page.begin())
    await submit(page, url=url, **form)
    return await submit(page, url=url, **form)


def test_pages_can_be_drawn():
    web_sources_page()
    web_source_page()


async def test_a_new_page_is_empty(page):
    assert (page.is_loading, page.rows, page.is_open) == (False, [], False)


async def test_a_website_is_looked_at_and_then_added(page, site, run_jobs):
    await happens(page.begin())
    assert page.form == WebForm()

    await submit(page, url=site.url, mode="crawl", delay_s="0.2")

    assert page.is_open
    assert page.rows == []
    assert (page.checked.is_ok, page.checked.message) == (True, "Found: Welcome.")

    await submit(page, url=site.url, mode="crawl", delay_s="0.2", name="Bikes", frequency_hours="24")

    assert not page.is_open
    [row] = page.rows
    assert (row.name, row.state, row.schedule) == (
        "Bikes",
        "Waiting for its turn",
        "Every day, next in about 24 hours",
    )
    assert row.address == f"{site.url}/ · follows links"
    await run_jobs()
    await happens(page.load())
    assert (page.rows[0].state, page.rows[0].facts.partition(" · ")[0]) == ("Up to date", "2 pages")


async def test_so_many_websites_are_looked_at_a_minute(page, site):
    await happens(page.begin())
    for n in range(10):
        await submit(page, url=f"http://localhost.:1/{n}")

    await submit(page, url=site.url)

    assert "too often" in page.errors.other
    assert (page.is_open, page.is_busy, page.checked.message) == (True, False, "")
    assert site.asked == []


async def test_what_was_not_looked_at_is_not_added(page, site):
    await happens(page.begin())
    await submit(page, url=site.url, mode="page")

    await submit(page, url=f"{site.url}/a", mode="page")

    assert page.rows == []
    assert page.checked.message == "Found: A."


async def test_a_website_that_does_not_answer_can_be_added_all_the_same(page, site):
    site.pages.clear()

    await happens(page.begin())
    await submit(page, url=site.url)
    assert (page.checked.is_ok, page.is_open) == (False, True)
    await submit(page, url=site.url)

    assert len(page.rows) == 1


@pytest.mark.parametrize(
    ("form", "field"),
    [
        ({"url": ""}, "url"),
        ({"url": "http://10.0.0.1/", "mode": "page"}, "other"),
        ({"url": "https://a.example", "mode": "all"}, "mode"),
        ({"url": "https://a.example", "max_pages": "many"}, "max_pages"),
        ({"url": "https://a.example", "max_depth": "-1"}, "max_depth"),
        ({"url": "https://a.example", "delay_s": "soon"}, "delay_s"),
        ({"url": "https://a.example", "delay_s": "nan"}, "delay_s"),
        ({"url": "https://a.example", "include": "x" * 301}, "include"),
        ({"url": "https://a.example", "frequency_hours": "often"}, "frequency_hours"),
        ({"url": "https://a.example", "grace_hours": ""}, "grace_hours"),
    ],
)
async def test_what_is_wrong_is_said_where_it_is(page, form, field):
    await happens(page.begin())

    await submit(page, **form)

    said = page.checked.message if field == "other" else getattr(page.errors, field)
    assert said
    assert page.is_open
    assert not page.is_busy
    assert page.is_more_open == (field not in {"url", "mode", "other"})


async def test_settings_are_shown_and_changed(page, site, run_jobs):
    await add(page, site.url, mode="page", include="/a\n\n/b/*", frequency_hours="0", delay_s="0.2")
    [row] = page.rows
    assert row.schedule == "Read only when you ask for it."
    await run_jobs()

    await happens(page.edit(row.id))
    assert (page.form.mode, page.form.include, page.form.frequency_hours) == ("page", "/a\n/b/*", "0")
    await submit(page, name="Renamed", include="", frequency_hours="168", grace_hours="24")

    assert not page.is_open
    [row] = page.rows
    assert (row.name, row.state) == ("Renamed", "Waiting for its turn")
    await happens(page.edit(row.id))
    assert (page.form.include, page.form.grace_hours, page.form.url) == ("", "24", f"{site.url}/")


async def test_pausing_stopping_and_removing(page, site):
    await add(page, site.url)
    [row] = page.rows

    await happens(page.stop(row.id))
    assert page.rows[0].state == "Stopped"
    await happens(page.pause(row.id))
    assert page.rows[0].state == "Paused"
    await happens(page.resume(row.id))
    assert not page.rows[0].is_paused
    await happens(page.ask_to_delete(row.id))
    assert page.deleting_name == row.name
    await happens(page.delete(False))

    assert page.rows == []


async def test_one_website_shows_its_pages_and_its_history(page, tab, site, run_jobs):
    await add(page, site.url, mode="crawl", delay_s="0.2")
    await run_jobs()
    [row] = page.rows
    tab.go_to(row.href)
    one = await tab.state(WebSourceState)

    await happens(one.load())

    assert [item.name for item in one.items] == ["A", "Welcome"]
    await happens(one.filter_text("welc"))
    assert [item.url for item in one.items] == [f"{site.url}/"]
    await happens(one.open_tab("history"))
    assert [run.counts for run in one.runs] == ["2 new"]
    await happens(one.open_run(one.runs[0].id))
    assert [event.state for event in one.events] == ["New", "New"]


def test_a_schedule_set_elsewhere_is_kept_as_a_choice():
    assert ("48", "Every 2 days") in view.frequencies("48")
    assert [hours for hours, _ in view.frequencies("48")] == ["1", "6", "24", "48", "168", "720", "0"]
    assert ("36", "Keep it for 36 hours") in view.graces("36")
    assert view.schedule_of(WebForm(frequency_hours="0"), Schedule(48)) == Schedule(48, False, 168)


def test_an_error_of_no_field_is_said_for_all():
    assert view.errors_of(InvalidInput("No.", field="kind")).other == "No."
    assert view.errors_of(InvalidInput("No.")).other == "No."
