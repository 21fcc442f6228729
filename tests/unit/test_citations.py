import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag_app.domain.retrieval import Passage, PassageScores
from rag_app.rag.citations import CitationStream, citations, split_sentences
from rag_app.rag.grounding import ground


def passage(number: int, content: str = "Text.", page: int | None = 3) -> Passage:
    return Passage(
        chunk_id=100 + number,
        document_id=number,
        document_name=f"file{number}.pdf",
        source="document",
        page=page,
        page_last=page,
        heading="Heading",
        content=content,
        score=0.5,
        scores=PassageScores(1, 1, 0.9, 3.0, 0.5),
    )


PASSAGES = [passage(1), passage(2), passage(3)]


def through(*pieces: str) -> tuple[str, list[int]]:
    stream = CitationStream(PASSAGES)
    text = "".join(stream.feed(piece) for piece in pieces) + stream.close()
    return text, stream.markers


@pytest.mark.parametrize(
    ("answer", "shown", "markers"),
    [
        pytest.param("So it is [2].", "So it is [2].", [2], id="a valid marker stays"),
        pytest.param("So it is [9].", "So it is.", [], id="an invented one goes"),
        pytest.param("So [0] and [-1].", "So and [-1].", [], id="numbers count from 1"),
        pytest.param("Both [1, 3].", "Both [1][3].", [1, 3], id="a list becomes single markers"),
        pytest.param("Both [1; 7].", "Both [1].", [1], id="a list keeps what is valid"),
        pytest.param("Wide 【2】.", "Wide [2].", [2], id="full-width brackets"),
        pytest.param("Said [passage 2].", "Said [2].", [2], id="with a word"),
        pytest.param("Twice [2][2].", "Twice [2][2].", [2], id="the same twice is one citation"),
        pytest.param("Code `a[1]` here", "Code `a[1]` here", [], id="not in inline code"),
        pytest.param("```\nx[1]\n```\nbut [1]", "```\nx[1]\n```\nbut [1]", [1], id="not in a fence"),
        pytest.param("A [note] stays", "A [note] stays", [], id="other brackets stay"),
        pytest.param("Open [1", "Open [1", [], id="an unfinished marker is text"),
    ],
)
def test_only_markers_of_passages_that_were_sent_get_through(answer, shown, markers):
    assert through(answer) == (shown, markers)


@given(
    answer=st.lists(
        st.sampled_from(
            ["word ", "[1]", "[2, 9]", "[77]", "`", "```", "~", "\n", "[", "]", "1", "【3】", "a[1]", ". "]
        ),
        max_size=30,
    ).map("".join),
    cuts=st.lists(st.integers(0, 80), max_size=8),
)
def test_how_an_answer_is_cut_into_pieces_changes_nothing(answer, cuts):
    places = sorted({min(cut, len(answer)) for cut in cuts} | {0, len(answer)})
    pieces = [answer[a:b] for a, b in itertools.pairwise(places)]

    assert through(*pieces) == through(answer)


def test_a_lost_backtick_does_not_let_invented_markers_through():
    assert through("Use `make.\nSure [1][77].") == ("Use `make.\nSure [1].", [1])


def test_four_backticks_are_one_fence_however_they_come():
    assert through("````", "[2, 9]") == through("````[2, 9]")


@given(answer=st.text(alphabet="[]【】1239 ,;`\nab", max_size=60))
def test_no_answer_can_cite_a_passage_that_was_not_sent(answer):
    _, markers = through(answer)

    assert set(markers) <= {1, 2, 3}


def test_a_marker_in_pieces_is_held_back_until_it_is_whole():
    stream = CitationStream(PASSAGES)

    assert stream.feed("Yes [") == "Yes"
    assert stream.feed("2") == ""
    assert stream.feed("]. Next") == " [2]. Next"


def test_a_citation_quotes_the_sentence_that_supports_the_statement():
    content = "The office opens at nine. Every employee has 25 days of holiday. Lunch is free."
    answer = "Employees have 25 days of holiday [1]."

    [citation] = citations(answer, [1], {1: passage(1, content)})

    assert citation.quote == "Every employee has 25 days of holiday."
    assert (citation.document_name, citation.page) == ("file1.pdf", 3)


def test_a_quote_is_always_the_passages_own_text():
    content = "Zeile eins\nZeile zwei"
    [citation] = citations("Something else entirely [1]", [1], {1: passage(1, content)})

    assert citation.quote in content


def test_a_marker_after_the_full_stop_belongs_to_its_sentence():
    assert split_sentences("One fact. [1] Another fact. [2]") == ["One fact [1].", "Another fact [2]."]


@pytest.mark.parametrize(
    ("answer", "counts"),
    [
        pytest.param("Employees have 25 days of holiday [1].", (1, 1), id="cited and supported"),
        pytest.param("Employees have 25 days of holiday.", (1, 0), id="not cited"),
        pytest.param("The moon is made of cheese [1].", (1, 0), id="cited but not supported"),
        pytest.param("", (0, 0), id="empty"),
        pytest.param("Employees have 25 days [1].\n```\nfoo()\nbar()\n```", (1, 1), id="code states nothing"),
        pytest.param("| a | b |\n|---|---|\n| 25 days [1] | x |", (1, 1), id="rows of a table"),
    ],
)
def test_grounding_counts_supported_sentences(answer, counts):
    grounded = ground(answer, {1: passage(1, "All employees have 25 days of holiday a year.")})

    assert (grounded.n_sentences, grounded.n_supported) == counts
