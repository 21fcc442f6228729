"""How somebody would call each event handler of the pages to get at what is another owner's.

Every public handler of every State is callable from every browser, whatever the page shows, so each
needs a line here: what to pass to reach an object of A, in an order in which A could do it all.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.attacks.conftest import Estate


@dataclass(frozen=True)
class Call:
    """One call of a handler.

    `vars` are set before: what the browser could have made the state remember, or worse. `changes` are
    the tables in which the handler changes rows of the caller's own. `is_public`: whoever has the link
    sees name and description.
    """

    args: Sequence[Any] = ()
    url: str = "/"
    vars: Mapping[str, Any] = field(default_factory=dict)
    changes: frozenset[str] = frozenset()
    is_public: bool = False


def call(*args: Any, changes: Sequence[str] = (), **more: Any) -> Call:
    """Short for `Call`, with the arguments in front."""
    return Call(args, changes=frozenset(changes), **more)


CALLS: dict[str, Callable[[Estate], Call]] = {
    "AccountState.open": lambda a: call(url=f"/knowledge?kb={a.kb_id}"),
    "FeedbackState.show": lambda a: call("Saved.", "success"),
    "FeedbackState.dismiss": lambda a: call(1),
    "SignInState.open": lambda a: call(url="/login?next=//evil.example"),
    "CurrentKbState.load": lambda a: call(url=f"/knowledge?kb={a.kb_id}", vars={"remembered": str(a.kb_id)}),
    "CurrentKbState.choose": lambda a: call(str(a.kb_id)),
}
