"""The main job, told through the API: sign up, create, upload, ask, share."""

import json

import pytest

HANDBOOK = b"""# Holiday

Every employee has 25 days of holiday a year. Unused days expire on 31 March of the next year.

# Expenses

Travel is paid back within 14 days. Send the receipts to accounting@example.com.
"""


@pytest.fixture
def embedder(real_embedder):
    """The real thing: whether a question can be answered is judged by it."""
    return real_embedder


async def test_an_owner_gets_cited_answers_from_an_uploaded_file(owner, run_jobs):
    kb = await owner.create_kb()
    [job] = await owner.upload(kb["id"], ("handbook.md", HANDBOOK))
    assert job["status"] == "pending"
    await run_jobs()

    conversation_id = await owner.converse(kb["id"])
    answer = await owner.ask(conversation_id, "How many days of holiday does every employee have?")

    assert "25 days" in answer["content"]
    assert answer["citations"][0]["document_name"] == "handbook.md"
    assert "25 days" in answer["citations"][0]["quote"]
    assert answer["status"] == "complete"


async def test_a_ready_document_shows_its_text_and_chunks(owner, run_jobs):
    kb = await owner.create_kb()
    [job] = await owner.upload(kb["id"], ("handbook.md", HANDBOOK))
    await run_jobs()

    job = (await owner.http.get(f"/api/knowledge-bases/{kb['id']}/jobs/{job['id']}")).json()
    contents = (
        await owner.http.get(f"/api/knowledge-bases/{kb['id']}/documents/{job['document_id']}")
    ).json()

    assert (job["status"], job["progress_percentage"]) == ("completed", 100)
    assert contents["status"] == "ready"
    assert "25 days" in contents["pages"][0]["text"]
    assert any("14 days" in chunk["content"] for chunk in contents["chunks"])


async def test_search_explains_its_scores(owner, run_jobs):
    kb = await owner.create_kb()
    await owner.upload(kb["id"], ("handbook.md", HANDBOOK), ("other.txt", b"The lift is out of order today."))
    await run_jobs()

    found = await owner.search(kb["id"], "travel receipts")

    assert found[0]["document_name"] == "handbook.md"
    assert found[0]["scores"]["rank_by_words"] == 1
    assert 0 < found[0]["score"] <= 1


async def test_a_visitor_chats_through_the_link_until_it_is_switched_off(owner, client, run_jobs):
    kb = await owner.create_kb()
    await owner.upload(kb["id"], ("handbook.md", HANDBOOK))
    await run_jobs()
    link = (await owner.http.post(f"/api/knowledge-bases/{kb['id']}/share-links")).json()

    started = await client.post("/api/chat/conversations", json={"share_slug": link["slug"]})
    conversation_id = started.json()["id"]
    asked = await client.post(
        f"/api/chat/conversations/{conversation_id}/messages",
        json={"content": "When is travel paid back?"},
    )
    assert "14 days" in asked.json()["content"]

    listed = (await owner.http.get("/api/chat/conversations")).json()["items"]
    assert [c["id"] for c in listed] == [conversation_id]

    await owner.http.delete(f"/api/knowledge-bases/{kb['id']}/share-links")
    after = await client.post(
        f"/api/chat/conversations/{conversation_id}/messages", json={"content": "And now?"}
    )
    assert after.status_code == 404


async def test_an_answer_streams_as_server_sent_events(owner, run_jobs):
    kb = await owner.create_kb()
    await owner.upload(kb["id"], ("handbook.md", HANDBOOK))
    await run_jobs()
    conversation_id = await owner.converse(kb["id"])

    async with owner.http.stream(
        "POST",
        f"/api/chat/conversations/{conversation_id}/messages",
        json={"content": "How many days of holiday?", "stream": True},
    ) as response:
        events = [block async for block in _events(response)]

    names = [name for name, _ in events]
    assert names[0] == "asked"
    assert names[-1] == "finished"
    text = "".join(data["text"] for name, data in events if name == "delta")
    assert text == events[-1][1]["content"]


async def _events(response):
    name = None
    async for line in response.aiter_lines():
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield name, json.loads(line.removeprefix("data: "))


async def test_what_the_knowledge_base_does_not_hold_is_not_guessed(owner, run_jobs):
    kb = await owner.create_kb()
    await owner.upload(kb["id"], ("handbook.md", HANDBOOK))
    await run_jobs()
    conversation_id = await owner.converse(kb["id"])

    answer = await owner.ask(conversation_id, "Who won the football world cup in 1954?")

    assert answer["citations"] == []
    assert answer["answerable"] is False


async def test_an_owner_can_visit_somebody_elses_chat_and_their_own(owner, other, run_jobs):
    kb = await owner.create_kb()
    await owner.upload(kb["id"], ("handbook.md", HANDBOOK))
    await run_jobs()
    link = (await owner.http.post(f"/api/knowledge-bases/{kb['id']}/share-links")).json()

    for visiting in (other, owner):
        started = await visiting.http.post("/api/chat/conversations", json={"share_slug": link["slug"]})
        answer = await visiting.ask(started.json()["id"], "When is travel paid back?")
        assert "14 days" in answer["content"]

    preview = await owner.converse(kb["id"])  # and as the owner again, with the visitor's cookie still there
    assert "14 days" in (await owner.ask(preview, "When is travel paid back?"))["content"]
