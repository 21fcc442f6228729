"""One tenant's text never answers another's question, and a link opens what it was given for, no more."""

import asyncio
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

from rag_app.db.engine import driver_connection
from rag_app.db.queries import access, search
from rag_app.db.queries.search import EmbeddingSpace
from rag_app.domain.knowledge_bases import KbScope
from tests.attacks.conftest import HANDBOOK, QUESTION, SECRET
from tests.attacks.test_tenants import changed

OTHER_VISITOR = {"X-Visitor-Token": "another-visitor-of-the-same-link-0123456789"}


def visitor(estate):
    return {"X-Visitor-Token": estate.visitor_token}


async def switch(services, statement, **params):
    async with services.engine.begin() as connection:
        await connection.execute(sa.text(statement), params)


# ---------------------------------------------------------------- search


async def test_same_text_in_two_houses_is_found_in_ones_own_only(estate, other, new_estate):
    mine = await new_estate(other)

    found = await other.search(mine.kb_id, QUESTION, limit=50)

    documents = {passage["document_id"] for passage in found}
    assert mine.document_id in documents
    assert documents <= {mine.document_id, mine.entry_document_id}
    assert {passage["chunk_id"] for passage in found} & {estate.chunk_id} == set()


async def test_exact_sentence_of_a_is_not_found_by_b(estate, other, run_jobs):
    kb = await other.create_kb()
    await other.upload(kb["id"], ("mine.txt", b"The lift is out of order."))
    await run_jobs()

    found = await other.search(kb["id"], HANDBOOK.decode().splitlines()[2], limit=50)

    assert all(SECRET not in passage["content"] for passage in found)


async def test_scope_is_what_keeps_the_search_apart(estate, other, services):
    """With A's scope in the place of B's the same call finds A's text: the scope does the work."""
    kb = await other.create_kb()
    mine = KbScope(kb["id"], other.user["id"])
    mine_too = await services.knowledge_bases.get(kb["id"], owner_id=other.user["id"])
    search = services.retrieval.retrieve

    assert (await search(mine, mine_too, QUESTION, limit=50)).passages == ()
    stolen = replace(mine, kb_id=estate.kb_id)
    assert (await search(stolen, mine_too, QUESTION, limit=50)).passages != ()


SPACE = EmbeddingSpace(1, 384, is_indexed=True)
STATEMENTS = {
    "nearest": search.nearest_statement(SPACE, is_filtered=False),
    "nearest, filtered": search.nearest_statement(SPACE, is_filtered=True),
    "nearest in ranges": search.nearest_in_ranges_statement(SPACE),
    "words": search.WORDS_STATEMENT,
    "passages": search.PASSAGES_STATEMENT,
    "neighbours": search.NEIGHBOURS_STATEMENT,
    "similar words": search.SIMILAR_STATEMENT,
    "postings": search.POSTINGS_STATEMENT,
}


@pytest.mark.parametrize("name", STATEMENTS)
async def test_chunks_of_another_house_stay_unseen_even_without_the_condition(estate, other, services, name):
    """Row-level security is the second wall: a statement that forgets whose it is finds nothing."""
    kb = await other.create_kb()
    forgetful, n_forgotten = re.subn(r"(\w+\.)?kb_id = %\(kb_id\)s", "true", STATEMENTS[name])
    assert n_forgotten
    contents = await services.documents.chunks(
        estate.kb_id, estate.document_id, owner_id=estate.owner.user["id"]
    )
    headings = [chunk.heading for chunk in contents]
    values = {
        "kb_id": kb["id"],
        "vector": search.vector_literal(np.ones(384, np.float32)),
        "words": "holiday",
        "limit": 50,
        "allowed": "{[0,1000)}",
        "firsts": [0],
        "sizes": [1000],
        "ordinals": list(range(50)),
        "with_codes": True,
        "model_id": 1,
        "documents": [estate.document_id] * len(headings),
        "positions": [0] * len(headings),
        "headings": headings,
        "reach": 50,
        "prefix": "a",
        "prefix_end": "z",
        "shortest": 1,
        "longest": 50,
        "length": 7,
        "lexemes": ["holiday", "day"],
    }

    async def found(*, wall: bool) -> list[Any]:
        async with services.retrieval.sessions() as session:
            connection = await driver_connection(session)
            await connection.execute(search.ENTER, values)
            if not wall:
                await connection.execute("SELECT set_config('rag.all_kbs', 'on', true)")
            rows = await (await connection.execute(forgetful, values)).fetchall()
        return [row for row in rows if name != "words" or row[2] is not None]

    assert await found(wall=True) == []
    # Were there no wall it would find something: else this test would prove nothing.
    assert await found(wall=False) != []


async def test_answer_to_b_is_made_without_a_word_of_a(estate, other, llm):
    kb = await other.create_kb()
    conversation_id = await other.converse(kb["id"])
    llm.prompts.clear()

    answer = await other.ask(conversation_id, "How many days of holiday are there?")

    assert answer["citations"] == []
    assert SECRET not in str(llm.prompts)


async def test_same_file_in_two_houses_is_each_ones_own(estate, other, run_jobs):
    kb = await other.create_kb()
    [job] = await other.upload(kb["id"], (f"{SECRET}.md", HANDBOOK))
    assert job["is_duplicate"] is False
    await run_jobs()

    await other.http.delete(f"/api/knowledge-bases/{kb['id']}/documents/{job['document_id']}")

    original = f"/api/knowledge-bases/{estate.kb_id}/documents/{estate.document_id}/original"
    assert (await estate.owner.http.get(original)).content == HANDBOOK


async def test_filters_and_lists_count_ones_own_only(estate, other):
    for path in ("/api/knowledge-bases", "/api/knowledge-bases/me", "/api/chat/conversations"):
        found = (await other.http.get(path, params={"include_previews": True})).json()
        assert found == {"items": [], "next_cursor": None}
    found = await other.http.get("/api/chat/conversations", params={"query": SECRET})
    assert found.json()["items"] == []


# ---------------------------------------------------------------- links


async def test_link_is_random_and_tells_nothing(estate, services):
    slugs = set()
    for _ in range(20):
        link = await services.sharing.share(estate.kb_id, owner_id=estate.owner.user["id"], renew=True)
        slugs.add(link.slug)

    assert len(slugs) == 20
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{22}", slug) for slug in slugs)  # 128 bits
    assert all(len({slug[i] for slug in slugs}) > 5 for i in range(21))  # no part stays the same


@pytest.mark.parametrize(
    "shape", ["1", "{kb_id}", "{slug}x", "{cut}", "{upper}", "{slug}%00", "{slug}%20", "{slug}="]
)
async def test_guessed_links_lead_nowhere(estate, client, shape):
    slug = shape.format(
        kb_id=estate.kb_id, slug=estate.slug, cut=estate.slug[:-1], upper=estate.slug.swapcase()
    )

    assert (await client.get(f"/api/shared/{slug}")).status_code == 404
    begun = await client.post(
        "/api/chat/conversations", json={"share_slug": slug.replace("%00", "").replace("%20", " ") + "x"}
    )
    assert begun.status_code == 404


async def test_link_shows_name_and_description_only(estate, client):
    shown = (await client.get(f"/api/shared/{estate.slug}")).json()

    assert shown == {"name": f"Handbook of {SECRET}", "description": f"About {SECRET}"}


async def test_visitor_sees_no_other_visitors_conversation(estate, client, rows):
    before = await rows()

    listed = await client.get(f"/api/shared/{estate.slug}/conversations", headers=OTHER_VISITOR)
    assert listed.json()["items"] == []
    conversation = f"/api/chat/conversations/{estate.visit_id}"
    message = f"{conversation}/messages/{estate.visit_message_id}"
    for method, path, body in (
        ("GET", conversation, None),
        ("POST", f"{conversation}/messages", {"content": "holiday"}),
        ("POST", f"{message}/retry", None),
        ("PUT", f"{message}/feedback", {"feedback": 1}),
        ("GET", f"{message}/citations/1", None),
    ):
        response = await client.request(method, path, json=body, headers=OTHER_VISITOR)
        assert response.status_code == 404, path
    assert changed(before, await rows()) == set()


async def _unshare(estate, services):
    await estate.owner.http.delete(f"/api/knowledge-bases/{estate.kb_id}/share-links")


async def _renew(estate, services):
    await estate.owner.http.post(f"/api/knowledge-bases/{estate.kb_id}/share-links")


async def _archive(estate, services):
    await estate.owner.http.put(f"/api/knowledge-bases/{estate.kb_id}", json={"is_active": False})


async def _suspend(estate, services):
    await switch(services, "UPDATE users SET is_active = false WHERE id = :id", id=estate.owner.user["id"])


async def _delete(estate, services):
    await estate.owner.http.delete(f"/api/knowledge-bases/{estate.kb_id}")


@pytest.mark.parametrize("end", [_unshare, _renew, _archive, _suspend, _delete])
async def test_ended_link_is_dead_at_once_also_for_conversations_under_way(
    estate, client, services, rows, end
):
    await end(estate, services)
    before, alive = await rows(), []

    conversation = f"/api/chat/conversations/{estate.visit_id}"
    message = f"{conversation}/messages/{estate.visit_message_id}"
    for method, path, body in (
        ("GET", f"/api/shared/{estate.slug}", None),
        ("GET", f"/api/shared/{estate.slug}/conversations", None),
        ("PUT", f"/api/shared/{estate.slug}/visitor", {"name": "Eve"}),
        ("POST", "/api/chat/conversations", {"share_slug": estate.slug}),
        ("GET", conversation, None),
        ("POST", f"{conversation}/messages", {"content": "holiday"}),
        ("POST", f"{message}/retry", None),
        ("PUT", f"{message}/feedback", {"feedback": 1}),
        ("GET", f"{message}/citations/1", None),
    ):
        response = await client.request(method, path, json=body, headers=visitor(estate))
        if response.status_code != 404:
            alive.append(f"{method} {path}: {response.status_code}")

    assert alive == []
    assert changed(before, await rows()) == set()


async def test_who_is_given_the_new_link_finds_their_conversations_again(estate, client):
    link = (await estate.owner.http.post(f"/api/knowledge-bases/{estate.kb_id}/share-links")).json()

    listed = await client.get(f"/api/shared/{link['slug']}/conversations", headers=visitor(estate))

    assert [item["id"] for item in listed.json()["items"]] == [estate.visit_id]
    read = await client.get(f"/api/chat/conversations/{estate.visit_id}", headers=visitor(estate))
    assert read.status_code == 200


async def test_suspended_owner_is_out_at_once(estate, services):
    await _suspend(estate, services)

    assert (await estate.owner.http.get("/api/auth/me")).status_code == 401
    refreshed = await estate.owner.http.post(
        "/api/auth/refresh", json={"refresh_token": estate.owner.tokens["refresh_token"]}
    )
    assert refreshed.status_code == 401


async def test_visitor_token_of_one_knowledge_base_is_nobody_in_another(estate, other, new_estate, client):
    mine = await new_estate(other)

    listed = await client.get(f"/api/shared/{mine.slug}/conversations", headers=visitor(estate))

    assert listed.json()["items"] == []


async def test_passage_the_owner_switched_off_is_not_shown_to_visitors_any_more(estate, client):
    await estate.owner.http.put(
        f"/api/knowledge-bases/{estate.kb_id}/chunks/{estate.chunk_id}", json={"enabled": False}
    )

    path = f"/api/chat/conversations/{estate.visit_id}/messages/{estate.visit_message_id}/citations/1"
    assert (await client.get(path, headers=visitor(estate))).status_code == 404


async def test_citation_of_a_deleted_document_is_gone(estate, client):
    await estate.owner.http.delete(f"/api/knowledge-bases/{estate.kb_id}/documents/{estate.document_id}")

    path = f"/api/chat/conversations/{estate.visit_id}/messages/{estate.visit_message_id}/citations/1"
    assert (await client.get(path, headers=visitor(estate))).status_code == 404
    assert (
        await client.get(f"/api/chat/conversations/{estate.visit_id}", headers=visitor(estate))
    ).status_code == 200


# ---------------------------------------------------------------- refusals that must not destroy


async def test_owner_who_may_not_speak_in_a_visit_does_not_delete_from_it_either(estate, rows):
    before = await rows()

    path = f"/api/chat/conversations/{estate.visit_id}/messages/{estate.visit_message_id}/retry"
    assert (await estate.owner.http.post(path)).status_code == 422

    assert changed(before, await rows()) == set()


async def test_asking_again_in_a_closed_conversation_loses_nothing(estate, client, rows):
    await estate.owner.http.patch(f"/api/chat/conversations/{estate.visit_id}", json={"status": "closed"})
    before = await rows()

    path = f"/api/chat/conversations/{estate.visit_id}/messages/{estate.visit_message_id}/retry"
    assert (await client.post(path, headers=visitor(estate))).status_code == 409

    assert changed(before, await rows()) == set()


# ---------------------------------------------------------------- the same key, somebody else


async def test_answer_kept_for_one_caller_is_not_given_to_another(estate, other, client):
    key = {"Idempotency-Key": "1"}
    first = await estate.owner.http.post("/api/knowledge-bases", json={"name": SECRET}, headers=key)
    again = await estate.owner.http.post("/api/knowledge-bases", json={"name": SECRET}, headers=key)
    theirs = await other.http.post("/api/knowledge-bases", json={"name": SECRET}, headers=key)
    strangers = await client.post("/api/knowledge-bases", json={"name": SECRET}, headers=key)

    assert again.json()["id"] == first.json()["id"]
    assert theirs.json()["id"] != first.json()["id"]
    assert strangers.status_code == 401


async def test_strangers_at_one_address_are_not_taken_for_each_other(estate, client):
    """Both sit behind one router and send the same key: each must become a visitor of their own."""
    body, key = {"share_slug": estate.slug}, {"Idempotency-Key": "1"}
    one = (await client.post("/api/chat/conversations", json=body, headers=key)).json()
    client.cookies.clear()
    two = (await client.post("/api/chat/conversations", json=body, headers=key)).json()

    assert one["visitor_token"] != two["visitor_token"]
    assert one["id"] != two["id"]


async def test_tokens_are_stored_nowhere_as_they_are(estate, client, services):
    await client.post(
        "/api/chat/conversations", json={"share_slug": estate.slug}, headers={"Idempotency-Key": "2"}
    )
    given = {
        estate.visitor_token, client.cookies["rag_visitor"],
        estate.owner.tokens["access_token"], estate.owner.tokens["refresh_token"],
    }  # fmt: skip
    async with services.engine.connect() as connection:
        tables = await connection.execute(
            sa.text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        )
        for (table,) in tables.all():
            found = await connection.execute(sa.text(f'SELECT CAST(t AS text) FROM "{table}" t'))
            text = "\n".join(row[0] for row in found)
            assert not any(token in text or token.encode().hex() in text for token in given), table


# ---------------------------------------------------------------- both at once


@pytest.mark.parametrize("n", range(3))
async def test_sharing_and_deleting_at_once_breaks_nothing(owner, n):
    kb = await owner.create_kb()
    path = f"/api/knowledge-bases/{kb['id']}"

    done = await asyncio.gather(
        *(owner.http.post(f"{path}/share-links") for _ in range(4)),
        owner.http.post("/api/chat/conversations", json={"kb_id": kb["id"]}),
        owner.http.post(f"{path}/knowledge/upload", files=[("files", ("a.txt", b"text"))]),
        owner.http.put(path, json={"name": "New"}),
        owner.http.delete(path),
        owner.http.delete(f"{path}/share-links"),
    )

    assert {response.status_code for response in done} <= {200, 201, 202, 204, 404}
    assert (await owner.http.get(path)).status_code == 404


async def test_two_clicks_on_the_switch_make_one_link_that_both_were_told(owner):
    kb = await owner.create_kb()
    path = f"/api/knowledge-bases/{kb['id']}/share-links"

    done = await asyncio.gather(*(owner.http.post(path, json={"renew": False}) for _ in range(5)))

    assert len({response.json()["slug"] for response in done}) == 1


async def test_scope_of_a_foreign_knowledge_base_is_made_for_nobody(estate, other, services):
    from rag_app.errors import NotFound

    async with services.engine.connect() as connection:
        with pytest.raises(NotFound):
            from sqlmodel.ext.asyncio.session import AsyncSession

            await access.owned(AsyncSession(connection), kb_id=estate.kb_id, owner_id=other.user["id"])
