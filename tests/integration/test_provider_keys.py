"""Owners' own keys: kept encrypted, preferred, tested with a real call, and forgotten."""

import asyncio
import logging
import os
from dataclasses import replace

import pytest
import sqlalchemy as sa
from pydantic import SecretStr
from structlog.testing import capture_logs

from rag_app import __main__ as program
from rag_app import bootstrap, processes
from rag_app.crypto import KeyRing, Place, Sealed
from rag_app.db.queries import provider_keys
from rag_app.domain.encryption import EncryptionKey, as_text
from rag_app.errors import InvalidInput, LimitReached, NotFound, PermanentError
from rag_app.services import key_rotation, provider_checks
from rag_app.services.key_rotation import KeyRotationService, Rotation
from rag_app.settings import Settings
from tests.fake_llms import FakeLLMServer
from tests.guarded import Names

KEY = "sk-proj-0123456789abcdefWXYZ"
INSTALLED = "sk-installation-0123456789"


@pytest.fixture
async def provider():
    async with FakeLLMServer() as server:
        yield server


@pytest.fixture
def config(database, tmp_path, provider) -> Settings:
    """An installation with a key for Anthropic, whose operator reaches OpenAI and it through a gateway."""
    port = provider.base_url("openai").split(":")[2].split("/")[0]
    return Settings(  # type: ignore[call-arg]
        database_url=database,
        rag_data_dir=tmp_path,
        anthropic_api_key=SecretStr(INSTALLED),
        anthropic_base_url=provider.base_url("anthropic"),
        rag_allowed_private_hosts=f"127.0.0.1:{port}",
        _env_file=None,
    )


@pytest.fixture
def keys(services):
    return services.provider_keys


@pytest.fixture
def owner_id(owner) -> int:
    return owner.user["id"]


@pytest.fixture
def own_server(provider) -> str:
    return provider.base_url("openai")


async def access(services, owner_id, provider="openai"):
    return await services.provider_keys.access(provider, "The provider", owner_id=owner_id)


async def stored_rows(services):
    async with services.engine.connect() as connection:
        found = await connection.execute(sa.text("SELECT * FROM provider_keys ORDER BY id"))
        return [dict(row._mapping) for row in found]


async def usage_rows(services):
    async with services.engine.connect() as connection:
        found = await connection.execute(
            sa.text(
                "SELECT user_id, kind, provider, model, key_source, outcome, kb_id FROM llm_usage ORDER BY id"
            )
        )
        return [dict(row._mapping) for row in found]


# ---- whose key


async def test_owners_key_comes_before_the_installations(services, keys, owner_id, provider):
    assert (await access(services, owner_id, "anthropic")).source == "installation"

    await keys.save("anthropic", owner_id=owner_id, api_key=KEY)

    found = await access(services, owner_id, "anthropic")
    assert found.source == "owner"
    assert found.api_key.get_secret_value() == KEY
    assert found.base_url == provider.base_url("anthropic")  # the operator's way to the provider
    assert not found.is_guarded


async def test_another_owner_has_nothing_of_it(services, keys, owner_id, other):
    await keys.save("openai", owner_id=owner_id, api_key=KEY)

    with pytest.raises(PermanentError, match="no key"):
        await access(services, other.user["id"])
    assert await keys.available(other.user["id"]) == {"local", "anthropic"}
    assert await keys.available(owner_id) == {"local", "anthropic", "openai"}


async def test_removed_key_gives_way_to_the_installations(services, keys, owner_id):
    await keys.save("anthropic", owner_id=owner_id, api_key=KEY)
    await keys.remove("anthropic", owner_id=owner_id)

    assert (await access(services, owner_id, "anthropic")).source == "installation"
    with pytest.raises(NotFound):
        await keys.remove("anthropic", owner_id=owner_id)


async def test_key_opens_what_the_owner_may_choose(owner, services):
    async def available():
        found = (await owner.http.get("/api/knowledge-bases/providers")).json()
        return {one["name"] for one in found if one["is_available"]}

    assert await available() == {"local", "anthropic"}
    await owner.http.put("/api/provider-keys/gemini", json={"api_key": KEY})
    assert await available() == {"local", "anthropic", "gemini"}
    await owner.http.delete("/api/provider-keys/anthropic")
    await owner.http.delete("/api/provider-keys/gemini")
    assert await available() == {"local", "anthropic"}


async def test_knowledge_base_answers_with_its_owners_key(owner, services, own_server, provider, run_jobs):
    await owner.http.put("/api/provider-keys/openai", json={"api_key": KEY, "base_url": own_server})
    kb = await owner.create_kb(llm_provider="openai")
    await owner.upload(kb["id"], ("a.txt", b"Employees have 25 days of leave a year."))
    await run_jobs()

    await owner.ask(await owner.converse(kb["id"]), "How much leave do employees have?")

    assert provider.requests[-1].headers["authorization"] == f"Bearer {KEY}"
    assert KEY not in str(provider.requests[-1].body)
    assert {(row["kind"], row["key_source"]) for row in await usage_rows(services)} >= {("chat", "owner")}


# ---- what is kept


async def test_database_never_sees_a_key(services, keys, owner_id):
    await keys.save("openai", owner_id=owner_id, api_key=f"  {KEY}\n")

    [row] = await stored_rows(services)
    assert KEY not in str(row)
    assert KEY.encode() not in row["ciphertext"]
    assert row["last_four"] == "WXYZ"
    assert row["key_id"] == bootstrap.key_ring(services.settings).newest


async def test_ciphertext_moved_to_another_owner_or_provider_does_not_open(services, keys, owner_id, other):
    await keys.save("openai", owner_id=owner_id, api_key=KEY)
    async with services.engine.begin() as connection:
        await connection.execute(
            sa.text("""
                INSERT INTO provider_keys (user_id, provider, key_id, ciphertext, last_four)
                SELECT :thief, provider, key_id, ciphertext, last_four FROM provider_keys
                UNION ALL
                SELECT user_id, 'gemini', key_id, ciphertext, last_four FROM provider_keys
            """),
            {"thief": other.user["id"]},
        )

    for thief, provider in ((other.user["id"], "openai"), (owner_id, "gemini")):
        with pytest.raises(PermanentError, match="did not belong here"):
            await access(services, thief, provider)
    assert (await access(services, owner_id)).api_key.get_secret_value() == KEY


async def test_address_changed_in_the_database_does_not_get_the_key(services, keys, owner_id):
    await keys.save("openai", owner_id=owner_id, api_key=KEY)
    async with services.engine.begin() as connection:
        await connection.execute(sa.text("UPDATE provider_keys SET base_url = 'https://evil.example/v1'"))

    with pytest.raises(PermanentError, match="did not belong here"):
        await access(services, owner_id)


async def test_key_is_not_taken_along_to_another_address(services, keys, owner_id, own_server):
    await keys.save("openai", owner_id=owner_id, api_key=KEY)

    await keys.save("openai", owner_id=owner_id, base_url=own_server)

    found = await access(services, owner_id)
    assert (found.api_key, found.base_url, found.is_guarded) == (None, own_server, True)


async def test_short_word_is_not_given_away_by_its_end(keys, owner_id, own_server):
    status = await keys.save("openai", owner_id=owner_id, api_key="ollama", base_url=own_server)

    assert status.last_four == ""
    assert status.base_url == own_server


@pytest.mark.parametrize(
    ("provider_name", "api_key", "base_url", "field"),
    [
        ("openai", "", None, "api_key"),
        ("openai", None, None, "api_key"),
        ("openai", "short", None, "api_key"),
        ("openai", "x" * 501, None, "api_key"),
        ("openai", "sk-with a space in it", None, "api_key"),
        ("openai", "sk-with-ümlauts-in-it-0123", None, "api_key"),
        ("openai", "sk-with\nline-0123456789", None, "api_key"),
        ("anthropic", KEY, "https://ok.example", "base_url"),
        ("openai", KEY, "ftp://ok.example", "base_url"),
        ("openai", KEY, "http://169.254.169.254/v1", "base_url"),
        ("openai", KEY, "http://127.0.0.1:9/v1", "base_url"),
        ("openai", KEY, "https://user:secret@ok.example/v1", "base_url"),
        ("openai", KEY, "https://ok.example/v1?key=1", "base_url"),
        ("openai", KEY, "https://no-such-name.example/v1", "base_url"),
        ("openai", KEY, "https://db.corp/v1", "base_url"),
        ("openai", KEY, "https://" + "a" * 500, "base_url"),
    ],
)
async def test_what_cannot_be_used_is_refused_and_not_repeated(
    services, keys, owner_id, provider_name, api_key, base_url, field
):
    names = Names({"db.corp": ["10.0.0.7"], "ok.example": ["93.184.215.14"]})
    object.__setattr__(keys, "guard", type(keys.guard)(keys.guard.private, needs_https=True, resolve=names))

    with pytest.raises(InvalidInput) as refused:
        await keys.save(provider_name, owner_id=owner_id, api_key=api_key, base_url=base_url)

    assert refused.value.field == field
    assert not api_key or api_key not in str(refused.value)
    assert await stored_rows(services) == []


@pytest.mark.parametrize("name", ["local", "nobody"])
async def test_only_hosted_providers_take_a_key(keys, owner_id, name):
    with pytest.raises(NotFound):
        await keys.save(name, owner_id=owner_id, api_key=KEY)


async def test_missing_encryption_key_is_said_and_the_rest_goes_on(services, keys, owner, owner_id):
    await keys.save("openai", owner_id=owner_id, api_key=KEY)
    lost = KeyRing((EncryptionKey("other", bytes(range(32))),))
    object.__setattr__(keys, "ring", lost)

    with pytest.raises(PermanentError, match="encryption key"):
        await access(services, owner_id)
    checked = await services.provider_checks.check("openai", owner_id=owner_id)
    assert "Enter the secret again" in checked.problem
    assert (await owner.http.get("/api/provider-keys")).status_code == 200


# ---- one click


async def test_key_that_works_is_said_to_work_and_counted_as_test(
    services, owner, owner_id, own_server, provider
):
    await owner.http.put("/api/provider-keys/openai", json={"api_key": KEY, "base_url": own_server})

    tested = (await owner.http.post("/api/provider-keys/openai/test", json={"model": "my-model"})).json()

    assert tested["problem"] == ""
    assert tested["checked_at"] is not None
    assert provider.requests[-1].body["model"] == "my-model"
    assert provider.requests[-1].body["max_tokens"] <= 16
    assert await usage_rows(services) == [
        {"user_id": owner_id, "kind": "test", "provider": "openai", "model": "my-model",
         "key_source": "owner", "outcome": "complete", "kb_id": None},
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("fault", "outcome", "says"),
    [
        ("bad_key", "key", "refused the API key"),
        ("quota", "quota", "no credit"),
        ("rate_limit_429", "rate_limit", "more requests than it allows"),
        ("unknown_model", "unknown_model", "often is /v1"),
        ("garbage at=start", "unreadable", "not an answer"),
        ("cut", "interrupted", "broke off"),
    ],
)
async def test_key_that_does_not_work_is_told_in_words(
    services, owner, owner_id, own_server, fault, outcome, says, monkeypatch
):
    asked = f"Say yes. [[fault:{fault}]]"
    prompt = type(provider_checks.PROMPT)("", asked, (), asked, (), max_tokens=16)
    monkeypatch.setattr(provider_checks, "PROMPT", prompt)
    await services.provider_keys.save("openai", owner_id=owner_id, api_key=KEY, base_url=own_server)

    tested = (await owner.http.post("/api/provider-keys/openai/test")).json()

    assert says in tested["problem"]
    assert KEY not in str(tested)
    listed = (await owner.http.get("/api/provider-keys")).json()["items"]
    assert next(one for one in listed if one["provider"] == "openai") == tested
    assert [row["outcome"] for row in await usage_rows(services)] == [outcome]


async def test_server_that_has_moved_into_a_private_network_is_not_reached(
    services, keys, owner_id, provider
):
    names = Names({"moves.example": [["93.184.215.14"], ["10.0.0.7"]]})
    guard = type(keys.guard)(keys.guard.private, needs_https=True, resolve=names)
    object.__setattr__(keys, "guard", guard)
    services.llms.make.args[3].__dict__["resolve"] = names  # the one connections are made through
    await keys.save("openai", owner_id=owner_id, api_key=KEY, base_url="https://moves.example/v1")

    tested = await services.provider_checks.check("openai", owner_id=owner_id)

    assert "not the address of a server on the internet" in tested.problem
    assert [row["outcome"] for row in await usage_rows(services)] == ["address"]
    assert names.asked == ["moves.example"] * 2


async def test_own_server_is_asked_for_the_model_that_is_in_use(
    services, owner, owner_id, own_server, provider
):
    await services.provider_keys.save("openai", owner_id=owner_id, base_url=own_server)
    await owner.create_kb(llm_provider="openai", llm_model="llama3.2")

    await services.provider_checks.check("openai", owner_id=owner_id)

    assert provider.requests[-1].body["model"] == "llama3.2"


async def test_key_that_was_replaced_while_it_was_tested_keeps_no_verdict(services, keys, owner_id):
    await keys.save("openai", owner_id=owner_id, api_key=KEY)
    tried = await keys.stored("openai", owner_id=owner_id)
    await keys.save("openai", owner_id=owner_id, api_key="sk-another-one-0123456789")

    async with services.engine.begin() as connection:
        await provider_keys.note_check(_Session(connection), tried, "bad", owner_id=owner_id)

    status = await keys.status("openai", owner_id=owner_id)
    assert (status.checked_at, status.problem) == (None, "")


async def test_new_key_forgets_what_was_found_about_the_old_one(services, keys, owner_id, own_server):
    await keys.save("openai", owner_id=owner_id, api_key=KEY, base_url=own_server)
    await services.provider_checks.check("openai", owner_id=owner_id)

    assert (await keys.save("openai", owner_id=owner_id, api_key=KEY)).checked_at is None
    assert (await keys.status("openai", owner_id=owner_id)).checked_at is None


async def test_tests_cannot_be_used_to_count_the_servers_of_a_network(
    services, keys, owner_id, own_server, monkeypatch
):
    monkeypatch.setattr(provider_checks, "TESTS_PER_MINUTE", 1)  # more may take more than a minute here
    await keys.save("openai", owner_id=owner_id, api_key=KEY, base_url=own_server)

    await services.provider_checks.check("openai", owner_id=owner_id)
    with pytest.raises(LimitReached):
        await services.provider_checks.check("openai", owner_id=owner_id)


async def test_only_ones_own_key_can_be_tested(services, owner, owner_id):
    with pytest.raises(NotFound):
        await services.provider_checks.check("anthropic", owner_id=owner_id)
    assert (await owner.http.post("/api/provider-keys/anthropic/test")).status_code == 404


# ---- secrets stay secret


async def test_key_is_in_no_answer_log_or_error(services, owner, own_server, caplog):
    bad = f"{KEY} with a space"
    with capture_logs() as logs, caplog.at_level(logging.DEBUG, logger="rag_app"):
        told = [
            await owner.http.put("/api/provider-keys/openai", json={"api_key": KEY, "base_url": own_server}),
            await owner.http.put("/api/provider-keys/gemini", json={"api_key": KEY}),
            await owner.http.put("/api/provider-keys/gemini", json={"api_key": bad}),
            await owner.http.put("/api/provider-keys/gemini", json={"api_key": KEY * 100}),
            await owner.http.put("/api/provider-keys/gemini", json={"api_key": [KEY]}),
            await owner.http.put("/api/provider-keys/gemini", json={"api_key": KEY, "more": KEY}),
            await owner.http.put(
                "/api/provider-keys/gemini", json={"api_key": KEY, "base_url": f"https://{KEY}@x/"}
            ),
            await owner.http.put("/api/provider-keys/local", json={"api_key": KEY}),
            await owner.http.put("/api/provider-keys/openai", content=f'{{"api_key": "{KEY}"'),
            await owner.http.post("/api/provider-keys/openai/test"),
            await owner.http.get("/api/provider-keys"),
            await owner.http.get("/api/knowledge-bases/providers"),
            await owner.http.get("/health"),
        ]

    everything = "\n".join(f"{one.headers} {one.text}" for one in told)
    assert KEY not in everything
    assert INSTALLED not in everything
    assert KEY not in f"{logs}\n{caplog.text}"
    assert "WXYZ" in everything
    assert "provider_key_saved" in [entry["event"] for entry in logs]


async def test_audit_says_who_did_it_and_not_the_key(services, keys, owner_id):
    await keys.save("openai", owner_id=owner_id, api_key=KEY)
    await keys.remove("openai", owner_id=owner_id)

    async with services.engine.connect() as connection:
        found = await connection.execute(
            sa.text(
                "SELECT user_id, action, CAST(details AS text) FROM audit_log WHERE action LIKE 'provider%'"
            )
        )
        rows = [tuple(row) for row in found]
    assert [(who, what) for who, what, _ in rows] == [
        (owner_id, "provider_key_saved"), (owner_id, "provider_key_removed")
    ]  # fmt: skip
    assert KEY not in str(rows)


async def test_keys_do_not_show_when_printed(services, keys, owner_id):
    await keys.save("openai", owner_id=owner_id, api_key=KEY)

    assert KEY not in repr(await access(services, owner_id))
    assert KEY not in repr(services.llms)
    [row] = await stored_rows(services)
    assert repr(row["ciphertext"]) not in repr(await keys.stored("openai", owner_id=owner_id))


# ---- new encryption keys


NEW = EncryptionKey("new", bytes(range(40, 72)))


def ring_of(services, *more: EncryptionKey) -> KeyRing:
    return KeyRing((*more, *bootstrap.key_ring(services.settings).keys))


async def furnish(services, keys, owner, other):
    for who, provider in ((owner, "openai"), (owner, "gemini"), (other, "openai")):
        await keys.save(provider, owner_id=who.user["id"], api_key=f"{KEY}-{who.user['id']}-{provider}")


async def assert_all_open(services, owner, other):
    for who, provider in ((owner, "openai"), (owner, "gemini"), (other, "openai")):
        found = await access(services, who.user["id"], provider)
        assert found.api_key.get_secret_value() == f"{KEY}-{who.user['id']}-{provider}"


async def test_rotation_encrypts_everything_with_the_first_key(services, keys, owner, other, monkeypatch):
    monkeypatch.setattr(key_rotation, "BATCH", 2)
    await furnish(services, keys, owner, other)
    rotation = KeyRotationService(keys.sessions, ring_of(services, NEW))

    assert await rotation.rotate() == Rotation(3, 0)
    assert await rotation.rotate() == Rotation(0, 0)

    assert {row["key_id"] for row in await stored_rows(services)} == {"new"}
    object.__setattr__(keys, "ring", KeyRing((NEW,)))
    await assert_all_open(services, owner, other)


async def test_broken_off_rotation_leaves_all_readable_and_goes_on(services, keys, owner, other, monkeypatch):
    await furnish(services, keys, owner, other)
    ring = ring_of(services, NEW)
    rotation, reseal, n = KeyRotationService(keys.sessions, ring), provider_keys.reseal, 0

    async def dies_at_the_second(*args, **more):
        nonlocal n
        n += 1
        if n == 2:
            raise KeyboardInterrupt
        return await reseal(*args, **more)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(provider_keys, "reseal", dies_at_the_second)
        await rotation.rotate()

    object.__setattr__(keys, "ring", ring)
    await assert_all_open(services, owner, other)
    assert await rotation.rotate() == Rotation(2, 0)
    await assert_all_open(services, owner, other)


async def test_key_saved_while_keys_are_rotated_is_not_overwritten(
    services, keys, owner, owner_id, monkeypatch
):
    await keys.save("openai", owner_id=owner_id, api_key=KEY)
    ring, reseal = ring_of(services, NEW), provider_keys.reseal
    object.__setattr__(keys, "ring", ring)

    async def saved_just_before(*args, **more):
        await keys.save("openai", owner_id=owner_id, api_key="sk-the-newer-one-0123456789")
        return await reseal(*args, **more)

    monkeypatch.setattr(provider_keys, "reseal", saved_just_before)
    await KeyRotationService(keys.sessions, ring).rotate()

    assert (await access(services, owner_id)).api_key.get_secret_value() == "sk-the-newer-one-0123456789"


async def test_secret_that_no_key_opens_is_counted_and_left_alone(services, keys, owner, other):
    await furnish(services, keys, owner, other)
    async with services.engine.begin() as connection:
        await connection.execute(
            sa.text("UPDATE provider_keys SET key_id = 'lost' WHERE provider = 'gemini'")
        )
    before = [row for row in await stored_rows(services) if row["provider"] == "gemini"]

    assert await KeyRotationService(keys.sessions, ring_of(services, NEW)).rotate() == Rotation(2, 1)

    assert [row for row in await stored_rows(services) if row["provider"] == "gemini"] == before


async def test_command_rotates_and_says_what_it_did(services, keys, owner, owner_id, monkeypatch, capsys):
    await keys.save("openai", owner_id=owner_id, api_key=KEY)
    config = services.settings.model_copy(update={"rag_encryption_keys": SecretStr(as_text(NEW))})
    monkeypatch.setattr(program, "read_settings", lambda: config)
    monkeypatch.setattr(program.log, "configure", lambda **_: None)
    monkeypatch.setattr("sys.argv", ["rag_app", "keys", "rotate"])

    code = await asyncio.to_thread(program.main)

    assert code == 0
    assert "1 stored secrets were encrypted anew" in capsys.readouterr().out
    [row] = await stored_rows(services)
    place = Place(owner_id, "provider_keys", "openai ", "api_key")
    assert KeyRing((NEW,)).open(Sealed("new", row["ciphertext"]), place) == KEY


def test_command_fails_where_something_cannot_be_read(monkeypatch, capsys, config):
    monkeypatch.setattr(processes, "rotate_keys", lambda *_: (2, 1))

    assert program.keys(config, supervised=True) == program.FAILED
    assert "1 can be read with no key" in capsys.readouterr().out


# ---- what the operator sets up


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, {"local": "none", "anthropic": "installation"}),
        ({"openai_base_url": "http://127.0.0.1:9/v1"},
         {"local": "none", "anthropic": "installation", "openai": "installation"}),
        ({"gemini_base_url": "http://127.0.0.1:9"}, {"local": "none", "anthropic": "installation"}),
    ],
)  # fmt: skip
async def test_operators_own_server_needs_no_key(config, more, expected):
    built = bootstrap.build(config.model_copy(update=more))
    try:
        assert {name: one.source for name, one in built.provider_keys.installed.items()} == expected
        assert not any(one.is_guarded for one in built.provider_keys.installed.values())
    finally:
        await built.close()


def test_no_key_of_the_machine_is_used():
    assert "OPENAI_API_KEY" not in os.environ


class _Session:
    """A session as queries see it, on a connection of the test's own."""

    def __init__(self, connection) -> None:
        self._connection = connection

    async def connection(self):
        return self._connection


# ---- lists and embeddings


async def test_own_server_is_asked_for_its_models_through_the_guard(services, keys, owner_id, own_server):
    await keys.save("openai", owner_id=owner_id, api_key=KEY, base_url=own_server)

    assert await services.model_admin.offered("openai", user_id=owner_id)


async def test_embeddings_never_go_to_a_private_network(services, keys, owner_id):
    await keys.save("openai", owner_id=owner_id, api_key=KEY)
    found = await access(services, owner_id)
    typed = replace(found, base_url="https://10.0.0.7/v1", is_guarded=True)
    hosted = services.retrieval.embedders.hosted
    model = services.models.of("openai", "embedding")[0]

    with pytest.raises(PermanentError, match="not the address of a server on the internet"):
        await hosted.make(typed, model).embed_query("How much leave?")
