"""A call is counted also when the database is away at that moment, and nobody waits for that."""

import asyncio

import psycopg
import pytest

from rag_app.db.queries import usage as queries
from rag_app.domain.answers import Usage
from rag_app.domain.usage import CallContext, ProviderCall
from rag_app.services import usage


@pytest.fixture
async def call(owner):
    context = CallContext(owner.user["id"], "chat")
    return ProviderCall(context, "openai", "gpt-6-luna", Usage(7, 5), "complete")


@pytest.fixture
def outage(monkeypatch):
    """The database is away until this is set."""
    over, insert = asyncio.Event(), queries.insert

    async def fail(*arguments):
        if not over.is_set():
            raise psycopg.OperationalError("away")
        await insert(*arguments)

    monkeypatch.setattr(queries, "insert", fail)
    return over


def kept(database):
    with psycopg.connect(database) as connection:
        return connection.execute("SELECT total_tokens FROM llm_usage").fetchall()


async def test_a_call_is_kept_when_the_database_is_back(services, database, call, outage, monkeypatch):
    monkeypatch.setattr(usage, "PAUSES_S", (0, 0, 0))

    await services.usage.record(call)
    assert kept(database) == []
    outage.set()
    await services.usage.close()

    assert kept(database) == [(12,)]


async def test_an_outage_that_stays_is_given_up_and_said(
    services, database, call, outage, monkeypatch, capsys
):
    monkeypatch.setattr(usage, "PAUSES_S", (0, 0))

    await services.usage.record(call)
    await services.usage.close()

    assert kept(database) == []
    assert "usage_lost" in capsys.readouterr().out


async def test_what_is_no_outage_is_not_hidden(services, call, monkeypatch):
    async def fail(*_arguments):
        raise ValueError("ours")

    monkeypatch.setattr(queries, "insert", fail)
    with pytest.raises(ValueError, match="ours"):
        await services.usage.record(call)
