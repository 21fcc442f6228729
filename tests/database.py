"""A throwaway Postgres for tests, and databases with the newest schema in it.

server = start_test_postgres(short_folder())     # once per session
dsn = create_database(server, "chat_7")          # per test or module: a copy of a migrated one
"""

import os
import shutil
import tempfile
from pathlib import Path

import psycopg

from rag_app.db import embedded
from rag_app.db.embedded import EmbeddedServer

TEMPLATE = "test_template"
ROOM_BYTES = 6 * 2**30  # some runs at once fit in

# Of no worth after the tests, so nothing waits for the disk.
_UNSAFE_BUT_QUICK = ("fsync = off", "synchronous_commit = off", "full_page_writes = off")


def short_folder() -> Path:
    """Make a temporary folder that the database's system user can reach and whose path fits a socket."""
    return Path(tempfile.mkdtemp(prefix="rag-", dir="/tmp"))


def quick_folder() -> Path:
    """The same in memory, where there is plenty: a database is copied for every test."""
    memory = Path("/dev/shm")
    if not memory.is_dir() or shutil.disk_usage(memory).free < ROOM_BYTES:
        return short_folder()
    return Path(tempfile.mkdtemp(prefix="rag-", dir=memory))


def bare_environment(**variables: str) -> dict[str, str]:
    """For programs under test: nothing of this environment but the path and what measures coverage."""
    kept = {
        name: value for name, value in os.environ.items() if name == "PATH" or name.startswith("COVERAGE_")
    }
    return kept | variables


def start_test_postgres(tmp: Path) -> EmbeddedServer:
    """Start a server in `tmp` that trades durability for speed; stop it with `.stop()`."""
    server = embedded.start(tmp)
    with _superuser(server) as connection:
        for setting in _UNSAFE_BUT_QUICK:
            connection.execute(f"ALTER SYSTEM SET {setting}".encode())
        connection.execute("SELECT pg_reload_conf()")
    return server


def create_database(server: EmbeddedServer, name: str) -> str:
    """Copy the migrated template to a database owned by the application's role; return its DSN."""
    with _superuser(server) as connection:
        connection.execute("SELECT pg_advisory_lock(1)")  # test processes may share the server
        if not _exists(connection, TEMPLATE):
            _create_template(server, connection)
        _copy(connection, TEMPLATE, name)
    return server.dsn(database=name)


def drop_database(server: EmbeddedServer, name: str) -> None:
    """Remove a database, whoever is still connected to it."""
    with _superuser(server) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'.encode())


def _create_template(server: EmbeddedServer, connection: psycopg.Connection) -> None:
    from rag_app.db.migrations import upgrade

    unfinished = f"{TEMPLATE}_unfinished"
    drop_database(server, unfinished)
    _copy(connection, embedded.DATABASE, unfinished)  # brings the extensions
    upgrade(server.dsn(database=unfinished))
    connection.execute(f"ALTER DATABASE {unfinished} RENAME TO {TEMPLATE}".encode())


def _copy(connection: psycopg.Connection, source: str, name: str) -> None:
    connection.execute(
        f'CREATE DATABASE "{name}" OWNER {embedded.ROLE} TEMPLATE {source} STRATEGY file_copy'.encode()
    )


def _exists(connection: psycopg.Connection, name: str) -> bool:
    return bool(connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone())


def _superuser(server: EmbeddedServer) -> psycopg.Connection:
    return psycopg.connect(server.dsn(embedded.SUPERUSER, "postgres"), autocommit=True)
