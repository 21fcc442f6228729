"""Tags of documents, through the API."""

import pytest

from rag_app.errors import InvalidInput
from rag_app.services.tags import clean_tags


@pytest.fixture
async def kb(owner):
    return await owner.create_kb()


@pytest.fixture
async def documents(owner, kb, run_jobs):
    """The address of two documents that can be searched."""
    jobs = await owner.upload(kb["id"], ("rules.txt", b"Rules."), ("prices.txt", b"Prices."))
    await run_jobs()
    return [f"/api/knowledge-bases/{kb['id']}/documents/{job['document_id']}" for job in jobs]


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        pytest.param([" HR  rules ", "hr RULES", "2026"], ["HR rules", "2026"], id="once, whatever the case"),
        pytest.param(["", " ", "\x00"], [], id="nothing in it"),
        pytest.param(["ß" * 40], ["ß" * 40], id="as long as allowed"),
        pytest.param(["a", "A"] * 30, ["a"], id="many times the same"),
    ],
)
def test_tags_are_cleaned(typed, kept):
    assert clean_tags(typed) == kept


@pytest.mark.parametrize("typed", [["x" * 41], [str(number) for number in range(21)]], ids=["long", "many"])
def test_too_much_is_refused(typed):
    with pytest.raises(InvalidInput, match="at most"):
        clean_tags(typed)


async def test_tags_are_kept_and_shown(owner, kb, documents):
    changed = await owner.http.put(documents[0], json={"tags": ["HR", "hr", " Leave "]})

    assert (changed.status_code, changed.json()["tags"]) == (200, ["HR", "Leave"])
    assert (await owner.http.get(documents[0])).json()["tags"] == ["HR", "Leave"]
    listed = (await owner.http.get(f"/api/knowledge-bases/{kb['id']}/documents")).json()["items"]
    assert {item["name"]: item["tags"] for item in listed} == {"rules.txt": ["HR", "Leave"], "prices.txt": []}
    assert (await owner.http.put(documents[0], json={"tags": []})).json()["tags"] == []


async def test_documents_are_listed_by_tag_in_any_case(owner, kb, documents):
    await owner.http.put(documents[1], json={"tags": ["Sales"]})

    found = await owner.http.get(f"/api/knowledge-bases/{kb['id']}/documents", params={"tag": "sales"})

    assert [item["name"] for item in found.json()["items"]] == ["prices.txt"]


async def test_facets_count_what_can_be_filtered_by(owner, kb, documents):
    for document, tags in zip(documents, (["Sales"], ["sales", "2026"]), strict=True):
        await owner.http.put(document, json={"tags": tags})

    facets = (await owner.http.get(f"/api/knowledge-bases/{kb['id']}/documents/facets")).json()

    assert facets["sources"] == [{"value": "document", "n_documents": 2}]
    assert [(tag["value"].lower(), tag["n_documents"]) for tag in facets["tags"]] == [
        ("sales", 2),
        ("2026", 1),
    ]
    assert sum(language["n_documents"] for language in facets["languages"]) == 2


@pytest.mark.parametrize("body", [{}, {"tags": None}, {"tags": "HR"}, {"tags": [1]}, {"tags": ["x" * 41]}])
async def test_what_is_no_list_of_tags_is_refused(owner, documents, body):
    assert (await owner.http.put(documents[0], json=body)).status_code == 422
