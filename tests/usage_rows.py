"""Calls to providers as rows, for tests of what is made of them."""

from collections.abc import Callable
from typing import Any

import psycopg

DEFAULTS: dict[str, Any] = {
    "kb_id": None, "kb_name": "", "kind": "chat", "conversation_id": None, "request_id": None,
    "provider": "openai", "model": "gpt-test", "prompt_tokens": 100, "cached_tokens": 0,
    "completion_tokens": 10, "is_estimated": False, "estimated_cost": None, "price_version": "",
    "outcome": "complete", "key_source": "installation", "first_token_ms": None, "total_ms": None,
    "created_at": "2026-03-10 12:00+00",
}  # fmt: skip

AddCall = Callable[..., None]


def add_call(database: str, user_id: int, **values: Any) -> None:
    """Add one call, of what is not named the usual."""
    row = {**DEFAULTS, "user_id": user_id, **values}
    row["total_tokens"] = row["prompt_tokens"] + row["completion_tokens"]
    columns = ", ".join(row)
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            f"INSERT INTO llm_usage ({columns}) VALUES ({', '.join(f'%({name})s' for name in row)})".encode(),
            row,
        )
