"""The files a document has had, in words."""

from collections.abc import Sequence
from dataclasses import dataclass

from rag_app.domain.document_versions import DocumentVersion, VersionState
from rag_app.domain.sizes import size
from rag_app.ui import routes
from rag_app.ui.wording import ago, listed

_STATES: dict[VersionState, tuple[str, str]] = {
    "current": ("In use", "success"),
    "earlier": ("Earlier", "neutral"),
    "waiting": ("Waiting", "accent"),
    "reading": ("Being read", "accent"),
    "failed": ("Could not be read", "danger"),
    "cancelled": ("Stopped", "neutral"),
}


@dataclass(frozen=True)
class VersionView:
    """One file; `can_use` says that it may be made the current one."""

    number: int
    title: str
    facts: str
    state: str
    tone: str
    problem: str
    href: str
    can_use: bool
    use_words: str = ""


def version_views(found: Sequence[DocumentVersion], *, kb_id: int) -> list[VersionView]:
    """Show versions, the newest first."""
    is_busy = is_reading(found)
    return [_view(version, kb_id=kb_id, is_busy=is_busy) for version in found]


def is_reading(found: Sequence[DocumentVersion]) -> bool:
    """Whether one of them will have changed in a moment."""
    return any(version.state in {"waiting", "reading"} for version in found)


def current_number(found: Sequence[DocumentVersion]) -> int:
    """The version in use; 0 where none is."""
    return next((version.number for version in found if version.state == "current"), 0)


def _view(version: DocumentVersion, *, kb_id: int, is_busy: bool) -> VersionView:
    state, tone = _STATES[version.state]
    is_used = version.state == "current"
    return VersionView(
        number=version.number,
        title=f"Version {version.number}",
        facts=listed([version.name, size(version.size_bytes), f"added {ago(version.created_at)}"]),
        state=state,
        tone=tone,
        problem="" if is_used else version.error_message or "",
        href=routes.version_original(version.document_id, version.number, kb_id=kb_id),
        can_use=not is_busy and not is_used,
        use_words="Make this the current version again" if version.state == "earlier" else "Try it again",
    )
