"""What an answer quoted from one version of a document is never looked for in another."""

import pytest

from tests.integration.test_document_versions import FIRST, SECOND

QUESTION = "How many days of holiday does every employee have?"


@pytest.fixture
def embedder(real_embedder):
    return real_embedder


@pytest.fixture
async def kb(owner):
    return await owner.create_kb()


@pytest.fixture
def path(kb):
    return f"/api/knowledge-bases/{kb['id']}"


@pytest.fixture
async def document(owner, kb, run_jobs):
    [job] = await owner.upload(kb["id"], ("leave.md", FIRST))
    await run_jobs()
    return job["document_id"]


@pytest.fixture
def replace_by(owner, path, document):
    async def replace(content):
        form = [("files", ("leave.md", content))]
        return await owner.http.post(f"{path}/documents/{document}/versions", files=form)

    return replace


@pytest.fixture
async def answer(owner, kb, document):
    """An answer that cites the first version."""
    conversation_id = await owner.converse(kb["id"])
    return conversation_id, await owner.ask(
        conversation_id, "How many days of holiday does an employee have?"
    )


async def opened(owner, answer):
    conversation_id, message = answer
    [citation, *_] = message["citations"]
    address = f"/api/chat/conversations/{conversation_id}/messages/{message['id']}/citations"
    return citation, (await owner.http.get(f"{address}/{citation['marker']}")).json()


async def test_a_citation_shows_what_was_quoted_and_never_other_text(
    owner, path, document, answer, replace_by, run_jobs
):
    citation, before = await opened(owner, answer)
    assert (citation["document_version"], before["version"], before["is_outdated"]) == (1, 1, False)
    assert "25 days" in before["content"]

    await replace_by(SECOND)
    await run_jobs()
    _, after = await opened(owner, answer)

    assert (after["is_outdated"], after["version"]) == (True, 2)
    assert after["content"] == citation["quote"]
    assert "30 days" not in str(after)


async def test_a_citation_is_found_again_in_the_same_version_read_again(
    owner, path, document, answer, run_jobs
):
    await owner.http.post(f"{path}/documents/{document}/reingest")
    await run_jobs()

    citation, after = await opened(owner, answer)

    assert after["is_outdated"] is False
    assert after["chunk_id"] not in {0, citation["chunk_id"]}
    assert citation["quote"] in after["content"]


async def test_a_citation_is_whole_again_when_its_version_is(
    owner, path, document, answer, replace_by, run_jobs
):
    await replace_by(SECOND)
    await run_jobs()
    await owner.http.post(f"{path}/documents/{document}/versions/1/use")
    await run_jobs()

    _, after = await opened(owner, answer)

    assert (after["is_outdated"], after["version"]) == (False, 1)
