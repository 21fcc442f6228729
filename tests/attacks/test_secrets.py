"""What must be kept to itself: keys, passwords, tokens, questions, and how the house is built."""

import logging

import httpx2
import pytest
import sqlalchemy as sa
import sqlalchemy.exc
from pydantic import SecretStr
from structlog.testing import capture_logs

from rag_app.settings import Settings
from tests.attacks.conftest import QUESTION, SECRET
from tests.attacks.test_bad_input import SCHEMA
from tests.attacks.test_tenants import asks, ids_of, path_of, send

KEYS = {
    "openai": "sk-proj-0123456789abcdef",
    "anthropic": "sk-ant-0123456789abcdef",
    "gemini": "AIza" + "k" * 35,
}
PASSWORD = "a long enough secret"  # of every owner the tests register


@pytest.fixture
def config(database, tmp_path) -> Settings:
    """An installation with keys of providers."""
    plain = Settings(database_url=database, rag_data_dir=tmp_path, _env_file=None)  # type: ignore[call-arg]
    keys = {f"{provider}_api_key": SecretStr(key) for provider, key in KEYS.items()}
    nowhere = {f"{provider}_base_url": "http://127.0.0.1:9" for provider in KEYS}
    return plain.model_copy(update=keys | nowhere)


@pytest.fixture(autouse=True)
def _nobody_outside_is_asked(llm):
    """With keys there are hosted models to choose from; none of them may answer here."""


async def test_no_answer_holds_a_key_or_a_password(estate, config):
    ids, told = ids_of(estate), []

    for path in SCHEMA["paths"]:
        response = await estate.owner.http.get(path_of(path, ids))
        told.append(f"{dict(response.headers)} {response.text}")

    everything = "\n".join(told)
    secrets = [*KEYS.values(), PASSWORD, "$argon2", config.database_url, str(config.rag_data_dir)]
    assert [secret for secret in secrets if secret and secret in everything] == []
    assert '"is_available":true' in everything  # that there is a key is all that is told


async def test_log_holds_no_password_token_question_or_link(owner, client, new_estate, other, caplog):
    with capture_logs() as logs, caplog.at_level(logging.DEBUG, logger="rag_app"):
        estate = await new_estate(owner)
        for ask in asks(ids_of(estate)):
            if "logout" not in ask.template:
                await send(other.http, ask)
        await client.post("/api/auth/login", json={"email": owner.email, "password": "hunter2 hunter2"})
        await client.post("/auth/login", data={"email": owner.email, "password": "hunter2 hunter2"})
        await client.post("/api/auth/refresh", json={"refresh_token": owner.tokens["refresh_token"]})
        await client.get(f"/api/shared/{estate.slug}/conversations")

    written = f"{logs}\n{caplog.text}"
    secrets = {
        "password": PASSWORD, "wrong password": "hunter2", "question": QUESTION, "content": SECRET,
        "access token": owner.tokens["access_token"], "refresh token": owner.tokens["refresh_token"],
        "visitor's token": estate.visitor_token, "link": estate.slug,
    }  # fmt: skip
    assert [name for name, secret in secrets.items() if secret in written] == []
    assert len(logs) > 20


async def test_failed_statement_does_not_quote_what_was_asked(services):
    with pytest.raises(sa.exc.DBAPIError) as failed:
        async with services.engine.connect() as connection:
            await connection.execute(sa.text("SELECT 1 / 0 WHERE :question <> ''"), {"question": QUESTION})

    assert QUESTION not in str(failed.value)


async def test_failure_of_ours_says_nothing_of_how_the_house_is_built(app, owner, services, monkeypatch):
    async def fails(*_, **__):
        raise RuntimeError(f"/srv/app/secret.py failed with {PASSWORD}")

    monkeypatch.setattr(type(services.knowledge_bases), "get", fails)
    transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost:3000") as http:
        with capture_logs() as logs:
            response = await http.get("/api/knowledge-bases/1", headers=owner.http.headers)

    assert response.status_code == 500
    assert response.json()["detail"] == "Something went wrong on our side. It has been logged."
    assert "secret.py" not in response.text
    assert "request_failed" in [entry["event"] for entry in logs]
    assert response.headers["x-content-type-options"] == "nosniff"


async def test_every_answer_of_the_api_carries_the_headers_that_keep_it_safe(estate, client):
    ids = ids_of(estate)

    for path in [*SCHEMA["paths"], "/api/docs", "/api/openapi.json", "/api/no-such-thing", "/no-such-page"]:
        for http in (client, estate.owner.http):
            headers = (await http.get(path_of(path, ids))).headers
            assert headers["x-content-type-options"] == "nosniff", path
            assert headers["x-frame-options"] == "DENY", path
            policy = headers["content-security-policy"]
            assert "frame-ancestors 'none'" in policy or "sandbox" in policy, path
            if path.startswith("/api") and "/docs" not in path:
                assert "no-store" in headers["cache-control"], path
            assert "server" not in headers


async def test_visitor_is_told_nothing_of_the_owner(estate, client):
    headers = {"X-Visitor-Token": estate.visitor_token}
    told = [
        (await client.get(path, headers=headers)).text
        for path in (
            f"/api/shared/{estate.slug}", f"/api/shared/{estate.slug}/conversations",
            f"/api/chat/conversations/{estate.visit_id}", f"/s/{estate.slug}",
            f"/api/chat/conversations/{estate.visit_id}/messages/{estate.visit_message_id}/citations/1",
        )
    ]  # fmt: skip

    for private in (estate.owner.email, estate.slug, "owner_id", "user_id", "system_prompt", "sha256"):
        assert private not in "".join(told), private
