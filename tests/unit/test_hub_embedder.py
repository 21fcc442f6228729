"""A model of the hub: only the files that were named are loaded, and only vectors that fit are used."""

from dataclasses import replace

import numpy as np
import pytest

from rag_app.errors import PermanentError, TransientError
from rag_app.rag.embedders import hub_onnx
from rag_app.rag.embedders.contract import LateEmbedder
from rag_app.rag.rerankers import local_late
from rag_app.rag.rerankers.contract import RerankerParts
from tests.tiny_sentence_model import DIMENSIONS, graph, hub, model


@pytest.fixture
def server():
    with hub() as running:
        yield running


def build(wanted, folder):
    return hub_onnx.build(wanted, models_dir=folder, threads=1)


async def test_files_are_fetched_once_and_at_the_first_use(server, tmp_path):
    embedder = build(model(server.url), tmp_path)
    assert server.requests == []

    await embedder.embed_documents(["leave", "cantina"])
    await embedder.embed_query("leave")

    assert len(server.requests) == 2
    assert "authorization" not in server.requests[0].headers


async def test_the_mean_leaves_padding_out(server, tmp_path):
    embedder = build(model(server.url), tmp_path)

    alone = await embedder.embed_documents(["leave"])
    beside = await embedder.embed_documents(["leave", "the cantina is there " * 5])

    assert beside[0] == pytest.approx(alone[0])


async def test_the_first_token_may_stand_for_the_text(server, tmp_path):
    embedder = build(model(server.url, pooling="cls"), tmp_path)

    leave, cantina = await embedder.embed_documents(["leave", "cantina"])

    assert np.array_equal(leave, cantina)  # to this model both begin alike


async def test_prefixes_are_read_before_questions_and_texts(server, tmp_path):
    wanted = model(server.url, query_prefix="how much ", document_prefix="there is ")
    plain, prefixed = build(model(server.url), tmp_path), build(wanted, tmp_path)

    assert np.array_equal(await prefixed.embed_query("leave"), await plain.embed_query("how much leave"))
    (text,), (whole,) = [
        await prefixed.embed_documents(["leave"]),
        await plain.embed_documents(["there is leave"]),
    ]
    assert np.array_equal(text, whole)


async def test_a_file_with_another_hash_is_not_loaded(tmp_path):
    with (
        hub({"onnx/model.onnx": graph(20)}) as server,
        pytest.raises(PermanentError, match="not the one RAG_HUB_EMBEDDER_"),
    ):
        await build(model(server.url), tmp_path).embed_query("leave")

    assert [path for path in tmp_path.rglob("*") if path.is_file() and path.stat().st_size > 5000] == []


async def test_vectors_of_another_size_are_refused(server, tmp_path):
    with pytest.raises(PermanentError, match=f"{DIMENSIONS} numbers, but .* says 384"):
        await build(model(server.url, dimensions=384), tmp_path).embed_query("leave")


async def test_a_graph_that_wants_more_than_a_sentence_is_refused(tmp_path):
    content = graph(extra_input="position_ids")
    with (
        hub({"onnx/model.onnx": content}) as server,
        pytest.raises(PermanentError, match="asks for position_ids"),
    ):
        await build(model(server.url, content=content), tmp_path).embed_query("leave")


async def test_what_is_no_graph_is_explained(tmp_path):
    with (
        hub({"onnx/model.onnx": b"no graph"}) as server,
        pytest.raises(PermanentError, match="no tokenizer and ONNX graph"),
    ):
        await build(model(server.url, content=b"no graph"), tmp_path).embed_query("leave")


async def test_a_hub_that_is_away_may_be_back_later(server, tmp_path):
    with hub() as gone:
        pass
    embedder = build(model(gone.url), tmp_path)

    with pytest.raises(TransientError, match="cannot be fetched"):
        await embedder.embed_query("leave")


def test_whatever_changes_its_vectors_changes_its_name():
    usual = model("http://hub")
    others = [
        model("http://hub", content=b"another revision"),
        *(
            replace(usual, **{name: value})
            for name, value in {
                "dimensions": 12,
                "max_tokens": 65,
                "pooling": "cls",
                "query_prefix": "query: ",
                "document_prefix": "query: ",
            }.items()
        ),
    ]

    assert len({one.name for one in [usual, *others]}) == len(others) + 1
    assert model("http://mirror").name == usual.name


def test_the_built_in_reranker_says_that_it_does_not_apply(server, tmp_path):
    embedder = build(model(server.url), tmp_path)

    assert not isinstance(embedder, LateEmbedder)
    with pytest.raises(PermanentError, match="needs one of the built-in embedding models"):
        local_late.build(RerankerParts(embedder=embedder))
