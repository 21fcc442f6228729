"""Is a database fit for Simple RAG: reachable, recent enough, with the extensions?"""

from urllib.parse import parse_qs, urlsplit

import psycopg
import structlog

from rag_app.errors import PermanentError, TransientError

log = structlog.get_logger()

EXTENSIONS = ("vector", "pg_trgm", "unaccent")
MIN_SERVER = 150000  # 15.0, in the server's own notation
MIN_VECTOR = (0, 8)  # iterative scans: without them a small knowledge base silently finds too little


def check_database(dsn: str) -> None:
    """Check the server behind `dsn` and create the extensions it lacks.

    Raises:
        TransientError: the server cannot be reached, or refuses us.
        PermanentError: Postgres or pgvector is too old, missing, or may not be created.
    """
    try:
        connection = psycopg.connect(dsn, connect_timeout=10, autocommit=True)
    except psycopg.OperationalError as error:
        raise TransientError(f"The database at {_place(dsn)} cannot be reached: {_reason(error)}") from error
    with connection:
        if connection.info.server_version < MIN_SERVER:
            raise PermanentError(
                f"The database at {_place(dsn)} is Postgres {connection.info.server_version // 10000}; "
                f"Simple RAG needs {MIN_SERVER // 10000} or newer."
            )
        for name in EXTENSIONS:
            _ensure_extension(connection, name)
        _check_vector_version(connection)
        _warn_of_superuser(connection)


def _warn_of_superuser(connection: psycopg.Connection) -> None:
    """Such a role is not held by row-level security; rights are checked all the same, but by one wall only."""
    row = connection.execute(
        "SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user"
    ).fetchone()
    if row and row[0]:
        log.warning("database_role_bypasses_row_level_security", advice="Use a role of its own, see docs.")


def _ensure_extension(connection: psycopg.Connection, name: str) -> None:
    # Asked first, because CREATE … IF NOT EXISTS needs the privilege even when there is nothing to do.
    if connection.execute("SELECT 1 FROM pg_extension WHERE extname = %s", [name]).fetchone():
        return
    try:
        connection.execute(f"CREATE EXTENSION IF NOT EXISTS {name}".encode())
    except psycopg.errors.InsufficientPrivilege as error:
        raise PermanentError(
            f"The database lacks the extension {name} and this user may not create it; "
            f"an administrator can, with: CREATE EXTENSION {name};"
        ) from error
    except psycopg.Error as error:
        raise PermanentError(
            f"The database server does not offer the extension {name}: {_reason(error)} "
            "The image pgvector/pgvector has all that is needed."
        ) from error
    log.info("extension_created", extension=name)


def _check_vector_version(connection: psycopg.Connection) -> None:
    row = connection.execute("SELECT extversion FROM pg_extension WHERE extname = 'vector'").fetchone()
    version = row[0] if row else "0"
    if tuple(int(part) for part in version.split(".")[:2]) < MIN_VECTOR:
        raise PermanentError(
            f"The database has pgvector {version}; Simple RAG needs 0.8 or newer. "
            "Install it on the server, then run: ALTER EXTENSION vector UPDATE;"
        )


def _place(dsn: str) -> str:
    """Where a DSN points to, without user and password."""
    parts = urlsplit(dsn)
    host = parts.hostname or parse_qs(parts.query).get("host", ["localhost"])[0]
    return f"{host}:{parts.port or 5432}"


def _reason(error: psycopg.Error) -> str:
    """The last line of what the server or the network said, as a sentence."""
    lines = str(error).strip().splitlines() or ["no reason given"]
    return lines[-1].strip().removeprefix("FATAL:  ").rstrip(".") + "."
