"""Write `.env.example` and the table in `docs/configuration.md` from the settings themselves.

    python scripts/document_settings.py

A test compares both with what this would write, so a new setting cannot stay undocumented.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, get_args, get_origin

from pydantic.fields import FieldInfo

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from rag_app.settings import Settings  # noqa: E402 (found through the line above)

START, END = "<!-- settings: written by scripts/document_settings.py -->", "<!-- end of settings -->"

INTRODUCTION = """\
# Settings of Simple RAG. Everything has a working default: copy this to `.env`, uncomment what you change.
# The environment wins over this file. What they are for, in more words: docs/configuration.md

# Only for `docker compose`: passwords of the database, letters and digits.
# POSTGRES_PASSWORD=
# POSTGRES_APP_PASSWORD=
"""


def env_example() -> str:
    """The whole of `.env.example`."""
    return INTRODUCTION + "".join(
        f"\n# {field.description}{_limits(field)}\n# {name.upper()}={_default(field)}\n"
        for name, field in Settings.model_fields.items()
    )


def table() -> str:
    """The settings as a Markdown table."""
    rows = [
        f"| `{name.upper()}` | {_default_in_words(field)} | {field.description}{_limits(field)} |"
        for name, field in Settings.model_fields.items()
    ]
    return "\n".join(["| name | default | meaning |", "|---|---|---|", *rows])


def with_table(page: str) -> str:
    """The page with its table brought up to date."""
    before, _, rest = page.partition(START)
    _, _, after = rest.partition(END)
    return f"{before}{START}\n{table()}\n{END}{after}"


def _default(field: FieldInfo) -> str:
    if field.default_factory is not None or field.default is None:
        return ""
    return str(field.default).lower() if isinstance(field.default, bool) else str(field.default)


def _default_in_words(field: FieldInfo) -> str:
    if field.default_factory is not None:
        return "chosen by the system"
    return f"`{_default(field)}`" if _default(field) else "–"


def _limits(field: FieldInfo) -> str:
    """What a value may be, where that is limited, as an addition to the description."""
    if get_origin(field.annotation) is Literal:
        return f" One of {', '.join(get_args(field.annotation))}."
    limits = list(_bounds(field))
    return f" {' and '.join(limits).capitalize()}." if limits else ""


def _bounds(field: FieldInfo) -> Iterator[str]:
    for bound in field.metadata:
        if (least := getattr(bound, "ge", None)) is not None:
            yield f"at least {least}"
        if (most := getattr(bound, "le", None)) is not None:
            yield f"at most {most}"


def main() -> None:
    """Write both files."""
    (ROOT / ".env.example").write_text(env_example())
    page = ROOT / "docs" / "configuration.md"
    page.write_text(with_table(page.read_text()))


if __name__ == "__main__":
    main()
