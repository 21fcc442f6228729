"""What a printed document repeats on its pages, and what only looks like it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag_app.rag.parsers._running import without_running_lines


def pages(*ends: tuple[str, str]) -> list[str]:
    """Pages with a first and a last line around some text."""
    return [
        f"{top}\n\nText of sheet {n} is here.\n\n{bottom}" for n, (top, bottom) in enumerate(ends, start=1)
    ]


def left(found: list[str]) -> list[list[str]]:
    return [[line for line in page.split("\n") if line and not line.endswith(".")] for page in found]


def test_titles_and_numbers_of_pages_go():
    found = without_running_lines(
        pages(*(("# The Report", f"*The Report, page {n} of 5*") for n in range(1, 6)))
    )

    assert left(found) == [[]] * 5
    assert all("Text of sheet" in page for page in found)


def test_left_and_right_pages_may_differ():
    ends = [("The Report" if n % 2 else "Chapter One", f"{n}") for n in range(1, 9)]

    assert left(without_running_lines(pages(*ends))) == [[]] * 8


def test_a_number_alone_goes_from_any_page_and_only_with_its_page():
    assert left(without_running_lines(pages(("A", "- 1 -"), ("B", "Seite 2 von 2")))) == [["A"], ["B"]]
    assert left(without_running_lines(pages(("A", "7"), ("B", "1999")))) == [["A", "7"], ["B", "1999"]]


@pytest.mark.parametrize(
    "top",
    [
        lambda n: f"Invoice {1000 + n}",  # grows with the pages, but is far from their numbers
        lambda n: f"| Bolt M{n} | {n} EUR |",
        lambda n: "| Item | Price |",
        lambda n: f"Order of day {n * n}",
        lambda n: f"Sheet {n} tells of boats.",
        lambda n: f"Chapter {'I' * n}",
        lambda n: "A long sentence that happens to begin every page of this document, word by word. " * 2,
    ],
    ids=[
        "numbers of their own",
        "rows",
        "header of a table",
        "squares",
        "sentences",
        "other words",
        "a paragraph",
    ],
)
def test_what_belongs_to_the_text_stays(top):
    made = pages(*((top(n), "end") for n in range(1, 7)))
    made = [page.removesuffix("\n\nend") for page in made]

    assert without_running_lines(made) == made


def test_twice_is_not_always():
    made = pages(("Same", "a"), ("Same", "b"), ("Other", "c"))

    assert without_running_lines(made) == made


def test_a_page_that_has_nothing_else_keeps_it():
    assert without_running_lines(["The Report"] * 4) == ["The Report"] * 4


def test_nothing_is_nothing():
    assert without_running_lines([]) == []
    assert without_running_lines(["", "", ""]) == ["", "", ""]


LINES = st.sampled_from(["", "Title", "Page 1", "1", "2", "---", "| a |", "## Head", "text " * 30, "x 3 y"])


@given(st.lists(st.lists(LINES | st.text(max_size=20), max_size=8).map("\n".join), max_size=6))
def test_only_short_lines_at_the_ends_ever_go(made):
    found = without_running_lines(made)

    assert len(found) == len(made)
    for before, after in zip(made, found, strict=True):
        assert bool(before.strip()) == bool(after.strip())
        gone = len([line for line in before.split("\n") if line.strip()]) - len(
            [line for line in after.split("\n") if line.strip()]
        )
        assert gone <= 6 + before.count("---")
        assert all(line in before for line in after.split("\n"))
