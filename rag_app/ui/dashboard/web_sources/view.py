"""What the window about a website shows, and what was typed into it."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from rag_app.domain.sources import Check, Schedule, Source
from rag_app.errors import InvalidInput
from rag_app.ui import routes
from rag_app.ui.arguments import as_text
from rag_app.ui.dashboard.sources.view import FREQUENCIES, Words, frequency_words

WORDS = Words(kind="web", one="website", item="page", items="pages", route=routes.WEB_SOURCES)

CRAWL, PAGE, SITEMAP = "crawl", "page", "sitemap"
MODES = [
    (CRAWL, "The site: this page and what it links to"),
    (PAGE, "Only this one page"),
    (SITEMAP, "The pages in the site's sitemap"),
]
MODE_WORDS = {CRAWL: "follows links", PAGE: "one page", SITEMAP: "by its sitemap"}
NEVER = "0"  # of the frequencies: only when asked
GRACE = [
    ("0", "Remove it at once"),
    ("24", "Keep it for a day"),
    ("168", "Keep it for a week"),
    ("720", "Keep it for a month"),
]


@dataclass(frozen=True)
class WebForm:
    """What the window begins with; `id` is 0 for a new website. Lists have one pattern a line."""

    id: int = 0
    url: str = ""
    mode: str = CRAWL
    name: str = ""
    max_pages: str = "200"
    max_depth: str = "3"
    include: str = ""
    exclude: str = ""
    delay_s: str = "1"
    frequency_hours: str = "168"
    grace_hours: str = "168"


@dataclass(frozen=True)
class WebErrors:
    """What is wrong with what was typed; `other` is about none of the fields."""

    url: str = ""
    mode: str = ""
    max_pages: str = ""
    max_depth: str = ""
    include: str = ""
    exclude: str = ""
    delay_s: str = ""
    frequency_hours: str = ""
    grace_hours: str = ""
    other: str = ""

    @property
    def is_below(self) -> bool:
        """Whether something is wrong below "More"."""
        return any(
            getattr(self, each.name) for each in fields(self) if each.name not in {"url", "mode", "other"}
        )


@dataclass(frozen=True)
class CheckView:
    """What came of trying a website; empty before."""

    message: str = ""
    is_ok: bool = False
    details: tuple[str, ...] = ()


def form_of(source: Source) -> WebForm:
    """A website to be changed."""
    config = source.config
    return WebForm(
        id=source.id,
        url=config["url"],
        mode=config["mode"],
        name=source.name,
        max_pages=str(config["max_pages"]),
        max_depth=str(config["max_depth"]),
        include="\n".join(config["include"]),
        exclude="\n".join(config["exclude"]),
        delay_s=f"{config['delay_s']:g}",
        frequency_hours=str(source.frequency_hours) if source.is_scheduled else NEVER,
        grace_hours=str(source.grace_hours),
    )


def typed(form: Mapping[str, Any], there: WebForm) -> WebForm:
    """What the form was sent with; what it has no field for stays."""
    names = [each.name for each in fields(WebForm) if each.name != "id"]
    return replace(there, **{name: as_text(form, name) for name in names if name in form})


def settings_of(form: WebForm) -> dict[str, Any]:
    """A form as the settings of a website. Raises InvalidInput."""
    return {
        "url": form.url,
        "mode": form.mode,
        "max_pages": _whole(form.max_pages, "max_pages", "Please give a whole number of pages."),
        "max_depth": _whole(form.max_depth, "max_depth", "Please give a whole number of links."),
        "include": _lines(form.include),
        "exclude": _lines(form.exclude),
        "delay_s": _number(form.delay_s, "delay_s", "Please give a number of seconds."),
    }


def schedule_of(form: WebForm, there: Schedule) -> Schedule:
    """When a website is read by itself. Raises InvalidInput."""
    hours = _whole(form.frequency_hours, "frequency_hours", "Please choose how often.")
    grace = _whole(form.grace_hours, "grace_hours", "Please choose how long.")
    if str(hours) == NEVER:
        return Schedule(there.frequency_hours, is_scheduled=False, grace_hours=grace)
    return Schedule(hours, is_scheduled=True, grace_hours=grace)


def errors_of(error: InvalidInput) -> WebErrors:
    """Put what is wrong where it belongs."""
    known = {each.name for each in fields(WebErrors)}
    problems = dict(error.problems) or {error.field or "other": str(error)}
    placed = {name if name in known else "other": text for name, text in problems.items()}
    return WebErrors(**placed)


def check_view(check: Check) -> CheckView:
    """Show what came of a check."""
    return CheckView(check.message, check.is_ok, check.details)


def frequencies(chosen: str) -> list[tuple[str, str]]:
    """What can be chosen, with what was chosen elsewhere."""
    options = [*FREQUENCIES, (NEVER, "Only when I ask for it")]
    if chosen in dict(options) or not chosen.isdigit():
        return options
    return sorted([*options, (chosen, frequency_words(int(chosen)))], key=lambda each: int(each[0]) or 10**6)


def graces(chosen: str) -> list[tuple[str, str]]:
    """The same for what happens to what has vanished."""
    if chosen in dict(GRACE) or not chosen.isdigit():
        return GRACE
    return sorted([*GRACE, (chosen, f"Keep it for {int(chosen):,} hours")], key=lambda each: int(each[0]))


def address(source: Source) -> str:
    """What tells a website from others."""
    return f"{source.config.get('url', '')} · {MODE_WORDS.get(source.config.get('mode', ''), '')}"


def _whole(text: str, field: str, message: str) -> int:
    cleaned = text.strip()
    if not (cleaned.isascii() and cleaned.isdigit() and len(cleaned) < 10):
        raise InvalidInput(message, field=field)
    return int(cleaned)


def _number(text: str, field: str, message: str) -> float:
    try:
        return float(text.strip().replace(",", ".")[:20])
    except ValueError:
        raise InvalidInput(message, field=field) from None


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.replace("\r", "").split("\n") if line.strip()]
