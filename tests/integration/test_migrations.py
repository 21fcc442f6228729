"""The schema: forward, back, forward again, by several at once, and as the tables in Python say."""

import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
import sqlalchemy as sa
from sqlmodel import SQLModel

from rag_app import bootstrap
from rag_app.db import embedded, tables
from rag_app.db.engine import driver_url
from rag_app.db.migrations import downgrade, upgrade
from tests.database import drop_database
from tests.invariants import violations
from tests.processes import Site

ROOT = Path(__file__).parents[2]
SUPERUSER = (embedded.SUPERUSER, "postgres")


@pytest.fixture
def empty(postgres):
    """A database with the extensions and nothing else."""
    name = f"test_{uuid4().hex[:12]}"
    with psycopg.connect(postgres.dsn(*SUPERUSER), autocommit=True) as connection:
        statement = f"CREATE DATABASE {name} OWNER {embedded.ROLE} TEMPLATE {embedded.DATABASE}"
        connection.execute(statement.encode())
    yield postgres.dsn(database=name)
    drop_database(postgres, name)


def schema(dsn: str) -> list[tuple]:
    """Everything a migration may make: columns, indexes, constraints, types, functions, triggers."""
    statements = (
        """SELECT table_name, column_name, udt_name, is_nullable, column_default
           FROM information_schema.columns WHERE table_schema = 'public'""",
        "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'",
        """SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
           WHERE connamespace = 'public'::regnamespace""",
        """SELECT t.typname, string_agg(e.enumlabel, ',' ORDER BY e.enumsortorder)
           FROM pg_type t JOIN pg_enum e ON e.enumtypid = t.oid GROUP BY t.typname""",
        """SELECT p.proname, pg_get_function_identity_arguments(p.oid) FROM pg_proc p
           WHERE p.pronamespace = 'public'::regnamespace AND NOT EXISTS (
             SELECT 1 FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')""",
        """SELECT tgrelid::regclass::text, tgname FROM pg_trigger WHERE NOT tgisinternal""",
    )
    with psycopg.connect(dsn) as connection:
        return [
            row
            for statement in statements
            for row in sorted(connection.execute(statement.encode()).fetchall(), key=repr)
        ]


def test_back_to_nothing_and_forward_again_is_the_same(empty):
    before = schema(empty)
    upgrade(empty)
    first = schema(empty)
    downgrade(empty, "base")
    after = [row for row in schema(empty) if "alembic_version" not in row[0]]
    upgrade(empty)

    assert after == before
    assert schema(empty) == first


def test_several_at_once_migrate_once(empty, tmp_path):
    environment = Site(empty, tmp_path).environment()
    command = [sys.executable, "-m", "rag_app", "migrate"]
    running = [subprocess.Popen(command, cwd=ROOT, env=environment) for _ in range(3)]

    assert [process.wait(60) for process in running] == [0, 0, 0]
    with psycopg.connect(empty) as connection:
        assert len(connection.execute("SELECT * FROM alembic_version").fetchall()) == 1


def test_a_migration_that_is_killed_half_way_is_done_again(empty):
    with psycopg.connect(empty) as blocker:
        # In the way of the first revision, which waits; its connection is then ended.
        blocker.execute("CREATE TABLE users ()")
        process = subprocess.Popen(
            [sys.executable, "-c", f"from rag_app.db.migrations import upgrade; upgrade({empty!r})"],
            cwd=ROOT,
            stderr=subprocess.DEVNULL,
        )
        waiting = "SELECT 1 FROM pg_locks WHERE NOT granted"
        with psycopg.connect(empty, autocommit=True) as watcher:
            while not watcher.execute(waiting).fetchone():
                assert process.poll() is None
        process.kill()
        process.wait()
        blocker.rollback()

    upgrade(empty)
    assert any(row[0] == "chunks_p15" for row in schema(empty))


@pytest.mark.parametrize("row", [getattr(tables, name) for name in tables.__all__], ids=tables.__all__)
def test_rows_in_python_fit_their_tables(row: type[SQLModel], database):
    declared = sa.inspect(row).local_table
    engine = sa.create_engine(driver_url(database), poolclass=sa.NullPool)
    real = {column["name"]: column for column in sa.inspect(engine).get_columns(declared.name)}

    for column in declared.columns:
        assert column.name in real
        found = real[column.name]
        # Where None may be read, the type in Python has to say so; the database may be stricter in writing.
        if found["nullable"] and not column.primary_key:
            field = row.model_fields[sa.inspect(row).get_property_by_column(column).key]
            assert field.annotation is None or type(None) in getattr(field.annotation, "__args__", ()), column
        if not found["nullable"] and found["default"] is None and not found.get("identity"):
            assert not column.nullable or column.server_default is not None, column


AS_OF_0002 = """
WITH owner AS (
  INSERT INTO users (email, password_hash, name) VALUES ('a@example.com', 'x', 'A') RETURNING id),
kb AS (INSERT INTO knowledge_bases (user_id, name) SELECT id, 'KB' FROM owner RETURNING id),
document AS (
  INSERT INTO documents (kb_id, name, sha256, status, ready_at, language, n_chunks)
  SELECT id, 'harbour.txt', repeat('a', 64), 'ready', now(), 'english', 3 FROM kb RETURNING id, kb_id)
INSERT INTO chunks (kb_id, document_id, position, model_id, content, content_hash, embedding, enabled)
SELECT kb_id, id, n, 1, 'The harbour holds boat ' || n, decode(lpad(n::text, 64, '0'), 'hex'),
  array_fill(n + 1, ARRAY[384])::real[]::vector::halfvec, n < 2
FROM document, generate_series(0, 2) AS n
"""


async def test_chunks_of_an_older_installation_are_found_after_the_upgrade(empty, config):
    upgrade(empty, revision="0002")
    with psycopg.connect(empty, autocommit=True) as connection:
        connection.execute(AS_OF_0002)
    upgrade(empty)

    built = bootstrap.build(config.model_copy(update={"database_url": empty}))
    try:
        await built.indexes.tend()
        found = await built.retrieval.search(
            1, "boats in the harbour", owner_id=1, overrides={"meaning_weight": 0.0, "rerank": False}
        )
    finally:
        await built.close()

    assert sorted(passage.content[-1] for passage in found.passages) == [
        "0",
        "1",
    ]  # the third is switched off
    assert violations(empty) == []
    downgrade(empty, revision="0002")
    with psycopg.connect(empty) as connection:
        [(n_chunks,)] = connection.execute("SELECT count(*) FROM chunks WHERE embedding IS NOT NULL")
        [(n_words,)] = connection.execute("SELECT count(DISTINCT lexeme) FROM chunk_postings").fetchall()
    assert (n_chunks, n_words) == (3, 5)
