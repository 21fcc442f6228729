"""FAQ entries as files, tables of them, and how near two questions are."""

import json

import pytest

from rag_app.domain.documents import Page, ParsedDocument
from rag_app.domain.rag_config import RagConfig
from rag_app.errors import InvalidInput, PermanentError
from rag_app.rag import faq, faq_table

THRESHOLD = RagConfig().faq_threshold


def test_an_entry_is_read_as_it_was_kept():
    parsed = faq.parse(faq.to_bytes("How many days?", "Twenty.\n\n# Note\nPart-timers fewer."))

    assert parsed.title == "How many days?"
    assert parsed.pages[0].text == "# How many days?\n\nTwenty.\n\n# Note\nPart-timers fewer."


@pytest.mark.parametrize("content", [b"", b"[]", b'{"question": "x"}', b"\xff\xfe"])
def test_what_is_no_entry_is_said_so(content):
    with pytest.raises(PermanentError, match="cannot be read"):
        faq.parse(content)


@pytest.mark.parametrize(
    ("asked", "question"),
    [
        ("How do I reset my password?", "HOW DO I RESET MY PASSWORD"),
        ("What’s the fee?", "what's the fee ?"),
        ("Wie heißt sie?", "WIE HEISST SIE"),
    ],
)
async def test_case_and_punctuation_change_nothing(real_embedder, asked, question):
    assert await near(real_embedder, asked, question) == 1.0


@pytest.mark.parametrize(
    ("asked", "question"),
    [
        ("How can I reset my password?", "How do I reset my password?"),
        ("I forgot my password, how do I reset it?", "How do I reset my password?"),
        ("opening hours", "What are your opening hours?"),
        ("What does shipping cost?", "How much does shipping cost?"),
        ("Wie setze ich mein Passwort zurück?", "Wie kann ich mein Passwort zurücksetzen?"),
    ],
)
async def test_the_same_in_other_words_is_near_enough(real_embedder, asked, question):
    assert await near(real_embedder, asked, question) >= THRESHOLD


@pytest.mark.parametrize(
    ("asked", "question"),
    [
        ("How do I reset my PIN?", "How do I reset my password?"),
        ("How long does shipping take?", "How much does shipping cost?"),
        ("Do you ship from Switzerland?", "Do you ship to Switzerland?"),
        ("What is error ERR-4013?", "What is error ERR-4012?"),
        ("How do I install version 3?", "How do I install version 2?"),
        ("Can I not bring my dog?", "Can I bring my dog?"),
        ("How do I turn notifications off?", "How do I turn notifications on?"),
        ("How do I disable two-factor login?", "How do I enable two-factor login?"),
        ("Leave of part-time employees?", "Leave of full-time employees?"),
        ("How do I export after closing?", "How do I export before closing?"),
    ],
)
async def test_what_only_looks_alike_is_not(real_embedder, asked, question):
    assert await near(real_embedder, asked, question) < THRESHOLD


async def near(embedder, asked, question):
    return faq.match(
        asked, question, (await embedder.embed_query(asked), await embedder.embed_query(question))
    )


@pytest.mark.parametrize(
    ("header", "columns"),
    [
        (["Question", "Answer"], (0, 1)),
        (["id", "ANSWER ", "question"], (2, 1)),
        (["Antwort", "Frage"], (1, 0)),
        (["this", "that", "other"], (0, 1)),
        (["x", "Frage"], (1, 0)),
        (["answer", "x"], (1, 0)),
    ],
)
def test_columns_are_found_by_their_names(header, columns):
    assert faq_table.find_columns(header) == columns


def test_a_csv_keeps_lines_within_cells_and_knows_its_own():
    rows = faq_table.of_csv('q;a\r\n"One?";"first\nsecond"\r\n\r\n"Two; really?";b\r\n'.encode("cp1252"))

    assert rows == [(1, ["q", "a"]), (2, ["One?", "first\nsecond"]), (4, ["Two; really?", "b"])]


def test_a_csv_that_never_closes_its_quotes_names_the_line():
    with pytest.raises(InvalidInput, match="Line"):
        faq_table.of_csv(b'q,a\nx,"' + b"y" * 1_100_000)


def test_a_spreadsheets_first_filled_sheet_is_taken():
    empty = Page(1, "## Cover\n\nNo table here.")
    sheet = Page(2, "## FAQ\n\n| q | a |\n| --- | --- |\n| How \\| why? | so |\n|  |  |")

    assert faq_table.of_spreadsheet(ParsedDocument((empty, sheet), "x")) == [
        (1, ["q", "a"]),
        (2, ["How | why?", "so"]),
    ]


def test_the_file_of_an_entry_is_plain_json():
    assert json.loads(faq.to_bytes("Größe?", "Groß")) == {"question": "Größe?", "answer": "Groß"}
