"""Tell an outage of the database from a fault of ours."""

from rag_app.db.engine import is_unreachable, unreachable
from rag_app.errors import TransientError


def as_outage(error: BaseException) -> TransientError | None:
    """The error in our words when the database is away, else None."""
    return unreachable() if is_unreachable(error) else None
