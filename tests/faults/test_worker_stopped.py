"""Workers that are asked to stop, paused, or lose their database in the middle of a file."""

import asyncio
import os
import signal

import psycopg
import pytest

from rag_app.settings import Settings
from tests.database import short_folder, start_test_postgres
from tests.invariants import stray_files, violations
from tests.processes import eventually

pytestmark = [pytest.mark.fault, pytest.mark.timeout(180)]

# Takes the model half a minute: longer than a worker that is asked to stop may go on.
LONG = "\n\n".join(
    f"# Part {part}\n\n"
    + " ".join(f"Boat {part}-{n} left the harbour of town {n * part} with {n} crates." for n in range(25))
    for part in range(130)
).encode()


@pytest.fixture(scope="module")
def postgres():
    """A server of this module's own, for it is broken here."""
    server = start_test_postgres(short_folder())
    yield server
    server.stop()


@pytest.fixture
def config(site):
    return Settings(database_url=site.dsn, rag_data_dir=site.folder, _env_file=None)  # type: ignore[call-arg]


@pytest.fixture
def sql(database):
    def ask(statement: str) -> list:
        with psycopg.connect(database, autocommit=True) as connection:
            return [row[0] for row in connection.execute(statement.encode()).fetchall()]

    return ask


@pytest.fixture
async def in_the_middle(owner, sql):
    """Upload a long file; the result waits until a worker is in the middle of it."""
    kb = await owner.create_kb()
    await owner.upload(kb["id"], ("long.md", LONG))

    async def wait(at_least: int = 32) -> None:
        statement = f"""
            SELECT 1 FROM document_processing_jobs WHERE status = 'processing'
            AND chunks_processed >= {at_least} AND chunks_processed < chunks_total"""
        await eventually(lambda: sql(statement))

    return wait


async def until_ready(sql) -> None:
    await eventually(lambda: sql("SELECT 1 FROM documents WHERE status = 'ready'"), within_s=90)


async def test_a_worker_asked_to_stop_hands_its_file_to_the_next(site, in_the_middle, sql):
    with site.worker() as worker:
        await in_the_middle()
        assert await asyncio.to_thread(worker.terminate) == 0

        assert sql("SELECT status::text FROM document_processing_jobs") == ["pending"]
        assert sql("SELECT status::text FROM procrastinate_jobs") == ["todo"]
        assert sql("SELECT count(*) FROM chunks") == [0]
        assert sql("SELECT count(*) FROM procrastinate_workers") == [0]
        [n_kept] = sql("SELECT count(*) FROM pending_embeddings")
        assert n_kept >= 32

        worker.start_again()
        await until_ready(sql)
        await eventually(lambda: not sql("SELECT 1 FROM procrastinate_jobs"))
        assert await asyncio.to_thread(worker.terminate) == 0
    assert violations(site.dsn) == []
    assert stray_files(site.dsn, site.folder, site.temporary) == []


async def test_a_paused_worker_that_comes_back_changes_nothing(site, in_the_middle, sql):
    with site.worker() as paused:
        await in_the_middle()
        paused.pause()
        with site.worker() as other:
            await until_ready(sql)
            chunk_ids = sql("SELECT id FROM chunks ORDER BY id")

            paused.go_on()
            await eventually(lambda: "job_lost_its_turn" in paused.log())
            assert await asyncio.to_thread(paused.terminate) == 0
            assert await asyncio.to_thread(other.terminate) == 0
    assert sql("SELECT attempt FROM document_processing_jobs") == [2]
    assert sql("SELECT id FROM chunks ORDER BY id") == chunk_ids
    assert violations(site.dsn) == []
    assert stray_files(site.dsn, site.folder, site.temporary) == []


@pytest.mark.parametrize("how", [signal.SIGQUIT, signal.SIGKILL], ids=["immediate restart", "crash"])
async def test_a_worker_outlives_its_database(site, in_the_middle, sql, postgres, how):
    with site.worker() as worker:
        await in_the_middle()
        pid = int((postgres.pgdata / "postmaster.pid").read_text().split()[0])
        os.kill(pid, how)
        await eventually(lambda: not postgres.is_running())
        await asyncio.sleep(4)
        await asyncio.to_thread(postgres.revive)

        await until_ready(sql)
        assert worker.process.poll() is None
        await eventually(lambda: not sql("SELECT 1 FROM procrastinate_jobs"))
        assert await asyncio.to_thread(worker.terminate) == 0
    assert violations(site.dsn) == []
    assert stray_files(site.dsn, site.folder, site.temporary) == []
