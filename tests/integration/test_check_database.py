"""What is asked of a database that is not ours, and how a lack is said."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from rag_app.db import check, embedded
from rag_app.db.check import check_database
from rag_app.db.embedded import EmbeddedServer
from rag_app.errors import PermanentError, TransientError
from tests.database import short_folder, start_test_postgres


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedServer]:
    folder = short_folder()
    with start_test_postgres(folder) as running:
        yield running
    shutil.rmtree(folder)


@pytest.fixture
def bare(server: EmbeddedServer) -> str:
    """A database of the application's role without any extension."""
    with psycopg.connect(server.dsn("postgres", "postgres"), autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS bare")
        connection.execute(f"CREATE DATABASE bare OWNER {embedded.ROLE} TEMPLATE template0".encode())
    return "bare"


def test_complete_database_passes(server):
    check_database(server.dsn())


def test_missing_extensions_are_created_by_who_may(server, bare):
    check_database(server.dsn("postgres", bare))

    check_database(server.dsn(database=bare))


def test_missing_extension_is_named_with_the_statement_for_the_administrator(server, bare):
    with pytest.raises(PermanentError, match=r"lacks the extension vector .* CREATE EXTENSION vector;"):
        check_database(server.dsn(database=bare))


def test_extension_the_server_does_not_offer(server, monkeypatch):
    monkeypatch.setattr(check, "EXTENSIONS", ("timescale",))

    with pytest.raises(PermanentError, match="does not offer the extension timescale"):
        check_database(server.dsn("postgres"))


def test_old_server_is_refused_with_its_version(server, monkeypatch):
    monkeypatch.setattr(check, "MIN_SERVER", 990000)

    with pytest.raises(PermanentError, match="is Postgres 18; Simple RAG needs 99 or newer"):
        check_database(server.dsn())


def test_old_pgvector_is_refused_with_the_remedy(server, monkeypatch):
    monkeypatch.setattr(check, "MIN_VECTOR", (99, 0))

    with pytest.raises(PermanentError, match=r"has pgvector 0\.8.*ALTER EXTENSION vector UPDATE"):
        check_database(server.dsn())


@pytest.mark.parametrize(
    ("dsn", "place"),
    [
        pytest.param("postgresql://u:secret@127.0.0.1:1/rag", "127.0.0.1:1", id="nobody listens"),
        pytest.param("postgresql://u:secret@db.invalid/rag", "db.invalid:5432", id="no such host"),
        pytest.param("postgresql://u:secret@/rag?host=/nowhere", "/nowhere:5432", id="no such socket"),
    ],
)
def test_unreachable_database_is_named_without_its_password(dsn, place):
    with pytest.raises(TransientError, match="cannot be reached") as failure:
        check_database(dsn)

    assert place in str(failure.value)
    assert "secret" not in str(failure.value)


def test_unknown_role_is_refused_in_the_words_of_the_server(server):
    with pytest.raises(TransientError, match='role "stranger" does not exist'):
        check_database(server.dsn("stranger"))


def test_folder_of_tests_is_short():
    folder = short_folder()
    folder.rmdir()

    assert len(str(folder)) < 30
    assert folder.is_relative_to(Path("/tmp"))
