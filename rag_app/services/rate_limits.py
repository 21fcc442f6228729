"""Limits on how often something may be tried, kept in the memory of the web process."""

import math
import time

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from rag_app.errors import LimitReached

MAX_KEY = 300


class RateLimits:
    """Counts tries in sliding minutes."""

    def __init__(self) -> None:
        self._limiter = SlidingWindowCounterRateLimiter(MemoryStorage())

    def hit(self, name: str, key: str, *, per_minute: int) -> None:
        """Count a try.

        Raises:
            LimitReached: there were `per_minute` within the last minute.
        """
        item = RateLimitItemPerMinute(per_minute)
        if not self._limiter.hit(item, name, key[:MAX_KEY]):
            wait_s = self._wait_s(item, name, key)
            raise LimitReached(
                f"That was too often. Please wait {wait_s} seconds and try again.", retry_after_s=wait_s
            )

    def hit_plan(self, owner_id: int, *, per_minute: int) -> None:
        """Count an API request of an owner, wherever it comes from.

        Raises:
            LimitReached: the owner's plan allows no more within a minute.
        """
        try:
            self.hit("plan", f"owner {owner_id}", per_minute=per_minute)
        except LimitReached as error:
            raise LimitReached(
                f"Your plan allows {per_minute:,} API requests a minute. "
                f"Please wait {error.retry_after_s} seconds and try again.",
                retry_after_s=error.retry_after_s,
                limit="requests_per_minute",
            ) from error

    def count(self, name: str, key: str) -> None:
        """Count something that went wrong, to be asked for by `wait_s`."""
        self._limiter.hit(RateLimitItemPerMinute(1_000_000, 5), name, key[:MAX_KEY])

    def wait_s(self, name: str, key: str, *, allowed: int) -> int:
        """Seconds to wait when more than `allowed` went wrong within five minutes, else 0."""
        item = RateLimitItemPerMinute(1_000_000, 5)
        stats = self._limiter.get_window_stats(item, name, key[:MAX_KEY])
        used = item.amount - stats.remaining
        return self._wait_s(item, name, key) if used >= allowed else 0

    def _wait_s(self, item: RateLimitItemPerMinute, name: str, key: str) -> int:
        stats = self._limiter.get_window_stats(item, name, key[:MAX_KEY])
        return max(1, min(60, math.ceil(stats.reset_time - time.time())))
