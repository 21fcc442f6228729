"""Sign-ins as an owner sees them."""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import datetime

from rag_app.domain.accounts import OpenSignIn
from rag_app.errors import InvalidInput
from rag_app.ui.wording import ago

# The first that matches names the browser: most carry the names of others as well.
_BROWSERS = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
    ("curl/", "curl"),
    ("python", "Python"),
)
_SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)


@dataclass(frozen=True)
class SignInView:
    """One place the person is signed in."""

    device: str
    icon: str
    seen: str
    is_current: bool


@dataclass(frozen=True)
class Errors:
    """What is wrong, by field; `password` is the new one."""

    name: str = ""
    current: str = ""
    password: str = ""
    repeated: str = ""


def sign_in_views(found: Iterable[OpenSignIn], *, now: datetime | None = None) -> list[SignInView]:
    """Show sign-ins."""
    return [
        SignInView(
            device=device(sign_in.user_agent, is_program=sign_in.kind == "program"),
            icon="code" if sign_in.kind == "program" else "monitor",
            seen=f"Last used {ago(sign_in.last_seen_at, now=now)}; since {ago(sign_in.created_at, now=now)}",
            is_current=sign_in.is_current,
        )
        for sign_in in found
    ]


def device(user_agent: str, *, is_program: bool) -> str:
    """What a browser calls itself, in two words."""
    browser = next((name for mark, name in _BROWSERS if mark in user_agent), "")
    system = next((name for mark, name in _SYSTEMS if mark in user_agent), "")
    if is_program:
        return f"Program ({browser})" if browser else "Program"
    return " on ".join(part for part in (browser, system) if part) or "Browser"


def error_at(error: InvalidInput) -> Errors:
    """Put an error under its field; the new password's where there is none."""
    known = {field.name for field in fields(Errors)}
    return Errors(**{error.field if error.field in known else "password": str(error)})
