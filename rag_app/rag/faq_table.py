"""Tables of questions and answers, and which of their columns are which."""

import csv
import io
import re
from collections.abc import Sequence

from rag_app.domain.documents import ParsedDocument
from rag_app.errors import InvalidInput
from rag_app.rag.parsers import _charset
from rag_app.rag.parsers.csv_table import find_delimiter

MAX_CELL_CHARACTERS = 1_000_000
# What people call the two columns, in the languages we know.
QUESTION_NAMES = frozenset(
    "question questions q frage fragen domanda domande pregunta pergunta title".split()
)
ANSWER_NAMES = frozenset(
    "answer answers a antwort antworten réponse reponse risposta risposte respuesta resposta content".split()
)

_CELL_END = re.compile(r"(?<!\\)\|")


def of_csv(content: bytes) -> list[tuple[int, list[str]]]:
    """The rows of comma-, semicolon- or tab-separated values, numbered as a spreadsheet shows them.

    Raises:
        InvalidInput: it cannot be read to its end; the message names the line.
    """
    text = _charset.decode(content).lstrip("\ufeff")
    csv.field_size_limit(MAX_CELL_CHARACTERS)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=find_delimiter(text))
    try:
        return [(n, row) for n, row in enumerate(reader, start=1) if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise InvalidInput(
            f"Line {reader.line_num:,} of this table cannot be read. Check its quotation marks.", field="file"
        ) from error


def of_spreadsheet(parsed: ParsedDocument) -> list[tuple[int, list[str]]]:
    """The rows of a spreadsheet's first sheet that has any, as its parser wrote them.

    A row's number counts the rows that hold something, the header being 1.
    """
    for page in parsed.pages:
        lines = [line.strip() for line in page.text.splitlines()]
        rows = [_cells(line) for line in lines if line.startswith("|") and line.endswith("|")]
        filled = [row for row in rows if any(row) and not _is_rule(row)]
        if filled:
            return list(enumerate(filled, start=1))
    return []


def find_columns(header: Sequence[str]) -> tuple[int, int]:
    """Which columns hold questions and answers: by their names, else the first two."""
    names = [" ".join(name.split()).casefold() for name in header]
    question = next((at for at, name in enumerate(names) if name in QUESTION_NAMES), None)
    answer = next((at for at, name in enumerate(names) if name in ANSWER_NAMES), None)
    if question is None:
        question = 0 if answer != 0 else 1
    if answer is None:
        answer = 1 if question != 1 else 0
    return question, answer


def _cells(line: str) -> list[str]:
    return [cell.strip().replace("\\|", "|") for cell in _CELL_END.split(line[1:-1])]


def _is_rule(row: Sequence[str]) -> bool:
    return all(re.fullmatch(r":?-{3,}:?", cell) for cell in row)
