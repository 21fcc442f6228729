"""The size of chunks of a knowledge base: set, tried out on a document, and used."""

from itertools import pairwise

import pytest

from rag_app.domain.rag_config import PRESETS

RULES = "\n\n".join(
    f"# Part {part}\n\n"
    + " ".join(f"Rule {part}.{n} says that everybody shares this page." for n in range(40))
    for part in range(3)
)


@pytest.fixture
async def kb(owner):
    return await owner.create_kb()


@pytest.fixture
def path(kb):
    return f"/api/knowledge-bases/{kb['id']}"


@pytest.fixture
async def rules(owner, kb, run_jobs):
    """A document of three sections, ready."""
    [job] = await owner.upload(kb["id"], ("rules.md", RULES.encode()))
    await run_jobs()
    return job["document_id"]


async def chunks(owner, path, document_id):
    return (await owner.http.get(f"{path}/documents/{document_id}")).json()["chunks"]


async def set_sizes(owner, path, **sizes):
    response = await owner.http.put(f"{path}/rag-config", json=sizes)
    assert response.status_code == 200, response.text
    return response.json()


async def test_sizes_are_kept_and_no_preset_or_reset_changes_them(owner, path):
    sizes = {"chunk_tokens": 128, "overlap_tokens": 20}
    changed = await set_sizes(owner, path, **sizes)
    fast = await set_sizes(owner, path, preset="fast")
    reset = (await owner.http.delete(f"{path}/rag-config")).json()

    assert changed["preset"] == "balanced"  # presets are about searching
    assert (fast["preset"], fast["rerank"]) == ("fast", PRESETS["fast"].rerank)
    for config in (changed, fast, reset, (await owner.http.get(f"{path}/rag-config")).json()):
        assert {name: config[name] for name in sizes} == sizes


@pytest.mark.parametrize(
    ("sizes", "field", "sentence"),
    [
        ({"chunk_tokens": 63}, "chunk_tokens", "Please choose a whole number from 64 to 2,000."),
        (
            {"chunk_tokens": 505},
            "chunk_tokens",
            "The embedding model of this knowledge base reads at most 504",
        ),
        ({"chunk_tokens": 64}, None, ""),
        ({"chunk_tokens": 504}, None, ""),
        (
            {"chunk_tokens": 100, "overlap_tokens": 50},
            "overlap_tokens",
            "Please choose at most 49: less than",
        ),
        ({"chunk_tokens": 100, "overlap_tokens": 49}, None, ""),
        ({"overlap_tokens": 192}, "overlap_tokens", "Please choose at most 191: less than"),
        ({"overlap_tokens": -1}, "overlap_tokens", "Please choose a whole number from 0 to 999."),
        ({"overlap_tokens": "10"}, "overlap_tokens", "Please choose a whole number from 0 to 999."),
    ],
    ids=str,
)
async def test_sizes_have_bounds(owner, path, rules, sizes, field, sentence):
    saved = await owner.http.put(f"{path}/rag-config", json=sizes)
    tried = await owner.http.post(f"{path}/chunk-preview", json={"document_id": rules, **sizes})

    if field is None:
        assert (saved.status_code, tried.status_code) == (200, 200)
        return
    assert saved.status_code == 422
    assert saved.json()["field"] == field
    assert saved.json()["detail"].startswith(sentence)
    assert tried.status_code == 422


async def test_new_files_are_cut_to_the_size_that_is_set(owner, kb, path, run_jobs):
    await set_sizes(owner, path, chunk_tokens=64, overlap_tokens=0)
    [job] = await owner.upload(kb["id"], ("rules.md", RULES.encode()))
    await run_jobs()

    cut = await chunks(owner, path, job["document_id"])
    assert len(cut) > 15
    assert max(chunk["n_tokens"] for chunk in cut) <= 64
    assert all(before["char_end"] < after["char_start"] for before, after in pairwise(cut))


async def test_a_preview_is_what_reading_it_would_give(owner, path, rules, run_jobs, embedder):
    sizes = {"chunk_tokens": 100, "overlap_tokens": 30}
    n_embedded = embedder.n_embedded

    preview = (await owner.http.post(f"{path}/chunk-preview", json={"document_id": rules, **sizes})).json()

    assert embedder.n_embedded == n_embedded
    now = await chunks(owner, path, rules)
    assert [chunk["content"] for chunk in preview["before"]["chunks"]] == [chunk["content"] for chunk in now]
    assert (preview["before"]["n_chunks"], preview["is_excerpt"]) == (len(now), False)
    await set_sizes(owner, path, **sizes)
    await owner.http.post(f"{path}/documents/reingest")
    await run_jobs()
    then = await chunks(owner, path, rules)
    assert preview["after"]["n_chunks"] == len(then) > len(now)
    shown = preview["after"]["chunks"]
    assert [chunk["content"] for chunk in shown] == [chunk["content"] for chunk in then][: len(shown)]
    assert [chunk["n_tokens"] for chunk in shown] == [chunk["n_tokens"] for chunk in then][: len(shown)]
    for before, after in pairwise(shown):
        repeated = after["content"][: after["n_repeated"]]
        assert before["content"].endswith(repeated)
        assert bool(repeated) == (before["heading"] == after["heading"])


async def test_of_a_long_document_the_beginning_is_cut(owner, kb, path, run_jobs):
    text = "\n\n".join(f"Sentence number {n} of a very long report." for n in range(5000))
    [job] = await owner.upload(kb["id"], ("long.txt", text.encode()))
    await run_jobs()

    preview = (
        await owner.http.post(f"{path}/chunk-preview", json={"document_id": job["document_id"]})
    ).json()

    assert (preview["is_excerpt"], preview["n_characters"]) == (True, 120_000)
    assert len(preview["after"]["chunks"]) == 30
    assert preview["before"] == preview["after"]


async def test_what_has_not_been_read_cannot_be_cut(owner, kb, path):
    [job] = await owner.upload(kb["id"], ("rules.md", RULES.encode()))

    refused = await owner.http.post(f"{path}/chunk-preview", json={"document_id": job["document_id"]})

    assert (refused.status_code, refused.json()["detail"]) == (
        409,
        "This document has not been read yet, so there is no text to cut.",
    )


async def test_only_documents_of_another_size_are_read_again_and_nothing_is_paid_twice(
    owner, kb, path, rules, run_jobs, embedder
):
    await owner.http.post(f"{path}/knowledge", json={"question": "Who shares?", "answer": "Everybody."})
    await run_jobs()
    settings = (await owner.http.get(f"{path}/chunk-settings")).json()
    assert settings == {
        "chunk_tokens": 384,
        "overlap_tokens": 32,
        "most_chunk_tokens": 504,
        "n_documents": 1,
        "n_cut_otherwise": 0,
    }
    assert (await owner.http.post(f"{path}/documents/reingest")).json() == {"n_queued": 0}

    n_embedded = embedder.n_embedded
    everything = await owner.http.post(f"{path}/documents/reingest?every=true")
    again = await owner.http.post(f"{path}/documents/reingest?every=true")
    await run_jobs()
    assert (everything.status_code, everything.json()) == (202, {"n_queued": 1})
    assert again.json() == {"n_queued": 0}  # it was waiting already
    assert embedder.n_embedded == n_embedded  # the same text has its vector already

    await set_sizes(owner, path, chunk_tokens=80)
    assert (await owner.http.get(f"{path}/chunk-settings")).json()["n_cut_otherwise"] == 1
    assert await owner.search(kb["id"], "who shares this page")  # old chunks serve
    assert (await owner.http.post(f"{path}/documents/reingest")).json() == {"n_queued": 1}
    await run_jobs()
    assert (await owner.http.get(f"{path}/chunk-settings")).json()["n_cut_otherwise"] == 0
    assert await owner.search(kb["id"], "who shares this page")


async def test_a_smaller_embedding_model_limits_what_is_cut_and_is_no_reason_to_read_again(
    owner, kb, path, rules, run_jobs, embedder
):
    await set_sizes(owner, path, chunk_tokens=300)
    embedder.max_tokens = 108
    await owner.http.post(f"{path}/documents/reingest")
    await run_jobs()

    cut = await chunks(owner, path, rules)
    assert max(chunk["n_tokens"] for chunk in cut) <= 100
    assert (await owner.http.get(f"{path}/chunk-settings")).json()["n_cut_otherwise"] == 0
