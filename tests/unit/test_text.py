import pytest

from rag_app.rag.words import text_for_words
from rag_app.services.text import clean_file_name, clean_line, clean_text


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        pytest.param("../../etc/passwd", "passwd", id="up and away"),
        pytest.param("..\\..\\x.txt", "x.txt", id="the other slash"),
        pytest.param("C:\\Users\\me\\plan.docx", "plan.docx", id="a drive"),
        pytest.param("a\x00b.pdf", "ab.pdf", id="NUL"),
        pytest.param("invoice\u202efdp.exe", "invoicefdp.exe", id="turned writing"),
        pytest.param(".htaccess", "htaccess", id="hidden"),
        pytest.param("  ", "unnamed", id="blank"),
        pytest.param("Übersicht 2026.pdf", "Übersicht 2026.pdf", id="letters of other languages"),
    ],
)
def test_a_file_is_shown_under_a_harmless_name(given, kept):
    assert clean_file_name(given) == kept


def test_a_very_long_name_keeps_its_ending():
    assert clean_file_name("x" * 500 + ".pdf").endswith(".pdf")
    assert len(clean_file_name("x" * 500 + ".pdf")) <= 200


def test_text_loses_controls_and_lone_surrogates_but_no_letters():
    assert clean_text("a\x00\ud800b\r\nc\tü") == "a\ufffdb\nc\tü"


def test_a_line_is_one_line():
    assert clean_line("  two\nlines\t here ", max_characters=50) == "two lines here"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("plain words", "plain words", id="spaced scripts stay"),
        pytest.param("東京都", " 東京 京都 ", id="pairs"),
        pytest.param("漢", " 漢 ", id="one character"),
        pytest.param("see 東京 now", "see  東京  now", id="mixed"),
    ],
)
def test_unspaced_scripts_become_pairs(text, words):
    assert text_for_words(text) == words
