"""A request sent twice under one key is done once."""

import asyncio

import psycopg
import pytest

KEY = {"Idempotency-Key": "3f1c"}


@pytest.fixture
def create(owner):
    async def post(name: str = "Handbook", **headers: str):
        return await owner.http.post("/api/knowledge-bases", json={"name": name}, headers=KEY | headers)

    return post


async def names(owner) -> list[str]:
    return [kb["name"] for kb in (await owner.http.get("/api/knowledge-bases")).json()["items"]]


async def test_the_second_request_gets_the_firsts_answer(owner, create):
    first, second = await create(), await create()

    assert (first.status_code, second.status_code) == (201, 201)
    assert first.content == second.content
    assert second.headers["idempotent-replayed"] == "true"
    assert await names(owner) == ["Handbook"]


async def test_another_request_under_the_same_key_is_refused(owner, create):
    await create()
    second = await create("Another")

    assert second.status_code == 422
    assert await names(owner) == ["Handbook"]


async def test_many_at_once_make_one_object(owner, create):
    responses = await asyncio.gather(*(create() for _ in range(12)))

    made = [response for response in responses if response.status_code == 201]
    waiting = [response for response in responses if response.status_code != 201]
    assert len({response.content for response in made}) == 1
    assert all(response.status_code == 429 and response.headers["retry-after"] for response in waiting)
    assert await names(owner) == ["Handbook"]


async def test_a_refused_request_can_be_mended_and_sent_again(owner, create):
    refused, mended = await create("  "), await create("Handbook")

    assert (refused.status_code, mended.status_code) == (422, 201)


async def test_keys_of_others_do_not_meet(owner, other, create):
    await create()
    theirs = await other.http.post("/api/knowledge-bases", json={"name": "Theirs"}, headers=KEY)

    assert theirs.status_code == 201
    assert (await names(owner), await names(other)) == (["Handbook"], ["Theirs"])


async def test_a_key_whose_request_never_ended_is_free_after_a_while(owner, create, database):
    await create()
    with psycopg.connect(database) as connection:
        connection.execute("""
            UPDATE idempotent_requests SET status = NULL, body = NULL,
              created_at = now() - interval '11 minutes'""")

    assert (await create("Another")).status_code == 201


async def test_questions_are_asked_once(owner):
    kb = await owner.create_kb()
    conversation_id = await owner.converse(kb["id"])
    url = f"/api/chat/conversations/{conversation_id}"
    asked = [
        await owner.http.post(f"{url}/messages", json={"content": "How much?"}, headers=KEY) for _ in range(2)
    ]

    assert asked[0].content == asked[1].content
    assert len((await owner.http.get(url)).json()["messages"]) == 2
