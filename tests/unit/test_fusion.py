"""One ranking of two: order, ties, bounds, and what is taken out of it again."""

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag_app.rag.fusion import best_first, blend, diverse, fuse, minmax, standardised, without_duplicates

A, B, C, D = 1, 2, 3, 4

rankings = st.lists(st.tuples(st.integers(1, 30), st.floats()), max_size=40)
weights = st.floats(0, 1)
methods = st.sampled_from(["weighted", "rrf"])


def ids(fused):
    return [one.chunk_id for one in fused]


@pytest.mark.parametrize(
    ("by_meaning", "by_words", "expected"),
    [
        pytest.param([], [], [], id="nothing to fuse"),
        pytest.param([(A, 0.9), (B, 0.8)], [], [A, B], id="one ranking is empty"),
        pytest.param(
            [(A, 0.9), (B, 0.8)], [(C, 7.0), (B, 6.9), (D, 1.0)], [A, C, B, D], id="by hand: .5 .5 .49 0"
        ),
        pytest.param([(A, 0.9)], [(B, 3.0)], [A, B], id="single ones count full, then ids decide"),
        pytest.param([(B, 0.9), (A, 0.9)], [], [B, A], id="equal scores keep their ranks"),
        pytest.param([(A, math.nan), (B, 0.5)], [(A, math.inf), (C, 1.0)], [B, C], id="no numbers, no place"),
    ],
)
def test_weighted_order(by_meaning, by_words, expected):
    assert ids(fuse(by_meaning, by_words)) == expected


def test_a_fused_chunk_says_where_it_came_from():
    (first, *_) = fuse([(A, 0.9), (B, 0.5)], [(B, 7.0), (A, 3.0), (C, 1.0)], weight=0.6)

    assert (first.chunk_id, first.rank_by_meaning, first.rank_by_words) == (A, 1, 2)
    assert (first.similarity, first.bm25) == (0.9, 3.0)
    assert first.fused == pytest.approx(0.6 + 0.4 / 3)


def test_reciprocal_ranks_by_hand():
    fused = fuse([(A, 0.9), (B, 0.1)], [(C, 9.0), (B, 1.0)], method="rrf")

    assert ids(fused) == [B, A, C]
    assert [one.fused for one in fused] == pytest.approx([61 / 62, 0.5, 0.5])


@pytest.mark.parametrize(("weight", "expected"), [(0, [C, B]), (1, [A, B])])
def test_a_ranking_without_a_share_is_left_out(weight, expected):
    fused = fuse([(A, 0.9), (B, 0.8)], [(C, 3.0), (B, 2.0)], weight=weight)

    assert ids(fused) == expected


@given(rankings, rankings, weights, methods)
def test_fusion_is_bounded_ordered_and_complete(by_meaning, by_words, weight, method):
    fused = fuse(by_meaning, by_words, weight=weight, method=method)

    assert all(0 <= one.fused <= 1 for one in fused)
    assert [one.fused for one in fused] == sorted((one.fused for one in fused), reverse=True)
    given_ids = [
        {chunk_id for chunk_id, score in ranking if math.isfinite(score)}
        for ranking, share in ((by_meaning, weight), (by_words, 1 - weight))
        if share > 0
    ]
    assert sorted(ids(fused)) == sorted(set().union(*given_ids))


@given(rankings, rankings, methods)
def test_fusion_is_the_same_every_time(by_meaning, by_words, method):
    assert fuse(by_meaning, by_words, method=method) == fuse(by_meaning, by_words, method=method)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False)))
def test_scaling_never_leaves_its_range(scores):
    assert all(0 <= value <= 1 for value in minmax(scores))
    assert np.isfinite(standardised(scores)).all()


@given(st.lists(st.tuples(st.floats(0, 1), st.none() | st.floats()), max_size=30))
def test_a_blend_has_a_number_for_every_passage(pairs):
    values = blend([fused for fused, _ in pairs], [score for _, score in pairs])

    assert values.shape == (len(pairs),)
    assert np.isfinite(values).all()
    assert sorted(best_first(values)) == list(range(len(pairs)))


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        pytest.param([1, 2, 3], [2, 1, 0], id="a clear reranker decides against near equals"),
        pytest.param([-90.0, 4.0, 1e4], [2, 0, 1], id="logits of any size"),
        pytest.param([5, 5, 5], [0, 1, 2], id="a reranker without an opinion"),
        pytest.param([1, None, 3], [0, 1, 2], id="not all were scored"),
        pytest.param([1, math.nan, 3], [0, 1, 2], id="one score is no number"),
    ],
)
def test_blended_order(scores, expected):
    assert best_first(blend([0.52, 0.51, 0.5], scores, weight=2)) == expected


def test_passages_not_reranked_come_last_in_their_order():
    assert best_first(blend([0.9, 0.89, 0.88, 0.3], [1, 2])) == [1, 0, 2, 3]
    assert best_first(blend([0.9, 0.2, 0.19, 0.18], [3, 1, 2])) == [0, 2, 1, 3]


def test_without_a_reranker_the_fused_order_stays():
    assert best_first(blend([0.9, 0.5, 0.4])) == [0, 1, 2]


def test_what_comes_after_the_first_twenty_does_not_change_their_values():
    fused = [1 - place / 50 for place in range(40)]

    assert blend(fused)[:20] == pytest.approx(blend(fused[:20]))


def test_standardising_takes_scores_however_large():
    assert standardised([1e300, 2e300, 3e300]) == pytest.approx([-(1.5**0.5), 0, 1.5**0.5])


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        pytest.param(["Leave is 25 days.", "Leave is 25  DAYS"], [0], id="the same words"),
        pytest.param(
            ["Leave is 25 days.", "Leave is 30 days."], [0, 1], id="a short text with another number"
        ),
        pytest.param(
            ["word " * 4 + " ".join(map(str, range(200))), " ".join(map(str, range(200)))], [0], id="nearly"
        ),
        pytest.param(["Leave.", "“leave”"], [0], id="one word with other marks"),
        pytest.param(["港口的船" * 9 + "、一、二、三", "港口的船" * 9 + "。一。二。三"], [0], id="no spaces"),
        pytest.param(["", "…", ""], [0, 1, 2], id="texts without words are not compared"),
    ],
)
def test_only_the_best_of_nearly_equal_texts_is_kept(texts, expected):
    assert without_duplicates(range(len(texts)), text_of=texts.__getitem__) == expected


@pytest.mark.parametrize(
    ("per_document", "limit", "expected"),
    [
        pytest.param(0, 3, ["a1", "a2", "a3"], id="off"),
        pytest.param(1, 2, ["a1", "b1"], id="one each"),
        pytest.param(1, 4, ["a1", "b1", "a2", "a3"], id="held back ones fill up"),
        pytest.param(2, 9, ["a1", "a2", "b1", "a3", "a4"], id="two each"),
    ],
)
def test_diversity_across_documents(per_document, limit, expected):
    ranking = ["a1", "a2", "a3", "b1", "a4"]

    chosen = diverse(ranking, document_of=lambda one: one[0], per_document=per_document, limit=limit)

    assert chosen == expected


@given(st.lists(st.integers(0, 4)), st.integers(0, 5), st.integers(0, 20))
def test_diversity_loses_nothing_that_fits(documents, per_document, limit):
    ranking = list(enumerate(documents))

    chosen = diverse(ranking, document_of=lambda one: one[1], per_document=per_document, limit=limit)

    assert len(chosen) == min(limit, len(ranking))
    assert not Counter(chosen) - Counter(ranking)
