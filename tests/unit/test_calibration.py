"""The score of a passage: a number for every passage, in order, whatever is known of it."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag_app.rag.calibration import SCALES, Signals, calibrated, coverages
from rag_app.rag.stems import stems, stems_among

values = st.floats(-10, 10)
signals = st.lists(
    st.builds(Signals, values, st.none() | st.floats(), st.none() | st.floats(0, 1)), max_size=30
).map(lambda found: sorted(found, key=lambda one: -one.value))
models = st.sampled_from(["local_e5", "local_minilm", "another"])


def alone(*, similarity=None, coverage=None, model="local_e5"):
    (score,) = calibrated([Signals(0.0, similarity, coverage)], embedding_model=model)
    return score


@given(signals, models)
def test_scores_are_probabilities_in_the_final_order(found, model):
    scores = calibrated(found, embedding_model=model)

    assert len(scores) == len(found)
    assert all(0 <= score <= 1 for score in scores)
    assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize("model", SCALES)
def test_much_evidence_scores_high_and_none_low(model):
    scale = SCALES[model]
    similar, unrelated = scale.centre + 1.5 * scale.spread, scale.centre - 1.5 * scale.spread

    assert alone(similarity=similar, coverage=1.0, model=model) > 0.9
    assert alone(similarity=similar, model=model) > 0.9
    assert alone(similarity=unrelated, coverage=0.1, model=model) < 0.1
    assert alone(similarity=unrelated, model=model) < 0.1


def test_words_alone_can_tell():
    assert alone(coverage=1.0) > 0.9
    assert alone(coverage=0.1) < 0.2


def test_cosines_of_an_unknown_model_say_nothing():
    assert alone(similarity=0.99, coverage=0.3, model="another") == alone(coverage=0.3)


def test_nothing_known_is_even_odds():
    assert alone() == 0.5


def test_a_passage_found_by_words_alone_is_no_more_similar_than_the_rest():
    found = [Signals(1.0, 0.86, 0.9), Signals(1.0, None, 0.9)]
    first, second = calibrated(found, embedding_model="local_e5")

    assert second == first


def test_a_number_that_is_none_is_taken_as_missing():
    assert alone(similarity=math.nan, coverage=0.5) == alone(coverage=0.5)


def test_a_worse_passage_never_scores_more():
    found = [Signals(1.0, 0.80, 0.2), Signals(0.9, 0.95, 1.0)]
    first, second = calibrated(found, embedding_model="local_e5")

    assert second == first


def test_coverage_counts_rare_words_more():
    texts = ["leave in march", "leave in april", "leave in may"]

    march, april, _may = coverages("leave march", texts)

    assert march == 1
    assert april < 0.5


@given(st.text("abShou ldütür-_,.é北京“\n", max_size=60), st.text("abShould ütüré北京", max_size=30))
def test_the_stems_looked_for_are_found_as_if_all_were_cut(text, question):
    wanted = stems(question) | {"should", "fur", "ab"}

    assert stems_among(wanted, text) == stems(text) & wanted


def test_a_question_of_stop_words_covers_nothing():
    assert coverages("to be or not to be?", ["to be"]) == [None]


def test_nothing_found_has_no_scores():
    assert calibrated([], embedding_model="local_e5") == []
    assert coverages("leave", []) == []
