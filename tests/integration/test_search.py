"""Search finds what it should, scores it as it says, and looks nowhere else."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable

import psycopg
import pytest

from rag_app.db.queries import word_index
from rag_app.rag.words import text_for_words
from tests.invariants import violations

HARBOUR = b"""# Boats

The harbour holds seven boats. Three boats are red and four boats are blue.

# Prices

A berth costs ninety a week. Boats longer than ten metres pay double the price of a berth.

# Food

The kitchen closes at nine. Fish is served on Fridays, and on Fridays only.

# History

The harbour was built by monks, who came from the north and left no boats behind.
"""
QUERY = "What do boats pay for a berth in the harbour?"


@pytest.fixture
def sql(database):
    """Ask the database something; returns rows."""

    def ask(statement: str, *values: object) -> list[tuple]:
        with psycopg.connect(database, autocommit=True) as connection:
            found = connection.execute(statement.encode(), values)
            return found.fetchall() if found.description else []

    return ask


@pytest.fixture
async def kb(owner, run_jobs):
    """A knowledge base with a chunk for each heading."""
    made = await owner.create_kb()
    parts = HARBOUR.split(b"\n\n# ")
    files = [(f"{n}.md", b"# " + part.removeprefix(b"# ") + b"\n") for n, part in enumerate(parts)]
    await owner.upload(made["id"], *files)
    await run_jobs()
    return made


# ---- the words' score


def bm25(chunks: dict[int, Counter[str]], terms: Iterable[str]) -> dict[int, float]:
    """Okapi BM25 as Lucene computes it, k1 = 1.2 and b = 0.75, written down once more."""
    average = sum(chunk.total() for chunk in chunks.values()) / len(chunks)
    scores: dict[int, float] = defaultdict(float)
    for term in terms:
        n_with = sum(term in chunk for chunk in chunks.values())
        weight = math.log(1 + (len(chunks) - n_with + 0.5) / (n_with + 0.5))
        for chunk_id, chunk in chunks.items():
            if tf := chunk[term]:
                scores[chunk_id] += weight * tf * 2.2 / (tf + 1.2 * (0.25 + 0.75 * chunk.total() / average))
    return dict(scores)


@pytest.fixture
def expected_scores(sql, kb):
    """What every enabled chunk of the knowledge base should score, from its text alone."""

    def words(language: str, text: str) -> Counter[str]:
        statement = "SELECT lexeme, cardinality(positions) FROM unnest(to_tsvector(%s::regconfig, %s))"
        return Counter(dict(sql(statement, language, text_for_words(text))))

    def compute(query: str) -> dict[int, float]:
        rows = sql(
            """SELECT c.id, d.language, c.heading || E'\\n' || c.content FROM chunks c
               JOIN documents d ON d.id = c.document_id WHERE c.kb_id = %s AND c.enabled""",
            kb["id"],
        )
        assert len({language for _, language, _ in rows}) == 1
        chunks = {chunk_id: words(language, text) for chunk_id, language, text in rows}
        return bm25(chunks, words(rows[0][1], query))

    return compute


@pytest.fixture
def found_scores(owner, kb):
    async def search_for(query: str) -> dict[int, float]:
        found = await owner.search(kb["id"], query)
        scores = {passage["chunk_id"]: passage["scores"]["bm25"] for passage in found}
        return {chunk_id: score for chunk_id, score in scores.items() if score is not None}

    return search_for


async def test_words_are_scored_by_the_published_formula(found_scores, expected_scores):
    found = await found_scores(QUERY)

    assert len(found) == 3
    assert found == pytest.approx(expected_scores(QUERY), abs=1e-3)


async def test_a_chunk_that_is_switched_off_counts_no_more_and_on_again_as_before(
    owner, kb, found_scores, expected_scores
):
    before = await found_scores(QUERY)
    chunk_id = max(before, key=before.__getitem__)
    url = f"/api/knowledge-bases/{kb['id']}/chunks/{chunk_id}"

    await owner.http.put(url, json={"enabled": False})
    without = await found_scores(QUERY)
    everything = {passage["chunk_id"] for passage in await owner.search(kb["id"], QUERY)}

    assert chunk_id not in everything
    assert without == pytest.approx(expected_scores(QUERY), abs=1e-3)
    assert without != before

    await owner.http.put(url, json={"enabled": True})
    assert await found_scores(QUERY) == before


async def test_an_edited_chunk_is_found_by_its_new_words_alone(owner, kb, found_scores, expected_scores):
    [kitchen] = [p for p in await owner.search(kb["id"], "kitchen") if "kitchen" in p["content"]]
    new = "The canteen opens at seven, and boats may order by radio from the harbour."
    await owner.http.put(
        f"/api/knowledge-bases/{kb['id']}/chunks/{kitchen['chunk_id']}", json={"content": new}
    )

    assert await found_scores(QUERY) == pytest.approx(expected_scores(QUERY), abs=1e-3)
    assert await found_scores("kitchen") == {}
    assert list(await found_scores("canteen")) == [kitchen["chunk_id"]]
    best = (await owner.search(kb["id"], "Where is the canteen?"))[0]
    assert (best["content"], best["scores"]["rank_by_meaning"]) == (new, 1)


async def test_a_deleted_document_counts_no_more(owner, kb, found_scores, expected_scores):
    first = (await owner.search(kb["id"], QUERY))[0]
    await owner.http.delete(f"/api/knowledge-bases/{kb['id']}/documents/{first['document_id']}")

    found = await found_scores(QUERY)
    assert first["chunk_id"] not in found
    assert found == pytest.approx(expected_scores(QUERY), abs=1e-3)


# ---- the scores together


@pytest.mark.parametrize(
    "query",
    [
        pytest.param(QUERY, id="a question"),
        pytest.param("boats", id="one word"),
        pytest.param("the of and", id="stop words"),
        pytest.param("xylophone quasar", id="words nobody used"),
        pytest.param("¿?!… — \u200b", id="no word at all"),
        pytest.param("港の船は何隻ですか", id="Japanese"),
        pytest.param("קברניט السفينة корабль", id="three scripts"),
        pytest.param("boats' & (harbour | !berth) <-> :* \\ %s %(x)s $1 ;--", id="operators"),
        pytest.param("harbour boats " * 285, id="4,000 characters"),
        pytest.param("a\U0001f6a2" * 100, id="symbols"),
    ],
)
async def test_every_query_gets_scores_between_0_and_1_in_order(owner, kb, query):
    found = await owner.search(kb["id"], query[:4000], limit=50)

    scores = [passage["score"] for passage in found]
    assert len(found) == 4
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)  # NaN is in no range
    assert len({passage["chunk_id"] for passage in found}) == 4


async def test_best_in_both_rankings_scores_1(owner, kb):
    best = (await owner.search(kb["id"], "kitchen fish Fridays"))[0]

    assert best["scores"]["fused"] == 1
    assert (best["scores"]["rank_by_meaning"], best["scores"]["rank_by_words"]) == (1, 1)


async def test_one_chunk_is_found_whatever_is_asked(owner, run_jobs):
    kb = await owner.create_kb()
    await owner.upload(kb["id"], ("one.txt", b"The harbour holds seven boats."))
    await run_jobs()

    by_both = await owner.search(kb["id"], "boats")
    by_meaning = await owner.search(kb["id"], "quasar")

    assert [passage["scores"]["fused"] for passage in by_both] == [1]
    assert [passage["scores"]["fused"] for passage in by_meaning] == [0.5]


async def test_an_empty_knowledge_base_finds_nothing(owner):
    kb = await owner.create_kb()

    assert await owner.search(kb["id"], "boats") == []


async def test_chinese_and_japanese_are_found_by_their_characters(owner, run_jobs):
    kb = await owner.create_kb()
    await owner.upload(
        kb["id"],
        ("zh.txt", "港口有七艘船。船位每周九十元。".encode()),
        ("ja.txt", "台所は九時に閉まります。金曜日は魚です。".encode()),
    )
    await run_jobs()

    for query, name in (("船位多少钱", "zh.txt"), ("台所は何時まで", "ja.txt")):
        best = (await owner.search(kb["id"], query, config={"rerank": False}))[0]
        assert (best["document_name"], best["scores"]["rank_by_words"]) == (name, 1)


async def test_too_long_and_empty_queries_are_refused(owner, kb):
    for query in ("x" * 4001, "", "   "):
        response = await owner.http.post(
            f"/api/knowledge-bases/{kb['id']}/knowledge/search", json={"query": query}
        )
        assert response.status_code == 422


# ---- again and again


async def test_reading_a_document_again_and_again_leaves_no_bloat(
    owner, kb, run_jobs, services, sql, monkeypatch, database
):
    monkeypatch.setattr(word_index, "MIN_GAPS", 6)
    [document, *_] = (await owner.http.get(f"/api/knowledge-bases/{kb['id']}/documents")).json()["items"]
    before = await owner.search(kb["id"], QUERY)

    for _ in range(12):
        await owner.http.post(f"/api/knowledge-bases/{kb['id']}/documents/{document['id']}/reingest")
        await run_jobs()
        await services.indexes.tend()

    [(n_gaps,)] = sql("SELECT coalesce(sum(n_chunks), 0) FROM word_gaps")
    [(n_segments,)] = sql("SELECT count(*) FROM word_segments")
    [(n_postings, n_bytes)] = sql("SELECT count(*), sum(octet_length(postings)) FROM chunk_postings")
    [(n_terms,)] = sql("SELECT sum(n_terms) FROM kb_word_stats")
    assert n_gaps <= 6
    assert n_segments < 2 * word_index.MERGE_FROM
    assert n_bytes <= 8 * 2 * n_terms
    assert n_postings <= 2 * n_terms
    assert [passage["content"] for passage in await owner.search(kb["id"], QUERY)] == [
        passage["content"] for passage in before
    ]
    # It was read twelve times on purpose.
    assert [line for line in violations(database) if "completed job" not in line] == []


async def test_eight_segments_become_one_and_find_the_same(owner, run_jobs, sql, database):
    kb = await owner.create_kb()
    files = [(f"{n}.txt", f"Berth {n} is for boats, says line {n * n}.".encode()) for n in range(17)]
    await owner.upload(kb["id"], *files)
    await run_jobs()

    [(n_segments,)] = sql("SELECT count(*) FROM word_segments WHERE kb_id = %s", kb["id"])
    found = await owner.search(kb["id"], "berth boats", limit=50)

    assert n_segments < 8
    assert sum(passage["scores"]["bm25"] is not None for passage in found) == 17
    assert violations(database) == []


# ---- what is asked for by its form


@pytest.fixture
async def parts_list(owner, run_jobs):
    kb = await owner.create_kb()
    await owner.upload(
        kb["id"],
        ("a.txt", b"Error ERR-4012 means that the pump is dry. Refill the pump."),
        ("b.txt", b"Error ERR-4013 means that the pump is hot. Let the pump rest."),
        ("c.txt", b"The pump holds 1,500 litres and has a management console in the cafe\xcc\x81."),
        (
            "d.txt",
            "Le café ferme à neuf heures, dit la direction de la pompe, et les clients sont là.".encode(),
        ),
    )
    await run_jobs()
    return kb


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("ERR-4012", "a.txt"),
        ("err4012", "a.txt"),
        ("what is err_4013?", "b.txt"),
        ("1500 litres", "c.txt"),
        ("1,500 litres", "c.txt"),
        ("cafe ferme", "d.txt"),
        ("managment console", "c.txt"),
        ("consoel of the pump", "c.txt"),
    ],
)
async def test_codes_numbers_accents_and_slips_find_what_was_meant(owner, parts_list, query, name):
    best = (await owner.search(parts_list["id"], query, config={"rerank": False}))[0]

    assert (best["document_name"], best["scores"]["rank_by_words"]) == (name, 1)


async def test_quoted_words_are_found_as_they_stand_or_said_to_be_missing(owner, parts_list):
    async def ask(query: str) -> dict:
        url = f"/api/knowledge-bases/{parts_list['id']}/knowledge/search"
        return (await owner.http.post(url, json={"query": query})).json()

    exact, missing = await ask('"the pump is hot"'), await ask('"the hot pump sings"')

    assert [passage["document_name"] for passage in exact["results"]] == ["b.txt"]
    assert len(missing["results"]) > 1
    [step] = [step for step in missing["steps"] if step["name"] == "search"]
    assert "as they stand" in step["note"]


async def test_the_trace_tells_what_was_corrected_and_what_was_switched_off(owner, parts_list):
    url = f"/api/knowledge-bases/{parts_list['id']}/knowledge/search"
    body = {"query": "consoel of the pump", "config": {"rerank": False, "meaning_weight": 0.0}}

    answer = (await owner.http.post(url, json=body)).json()

    steps = {step["name"]: step for step in answer["steps"]}
    assert steps["spelling"]["note"] == "No document has “consoel”; also looked for “console”."
    assert [steps[name]["was_done"] for name in ("embed", "spelling", "search", "rerank")] == [
        False,
        True,
        True,
        False,
    ]
    [found] = [term for term in answer["results"][0]["scores"]["matched"] if term["corrected_from"]]
    assert (found["term"], found["corrected_from"]) == ("console", "consoel")


async def test_filters_leave_only_what_they_name(owner, parts_list):
    kb_id = parts_list["id"]
    documents = (await owner.http.get(f"/api/knowledge-bases/{kb_id}/documents")).json()["items"]
    by_name = {document["name"]: document["id"] for document in documents}
    await owner.http.put(f"/api/knowledge-bases/{kb_id}/documents/{by_name['b.txt']}", json={"tags": ["Hot"]})

    async def names(**filters) -> set[str]:
        url = f"/api/knowledge-bases/{kb_id}/knowledge/search"
        answer = await owner.http.post(url, json={"query": "pump pompe", "filters": filters})
        return {passage["document_name"] for passage in answer.json()["results"]}

    assert await names(document_ids=[by_name["a.txt"]]) == {"a.txt"}
    assert await names(tags=["hot"]) == {"b.txt"}
    assert await names(languages=["french"]) == {"d.txt"}
    assert await names(sources=["website"]) == set()
    assert await names(added_from="2999-01-01T00:00:00Z") == set()
    assert await names() == {"a.txt", "b.txt", "c.txt", "d.txt"}


async def test_copies_are_left_out_and_one_document_does_not_crowd_out_the_others(owner, run_jobs):
    kb = await owner.create_kb()
    line = b"The pump in the cellar must be oiled every week by whoever is on duty at the time."
    await owner.upload(
        kb["id"], ("one.txt", line), ("two.txt", line + b" Indeed."), ("three.txt", b"The pump.")
    )
    await run_jobs()

    async def names(**config) -> list[str]:
        url = f"/api/knowledge-bases/{kb['id']}/knowledge/search"
        answer = await owner.http.post(url, json={"query": "pump oiled every week", "config": config})
        return [passage["document_name"] for passage in answer.json()["results"]]

    assert len(await names()) == 2
    found = await owner.search(kb["id"], "pump oiled every week")
    assert sorted(passage["n_duplicates"] for passage in found) == [0, 1]
    assert len(await names(remove_near_duplicates=False)) == 3


async def test_neighbours_are_read_along_but_not_quoted(owner, kb, run_jobs):
    large = await owner.create_kb()
    lines = [f"Berth {n} is for boats of {n} metres." + " It is by the quay." * 60 for n in range(12)]
    await owner.upload(large["id"], ("berths.txt", "\n\n".join(lines).encode()))
    await run_jobs()
    url = f"/api/knowledge-bases/{large['id']}/knowledge/search"

    answer = await owner.http.post(
        url, json={"query": "Berth 5 metres", "limit": 1, "config": {"neighbours": 1}}
    )

    [found] = answer.json()["results"]
    assert found["before"] or found["after"]
    assert found["before"] not in found["content"] or not found["before"]


async def test_a_word_that_one_language_knows_is_no_slip(owner, run_jobs):
    kb = await owner.create_kb()
    await owner.upload(
        kb["id"],
        ("en.txt", b"The berths are for the boats that are in the harbour, and not for those at sea."),
        (
            "de.txt",
            "Die Liegeplätze sind für die Boote, die im Hafen sind, und nicht für die auf See.".encode(),
        ),
    )
    await run_jobs()
    url = f"/api/knowledge-bases/{kb['id']}/knowledge/search"

    answer = (await owner.http.post(url, json={"query": "berths Liegeplätze"})).json()

    assert [step for step in answer["steps"] if step["name"] == "spelling"] == []
    assert all(passage["scores"]["bm25"] for passage in answer["results"])


async def test_a_code_that_few_chunks_have_comes_before_all_that_is_only_near(owner, run_jobs):
    kb = await owner.create_kb()
    about = "The error of the pump means that the pump of the error is broken, says the list of errors."
    files = [(f"{n}.txt", f"{about} Line {n}.".encode()) for n in range(10)]
    codes = ("code.txt", b"Call the porter. Listed as ERR-4012."), ("apart.txt", b"Listed as ERR 4013.")
    await owner.upload(kb["id"], *files, *codes)
    await run_jobs()

    for query in (
        "What does the error ERR-4012 of the pump mean?",
        "error of the pump: err4012",
        "What does err 4012 of the pump mean?",
    ):
        best = (await owner.search(kb["id"], query))[0]
        assert best["document_name"] == "code.txt"
    best = (await owner.search(kb["id"], "What does the error err4013 of the pump mean?"))[0]
    assert best["document_name"] == "apart.txt"
