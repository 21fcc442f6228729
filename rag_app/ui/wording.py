"""How numbers, sizes and times read."""

from datetime import UTC, datetime

MINUTE_S = 60
HOUR_S = 60 * MINUTE_S
DAY_S = 24 * HOUR_S


def counted(n: int, one: str, many: str | None = None) -> str:
    """A number with its noun: "1 file", "1,204 files"."""
    return f"{n:,} {one if n == 1 else many or f'{one}s'}"


def ago(moment: datetime, *, now: datetime | None = None) -> str:
    """How long ago something was; from a month on, its date."""
    passed_s = ((now or datetime.now(UTC)) - moment).total_seconds()
    if passed_s < MINUTE_S:
        return "just now"
    if passed_s < HOUR_S:
        return f"{counted(int(passed_s // MINUTE_S), 'minute')} ago"
    if passed_s < DAY_S:
        return f"{counted(int(passed_s // HOUR_S), 'hour')} ago"
    if passed_s < 30 * DAY_S:
        return f"{counted(int(passed_s // DAY_S), 'day')} ago"
    return f"{moment.day} {moment:%B %Y}"


def remaining(seconds: int | None) -> str:
    """How long something will still take, as vague as the guess is; nothing while it is unknown."""
    if seconds is None:
        return ""
    if seconds < 10:
        return "a few seconds left"
    if seconds < 55:
        return f"about {max(10, round(seconds, -1))} seconds left"
    if seconds < 55 * MINUTE_S:
        return f"about {counted(max(1, round(seconds / MINUTE_S)), 'minute')} left"
    return f"about {counted(max(1, round(seconds / HOUR_S)), 'hour')} left"


def listed(parts: list[str]) -> str:
    """The parts that say something, one after the other."""
    return " · ".join(part for part in parts if part)
