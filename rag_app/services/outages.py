"""Tell an outage of the database from a fault of ours."""

from procrastinate.exceptions import ConnectorException

from rag_app.db.engine import OUTAGES, outage
from rag_app.errors import RagAppError

__all__ = ["OUTAGES", "as_outage", "is_queue_failure"]


def as_outage(error: BaseException) -> RagAppError | None:
    """The error in our words when the database is away or full, else None."""
    return outage(error)


def is_queue_failure(error: BaseException) -> bool:
    """Whether the queue's own connection failed it, so that it may be begun again."""
    return isinstance(error, ConnectorException) or outage(error) is not None
