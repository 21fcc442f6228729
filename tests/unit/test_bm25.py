"""Words are ranked by the published formula, whatever was deleted and whatever is asked."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag_app.domain.word_index import POSTING, Corpus, Term
from rag_app.rag import bm25
from rag_app.rag.bm25 import rank

CHUNKS = {0: "boats boats harbour", 3: "harbour", 4: "boats crane crane crane", 9: "crane harbour boats"}


def terms_of(chunks: dict[int, str], *words: str) -> list[Term]:
    """Postings as the database packs them."""
    terms = []
    for word in words:
        rows = [
            (ordinal, text.split().count(word), len(text.split()))
            for ordinal, text in chunks.items()
            if word in text.split()
        ]
        terms.append(Term(word, np.array(rows, POSTING)))
    return terms


def corpus_of(chunks: dict[int, str], **more) -> Corpus:
    lengths = [len(text.split()) for text in chunks.values()]
    return Corpus(len(chunks), sum(lengths) / max(len(lengths), 1), **more)


def by_the_book(chunks: dict[int, str], *words: str) -> dict[int, float]:
    """The formula, written down once more."""
    average = sum(len(text.split()) for text in chunks.values()) / len(chunks)
    scores: dict[int, float] = {}
    for word in words:
        n_with = sum(word in text.split() for text in chunks.values())
        rarity = math.log(1 + (len(chunks) - n_with + 0.5) / (n_with + 0.5))
        for ordinal, text in chunks.items():
            if tf := text.split().count(word):
                length = len(text.split())
                part = rarity * tf * 2.2 / (tf + 1.2 * (0.25 + 0.75 * length / average))
                scores[ordinal] = scores.get(ordinal, 0) + part
    return scores


def scores_of(ranking) -> dict[int, float]:
    return dict(zip(ranking.ordinals.tolist(), ranking.scores.tolist(), strict=True))


@pytest.fixture(params=["a table", "no table"])
def either_way(request, monkeypatch):
    """Few ordinals have a table of sums; very many do not."""
    if request.param == "no table":
        monkeypatch.setattr(bm25, "MAX_TABLE", 0)


@pytest.mark.usefixtures("either_way")
def test_scores_are_those_of_the_book_best_first():
    ranking = rank(terms_of(CHUNKS, "boats", "crane"), corpus_of(CHUNKS), limit=10)

    assert scores_of(ranking) == pytest.approx(by_the_book(CHUNKS, "boats", "crane"), abs=1e-5)
    assert (np.diff(ranking.scores) <= 0).all()
    assert ranking.parts.sum(axis=0) == pytest.approx(ranking.scores, abs=1e-5)


@pytest.mark.usefixtures("either_way")
def test_what_is_in_a_gap_counts_nowhere():
    living = {ordinal: text for ordinal, text in CHUNKS.items() if ordinal not in {3, 4}}

    ranking = rank(terms_of(CHUNKS, "boats", "harbour"), corpus_of(living, gaps=((3, 2),)), limit=10)

    assert scores_of(ranking) == pytest.approx(by_the_book(living, "boats", "harbour"), abs=1e-5)


@pytest.mark.usefixtures("either_way")
def test_only_what_is_allowed_is_ranked_but_rarity_is_that_of_all():
    ranking = rank(terms_of(CHUNKS, "boats"), corpus_of(CHUNKS), limit=10, allowed=[(4, 2), (0, 1)])

    expected = {n: score for n, score in by_the_book(CHUNKS, "boats").items() if n in {0, 4}}
    assert scores_of(ranking) == pytest.approx(expected, abs=1e-5)
    assert rank(terms_of(CHUNKS, "boats"), corpus_of(CHUNKS), limit=10, allowed=[]).ordinals.size == 0


def test_a_group_of_words_that_must_be_there_keeps_the_chunks_that_have_them_all():
    ranking = rank(
        terms_of(CHUNKS, "boats", "crane"), corpus_of(CHUNKS), limit=10, must_have=[("boats", "crane")]
    )
    nothing = rank(terms_of(CHUNKS, "boats"), corpus_of(CHUNKS), limit=10, must_have=[("boats", "gone")])

    assert sorted(ranking.ordinals.tolist()) == [4, 9]
    assert nothing.ordinals.size == 0


def test_equal_scores_stand_in_order_of_ordinal():
    same = dict.fromkeys(range(20), "boats harbour")

    assert rank(terms_of(same, "boats"), corpus_of(same), limit=5).ordinals.tolist() == [0, 1, 2, 3, 4]


def test_the_few_best_of_many_are_those_of_all():
    words = np.array("boats harbour crane mast sail rope tar".split())
    drawn = np.random.default_rng(1).zipf(1.5, (3000, 12)) % words.size
    chunks = {ordinal: " ".join(words[row]) for ordinal, row in enumerate(drawn)}
    terms = terms_of(chunks, "boats", "mast", "tar")

    few, all_of_them = (rank(terms, corpus_of(chunks), limit=limit) for limit in (20, 3000))

    assert few.ordinals.tolist() == all_of_them.ordinals[:20].tolist()
    assert (few.parts == all_of_them.parts[:, :20]).all()


def test_postings_of_segments_merged_out_of_turn_are_explained_all_the_same():
    [term] = terms_of(CHUNKS, "boats")
    mixed = Term("boats", np.concatenate([term.postings[1:], term.postings[:1]]))

    ranking = rank([mixed], corpus_of(CHUNKS), limit=10)

    assert ranking.parts[0] == pytest.approx(ranking.scores, abs=1e-6)


def test_nothing_asked_and_nothing_there_is_an_empty_ranking():
    assert rank([], Corpus(0, 0.0), limit=10).ordinals.size == 0
    assert rank([Term("gone", np.zeros(0, POSTING))], corpus_of(CHUNKS), limit=10).ordinals.size == 0


@given(
    st.dictionaries(
        st.integers(0, 50), st.lists(st.sampled_from("abcde"), min_size=1).map(" ".join), min_size=1
    ),
    st.sets(st.sampled_from("abcdef"), min_size=1),
)
def test_any_chunks_and_any_words_are_scored_by_the_book(chunks, words):
    ranking = rank(terms_of(chunks, *sorted(words)), corpus_of(chunks), limit=100)

    expected = by_the_book(chunks, *sorted(words))
    assert scores_of(ranking) == pytest.approx(expected, abs=1e-4)
    assert np.isfinite(ranking.scores).all()
