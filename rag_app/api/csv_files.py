"""Tables as CSV files that no spreadsheet takes for programs.

Source: OWASP, CSV Injection, https://owasp.org/www-community/attacks/CSV_Injection
"""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal

Cell = str | int | float | bool | Decimal | datetime | None

# What begins a formula: in a cell of its own, or in what a spreadsheet that cuts at semicolons makes one.
_FORMULA = re.compile(r"(^|[;\t\r\n])( *)(?=[=+\-@＝＋－＠\t\r\n])")


def lines(rows: Iterable[Sequence[Cell]]) -> str:
    """Rows as text, commas between cells, ends of lines as RFC 4180 wants them."""
    text = io.StringIO()
    csv.writer(text).writerows([_written(cell) for cell in row] for row in rows)
    return text.getvalue()


def _written(cell: Cell) -> str:
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, Decimal):  # without an exponent, and without the zeros of its column
        return f"{cell.normalize():f}"
    if isinstance(cell, datetime):
        return cell.isoformat(timespec="milliseconds")
    if isinstance(cell, str):
        return _FORMULA.sub(r"\1\2'", cell)
    return "" if cell is None else str(cell)
