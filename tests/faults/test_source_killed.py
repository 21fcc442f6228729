"""A worker that is killed while it reads a website: the run goes on, and no page is kept twice."""

import psycopg
import pytest
from httpx2 import AsyncClient

from tests.invariants import stray_files, violations
from tests.processes import Site, eventually
from tests.websites import Website, html

pytestmark = [pytest.mark.fault, pytest.mark.timeout(300)]

N_PAGES = 14
KILLS_AT = (3, 8)  # pages kept


def pages() -> dict[str, object]:
    made: dict[str, object] = {
        f"/page{n}": html(f"Page {n}", f"The lighthouse of town{n} has {n} steps") for n in range(N_PAGES)
    }
    made["/"] = html("Start", "All the lighthouses", links=[f"/page{n}" for n in range(N_PAGES)])
    return made


def count(dsn: str, statement: str) -> int:
    with psycopg.connect(dsn) as connection:
        return connection.execute(statement.encode()).fetchone()[0]  # type: ignore[index]


async def test_a_website_is_read_to_its_end_though_two_workers_are_killed(site: Site, unused_tcp_port):
    with Website(pages()) as website:
        site.settings["RAG_ALLOWED_PRIVATE_HOSTS"] = website.host
        async with site.api(unused_tcp_port) as address, AsyncClient(base_url=address, timeout=60) as http:
            account = {"email": "ada@example.com", "password": "a long enough secret", "name": "Ada"}
            tokens = (await http.post("/api/auth/register", json=account)).json()
            http.headers["Authorization"] = f"Bearer {tokens['access_token']}"
            kb_id = (await http.post("/api/knowledge-bases", json={"name": "Lighthouses"})).json()["id"]
            base = f"/api/knowledge-bases/{kb_id}/web-sources"
            wanted = {"url": website.url, "mode": "crawl", "delay_s": 0.2}
            added = await http.post(base, json=wanted)
            assert added.status_code == 201, added.text

            kept = "SELECT count(*) FROM source_items WHERE status = 'kept'"
            with site.worker() as worker:
                for n_kept in KILLS_AT:
                    await eventually(lambda n=n_kept: count(site.dsn, kept) >= n, within_s=90)
                    worker.kill()
                    worker.start_again()
                ended = "SELECT count(*) FROM source_runs WHERE status = 'completed'"
                await eventually(lambda: count(site.dsn, ended) == 1, within_s=150)
                open_jobs = "SELECT count(*) FROM document_processing_jobs WHERE completed_at IS NULL"
                await eventually(lambda: count(site.dsn, open_jobs) == 0, within_s=90)
                assert worker.terminate() == 0

            source = (await http.get(f"{base}/{added.json()['id']}")).json()
            assert source["run"]["status"] == "completed"
            assert source["n_items"] == N_PAGES + 1
            assert count(site.dsn, "SELECT count(*) FROM documents WHERE status = 'ready'") == N_PAGES + 1
            search = await http.post(
                f"/api/knowledge-bases/{kb_id}/knowledge/search", json={"query": "lighthouse of town7"}
            )
            assert search.json()["results"][0]["url"] == f"{website.url}/page7"
    assert violations(site.dsn) == []
    assert stray_files(site.dsn, site.folder, site.temporary) == []
