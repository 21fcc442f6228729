"""Files that are cancelled, deleted, doubled or taken over while they are read."""

import asyncio
import os
import random

import psycopg
import pytest

from rag_app.errors import Conflict, NotFound, PermanentError, TransientError
from rag_app.services.ingestion import GAVE_UP, MAX_CRASHES
from rag_app.worker.handlers import MAX_TRIES
from tests.fakes import WordEmbedder
from tests.invariants import stray_files, violations

TEXT = b"# Boats\n\nThe harbour holds seven boats.\n\n# Prices\n\nA berth costs ninety a week.\n"


class GatedEmbedder(WordEmbedder):
    """Embeds documents only after its gate is opened; says when somebody waits at it."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()
        self.gate.set()
        self.waiting = asyncio.Event()
        self.error: Exception | None = None

    async def embed_documents(self, texts):
        self.waiting.set()
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        return await super().embed_documents(texts)

    def close(self) -> None:
        self.gate.clear()
        self.waiting.clear()


@pytest.fixture
def embedder():
    return GatedEmbedder()


@pytest.fixture
def sql(database):
    """Ask the database something; returns the first column."""

    def ask(statement: str, *values: object) -> list:
        with psycopg.connect(database, autocommit=True) as connection:
            found = connection.execute(statement.encode(), values)
            return [row[0] for row in found.fetchall()] if found.description else []

    return ask


@pytest.fixture
async def kb(owner):
    return await owner.create_kb()


@pytest.fixture
def ingesting(services):
    """Begin to ingest a job, as a worker would."""

    def begin(job_id: int, *, n_crashes: int = 0, is_last_try: bool = False) -> asyncio.Task[None]:
        return asyncio.create_task(
            services.ingestion.ingest(job_id, n_crashes=n_crashes, is_last_try=is_last_try)
        )

    return begin


@pytest.fixture
def all_well(database, config, tmp_path, services):
    """Check that nothing was left that should not be."""

    async def check() -> None:
        for path in (tmp_path / "files").glob("??/??/*"):
            os.utime(path, (0, 0))  # the clean-up spares what came just now
        await services.maintenance.clean_up()
        assert violations(database) == []
        assert stray_files(database, tmp_path, tmp_path / "nothing") == []

    return check


async def test_a_late_commit_of_a_worker_that_was_given_up_is_refused(
    owner, kb, embedder, ingesting, run_jobs, sql, all_well
):
    [job] = await owner.upload(kb["id"], ("boats.md", TEXT))
    embedder.close()
    zombie = ingesting(job["id"])
    await embedder.waiting.wait()
    embedder.waiting.clear()
    successor = ingesting(job["id"])
    await embedder.waiting.wait()
    embedder.gate.set()

    await asyncio.gather(zombie, successor)
    await run_jobs()

    assert sql("SELECT attempt FROM document_processing_jobs") == [2]
    assert sql("SELECT status::text FROM documents") == ["ready"]
    await all_well()


async def test_a_file_cancelled_while_it_is_read_leaves_nothing(
    owner, kb, embedder, ingesting, run_jobs, sql, all_well
):
    [job] = await owner.upload(kb["id"], ("boats.md", TEXT))
    embedder.close()
    reading = ingesting(job["id"])
    await embedder.waiting.wait()

    cancelled = await owner.http.post(f"/api/knowledge-bases/{kb['id']}/jobs/{job['id']}/cancel")
    embedder.gate.set()
    await reading
    await run_jobs()

    assert cancelled.json()["status"] == "cancelled"
    assert sql("SELECT status::text FROM documents") == ["cancelled"]
    assert sql("SELECT count(*) FROM chunks") == [0]
    await all_well()


async def test_a_file_deleted_while_it_is_read_leaves_nothing(
    owner, kb, embedder, ingesting, run_jobs, sql, all_well
):
    [job] = await owner.upload(kb["id"], ("boats.md", TEXT))
    embedder.close()
    reading = ingesting(job["id"])
    await embedder.waiting.wait()

    deleted = await owner.http.delete(f"/api/knowledge-bases/{kb['id']}/documents/{job['document_id']}")
    embedder.gate.set()
    await reading
    await run_jobs()

    assert deleted.status_code == 204
    assert sql("SELECT count(*) FROM documents") == [0]
    await all_well()


async def test_a_knowledge_base_deleted_while_a_file_is_read_leaves_nothing(
    owner, kb, embedder, ingesting, run_jobs, sql, all_well
):
    [job] = await owner.upload(kb["id"], ("boats.md", TEXT))
    embedder.close()
    reading = ingesting(job["id"])
    await embedder.waiting.wait()

    deleted = await owner.http.delete(f"/api/knowledge-bases/{kb['id']}")
    embedder.gate.set()
    await reading
    await run_jobs()

    assert deleted.status_code == 204, deleted.text
    for table in ("documents", "chunks", "chunk_postings", "kb_word_stats", "document_processing_jobs"):
        assert sql(f"SELECT count(*) FROM {table}") == [0]
    await all_well()


async def test_everything_at_once_neither_deadlocks_nor_leaves_anything(
    owner, kb, services, ingesting, run_jobs, sql, all_well
):
    dice = random.Random(7)
    user_id = owner.user["id"]
    files = [(f"{number}.md", TEXT + str(number).encode()) for number in range(24)]
    jobs = await owner.upload(kb["id"], *files)
    await run_jobs()
    other = await owner.create_kb("Other")
    others = await owner.upload(other["id"], *files[:8])

    async def meddle(job: dict) -> None:
        documents, document_id = services.documents, job["document_id"]
        await asyncio.sleep(dice.random() * 2)
        try:
            match dice.randrange(4):
                case 0:
                    await documents.delete(kb["id"], document_id, owner_id=user_id)
                case 1:
                    again = await documents.reingest(kb["id"], document_id, owner_id=user_id)
                    reading = ingesting(again.id)
                    await asyncio.sleep(dice.random() / 2)
                    await documents.cancel(kb["id"], again.id, owner_id=user_id)
                    await reading
                case 2:
                    _, _, chunks = await documents.contents(kb["id"], document_id, owner_id=user_id)
                    await asyncio.gather(*(
                        documents.switch_chunk(kb["id"], chunk.id, owner_id=user_id, enabled=False)
                        for chunk in chunks
                    ))  # fmt: skip
                case 3:
                    again = await documents.reingest(kb["id"], document_id, owner_id=user_id)
                    reading = ingesting(again.id)
                    await asyncio.sleep(dice.random() / 2)
                    await documents.delete(kb["id"], document_id, owner_id=user_id)
                    await reading
        except (NotFound, Conflict):
            pass  # somebody was quicker

    async def delete_other() -> None:
        await asyncio.sleep(dice.random() / 2)
        await services.knowledge_bases.delete(other["id"], owner_id=user_id)

    await asyncio.gather(*map(meddle, jobs), *(ingesting(job["id"]) for job in others), delete_other())
    await run_jobs()

    assert sql("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()") == [0]
    assert sql("SELECT count(*) FROM chunks WHERE kb_id = %s", other["id"]) == [0]
    sql("DELETE FROM document_processing_jobs WHERE status = 'completed'")  # read twice, on purpose
    await all_well()


async def test_old_chunks_are_found_until_the_new_ones_take_their_place(
    owner, kb, embedder, ingesting, run_jobs, sql, all_well
):
    [job] = await owner.upload(kb["id"], ("boats.md", TEXT))
    await run_jobs()
    before = {passage["chunk_id"] for passage in await owner.search(kb["id"], "boats")}
    sql("UPDATE chunks SET content_hash = ''")  # as if the text were new: nothing may be reused
    again = await owner.http.post(f"/api/knowledge-bases/{kb['id']}/documents/{job['document_id']}/reingest")
    embedder.close()
    reading = ingesting(again.json()["id"])
    await embedder.waiting.wait()

    meanwhile = {passage["chunk_id"] for passage in await owner.search(kb["id"], "boats")}
    status = sql("SELECT status::text FROM documents")
    embedder.gate.set()
    await reading
    await run_jobs()
    after = {passage["chunk_id"] for passage in await owner.search(kb["id"], "boats")}

    assert meanwhile == before
    assert status == ["ready"]
    assert len(after) == len(before)
    assert not after & before
    sql("DELETE FROM document_processing_jobs WHERE id = %s", job["id"])
    await all_well()


async def test_a_new_reading_that_fails_keeps_the_old_and_says_why(owner, kb, embedder, run_jobs, sql):
    [job] = await owner.upload(kb["id"], ("boats.md", TEXT))
    await run_jobs()
    sql("UPDATE chunks SET content_hash = ''")
    url = f"/api/knowledge-bases/{kb['id']}"
    again = (await owner.http.post(f"{url}/documents/{job['document_id']}/reingest")).json()
    embedder.error = PermanentError("The embedding model is gone.")
    await run_jobs()

    document = (await owner.http.get(f"{url}/documents/{job['document_id']}")).json()
    assert (document["status"], document["error_message"]) == ("ready", "The embedding model is gone.")
    assert await owner.search(kb["id"], "boats")

    retried = (await owner.http.post(f"{url}/jobs/{again['id']}/retry")).json()
    document = (await owner.http.get(f"{url}/documents/{job['document_id']}")).json()
    assert (retried["status"], document["status"]) == ("pending", "ready")

    embedder.error = None
    await run_jobs()
    document = (await owner.http.get(f"{url}/documents/{job['document_id']}")).json()
    assert (document["status"], document["error_message"]) == ("ready", None)


async def test_the_same_bytes_ten_times_at_once_are_one_document(owner, kb, run_jobs, sql, all_well):
    uploads = await asyncio.gather(*(owner.upload(kb["id"], (f"{n}.md", TEXT)) for n in range(10)))
    assert sql("SELECT count(*) FROM procrastinate_jobs") == [1]
    await run_jobs()

    assert len({job["document_id"] for [job] in uploads}) == 1
    assert [job["is_duplicate"] for [job] in uploads].count(False) == 1
    assert sql("SELECT count(*) FROM document_processing_jobs") == [1]
    await all_well()


async def test_uploading_a_file_while_it_is_deleted_ends_with_it_or_without_it(owner, kb, run_jobs, all_well):
    [job] = await owner.upload(kb["id"], ("boats.md", TEXT))
    url = f"/api/knowledge-bases/{kb['id']}/documents"
    for _ in range(10):
        uploads, _ = await asyncio.gather(
            asyncio.gather(*(owner.upload(kb["id"], ("boats.md", TEXT)) for _ in range(3))),
            owner.http.delete(f"{url}/{job['document_id']}"),
        )
        job = max((job for [job] in uploads), key=lambda job: job["document_id"])
    await owner.upload(kb["id"], ("boats.md", TEXT))
    await run_jobs()

    assert [item["status"] for item in (await owner.http.get(url)).json()["items"]] == ["ready"]
    await all_well()


async def test_uploading_to_a_knowledge_base_that_is_being_deleted_finds_nothing(owner, sql):
    for _ in range(5):
        kb = await owner.create_kb()
        url = f"/api/knowledge-bases/{kb['id']}"
        responses = await asyncio.gather(
            *(
                owner.http.post(f"{url}/knowledge/upload", files=[("files", ("a.md", TEXT))])
                for _ in range(4)
            ),
            owner.http.delete(url),
        )
        assert {response.status_code for response in responses} <= {202, 204, 404}

    assert sql("SELECT count(*) FROM documents") == [0]


async def test_a_worker_told_to_stop_hands_its_file_back(
    owner, kb, embedder, services, run_jobs, sql, all_well
):
    await owner.upload(kb["id"], ("boats.md", TEXT))
    embedder.close()
    working = asyncio.create_task(run_jobs())
    await embedder.waiting.wait()
    working.cancel()  # stops taking jobs, and waits for the one it has
    [reading] = [task for task in asyncio.all_tasks() if task.get_name().startswith("process job")]
    reading.cancel()
    await asyncio.gather(working, return_exceptions=True)

    assert sql("SELECT status::text FROM document_processing_jobs") == ["pending"]
    assert sql("SELECT status::text FROM procrastinate_jobs") == ["todo"]

    embedder.gate.set()
    await run_jobs()
    assert sql("SELECT status::text FROM documents") == ["ready"]
    await all_well()


# Crashes and failures


@pytest.fixture
def crash(services, sql):
    """A worker takes the only job from the queue and dies in the middle of it."""

    async def take_and_die() -> None:
        sql("UPDATE document_processing_jobs SET status = 'processing', attempt = attempt + 1")
        sql("UPDATE procrastinate_jobs SET status = 'doing'")
        await services.ingestion.sweep(stalled_after_s=30)

    return take_and_die


async def test_a_file_survives_crashes_of_the_worker(owner, kb, crash, run_jobs, sql, all_well):
    await owner.upload(kb["id"], ("boats.md", TEXT))
    for _ in range(MAX_CRASHES - 1):
        await crash()
    await run_jobs()

    assert sql("SELECT status::text FROM documents") == ["ready"]
    await all_well()


async def test_a_file_that_always_kills_the_worker_is_given_up_until_its_owner_tries_again(
    owner, kb, crash, run_jobs, sql, all_well
):
    [job] = await owner.upload(kb["id"], ("boats.md", TEXT))
    for _ in range(MAX_CRASHES):
        await crash()
    await run_jobs()
    assert sql("SELECT error_message FROM documents WHERE status = 'failed'") == [GAVE_UP]

    await owner.http.post(f"/api/knowledge-bases/{kb['id']}/jobs/{job['id']}/retry")
    await run_jobs()

    assert sql("SELECT status::text FROM documents") == ["ready"]
    await all_well()


async def test_jobs_of_a_living_worker_are_left_alone(owner, kb, services, sql):
    await owner.upload(kb["id"], ("boats.md", TEXT))
    [worker_id] = sql("INSERT INTO procrastinate_workers DEFAULT VALUES RETURNING id")
    sql("UPDATE procrastinate_jobs SET status = 'doing', worker_id = %s", worker_id)

    await services.ingestion.sweep(stalled_after_s=30)
    assert sql("SELECT status::text FROM procrastinate_jobs") == ["doing"]

    sql("UPDATE procrastinate_workers SET last_heartbeat = now() - interval '31 seconds'")
    await services.ingestion.sweep(stalled_after_s=30)
    assert sql("SELECT status::text FROM procrastinate_jobs") == ["todo"]


async def test_a_schedule_that_a_dead_worker_left_does_not_stand_in_the_way(owner, kb, services, sql):
    await owner.upload(kb["id"], ("boats.md", TEXT))
    sql("UPDATE procrastinate_jobs SET status = 'doing'")
    for status in ("doing", "todo"):
        sql(
            "INSERT INTO procrastinate_jobs (queue_name, task_name, queueing_lock, status) "
            "VALUES ('default', 'clean_up', 'clean_up', %s::procrastinate_job_status)",
            status,
        )

    await services.ingestion.sweep(stalled_after_s=30)

    found = sql("SELECT task_name || ' ' || status FROM procrastinate_jobs ORDER BY id")
    assert found == ["ingest_document todo", "clean_up todo"]


async def test_a_job_the_queue_has_forgotten_is_queued_again_once(
    owner, kb, services, run_jobs, sql, all_well
):
    await owner.upload(kb["id"], ("boats.md", TEXT))
    sql("DELETE FROM procrastinate_jobs")
    sql("UPDATE document_processing_jobs SET updated_at = now() - interval '2 minutes'")

    await asyncio.gather(*(services.ingestion.sweep(stalled_after_s=30) for _ in range(5)))

    assert sql("SELECT count(*) FROM procrastinate_jobs") == [1]
    await run_jobs()
    await all_well()


async def test_a_passing_failure_is_tried_again_and_the_last_one_says_why(
    owner, kb, embedder, run_jobs, sql, all_well
):
    await owner.upload(kb["id"], ("boats.md", TEXT))
    embedder.error = TransientError("The embedding model is busy.")
    for n_tries in range(1, MAX_TRIES + 1):
        await run_jobs()
        assert sql("SELECT status::text FROM document_processing_jobs") == ["pending"]
        assert sql("SELECT attempts FROM procrastinate_jobs WHERE scheduled_at > now()") == [n_tries]
        sql("UPDATE procrastinate_jobs SET scheduled_at = NULL")
    await run_jobs()

    assert sql("SELECT error_message FROM documents WHERE status = 'failed'") == [
        "The embedding model is busy."
    ]
    sql("DELETE FROM pending_embeddings")
    await all_well()


async def test_batches_that_were_embedded_are_not_paid_twice(owner, kb, embedder, run_jobs, sql, all_well):
    text = "\n\n".join(f"# Part {n}\n\n" + f"Sentence {n} about boats. " * 60 for n in range(120))
    await owner.upload(kb["id"], ("long.md", text.encode()))
    real, n_batches = embedder.embed_documents, 0

    async def break_in_the_middle(texts):
        nonlocal n_batches
        n_batches += 1
        if n_batches == 3:
            raise TransientError("Connection lost.")
        return await real(texts)

    embedder.embed_documents = break_in_the_middle
    await run_jobs()
    sql("UPDATE procrastinate_jobs SET scheduled_at = NULL")
    await run_jobs()

    [n_chunks] = sql("SELECT n_chunks FROM documents")
    assert n_chunks > 96
    assert embedder.n_embedded == n_chunks
    await all_well()
