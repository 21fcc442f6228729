"""Icons from one small file, `assets/icons.svg`, which the browser keeps."""

import re
from pathlib import Path
from typing import Any

import reflex as rx

from rag_app.ui.components.base import Text

SPRITE = Path(__file__).resolve().parents[3] / "assets" / "icons.svg"


def icon(name: Text, *, class_name: str = "", **attributes: Any) -> rx.Component:
    """Show an icon by its id in the file; it takes the colour and size of the text around it."""
    return rx.el.svg(
        rx.el.svg.use(href=f"/icons.svg#{name}"),
        aria_hidden="true",
        class_name=f"icon {class_name}".rstrip(),
        **attributes,
    )


def names() -> set[str]:
    """Every icon there is."""
    return set(re.findall(r'<symbol id="([\w-]+)"', SPRITE.read_text(encoding="utf-8")))
