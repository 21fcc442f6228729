"""Workers that are killed, stopped and paused while files come in: nothing is lost, nothing done twice."""

import asyncio
from collections.abc import Iterator

import httpx2
import psycopg
import pytest

from tests import sample_files
from tests.invariants import stray_files, violations
from tests.processes import Site, eventually

pytestmark = [pytest.mark.fault, pytest.mark.timeout(400)]

N_UPLOADERS = 10
FILES_EACH = 20
KILLS_AT = (15, 70, 130)  # files that have come to an end


def files_of(uploader: int) -> Iterator[tuple[str, bytes, bool]]:
    """Twenty files as (name, content, whether it can be read); none is like another."""
    hostile = sample_files.hostile_files()
    for number in range(FILES_EACH):
        text = f"Report {uploader}-{number}: the warehouse of town{uploader}x{number} holds {number} boats."
        mark = f" {uploader}-{number}".encode()
        yield [
            ("a.txt", text.encode(), True),
            ("a.md", f"# Report\n\n{text}\n\n## More\n\n{text}".encode(), True),
            ("a.html", sample_files.html_bytes(f"<h1>Report</h1><p>{text}</p>"), True),
            ("a.docx", sample_files.docx_bytes([text]), True),
            ("a.pdf", sample_files.pdf_bytes([text]), True),
            ("a.csv", f"report,text\n{number},{text}\n".encode(), True),
            ("a.xlsx", sample_files.xlsx_bytes({"Sheet": [["report", "text"], [number, text]]}), True),
            ("a.eml", sample_files.eml_bytes(text), True),
            ("noise.pdf", hostile["noise.pdf"] + mark, False),
            ("program.exe", hostile["program.exe"] + mark, False),
            ("a.json", f'{{"text": "{text}"}}'.encode(), True),
            ("a.pptx", sample_files.pptx_bytes([("Report", text)]), True),
            ("a.odt", sample_files.odt_bytes(text), True),
            ("a.epub", sample_files.epub_bytes({"Report": text}), True),
            ("empty.txt", b" " * (1 + uploader * FILES_EACH + number), False),
            ("cut.docx", sample_files.docx_bytes([text])[:-2000], False),
            ("long.txt", (text + "\n\n").encode() * 60, True),
            ("a.rtf", sample_files.rtf_bytes(text), True),
            ("secret.pdf", sample_files.pdf_bytes([text], password="secret"), False),
            ("many.pdf", sample_files.pdf_bytes([f"{text} Page {page}." for page in range(12)]), True),
        ][number]


class Uploader:
    """Somebody with an account and a knowledge base, who uploads a few files at a time."""

    def __init__(self, address: str, number: int) -> None:
        self.http = httpx2.AsyncClient(base_url=address, timeout=60)
        self.number = number
        self.expected: dict[str, bool] = {}

    async def upload_all(self) -> None:
        account = {"email": f"u{self.number}@example.com", "password": "a long enough secret", "name": "Ada"}
        tokens = (await self.http.post("/api/auth/register", json=account)).json()
        self.http.headers["Authorization"] = f"Bearer {tokens['access_token']}"
        self.kb_id = (await self.http.post("/api/knowledge-bases", json={"name": "Reports"})).json()["id"]
        files = list(files_of(self.number))
        for at in range(0, len(files), 4):
            batch = files[at : at + 4]
            response = await self.http.post(
                f"/api/knowledge-bases/{self.kb_id}/knowledge/upload",
                files=[("files", (name, content)) for name, content, _ in batch],
            )
            assert response.status_code == 202, response.text
            self.expected |= {name: is_good for name, _, is_good in batch}
            await asyncio.sleep(0.5)

    async def documents(self) -> list[dict]:
        response = await self.http.get(f"/api/knowledge-bases/{self.kb_id}/documents", params={"limit": 100})
        return response.json()["items"]

    async def found(self, query: str) -> list[dict]:
        response = await self.http.post(
            f"/api/knowledge-bases/{self.kb_id}/knowledge/search", json={"query": query, "limit": 50}
        )
        return response.json()["results"]


def count(dsn: str, condition: str) -> int:
    """Jobs with some property."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        statement = f"SELECT count(*) FROM document_processing_jobs WHERE {condition}"
        row = connection.execute(statement.encode()).fetchone()
    assert row is not None
    return row[0]


ENDED = "status IN ('completed', 'failed')"


async def test_ten_uploaders_and_three_kills_lose_and_double_nothing(site: Site, unused_tcp_port):
    async with site.api(unused_tcp_port) as address:
        uploaders = [Uploader(address, number) for number in range(N_UPLOADERS)]
        with site.worker() as worker:
            uploading = asyncio.gather(*(uploader.upload_all() for uploader in uploaders))
            for n_ended in KILLS_AT:
                await eventually(lambda n=n_ended: count(site.dsn, ENDED) >= n, within_s=180)
                await eventually(lambda: count(site.dsn, "status = 'processing'") > 0)
                worker.kill()
                worker.start_again()
            await uploading
            await eventually(lambda: count(site.dsn, ENDED) == N_UPLOADERS * FILES_EACH, within_s=240)
            assert worker.terminate() == 0

        for uploader in uploaders:
            documents = await uploader.documents()
            assert len(documents) == FILES_EACH
            for document in documents:
                is_good = uploader.expected[document["name"]]
                assert document["status"] == ("ready" if is_good else "failed"), document
                assert bool(document["error_message"]) is not is_good
            word = f"town{uploader.number}x4"
            best = (await uploader.found(f"What does {word} hold?"))[0]
            assert word in best["content"]
            await uploader.http.aclose()
    assert violations(site.dsn) == []
    assert stray_files(site.dsn, site.folder, site.temporary) == []
