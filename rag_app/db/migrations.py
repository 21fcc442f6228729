"""Bring a database to the newest schema."""

from pathlib import Path

import sqlalchemy as sa
from alembic.config import Config

from alembic import command
from rag_app.db.engine import driver_url

ROOT = Path(__file__).resolve().parents[2]
MIGRATION_LOCK = 0x5261_6741  # any number that nobody else locks; spells "RagA"
FIRST_ADDED_ID = 100  # of models added beside the revisions; those have the numbers below


def upgrade(dsn: str, revision: str = "head") -> None:
    """Apply what is missing; several processes may call at once, one does the work."""
    with _locked_connection(dsn) as connection:
        command.upgrade(_config(connection), revision)


def downgrade(dsn: str, revision: str) -> None:
    """Go back to an earlier revision, `base` for none."""
    with _locked_connection(dsn) as connection:
        command.downgrade(_config(connection), revision)


def add_embedding_model(dsn: str, *, name: str, dimensions: int) -> None:
    """Give a model a number and an index of its own, once; several processes may call at once."""
    with _locked_connection(dsn) as connection:
        connection.execute(
            sa.text("""
                INSERT INTO embedding_models (id, name, dimensions)
                SELECT greatest(max(id) + 1, :first_id), :name, :dimensions FROM embedding_models
                ON CONFLICT (name) DO NOTHING
            """),
            {"first_id": FIRST_ADDED_ID, "name": name, "dimensions": dimensions},
        )
        added = connection.execute(
            sa.text("SELECT id, dimensions FROM embedding_models WHERE name = :name"), {"name": name}
        ).one()
        index = f"idx_chunk_embeddings_m{added.id}"
        # Not IF NOT EXISTS, which waits for everybody who writes before it looks.
        known = connection.execute(sa.text("SELECT to_regclass(:index)"), {"index": index}).scalar_one()
        if known is None:
            connection.execute(
                sa.text(f"""
                    CREATE INDEX {index} ON chunk_embeddings
                      USING hnsw ((embedding::halfvec({added.dimensions})) halfvec_cosine_ops)
                      WITH (m = 16, ef_construction = 64) WHERE model_id = {added.id} AND indexed AND enabled
                """)
            )
        connection.commit()


def added_embedding_models(dsn: str) -> list[tuple[str, int]]:
    """Name and dimensions of the embedding models that an administrator added or changed."""
    engine = sa.create_engine(driver_url(dsn), poolclass=sa.NullPool)
    try:
        with engine.connect() as connection:
            found = connection.execute(
                sa.text("""
                    SELECT provider || ':' || model AS name,
                           CAST(settings ->> 'dimensions' AS int) AS dimensions
                    FROM model_overrides WHERE settings ->> 'kind' = 'embedding' ORDER BY name
                """)
            )
            return [(row.name, row.dimensions) for row in found]
    finally:
        engine.dispose()


def _config(connection: sa.Connection) -> Config:
    config = Config(ROOT / "alembic.ini")
    config.attributes["connection"] = connection
    return config


class _locked_connection:  # noqa: N801 (used as a function)
    """One connection that holds the migration lock, so that replicas starting together wait in turn."""

    def __init__(self, dsn: str) -> None:
        self.engine = sa.create_engine(driver_url(dsn), poolclass=sa.NullPool)

    def __enter__(self) -> sa.Connection:
        self.connection = self.engine.connect()
        self.connection.execute(sa.text("SELECT pg_advisory_lock(:key)"), {"key": MIGRATION_LOCK})
        self.connection.commit()
        return self.connection

    def __exit__(self, *_: object) -> None:
        self.connection.rollback()
        self.connection.execute(sa.text("SELECT pg_advisory_unlock(:key)"), {"key": MIGRATION_LOCK})
        self.connection.close()
        self.engine.dispose()
