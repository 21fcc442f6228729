"""Bars over time, drawn as they are: a few rectangles, no library.

bar_chart(State.costs, title="Cost", lower="Dollars")

A state holds what `chart` makes of numbers:

self.costs = chart([Point("1 March: $0.04", 0.04)], shown=money, summary="Highest on 1 March")
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import reflex as rx

from rag_app.ui.components.base import Text, shown_if

GAP = 0.24  # of a bar's place
LEAST = 0.8  # percent of the height: what is little must still be seen
STEPS = (1, 2, 4, 6, 8, 10)  # half of each is a number that reads well

UpperTone: TypeAlias = Literal["soft", "danger"]


@dataclass(frozen=True)
class Point:
    """One place of a chart: its value in words, and what stands there, one part on the other."""

    text: str
    lower: float
    upper: float = 0


@dataclass(frozen=True)
class BarView:
    """A bar in percent of the drawing."""

    text: str
    place: str
    place_width: str
    x: str
    width: str
    y: str
    height: str
    upper_y: str
    upper_height: str


@dataclass(frozen=True)
class ChartView:
    """Bars with the words around them."""

    bars: list[BarView] = field(default_factory=list)
    top: str = ""
    middle: str = ""
    first: str = ""
    last: str = ""
    summary: str = ""
    is_flat: bool = True


def chart(
    points: Sequence[Point],
    *,
    shown: Callable[[float], str],
    first: str = "",
    last: str = "",
    summary: str = "",
) -> ChartView:
    """Lay bars out.

    Args:
        shown: how a value reads beside the scale.
        first: what stands under the first bar, `last` under the last.
        summary: what the drawing says, for who cannot see it.
    """
    highest = max((point.lower + point.upper for point in points), default=0)
    top = _round_up(highest)
    place = 100 / max(1, len(points))
    return ChartView(
        bars=[_bar(point, n * place, place, top) for n, point in enumerate(points)],
        top=shown(top) if highest else "",
        middle=shown(top / 2) if highest else "",
        first=first,
        last=last,
        summary=summary,
        is_flat=not highest,
    )


def bar_chart(
    view: ChartView,
    *,
    title: Text,
    value: Text = "",
    lower: str,
    upper: str = "",
    upper_tone: UpperTone = "soft",
    empty: str = "Nothing to show",
) -> rx.Component:
    """Show bars.

    Args:
        value: what they come to, beside the title.
        lower: what the lower part of a bar stands for, `upper` the part on it.
        empty: said where every value is nothing.
    """
    return rx.el.figure(
        rx.el.figcaption(
            rx.el.span(title, class_name="font-semibold"),
            shown_if(value, lambda: rx.el.span(value, class_name="text-sm text-muted tabular-nums")),
            class_name="flex flex-wrap items-baseline justify-between gap-x-4",
        ),
        rx.cond(
            view.is_flat,
            rx.el.p(empty, class_name="chart-empty"),
            rx.fragment(_plot(view, upper_tone), _legend(lower, upper, upper_tone)),
        ),
        class_name="card chart",
    )


def _plot(view: ChartView, upper_tone: UpperTone) -> rx.Component:
    return rx.el.div(
        rx.el.div(
            rx.el.span(view.top),
            rx.el.span(view.middle),
            rx.el.span("0"),
            aria_hidden="true",
            class_name="chart-scale",
        ),
        rx.el.svg(
            *(rx.el.svg.line(x1="0", x2="100%", y1=y, y2=y, class_name="chart-line") for y in ("0%", "50%")),
            rx.foreach(view.bars, lambda bar: _drawn(bar, upper_tone)),
            role="img",
            aria_label=view.summary,
            class_name="chart-bars",
        ),
        rx.el.div(rx.el.span(view.first), rx.el.span(view.last), aria_hidden="true", class_name="chart-ends"),
        class_name="chart-plot",
    )


def _drawn(bar: BarView, upper_tone: UpperTone) -> rx.Component:
    return rx.el.svg.g(
        rx.el.svg.title(bar.text),
        rx.el.svg.rect(x=bar.place, width=bar.place_width, y="0", height="100%", class_name="chart-place"),
        rx.el.svg.rect(x=bar.x, width=bar.width, y=bar.y, height=bar.height, class_name="chart-lower"),
        rx.el.svg.rect(
            x=bar.x,
            width=bar.width,
            y=bar.upper_y,
            height=bar.upper_height,
            class_name=f"chart-upper-{upper_tone}",
        ),
    )


def _legend(lower: str, upper: str, upper_tone: UpperTone) -> rx.Component:
    parts = [("chart-lower", lower), (f"chart-upper-{upper_tone}", upper)]
    return rx.el.div(
        *(
            rx.el.span(rx.el.span(class_name=f"chart-key {kind}", aria_hidden="true"), text)
            for kind, text in parts
            if text
        ),
        class_name="chart-legend",
    )


def _bar(point: Point, place: float, width: float, top: float) -> BarView:
    lower, upper = _percent(point.lower, top), _percent(point.upper, top)
    return BarView(
        text=point.text,
        place=f"{place:.3f}%",
        place_width=f"{width:.3f}%",
        x=f"{place + width * GAP / 2:.3f}%",
        width=f"{width * (1 - GAP):.3f}%",
        y=f"{100 - lower:.2f}%",
        height=f"{lower:.2f}%",
        upper_y=f"{100 - lower - upper:.2f}%",
        upper_height=f"{upper:.2f}%",
    )


def _percent(value: float, top: float) -> float:
    return max(LEAST, 100 * value / top) if value > 0 else 0


def _round_up(value: float) -> float:
    """The next number that reads well on a scale; 1 for nothing."""
    if value <= 0:
        return 1
    unit = 10.0 ** math.floor(math.log10(value))
    return next(step * unit for step in STEPS if step * unit >= value * (1 - 1e-9))
