"""Whatever is sent, the answer is a sentence and never a failure of ours.

The bodies come from the app's own description, each field bent in every way that has broken a server
before.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from rag_app.api.app import create_api
from rag_app.api.middleware import MAX_BODY_BYTES
from rag_app.services.rate_limits import RateLimits
from tests.attacks.test_tenants import ids_of, path_of
from tests.attacks.test_uploads import Body

DEEP = 10_000  # levels
SCHEMA = create_api().openapi()

ODD_VALUES: list[Any] = [
    None, True, 0, -1, 2**31, 2**63, 2**64, 10**400, 1.5, 1e308, "", " ", "x", "\x00", "a\x00b",
    "'\"; DROP TABLE users; --", "%", "_", "\\", "%s%n%(x)s{0}", "\u202e\ufeff", "\ud800", "x\udfffx",
    "😀" * 100, "x" * 100_000, [], [[]], {}, {"$ne": None}, ["x"] * 1000, "../../etc/passwd", "<script>",
    "İ", "ß" * 5000, "1" * 5000,
]  # fmt: skip

RAW_BODIES: list[bytes] = [
    b"", b"null", b"[]", b"true", b'"x"', b"1", b"{", b"{}", b"}", b"\xff\xfe", b"\x00", b"--x\r\n",
    b"name=x",
    b'{"name":"a","name":"b"}', b'{"name":NaN}', b'{"name":Infinity}', b'{"name":1e999}',
    b'{"name":"\xed\xa0\x80"}', b'{"name":"\\ud800"}', b'{"name":' + b"9" * 5000 + b"}",
    b"{" + b'"a":1,' * 50_000 + b'"a":1}', '{"name":"x"}'.encode("utf-16"), '\ufeff{"name":"x"}'.encode(),
    b"[" * DEEP, b'{"name":' * DEEP, b"[" * DEEP + b"]" * DEEP, b'{"name":' * DEEP + b"1" + b"}" * DEEP,
    b'{"x":' + b"[" * DEEP + b"]" * DEEP + b"}", b'{"name":' + b"[" * DEEP + b"]" * DEEP + b"}",
]  # fmt: skip


def json_routes() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Method, path and schema of every route that reads JSON."""
    for path, methods in SCHEMA["paths"].items():
        for method, described in methods.items():
            content = described.get("requestBody", {}).get("content", {})
            if "application/json" in content:
                yield method.upper(), path, _resolved(content["application/json"]["schema"])


def _resolved(schema: dict[str, Any]) -> dict[str, Any]:
    for option in (schema, *schema.get("anyOf", ())):
        if "$ref" in option:
            return SCHEMA["components"]["schemas"][option["$ref"].rpartition("/")[2]]
    return schema


GOOD = {
    "email": "ada@example.com", "password": "a long enough secret",
    "current_password": "a long enough secret", "new_password": "a long enough secret",
    "refresh_token": "x", "name": "Handbook", "query": "holiday",
    "content": "holiday", "status": "active", "feedback": 1, "enabled": True, "renew": False, "stream": False,
}  # fmt: skip


def bodies(schema: dict[str, Any]) -> Iterator[Any]:
    """Good bodies with one field bent, one missing, one too many."""
    fields = list(schema.get("properties", {}))
    good = {name: GOOD[name] for name in fields if name in GOOD}
    yield good | {"is_admin": True, "owner_id": 1, "__proto__": {}}
    for name in fields:
        yield {other: value for other, value in good.items() if other != name}
        for odd in ODD_VALUES:
            yield good | {name: odd}


@pytest.fixture
def no_limits(monkeypatch):
    """Let every body through to where it is read."""
    monkeypatch.setattr(RateLimits, "wait_s", lambda *_, **__: 0)
    monkeypatch.setattr(RateLimits, "hit", lambda *_, **__: None)


@pytest.mark.timeout(400)  # a few thousand requests
async def test_no_body_makes_a_route_fail(estate, no_limits):
    """Sent by somebody who may do everything to what is named: it gets as far as it can."""
    ids, failed, n_sent = ids_of(estate), [], 0

    for method, template, schema in json_routes():
        path = path_of(template, ids)
        for body in bodies(schema):
            sent = json.dumps(body).encode()
            n_sent += 1
            response = await estate.owner.http.request(
                method, path, content=sent, headers={"Content-Type": "application/json"}
            )
            if response.status_code >= 500 or (response.status_code >= 400 and not _is_problem(response)):
                failed.append(
                    f"{method} {template} {sent[:80]!r}: {response.status_code} {response.text[:80]}"
                )

    assert failed == []
    assert n_sent > 800


def _is_problem(response: Any) -> bool:
    told = response.json()
    return (
        response.headers["content-type"] == "application/problem+json"
        and told["status"] == response.status_code
        and bool(told["detail"])
        and not re.search(r"Traceback|psycopg|sqlalchemy|pydantic|File \"", response.text)
    )


async def test_no_raw_body_makes_a_route_fail(estate):
    ids, failed = ids_of(estate), []

    for method, template, _ in json_routes():
        for body in RAW_BODIES:
            response = await estate.owner.http.request(
                method, path_of(template, ids), content=body, headers={"Content-Type": "application/json"}
            )
            if response.status_code >= 500:
                failed.append(f"{method} {template} {body[:40]!r}: {response.status_code}")

    assert failed == []


async def test_strangers_bodies_are_no_different(estate, client):
    ids, failed = ids_of(estate), []

    for method, template, _ in json_routes():
        for body in RAW_BODIES[::3]:
            response = await client.request(
                method, path_of(template, ids), content=body, headers={"Content-Type": "application/json"}
            )
            if response.status_code >= 500:
                failed.append(f"{method} {template} {body[:40]!r}: {response.status_code}")

    assert failed == []


QUERIES = [
    "", "0", "-1", "201", "999999999999999999999", "1.5", "abc", "%00", "%ff", "null", "true", "[]", "é", "²",
    "a" * 5000, "%27%22%3B--", "%25", "_", "%F0%9F%98%80", "%ED%A0%80", "aWQ6LTE", "aWQ6OTk5OTk5OTk5OTk5OTk5",
    "aWQ6",
]  # fmt: skip


async def test_no_query_makes_a_list_fail(estate):
    ids, failed = ids_of(estate), []

    for path, methods in SCHEMA["paths"].items():
        for parameter in methods.get("get", {}).get("parameters", []):
            if parameter["in"] != "query":
                continue
            for value in QUERIES:
                url = f"{path_of(path, ids)}?{parameter['name']}={value}"
                response = await estate.owner.http.get(url)
                if response.status_code >= 500:
                    failed.append(f"{url[:100]}: {response.status_code}")

    assert failed == []


@pytest.mark.parametrize("limit", [0, -1, 51, 201, 10**9, 2**63])
async def test_lists_and_searches_are_bounded(owner, limit):
    kb = await owner.create_kb()

    assert (await owner.http.get("/api/knowledge-bases", params={"limit": limit})).status_code == (
        200 if limit == 51 else 422
    )
    searched = await owner.http.post(
        f"/api/knowledge-bases/{kb['id']}/knowledge/search", json={"query": "x", "limit": limit}
    )
    assert searched.status_code == 422


async def test_signs_of_the_database_are_only_signs(estate):
    """`%` and `_` would match everything, a quote would end the string."""
    base = f"/api/knowledge-bases/{estate.kb_id}"
    http = estate.owner.http

    for sign in ("%", "_", "'", "\\", "%%%", "' OR '1'='1", "*", "?", ":kb_id", "$1", "{}"):
        named = await http.get(f"{base}/documents", params={"name": sign})
        said = await http.get("/api/chat/conversations", params={"query": sign, "include_previews": True})
        assert (named.status_code, said.status_code) == (200, 200)
        assert named.json()["items"] == []
        expected = [c for c in said.json()["items"] if sign != "?"]  # the question ends in one
        assert expected == []
    for sign in ("'", '"', "%", "a & | ! ( ) : * <-> b", "to_tsquery('x')", "\\", "-- x", "/* x", "\t\n x"):
        found = await http.post(f"{base}/knowledge/search", json={"query": f"holiday {sign}"})
        assert found.status_code == 200


async def test_long_search_is_refused_rather_than_worked_on(estate):
    http, path = estate.owner.http, f"/api/knowledge-bases/{estate.kb_id}/knowledge/search"

    for query, status in (("word " * 799, 200), ("x" * 4001, 422), ("x" * 10_001, 422), ("漢" * 4000, 200)):
        assert (await http.post(path, json={"query": query})).status_code == status


async def test_bodies_are_limited_on_every_route(client, estate):
    ids = ids_of(estate)

    for method, template, _ in json_routes():
        body = Body(*[b" " * (MAX_BODY_BYTES // 4)] * 40)
        response = await client.request(
            method, path_of(template, ids), content=body, headers={"Content-Type": "application/json"}
        )
        assert response.status_code == 413, template
        assert body.n_read <= 6


async def test_told_length_is_enough_to_refuse(client):
    headers = {"Content-Type": "application/json", "Content-Length": str(MAX_BODY_BYTES + 1)}

    async def never():
        raise AssertionError("nothing should be read")
        yield b""

    assert (await client.post("/api/auth/login", content=never(), headers=headers)).status_code == 413


async def test_odd_keys_of_idempotency_are_refused(owner):
    for key in (b"", b"x" * 201, b"\xff", b"a\x00b", "é".encode(), b"a\tb"):
        response = await owner.http.post(
            "/api/knowledge-bases", json={"name": "Mine"}, headers={b"Idempotency-Key": key}
        )
        assert response.status_code == 422, key
