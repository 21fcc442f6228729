"""Tags of documents, as people type them."""

from collections.abc import Iterable

from rag_app.errors import InvalidInput
from rag_app.services.text import clean_line

MAX_TAGS = 20
MAX_CHARACTERS = 40


def clean_tags(tags: Iterable[str]) -> list[str]:
    """Tags fit to be kept, in their order; the same tag in another case counts once.

    Raises:
        InvalidInput: too many, or one that is too long.
    """
    cleaned: dict[str, str] = {}
    for tag in tags:
        text = clean_line(tag, max_characters=MAX_CHARACTERS + 1)
        if len(text) > MAX_CHARACTERS:
            raise InvalidInput(f"Please use at most {MAX_CHARACTERS} characters for a tag.", field="tags")
        if text:
            cleaned.setdefault(text.lower(), text)
    if len(cleaned) > MAX_TAGS:
        raise InvalidInput(f"Please use at most {MAX_TAGS} tags for a document.", field="tags")
    return list(cleaned.values())
