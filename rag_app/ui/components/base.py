"""What every component shares: the types of its arguments."""

from collections.abc import Callable
from typing import TypeAlias

import reflex as rx
from reflex.event import EventType

Text: TypeAlias = str | rx.Var[str]
Flag: TypeAlias = bool | rx.Var[bool]
Number: TypeAlias = int | float | rx.Var[int] | rx.Var[float]
Child: TypeAlias = rx.Component | Text

# Handlers by what the browser tells them: nothing, a text, yes or no, a number.
Press: TypeAlias = EventType[()]
OnText: TypeAlias = EventType[()] | EventType[str]
OnFlag: TypeAlias = EventType[()] | EventType[bool]
OnNumber: TypeAlias = EventType[()] | EventType[float]

# The pieces that need their own JavaScript; Reflex finds `assets/` under this name.
SCRIPTS = "$/public/ui"


def either(first: Flag, second: Flag) -> Flag:
    """Whether one of two claims holds, each known now or only in the browser."""
    if isinstance(first, bool) and isinstance(second, bool):
        return first or second
    if first is True or second is True:
        return True
    if isinstance(first, bool):
        return second
    return first if isinstance(second, bool) else first | second


def negated(claim: Flag) -> Flag:
    """Whether a claim does not hold, known now or only in the browser."""
    return not claim if isinstance(claim, bool) else ~claim


def shown_if(value: Text | rx.Component | None, component: Callable[[], rx.Component]) -> rx.Component:
    """The component, unless the value it shows is missing or empty."""
    if isinstance(value, rx.Var):
        return rx.cond(value != "", component())
    return component() if value else rx.fragment()
