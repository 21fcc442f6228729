"""Secrets an installation makes for itself and keeps in its data folder."""

import secrets
from collections.abc import Callable
from pathlib import Path


def kept(path: Path, make: Callable[[], str]) -> str:
    """What a file holds; made on first use, whole, once, and readable for its owner only."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        temporary = path.with_name(f".{path.stem}.{secrets.token_hex(8)}")
        temporary.touch(mode=0o600)
        temporary.write_text(make(), encoding="ascii")
        try:
            path.hardlink_to(temporary)  # unlike a rename it never replaces what another process made
        except FileExistsError:
            pass
        finally:
            temporary.unlink()
    return path.read_text(encoding="ascii").strip()
