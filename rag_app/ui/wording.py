"""How numbers, sizes and times read."""

from datetime import UTC, datetime
from decimal import Decimal

from rag_app.domain.usage_reports import Used

MINUTE_S = 60
HOUR_S = 60 * MINUTE_S
DAY_S = 24 * HOUR_S
SMALLEST = Decimal("0.000001")  # dollars


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


def money(dollars: Decimal | float) -> str:
    """US dollars, small amounts to two digits that count: $0.00042, but $12.30."""
    amount = Decimal(dollars)
    if amount == 0 or amount >= 1:
        return f"${amount:,.2f}"
    if amount < SMALLEST:
        return f"less than ${SMALLEST}"
    digits = f"{amount:.{1 - amount.adjusted()}f}".rstrip("0")
    return f"${digits}" if len(digits) > 3 else f"${float(digits):.2f}"


def took(milliseconds: float) -> str:
    """How long something took: "85 ms", "1.2 s"."""
    if milliseconds < 99.5:
        return f"{milliseconds:.0f} ms"
    seconds = milliseconds / 1000
    return f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:,.0f} s"


def rounded(n: int) -> str:
    """A large number as people read it: "950", "12,345", "1.2 million"."""
    if n < 999_950:
        return f"{n:,}"
    millions = n / 1_000_000
    return f"{millions:.1f} million" if millions < 9.95 else f"{millions:,.0f} million"


def cost(used: Used) -> str:
    """What calls cost, as far as that is known: never nothing for something unknown."""
    if used.cost is None:
        return "unknown"
    return f"≈ {money(used.cost)}" if is_guessed(used) else money(used.cost)


def is_guessed(used: Used) -> bool:
    """Whether a cost rests on tokens that nobody told; what costs nothing costs nothing in any case."""
    return used.n_estimated > 0 and used.cost != 0
