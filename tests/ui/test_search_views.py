"""What Semantic Search says of a search, from made-up ones: reasons, steps, filters."""

from datetime import UTC, datetime

import pytest

from rag_app.domain.knowledge_bases import Facets
from rag_app.domain.retrieval import Filters, MatchedTerm, Passage, PassageScores, Retrieval, Step
from rag_app.ui.dashboard.semantic_search.filters import Chosen, as_day, as_filters, filter_words, options
from rag_app.ui.dashboard.semantic_search.reasons import copies_words, why
from rag_app.ui.dashboard.semantic_search.trace import milliseconds, step_views, timing_words
from rag_app.ui.dashboard.semantic_search.view import found_passages, left_out_words

BERTH, BOATS, HARBOUR = (MatchedTerm("berth", 0.6), MatchedTerm("boats", 0.3), MatchedTerm("harbour", 0.1))
NEITHER = {"rank_by_meaning": None, "rank_by_words": None, "similarity": None, "bm25": None, "fused": 0.5}


def passage(**changes):
    scores = PassageScores(**NEITHER | changes.pop("scores", {}))
    values = {
        "chunk_id": 7, "document_id": 3, "document_name": "harbour.md", "source": "document", "page": None,
        "page_last": None, "heading": "", "content": "The harbour has 120 berths.", "score": 0.824,
    }  # fmt: skip
    return Passage(**values | changes, scores=scores)


@pytest.mark.parametrize(
    ("scores", "place", "expected"),
    [
        pytest.param(
            {"rank_by_meaning": 2, "rank_by_words": 1, "matched": (HARBOUR, BERTH, BOATS), "rank_fused": 4,
             "rerank": 0.9},
            1,
            "Found because it has your words “berth”, “boats” and “harbour” and its meaning is the 2nd "
            "nearest; reading it again moved it up from 4th to 1st.",
            id="words, meaning, moved up",
        ),
        pytest.param(
            {"rank_by_meaning": 1, "rank_by_words": 3, "matched": (BERTH,), "rank_fused": 1, "rerank": 0.1},
            3,
            "Found because it has your word “berth” and its meaning is the nearest; reading it again moved "
            "it down from 1st to 3rd.",
            id="one word, nearest, moved down",
        ),
        pytest.param(
            {"rank_by_words": 1, "matched": (MatchedTerm("berth", 1.0, corrected_from="berht"),)},
            1,
            "Found by its words alone: it has your word “berth” (you wrote “berht”); its meaning is not "
            "among the nearest.",
            id="corrected, by words alone",
        ),
        pytest.param(
            {"rank_by_meaning": 3, "rank_fused": 2, "rerank": 0.5},
            2,
            "Found by its meaning alone: it shares no telling word with your question, but its meaning is "
            "the 3rd nearest; reading it again left it where it was.",
            id="by meaning alone, stayed",
        ),
        pytest.param(
            {"rank_by_meaning": 1, "rank_by_words": 2},
            1,
            "Found because its words fit 2nd best and its meaning is the nearest.",
            id="words that are not told",
        ),
        pytest.param(
            {"rank_by_words": 1, "matched": tuple(MatchedTerm(f"w{n}", 0.1) for n in range(6))},
            1,
            "Found by its words alone: it has 6 words of yours (“w0”, “w1”, “w2”, “w3” and 2 more); its "
            "meaning is not among the nearest.",
            id="many words",
        ),
        pytest.param({}, 1, "Found by another way of asking your question.", id="neither"),
        pytest.param(
            {"rank_by_meaning": 1, "rank_fused": 3},
            1,
            "Found by its meaning alone: it shares no telling word with your question, but its meaning is "
            "the nearest.",
            id="not read again",
        ),
    ],
)  # fmt: skip
def test_why_a_passage_was_found(scores, place, expected):
    assert why(passage(scores=scores), place) == expected


def test_passage_with_all_there_is_to_say():
    found = passage(
        scores={
            "rank_by_words": 1, "bm25": 8.0, "matched": (HARBOUR, BERTH), "rerank": 0.91, "rank_fused": 2,
        },
        before="# Rules\nBefore.", after="After.", n_duplicates=2,
    )  # fmt: skip

    [view] = found_passages(Retrieval((found,)), "berths", kb_id=5)

    assert (view.likelihood, view.words_bar, view.rerank_bar) == (82, 100, 91)
    assert [(term.term, term.percent) for term in view.terms] == [("berth", 60), ("harbour", 10)]
    assert (view.before, view.after) == ("Rules\nBefore.", "After.")
    assert view.copies == "2 passages that say the same were left out."
    assert "<mark>harbour</mark>" in view.html  # matched, though the question spells it otherwise
    assert view.href == "/knowledge/document/3?kb=5&found=7"


def test_passage_of_a_search_that_tells_little():
    [view] = found_passages(Retrieval((passage(),)), "x", kb_id=5)

    assert (view.terms, view.copies, view.before, view.rerank_bar) == ([], "", "", 0)
    assert view.rerank == "not read a second time"


@pytest.mark.parametrize(
    ("n", "expected"),
    [
        (0, ""),
        (1, "1 passage that says the same was left out."),
        (3, "3 passages that say the same were left out."),
    ],
)
def test_copies_in_words(n, expected):
    assert copies_words(n) == expected


def test_what_the_least_score_keeps_back():
    assert left_out_words(0, 0.3) == ""
    assert left_out_words(1, 0.3) == "1 passage was left out for scoring under your least score of 30 %."
    assert left_out_words(12, 0.29).startswith("12 passages were left out")


# ---- steps


def test_steps_tell_time_and_note_and_skipped_ones_say_so():
    steps = (
        Step("embed", 5.0),
        Step("search", 20.0),
        Step("rerank", 0.0, was_done=False, note="The time was up; this is the order before it."),
    )

    views = step_views(Retrieval((), steps=steps))

    assert [(view.time, view.share, view.was_done) for view in views] == [
        ("5 ms", 25, True), ("20 ms", 100, True), ("skipped", 0, False),
    ]  # fmt: skip
    assert views[-1].note == "The time was up; this is the order before it."


def test_step_that_was_given_up_says_what_it_took():
    [view] = step_views(Retrieval((), steps=(Step("rerank", 1000.0, was_done=False),)))

    assert (view.time, view.was_done) == ("given up after 1.0 s", False)


def test_search_without_steps_shows_the_times_it_knows():
    views = step_views(Retrieval((), {"embed": 5.0, "search": 20.0, "total": 25.0}))

    assert [view.title for view in views] == ["Understanding the question", "Searching by meaning and words"]
    assert step_views(Retrieval(())) == []


def test_every_step_has_a_name_for_people():
    names = ("rewrite", "variants", "embed", "search", "spelling", "rerank", "expand")

    views = step_views(Retrieval((), steps=tuple(Step(name, 1.0) for name in names)))

    assert all(view.title not in names for view in views)


def test_steps_that_take_no_time_divide_by_nothing():
    assert step_views(Retrieval((), steps=(Step("embed", 0.0),)))[0].share == 0


@pytest.mark.parametrize(("value", "expected"), [(0.2, "under 1 ms"), (12.4, "12 ms"), (1480, "1.5 s")])
def test_durations(value, expected):
    assert milliseconds(value) == expected
    assert timing_words({"total": value}) == f"{expected} in all"
    assert timing_words({}) == ""


# ---- filters


def test_only_what_tells_documents_apart_can_be_chosen():
    facets = Facets((("document", 3),), (("HR", 1),), (("english", 2), ("simple", 1)))

    found = options(facets, [("language", "simple")])

    assert found.keys() == {"tag", "language"}
    assert [(each.label, each.is_on) for each in found["language"]] == [
        ("English", False), ("Other languages", True),
    ]  # fmt: skip


def test_filters_as_a_search_wants_them():
    filters = as_filters(
        [("tag", "HR"), ("language", "english"), ("tag", "2026")],
        [Chosen(3, "harbour.md")],
        first_day="2026-01-01",
        last_day="2026-01-31",
    )

    assert filters == Filters(
        document_ids=(3,),
        tags=("HR", "2026"),
        languages=("english",),
        added_from=datetime(2026, 1, 1, tzinfo=UTC),
        added_before=datetime(2026, 2, 1, tzinfo=UTC),
    )
    assert filter_words(filters) == "in 1 document · tagged HR or 2026 · English · added in the period chosen"


@pytest.mark.parametrize("day", ["", "yesterday", "2026-02-30", "\x00", "2026-01-01T00:00"])
def test_what_is_no_day_filters_nothing(day):
    assert as_day(day) == ""
    assert as_filters([], [], first_day=day, last_day=day).is_empty


def test_last_day_there_is_filters_nothing():
    assert as_filters([], [], first_day="", last_day="9999-12-31").is_empty
