"""Identifiers, numbers, scripts without spaces, phrases and slips of the finger."""

import time

import pytest

from rag_app.rag.neighbourhood import around, without_overlap
from rag_app.rag.questions import parts, read_lines
from rag_app.rag.spelling import allowed_distance, distance, nearest_words
from rag_app.rag.words import (
    WrittenWords,
    has_phrases,
    is_identifier,
    quoted_phrases,
    text_for_words,
    words_of_question,
)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("see ERR-4012.", "see ERR4012 ERR 4012 ."),
        ("ABC_12-X/9", "ABC12X ABC 12 X 9"),
        ("Code:ERR-4012,#X-77", "Code: ERR4012 ERR 4012 ,# X77 X 77"),
        ("ERR 4012 and X\u00a077012b", "ERR4012 ERR 4012 and X77012b X 77012b"),
        ("err 4012, IN 2019, EUR 1,000, AD 1500", "err 4012, IN 2019, EUR 1000, AD 1500"),
        ("1,000 and 1'000'000", "1000 and 1000000"),
        ("10.5 and v2.3.1", "10.5 and v2.3.1"),
        ("input/output", "input output"),
        ("港口船", "港口 口船"),
        ("한국어는 좋은", "한국 국어 어는 좋은"),
        ("ירושלים", "ירו רוש ושל שלי לים"),
        ("well-known don't", "well-known don't"),
    ],
)
def test_text_is_made_fit_to_be_cut_into_words(text, words):
    assert text_for_words(text).split() == words.split()


@pytest.mark.parametrize("spelling", ["ERR-4012", "err4012", "ERR_4012", "Err.4012"])
def test_an_identifier_is_one_word_however_it_is_written(spelling):
    assert "err4012" in text_for_words(spelling).lower().split()


@pytest.mark.parametrize("spelling", ["ERR 4012", "err 4012", "Err\u00a04012", "ERR-4012", "err4012"])
def test_a_question_may_write_a_code_apart(spelling):
    assert "err4012" in words_of_question(f"What is {spelling} for?").lower().split()


@pytest.mark.parametrize("text", ["in 2019", "June 2019", "the 400 boats", "chapter 3", "of 1,000.50"])
def test_ordinary_words_before_a_number_are_no_code(text):
    assert not any(map(is_identifier, words_of_question(f"What happened {text}?").split()))


def test_only_codes_are_identifiers():
    assert is_identifier("err4012")
    assert not any(map(is_identifier, ["20th", "100th", "1990s", "250mg", "mp3", "4012", "harbour", ""]))


def test_quoted_words_are_phrases():
    assert quoted_phrases('find "exact  words" and “other ones” or „diese“') == [
        "exact  words",
        "other ones",
        "diese",
    ]
    assert quoted_phrases("it's 5\" long") == []
    assert has_phrases("The Exact\nwords stand here", ["exact words"])
    assert not has_phrases("words exact", ["exact words"])


def test_a_stem_is_told_by_the_word_it_was_made_of():
    assert WrittenWords("Who manages the harbours?").behind("manag") == "manages"
    assert WrittenWords("Where is the café?").behind("cafe") == "café"
    assert WrittenWords("Where is the café?").behind("xyz") == "xyz"


@pytest.mark.parametrize(
    ("stem", "word"),
    [("unus", "unused"), ("employe", "employee"), ("polici", "policy"), ("berth", "berth"), ("cafe", "Café")],
)
def test_the_shortest_word_that_begins_with_a_stem_stands_for_it(stem, word):
    text = "Unusually many employees; each employee has unused days. Café policy, no policies."

    assert WrittenWords(text).beginning_with(stem) == word


@pytest.mark.parametrize(
    ("a", "b", "slips"),
    [("harbour", "harbour", 0), ("harbuor", "harbour", 1), ("abc", "abd", 1), ("", "ab", 2)],
)
def test_slips_are_counted(a, b, slips):
    assert distance(a, b, most=3) == slips


def test_distance_gives_up_when_it_is_clear():
    assert distance("abcdefgh", "zyxwvuts", most=2) == 3


def test_long_words_are_forgiven_more_and_codes_nothing():
    assert [allowed_distance(word) for word in ("cat", "boat", "harbourmaster", "err4012", "1066")] == [
        0,
        1,
        2,
        0,
        0,
    ]
    known = ["management", "managements", "engagement", "m4nagement"]
    assert nearest_words("managment", known, limit=3) == [("management", 1), ("managements", 2)]


def test_a_double_question_has_parts():
    assert parts("Who founded the harbour and when was it closed?") == [
        "Who founded the harbour",
        "when was it closed?",
    ]
    assert parts("What do bread and butter cost?") == []
    assert parts("Why?") == []


def test_a_models_lines_become_questions():
    answer = '1. How long is it?\n- "How tall?"\n\nHow long is it?\n' + "x" * 400

    assert read_lines(answer, limit=3) == ["How long is it?", "How tall?"]


def test_neighbours_are_joined_without_what_they_share():
    texts = {1: "one two", 2: "two three", 3: "three four", 5: "far"}

    assert around(2, texts, reach=2, taken=set()) == ("one", "four")
    assert around(2, texts, reach=1, taken={1}) == ("", "four")
    assert without_overlap("abc", "bcd") == ("a", "d")
    assert without_overlap("abc", "xyz") == ("abc", "xyz")


@pytest.mark.parametrize(
    "piece", ["a.", "1..", "a-", "x_", "1,000,", "' ", "/a", "ab12-", "ERR 4012 ", "A 123"]
)
def test_hostile_runs_are_read_in_one_go(piece):
    """Each length takes about as long per character as any other: ten times the text, not a hundred times."""
    short, long = piece * 2_000, piece * 20_000

    def steps(text: str) -> float:
        started = time.process_time()
        text_for_words(text)
        parts(text)
        return time.process_time() - started

    steps(short)
    assert steps(long) < 60 * max(steps(short), 1e-3)
