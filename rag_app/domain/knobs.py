"""What a form or a program needs to know of each knob of retrieval, taken from `rag_config.py`."""

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args, get_origin

from rag_app.domain.rag_config import READING_KNOBS, RagConfig

KnobKind: TypeAlias = Literal["switch", "whole number", "number", "choice"]


@dataclass(frozen=True)
class Knob:
    """One knob; `least` and `most` are None for switches and choices, `options` empty for all but choices."""

    name: str
    title: str
    description: str
    kind: KnobKind
    default: Any
    least: float | None = None
    most: float | None = None
    options: tuple[str, ...] = ()

    @property
    def what_fits(self) -> str:
        """What may be put in, as a sentence."""
        if self.kind == "switch":
            return "Please choose on or off: true or false."
        if self.kind == "choice":
            return f"Please choose one of {', '.join(self.options)}."
        number = "a whole number" if self.kind == "whole number" else "a number"
        return f"Please choose {number} from {self.least:,} to {self.most:,}."


def _knob(name: str) -> Knob:
    field = RagConfig.model_fields[name]
    bounds = {type(each).__name__: each for each in field.metadata}
    kind, options = _kind(field.annotation)
    return Knob(
        name=name,
        title=field.title or name,
        description=field.description or "",
        kind=kind,
        default=field.default,
        least=bounds["Ge"].ge if "Ge" in bounds else None,
        most=bounds["Le"].le if "Le" in bounds else None,
        options=options,
    )


def _kind(annotation: Any) -> tuple[KnobKind, tuple[str, ...]]:
    if get_origin(annotation) is Literal:
        return "choice", get_args(annotation)
    if annotation is bool:
        return "switch", ()
    return ("whole number" if annotation is int else "number"), ()


KNOBS: dict[str, Knob] = {name: _knob(name) for name in RagConfig.model_fields}
SEARCH_KNOBS: dict[str, Knob] = {name: knob for name, knob in KNOBS.items() if name not in READING_KNOBS}
