"""Words in sixteen bytes: what is kept, how it is packed, and what comparing it finds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag_app.rag.embedders import local_e5, local_minilm
from rag_app.rag.embedders._token_codes import N_BITS, TokenCodes, content_tokens, similarities

VERSION = 9
PLAIN = TokenCodes(VERSION, np.zeros(N_BITS, np.float32), np.eye(N_BITS, dtype=np.float32))
STATES = np.random.default_rng(1).standard_normal((3, N_BITS)).astype(np.float32)

QUESTION = "How many days of paid leave do employees get?"
ANSWER = "Full-time employees have 25 days of paid leave a year."
OTHER = "The cantina opens at noon and closes at two."


@pytest.fixture(scope="session")
def models_dir(tmp_path_factory):
    return tmp_path_factory.getbasetemp() / "models"  # the same for every module: converted and loaded once


@pytest.fixture(params=[local_e5, local_minilm], ids=lambda module: module.NAME)
def embedder(request, models_dir):
    return request.param.build(models_dir=models_dir, threads=2)


def spans(text, *words):
    """Offsets as a tokenizer gives them: one token a word, and empty ones for the marks around."""
    return [(0, 0), *((text.index(word), text.index(word) + len(word)) for word in words), (0, 0)]


@pytest.mark.parametrize(
    ("text", "start", "tokens", "kept"),
    [
        pytest.param(
            "The leave, 25 days", 0, ["The", "leave", ",", "25", "days"], [2, 4, 5], id="telling words"
        ),
        pytest.param("query: The leave", 7, ["query", ":", "The", "leave"], [4], id="not our prefix"),
        pytest.param("unusually", 0, ["un", "usually"], [1, 2], id="a word in pieces, though one is a word"),
        pytest.param(
            "to be or not", 0, ["to", "be", "or", "not"], [1, 2, 3, 4], id="only stop words: all of them"
        ),
        pytest.param("?!", 0, ["?", "!"], [1, 2], id="only punctuation: all of it"),
        pytest.param("", 0, [], [], id="nothing"),
    ],
)
def test_only_telling_tokens_are_kept(text, start, tokens, kept):
    assert content_tokens(text, spans(text, *tokens), start=start).tolist() == kept


def test_the_layout_is_a_version_and_sixteen_bytes_a_token():
    states = np.full((2, N_BITS), -1, np.float32)
    states[0, 0] = states[1, 127] = 1

    assert PLAIN.pack(states) == bytes([VERSION, 0x80, *[0] * 15, *[0] * 15, 0x01])


def test_a_question_s_words_look_for_their_best_match():
    signs = np.sign(STATES)
    codes = [PLAIN.pack(signs), PLAIN.pack(signs[:1]), PLAIN.pack(-signs)]

    whole, part, opposite = similarities(PLAIN.project(signs), codes, version=VERSION)

    assert whole == pytest.approx(1)
    assert part < whole
    assert opposite < part


@pytest.mark.parametrize(
    "codes",
    [
        pytest.param(None, id="none stored"),
        pytest.param(b"", id="empty"),
        pytest.param(bytes([VERSION]), id="no words"),
        pytest.param(bytes([VERSION]) + b"x" * 17, id="cut"),
        pytest.param(bytes([VERSION + 1]) + b"x" * 16, id="another version"),
    ],
)
def test_codes_that_cannot_be_read_have_no_similarity(codes):
    assert similarities(PLAIN.project(STATES), [codes], version=VERSION) == [None]


@given(st.binary(max_size=100))
def test_any_bytes_are_read_without_harm(codes):
    (similarity,) = similarities(PLAIN.project(STATES), [codes], version=VERSION)

    assert similarity is None or -1.001 <= similarity <= 1.001


def test_a_question_without_words_finds_nothing():
    assert similarities(np.empty((0, N_BITS), np.float32), [PLAIN.pack(STATES)], version=VERSION) == [None]


async def test_codes_come_with_the_same_vectors(embedder):
    texts = [ANSWER, OTHER, "", "x"]
    vectors, codes = await embedder.embed_with_codes(texts)

    assert np.array_equal(vectors, await embedder.embed_documents(texts))
    assert [len(one) % 16 for one in codes] == [1, 1, 1, 1]
    assert {one[0] for one in codes} == {embedder.codes_version}


async def test_the_answer_is_more_similar_than_another_passage(embedder):
    _, codes = await embedder.embed_with_codes([OTHER, ANSWER])

    other, answer = await embedder.late_similarities(QUESTION, codes)

    assert answer > other + 0.1


async def test_words_of_an_embedded_question_are_not_computed_again(embedder, monkeypatch):
    _, codes = await embedder.embed_with_codes([ANSWER])
    await embedder.embed_query(QUESTION)
    expected = await embedder.late_similarities(QUESTION, codes)
    monkeypatch.setattr(embedder, "_embed", None)

    assert await embedder.late_similarities(QUESTION, codes) == expected


async def test_few_questions_are_remembered(embedder, monkeypatch):
    monkeypatch.setattr("rag_app.rag.embedders._onnx.REMEMBERED_QUESTIONS", 2)
    for question in ("leave", "noon", "year"):
        await embedder.embed_query(question)

    assert list(embedder._asked) == ["noon", "year"]


async def test_no_two_models_share_a_version(models_dir):
    versions = [
        module.build(models_dir=models_dir, threads=2).codes_version for module in (local_e5, local_minilm)
    ]

    assert len(set(versions)) == len(versions)
