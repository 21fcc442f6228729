"""No route gives, changes or even confirms what belongs to somebody else.

The routes come from the app itself, so a new one that this file does not know how to ask fails here.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

import pytest
from fastapi.routing import iter_route_contexts

from rag_app.api.app import create_api
from tests.attacks.conftest import QUESTION, SECRET, Estate

# Open to strangers on purpose; each names why.
PUBLIC = {
    "/health": "says whether the installation is well",
    "/health/live": "says that the process answers",
    "/api/openapi.json": "describes the API",
    "/api/docs": "describes the API",
    "/api/docs/start.js": "describes the API",
    "/api/docs/{name}": "describes the API; its names are those of a fixed list",
    "/api/auth/register": "makes an account",
    "/api/auth/login": "asks for the password",
    "/api/auth/refresh": "asks for a refresh token",
    "/auth/register": "makes an account",
    "/auth/login": "asks for the password",
    "/auth/logout": "signs out whoever is signed in",
    "/auth/mail/start": "leads strangers to log in; a ticket is sealed for one account (test_mailboxes.py)",
    "/auth/mail/callback": "the same; an answer counts in the browser that asked (test_mailboxes.py)",
}
# Whoever has the link may: what a visitor can see there is tested in test_isolation.py.
OPEN_WITH_LINK = {"/api/shared/{slug}", "/api/shared/{slug}/conversations", "/api/shared/{slug}/visitor"}

# What to send where a body is needed; a name in braces is filled with an id of A.
BODIES: dict[str, list[dict[str, Any]]] = {
    "PUT /api/admin/models": [
        {"provider": "openai", "id": "gpt-6-luna", "context_tokens": 9, "max_output_tokens": 9}
    ],
    "POST /api/knowledge-bases": [],  # names nothing
    "PUT /api/auth/password": [],
    "PUT /api/knowledge-bases/{kb_id}": [{"name": "Mine"}, {"is_active": False}, {}],
    "PUT /api/knowledge-bases/{kb_id}/rag-config": [{"rerank": False}, {"preset": "fast"}],
    "PUT /api/knowledge-bases/{kb_id}/documents/{document_id}": [{"tags": ["mine"]}],
    "POST /api/knowledge-bases/{kb_id}/knowledge/names": [{"names": ["secret.md"]}],
    "POST /api/knowledge-bases/{kb_id}/chunk-preview": [
        {"document_id": "{document_id}"},
        {"document_id": "{document_id}", "chunk_tokens": 100, "overlap_tokens": 10},
    ],
    "POST /api/knowledge-bases/{kb_id}/knowledge": [
        {"question": "Mine?", "answer": "Mine"},
        {"question": "Ours?", "answer": "Mine", "message_ids": ["{message_id}"]},
    ],
    "PUT /api/knowledge-bases/{kb_id}/knowledge/{entry_id}": [
        {"answer": "Mine"},
        {"tags": ["mine"]},
        {"message_ids": ["{message_id}"]},
        {},
    ],
    "POST /api/knowledge-bases/{kb_id}/knowledge/bulk": [{"action": "delete", "ids": ["{entry_id}"]}],
    "POST /api/knowledge-bases/{kb_id}/documents/bulk": [
        {"action": "add_tags", "ids": ["{document_id}"], "tags": ["mine"]},
        {"action": "reingest", "ids": ["{document_id}"]},
        {"action": "retry", "ids": ["{document_id}"]},
        {"action": "delete", "ids": ["{document_id}"]},
    ],
    "POST /api/knowledge-bases/{kb_id}/unanswered/dismiss": [{"message_ids": ["{refused_id}"]}],
    "POST /api/knowledge-bases/{kb_id}/unanswered/restore": [{"message_ids": ["{refused_id}"]}],
    "POST /api/knowledge-bases/{kb_id}/share-links": [{"renew": True}, {"renew": False}],
    "PUT /api/knowledge-bases/{kb_id}/embedding-model": [{"model": "local_minilm"}],
    "PUT /api/knowledge-bases/{kb_id}/chunks/{chunk_id}": [{"content": "Mine"}, {"enabled": False}],
    "POST /api/knowledge-bases/{kb_id}/knowledge/search": [
        {"query": "holiday"},
        {"query": "holiday", "config": {"rerank": False}, "filters": {"tags": ["mine"]}},
    ],
    "PUT /api/provider-keys/{provider}": [],  # names what is the caller's own
    "POST /api/provider-keys/{provider}/test": [{"model": "gpt-6-luna"}, {}],
    "POST /api/knowledge-bases/{kb_id}/prompt-preview": [
        {"question": "holiday"},
        {"question": "holiday", "changes": {"system_prompt": "Tell me all."}},
    ],
    "POST /api/chat/conversations": [{"kb_id": "{kb_id}"}],
    "PATCH /api/chat/conversations/{conversation_id}": [{"status": "closed"}],
    "POST /api/chat/conversations/{conversation_id}/messages": [
        {"content": "holiday"},
        {"content": "holiday", "stream": True},
    ],
    "POST /api/knowledge-bases/{kb_id}/web-sources": [{"url": "https://mine.example/"}],
    "POST /api/knowledge-bases/{kb_id}/web-sources/check": [
        {"url": "http://127.0.0.1/"},  # nobody is asked for it
        {"source_id": "{web_source_id}", "url": "http://127.0.0.1/"},
    ],
    "POST /api/knowledge-bases/{kb_id}/mailboxes": [
        {"address": "me@mine.example", "host": "mine.example", "password": "mine"}
    ],
    "POST /api/knowledge-bases/{kb_id}/mailboxes/check": [
        {"address": "me@mine.example", "host": "127.0.0.1", "port": 993, "password": "mine"},
        {"mailbox_id": "{mail_source_id}", "host": "127.0.0.1", "port": 993},
    ],
    "POST /api/knowledge-bases/{kb_id}/mailboxes/authorize": [
        {"address": "me@mine.example", "provider": "gmail"}
    ],
    "PUT /api/knowledge-bases/{kb_id}/mailboxes/{source_id}": [
        {"name": "Mine"},
        {"mask_personal_data": True},
        {"host": "mine.example"},
        {},
    ],
    "PUT /api/knowledge-bases/{kb_id}/web-sources/{source_id}": [{"name": "Mine"}, {"max_pages": 1}, {}],
    "PUT /api/admin/owners/{owner_id}": [{"tier": "pro"}, {"overrides": {}}, {"is_active": True}],
    "PUT /api/admin/tiers/{tier}": [{"limits": {}}],
    "PUT /api/chat/conversations/{conversation_id}/messages/{message_id}/feedback": [{"feedback": -1}],
}
UPLOADS = {
    "POST /api/knowledge-bases/{kb_id}/documents/{document_id}/versions",
    "POST /api/knowledge-bases/{kb_id}/knowledge/upload",
    "POST /api/knowledge-bases/{kb_id}/knowledge/import",
}
# Kinds of sources have the same routes; what `Estate` calls theirs.
SOURCE_PATHS = {"web-sources": "web", "mailboxes": "mail"}
NAMES_AN_OBJECT = re.compile(r"(_id|_ids|slug|marker)$")


@dataclass(frozen=True)
class Ask:
    """One request to one route."""

    method: str
    template: str
    path: str
    options: tuple[tuple[str, Any], ...] = ()

    def __str__(self) -> str:
        return f"{self.method} {self.template} {dict(self.options) or ''}".strip()


def routes() -> Iterator[tuple[str, Any]]:
    for route in iter_route_contexts(create_api().routes):
        for method in sorted(set(route.methods or ()) - {"HEAD", "OPTIONS"}):
            assert route.path is not None
            yield method, route


def all_ids(template: str, ids: dict[str, Any]) -> dict[str, Any]:
    """The ids of A for one route: a source is called the same in the routes of every kind."""
    kind = next((each for each in SOURCE_PATHS if f"/{each}/" in template), None)
    if kind is None:
        return ids
    return ids | {name: ids[f"{SOURCE_PATHS[kind]}_{name}"] for name in ("source_id", "run_id")}


def path_of(template: str, ids: dict[str, Any]) -> str:
    """The address of something of A."""
    return template.format(**all_ids(template, ids))


def asks(ids: dict[str, Any]) -> Iterator[Ask]:
    """Every way to name an object of A, in path, query or body."""
    for method, route in routes():
        template = route.path
        if template in PUBLIC or template in OPEN_WITH_LINK:
            continue
        missing = set(re.findall(r"{(\w+)", template)) - all_ids(template, ids).keys()
        assert not missing, f"Say in `Estate` what {sorted(missing)} of {method} {template} is for A."
        path = path_of(template, ids)
        query = {name: ids.get(name, 1) for name in _query_names(route) if NAMES_AN_OBJECT.search(name)}
        for options in _bodies(method, route, ids):
            asked = options + ((("params", query),) if query else ())
            yield Ask(method, template, path, asked)


def _query_names(route: Any) -> list[str]:
    dependant = getattr(route, "dependant", None) or getattr(route.original_route, "dependant", None)
    return list(_query_names_of(dependant)) if dependant else []


def _query_names_of(dependant: Any) -> Iterator[str]:
    yield from (field.name for field in dependant.query_params)
    for part in dependant.dependencies:
        yield from _query_names_of(part)


def _bodies(method: str, route: Any, ids: dict[str, Any]) -> list[tuple[tuple[str, Any], ...]]:
    key = f"{method} {route.path}"
    if key in UPLOADS:
        return [(("files", [("files", ("mine.txt", b"Mine"))]),)]
    original = getattr(route, "original_route", None) or getattr(route, "route", None)
    has_body = bool(getattr(original, "body_field", None) or getattr(route, "body_field", None))
    if not has_body:
        return [()]
    assert key in BODIES, f"Say in `BODIES` what to send to {key}."
    return [(("json", _filled(body, ids)),) for body in BODIES[key]] or [()]


def _filled(body: dict[str, Any], ids: dict[str, Any]) -> dict[str, Any]:
    def fill(value: Any) -> Any:
        if isinstance(value, list):
            return [fill(each) for each in value]
        return ids[value[1:-1]] if isinstance(value, str) and value.startswith("{") else value

    return {name: fill(value) for name, value in body.items()}


def ids_of(estate: Estate) -> dict[str, Any]:
    return {field.name: getattr(estate, field.name) for field in fields(estate) if field.name != "owner"}


def names_an_object(ask: Ask) -> bool:
    named = re.findall(r"{(\w+)", ask.template)
    for name, value in ask.options:
        if name in {"params", "json"}:
            named += list(value)
    return any(NAMES_AN_OBJECT.search(name) for name in named)


async def send(http: Any, ask: Ask) -> Any:
    return await http.request(ask.method, ask.path, **dict(ask.options))


def test_walk_finds_the_routes():
    found = {f"{method} {route.path}" for method, route in routes()}

    assert "GET /api/knowledge-bases/{kb_id}/documents/{document_id}/original" in found
    assert "POST /auth/login" in found
    assert len(found) > 40


def test_lists_of_this_file_name_only_routes_that_exist():
    paths = {route.path for _, route in routes()}
    keys = {f"{method} {route.path}" for method, route in routes()}

    assert PUBLIC.keys() | OPEN_WITH_LINK <= paths
    assert BODIES.keys() | UPLOADS <= keys


@pytest.mark.parametrize("is_visit", [False, True], ids=["own preview", "visitor's conversation"])
async def test_other_owner_finds_nothing_of_a(estate, other, rows, is_visit):
    ids = ids_of(estate)
    if is_visit:
        ids |= {"conversation_id": estate.visit_id, "message_id": estate.visit_message_id}
    before = await rows()
    wrong = []

    for ask in asks(ids):
        response = await send(other.http, ask)
        if names_an_object(ask) and response.status_code != 404:
            wrong.append(f"{ask}: {response.status_code} {response.text[:80]}")
        if SECRET in response.text:
            wrong.append(f"{ask}: shows A's data")
        if ask.template == "/api/auth/logout":  # sign in again to go on
            tokens = (
                await other.http.post(
                    "/api/auth/login", json={"email": other.email, "password": "a long enough secret"}
                )
            ).json()
            other.http.headers["Authorization"] = f"Bearer {tokens['access_token']}"

    assert wrong == []
    assert changed(before, await rows()) <= {"sign_ins", "audit_log"}  # the one who signed in again


async def test_strangers_are_asked_to_sign_in_everywhere(estate, client, rows):
    before = await rows()
    wrong = []

    for ask in asks(ids_of(estate)):
        response = await send(client, ask)
        if response.status_code != 401:
            wrong.append(f"{ask}: {response.status_code} {response.text[:80]}")

    assert wrong == []
    assert changed(before, await rows()) == set()


async def test_visitors_of_a_see_nothing_but_their_own_conversation(estate, client, rows):
    before = await rows()
    wrong = []

    for ask in asks(ids_of(estate)):
        response = await client.request(
            ask.method, ask.path, headers={"X-Visitor-Token": estate.visitor_token}, **dict(ask.options)
        )
        if response.status_code not in {401, 404} or SECRET in response.text:
            wrong.append(f"{ask}: {response.status_code} {response.text[:80]}")

    assert wrong == []
    assert changed(before, await rows()) == set()


async def test_children_under_the_wrong_parent_do_not_exist(estate, other, new_estate, rows):
    mine = await new_estate(other)
    before = await rows()
    wrong = []

    for parent, children in (
        ("kb_id", {"document_id", "chunk_id", "job_id", "entry_id", "source_id"}),
        ("conversation_id", {"message_id"}),
    ):
        ids = ids_of(estate) | {parent: getattr(mine, parent)}
        for ask in asks(ids):
            if not children & set(re.findall(r"{(\w+)", ask.template)):
                continue
            response = await send(other.http, ask)
            if response.status_code != 404:
                wrong.append(f"{ask}: {response.status_code} {response.text[:80]}")

    assert wrong == []
    assert changed(before, await rows()) == set()


async def test_filters_reach_into_no_other_knowledge_base(estate, other, new_estate):
    mine = await new_estate(other)

    found = await other.search(mine.kb_id, QUESTION, filters={"document_ids": [estate.document_id]})

    assert [passage for passage in found if passage["document_id"] == estate.document_id] == []


async def test_owner_of_it_all_is_let_in_by_the_same_requests(estate):
    """The other tests would pass as well if everybody got 404."""
    ids, refused = ids_of(estate), []

    for ask in sorted(asks(ids), key=lambda ask: (ask.method == "DELETE", ask.template.count("/") * -1)):
        if ask.template in {"/api/auth/logout", "/api/auth/password"} or "/retry" in ask.template:
            continue
        if "'action': 'delete'" in str(ask):  # what is named is to be there for the others
            continue
        response = await send(estate.owner.http, ask)
        if response.status_code == 404:
            refused.append(str(ask))

    assert refused == []


async def test_these_tests_notice_a_check_that_is_broken(estate, other, no_questions_asked):
    let_in = set()

    for ask in asks(ids_of(estate)):
        if ask.method == "GET" and (await send(other.http, ask)).status_code == 200:
            let_in.add(ask.template)

    assert "/api/knowledge-bases/{kb_id}" in let_in
    assert "/api/knowledge-bases/{kb_id}/documents/{document_id}/original" in let_in


async def test_ids_in_other_spellings_are_no_way_around(estate, other):
    for spelling in (
        f"{estate.kb_id} ", f"%20{estate.kb_id}", f"0{estate.kb_id}", f"+{estate.kb_id}", f"{estate.kb_id}.0",
        f"{estate.kb_id}%00", f"{estate.kb_id};", f"1/../{estate.kb_id}", f"%2e%2e/{estate.kb_id}", "-1", "0",
        str(2**31), str(2**63), str(2**200), "null", "true", f"{estate.kb_id}e0",
    ):  # fmt: skip
        response = await other.http.get(f"/api/knowledge-bases/{spelling}")
        assert response.status_code == 404, spelling


def changed(before: dict[str, str], after: dict[str, str]) -> set[str]:
    """The tables that are not as they were."""
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
