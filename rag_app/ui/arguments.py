"""What a browser sends to a handler, made safe: anybody can call one with anything."""

from collections.abc import Collection, Mapping

from rag_app.errors import InvalidInput

MAX_DIGITS = 18  # every such number fits a database's bigint


def as_id(value: object) -> int:
    """A number that may be an id; the database says whose.

    Raises:
        InvalidInput: it is none.
    """
    text = str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""
    if not (text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS and int(text) > 0):
        raise InvalidInput("This is not something that can be chosen here. Please reload the page.")
    return int(text)


def as_text(form: object, name: str) -> str:
    """A form's field as text, empty if it was not sent."""
    value = form.get(name) if isinstance(form, Mapping) else None
    return value if isinstance(value, str) else ""


def one_of(value: object, allowed: Collection[str]) -> str:
    """A value among those that are offered.

    Raises:
        InvalidInput: it is not offered.
    """
    if not isinstance(value, str) or value not in allowed:
        raise InvalidInput("This cannot be chosen here. Please reload the page.")
    return value
