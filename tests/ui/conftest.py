"""States without a browser: whose tab it is and what it shows are made up, all else is real."""

from collections.abc import Awaitable, Callable
from typing import Any, Self, TypeVar

import pytest
import reflex as rx
from reflex.istate.data import RouterData

from rag_app.bootstrap import Services
from tests.conftest import ORIGIN, Owner

AnyState = TypeVar("AnyState", bound=rx.State)


class Tab:
    """One browser tab: its states, who is signed in, and its address."""

    def __init__(self, token: str | None) -> None:
        self.token = token
        self.root = rx.State(_reflex_internal_init=True)  # ty: ignore[unknown-argument]
        self.go_to("/")

    def go_to(self, address: str) -> None:
        """Show another page."""
        cookie = f"rag_sign_in={self.token}" if self.token else ""
        self.root.router = RouterData.from_router_data(
            {"asPath": address, "headers": {"cookie": cookie, "origin": ORIGIN}}
        )

    async def state(self, kind: type[AnyState]) -> AnyState:
        """One of its states."""
        return await self.root.get_state(kind)


class InBackground:
    """A state as a background event has it: to be locked before anything is assigned."""

    def __init__(self, state: rx.State) -> None:
        object.__setattr__(self, "_state", state)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._state, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._state, name, value)


@pytest.fixture
def open_tab(services: Services) -> Callable[[Owner | None], Tab]:
    """Open a tab, signed in as an owner or as nobody."""
    return lambda owner: Tab(owner.tokens["access_token"] if owner else None)


async def happens(event: Any) -> list[Any]:
    """Do all of what a handler does; returns what it leads to."""
    if hasattr(event, "__aiter__"):
        results = [result async for result in event]
    elif isinstance(event, Awaitable):
        results = [await event]
    else:
        results = [event]
    return [each for result in results for each in (result if isinstance(result, list) else [result]) if each]
