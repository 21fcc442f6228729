"""Cursors: opaque to clients, an id inside."""

import base64
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import Query

from rag_app.errors import InvalidInput

MAX_ID = 2**31 - 1  # the narrowest id column that is paged


Cursor = Annotated[str | None, Query(max_length=100, description="The `next_cursor` of the page before.")]
Limit = Annotated[int, Query(ge=1, le=200)]


def before_id(cursor: str | None) -> int | None:
    """The id a cursor stands for. Raises InvalidInput for one we did not make."""
    if cursor is None:
        return None
    try:
        value = int(base64.urlsafe_b64decode(cursor.encode() + b"==").decode("ascii").removeprefix("id:"))
    except (ValueError, UnicodeError) as error:
        raise InvalidInput("This cursor is not one of ours.") from error
    if not 0 < value <= MAX_ID:
        raise InvalidInput("This cursor is not one of ours.")
    return value


def next_cursor(rows: Sequence[Any], limit: int) -> str | None:
    """The cursor after a page, None when it was not full."""
    if len(rows) < limit:
        return None
    return base64.urlsafe_b64encode(f"id:{rows[-1].id}".encode()).decode().rstrip("=")
