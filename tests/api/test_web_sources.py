"""The story of a website in a knowledge base, through the REST API and the worker's own jobs."""

import pytest

from rag_app.settings import Settings
from tests.attacks.conftest import ObedientLLM
from tests.websites import Answer, Website, html, text


@pytest.fixture
def config(database, tmp_path) -> Settings:
    """An installation whose operator has listed this machine."""
    return Settings(
        database_url=database, rag_data_dir=tmp_path, rag_allowed_private_hosts="127.0.0.1", _env_file=None
    )  # type: ignore[call-arg]


@pytest.fixture
def site():
    with Website() as served:
        served.pages |= {
            "/": html("Welcome", "We sell bicycles", links=["/prices", "/unicorns"]),
            "/prices": html("Prices", "A bicycle costs 300 euros"),
            "/unicorns": html("Unicorns", "Unicorns live behind the rainbow"),
        }
        yield served


class Base:
    """A knowledge base with one website."""

    def __init__(self, owner, kb_id):
        self.http, self.kb_id, self.owner = owner.http, kb_id, owner
        self.path = f"/api/knowledge-bases/{kb_id}/web-sources"

    async def add(self, url, **more):
        response = await self.http.post(self.path, json={"url": url, "delay_s": 0.2, **more})
        assert response.status_code == 201, response.text
        self.one = f"{self.path}/{response.json()['id']}"
        return response.json()

    async def get(self, what=""):
        response = await self.http.get(f"{self.one}{what}")
        assert response.status_code == 200, response.text
        return response.json()

    async def read_again(self):
        response = await self.http.post(f"{self.one}/run")
        assert response.status_code == 202, response.text

    async def items(self):
        return {item["url"]: item["status"] for item in (await self.get("/items"))["items"]}

    async def events(self):
        run = (await self.get())["run"]
        return (await self.get(f"/runs/{run['id']}/events"))["items"]


@pytest.fixture
async def base(owner):
    return Base(owner, (await owner.create_kb())["id"])


async def test_a_website_from_its_first_reading_to_a_page_that_vanished(
    base, site, owner, run_jobs, services, sql
):
    added = await base.add(site.url, mode="crawl", name="Bicycles", scrape_frequency_hours=24, grace_hours=48)
    assert added["run"]["status"] == "waiting"
    await run_jobs()

    source = await base.get()
    assert (source["name"], source["url"], source["problem"]) == ("Bicycles", f"{site.url}/", "")
    assert (source["run"]["status"], source["run"]["n_added"], source["n_items"]) == ("completed", 3, 3)
    assert source["scrape_frequency_hours"] == 24
    [best, *_] = await owner.search(base.kb_id, "What does a bicycle cost?")
    assert best["url"] == f"{site.url}/prices"
    assert (best["source"], best["document_name"]) == ("web", "Prices")
    assert "300 euros" in best["content"]
    assert not any("cookies" in found["content"] for found in await owner.search(base.kb_id, "cookies"))

    jobs_before = sql("SELECT count(*) FROM document_processing_jobs")[0][0]
    site.forget()
    site.pages["/prices"] = html("Prices", "A bicycle costs 320 euros")
    await base.read_again()
    await run_jobs()

    assert site.unchanged == ["/", "/unicorns"]
    assert sql("SELECT count(*) FROM document_processing_jobs")[0][0] == jobs_before + 1
    [changed] = await base.events()
    assert changed["kind"] == "changed"
    assert "-A bicycle costs 300 euros" in changed["diff"]
    assert "+A bicycle costs 320 euros" in changed["diff"]
    [best, *_] = await owner.search(base.kb_id, "What does a bicycle cost?")
    assert "320 euros" in best["content"]

    del site.pages["/unicorns"]
    site.pages["/"] = html("Welcome", "We sell bicycles", links=["/prices"])
    await base.read_again()
    await run_jobs()

    assert (await base.items())[f"{site.url}/unicorns"] == "missing"
    assert await owner.search(base.kb_id, "unicorns rainbow"), "it can be found until the grace period ends"
    sql("UPDATE source_items SET missing_since = now() - interval '49 hours' WHERE status = 'missing'")
    await services.source_runs.tend()
    assert f"{site.url}/unicorns" not in await base.items()
    found = await owner.search(base.kb_id, "unicorns rainbow")
    assert not any("rainbow" in passage["content"] for passage in found)


async def test_an_answer_cites_the_page_with_its_address(base, site, owner, run_jobs, services):
    services.llms.fix("local", ObedientLLM())
    await base.add(f"{site.url}/prices")
    await run_jobs()

    answer = await owner.ask(await owner.converse(base.kb_id), "What does a bicycle cost?")

    assert answer["citations"][0]["url"] == f"{site.url}/prices"


async def test_the_same_text_at_two_addresses_is_found_once(base, site, owner, run_jobs):
    site.pages |= {
        "/": html("Welcome", links=["/prices", "/prices/print"]),
        "/prices/print": site.pages["/prices"],
    }
    await base.add(site.url, mode="crawl")
    await run_jobs()

    items = (await base.get("/items?status=skipped"))["items"]

    assert [item["reason"] for item in items] == [f"Same text as {site.url}/prices."]


async def test_what_could_not_be_read_is_listed_and_tried_again(base, site, run_jobs):
    prices, site.pages["/prices"] = site.pages["/prices"], Answer(status=500)
    await base.add(site.url, mode="crawl")
    await run_jobs()
    [failed] = (await base.get("/items?status=failed"))["items"]
    assert "fault of its own" in failed["reason"]

    site.pages["/prices"] = prices
    assert (await base.http.post(f"{base.one}/retry")).status_code == 202
    await run_jobs()

    assert set((await base.items()).values()) == {"kept"}


async def test_a_site_that_forbids_reading_waits_for_its_owner(base, site, run_jobs):
    site.pages["/robots.txt"] = text("User-agent: *\nDisallow: /")
    await base.add(site.url)
    await run_jobs()

    source = await base.get()

    assert "robots.txt" in source["problem"]
    assert source["run"]["status"] == "failed"
    assert source["next_run_at"] is None
    assert site.asked == []


async def test_settings_can_be_tried_and_changed(base, site, run_jobs):
    tried = await base.http.post(f"{base.path}/check", json={"url": site.url, "mode": "crawl"})
    assert tried.status_code == 200
    assert tried.json()["is_ok"] is True
    assert tried.json()["message"] == "Found: Welcome."
    await base.add(site.url)
    await run_jobs()

    changed = await base.http.put(base.one, json={"mode": "crawl", "exclude": ["/unicorns"], "name": "Shop"})
    assert changed.status_code == 200, changed.text
    await run_jobs()

    assert changed.json()["exclude"] == ["/unicorns"]
    assert set(await base.items()) == {f"{site.url}/", f"{site.url}/prices"}
    tried = await base.http.post(f"{base.path}/check", json={"source_id": changed.json()["id"]})
    assert tried.json()["is_ok"] is True


async def test_an_owner_tries_so_many_websites_a_minute(base, site):
    wrong = {"url": "not an address"}
    answers = [await base.http.post(f"{base.path}/check", json=wrong) for _ in range(10)]
    assert {answer.status_code for answer in answers} == {422}

    refused = await base.http.post(f"{base.path}/check", json={"url": site.url})

    assert refused.status_code == 429, refused.text
    assert int(refused.headers["retry-after"]) > 0
    assert site.asked == []


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({}, "https://example.com"),
        ({"url": "nonsense"}, "https://example.com"),
        ({"url": "http://10.0.0.1/"}, "not the address of a server"),
        ({"url": "http://169.254.169.254/"}, "not the address of a server"),
        ({"url": "https://example.com", "mode": "everything"}, "page, sitemap or crawl"),
        ({"url": "https://example.com", "max_pages": 0}, "1 to 10,000"),
        ({"url": "https://example.com", "scrape_frequency_hours": 0}, "every hour"),
        ({"url": "https://example.com", "ignore_robots": True}, "ignore_robots"),
        ({"url": "https://example.com\u0000"}, "NUL"),
    ],
)
async def test_wrong_settings_are_refused_in_words(base, body, says):
    response = await base.http.post(base.path, json=body)

    assert response.status_code == 422
    assert says in response.text
    assert (await base.http.get(base.path)).json()["items"] == []


async def test_a_website_is_there_once(base, site):
    await base.add(site.url)

    again = await base.http.post(base.path, json={"url": f"{site.url}/#top"})

    assert again.status_code == 409
    assert "already" in again.json()["detail"]


async def test_the_plans_view_shows_websites(base, site, run_jobs, sql):
    await base.add(site.url, scrape_frequency_hours=24)
    await run_jobs()

    assert sql("SELECT url, scrape_frequency_hours FROM web_sources") == [(f"{site.url}/", 24)]
    assert sql("SELECT status FROM web_scrape_history") == [("completed",)]
