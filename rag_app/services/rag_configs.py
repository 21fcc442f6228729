"""Change how a knowledge base is searched, with a sentence for everything that does not fit."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from rag_app.domain.chunk_sizes import most_overlap
from rag_app.domain.knobs import KNOBS
from rag_app.domain.rag_config import PRESETS, RagConfig
from rag_app.errors import InvalidInput
from rag_app.services.text import clean_line

RECOMMENDED = RagConfig()
SHOWN_CHARACTERS = 60  # of a name nobody knows


def changed_config(config: RagConfig, changes: Mapping[str, Any]) -> RagConfig:
    """A configuration with some knobs set anew.

    Raises:
        InvalidInput: a knob is not known or a value out of bounds; `problems` has a sentence for each.
    """
    unknown = [_shown(name) for name in changes if name not in KNOBS]
    problems = {name: f"There is no setting called “{name}”." for name in unknown}
    known = {name: value for name, value in changes.items() if name in KNOBS}
    try:
        changed = RagConfig.model_validate(config.model_dump() | known, strict=True)
    except ValidationError as error:
        problems |= {name: KNOBS[name].what_fits for name in _at_fault(error)}
    else:
        most = most_overlap(changed.chunk_tokens)
        # Where only the size was made smaller, less is repeated than is set: `ChunkSize.within`.
        if "overlap_tokens" in changes and changed.overlap_tokens > most:
            problems["overlap_tokens"] = f"Please choose at most {most:,}: less than half of a chunk."
    if problems:
        field, message = next(iter(problems.items()))
        raise InvalidInput(message, field=field, problems=problems)
    # The database keeps two places.
    return changed.model_copy(
        update={"semantic_search_threshold": round(changed.semantic_search_threshold, 2)}
    )


def preset(name: str) -> RagConfig:
    """A preset by its name.

    Raises:
        InvalidInput: there is none of that name.
    """
    for known, config in PRESETS.items():
        if known == name:
            return config
    raise InvalidInput(f"Please choose one of {', '.join(PRESETS)}.", field="preset")


def _at_fault(error: ValidationError) -> list[str]:
    return [
        str(each["loc"][0]) for each in error.errors(include_input=False)
    ]  # knobs have nothing below them


def _shown(name: str) -> str:
    return clean_line(name, max_characters=SHOWN_CHARACTERS)
