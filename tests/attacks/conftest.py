"""Two tenants: A, who has one of everything, and B, who wants it."""

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, cast

import pytest
import sqlalchemy as sa

from rag_app.bootstrap import Services
from rag_app.db.queries import access
from rag_app.domain.answers import Completed, LLMEvent, ModelInfo, Prompt, TextDelta, Usage
from rag_app.domain.knowledge_bases import KbScope
from rag_app.errors import NotFound
from rag_app.rag.llms.contract import LLM
from tests.conftest import Owner

# A word that is in everything A has and in nothing B sends: seen by B, it is a leak.
SECRET = "quetzalcoatlus"

HANDBOOK = f"""# Holiday of {SECRET}

Every {SECRET} employee has 25 days of holiday a year.

# Expenses

Travel of every {SECRET} is paid back within 14 days.
""".encode()
QUESTION = f"How many days of holiday does every {SECRET} employee have?"


@dataclass(frozen=True)
class Estate:
    """The real ids of one of everything that an owner can have."""

    owner: Owner
    kb_id: int
    document_id: int
    chunk_id: int
    job_id: int
    entry_id: int
    entry_document_id: int
    slug: str
    conversation_id: int
    question_id: int
    message_id: int
    marker: int
    visit_id: int
    visit_question_id: int
    visit_message_id: int
    visitor_token: str
    refused_id: int  # an answer that says no
    provider: str  # the one that A has a key for
    owner_id: int
    web_source_id: int
    web_run_id: int
    mail_source_id: int
    mail_run_id: int
    tier: str = "free"
    number: int = 1  # of the document's only version


class ObedientLLM:
    """A model that answers with its first passage, or word for word what a test tells it to."""

    models: tuple[ModelInfo, ...] = (ModelInfo("extractive-1", "Fake", 10_000, 1000),)

    def __init__(self) -> None:
        self.prompts: list[Prompt] = []
        self.answers: str | None = None

    async def stream(self, prompt: Prompt, *, model: str) -> AsyncIterator[LLMEvent]:
        """Answer."""
        self.prompts.append(prompt)
        found = f"{prompt.passages[0].content} [1]" if prompt.passages else "I do not know."
        yield TextDelta(found if self.answers is None else self.answers)
        yield Completed(Usage(1, 1), "stop", model)

    async def close(self) -> None:
        """Nothing to give back."""


@pytest.fixture
def llm(services: Services) -> ObedientLLM:
    """Who answers: never mind how well."""
    fake = ObedientLLM()
    for provider in services.llms.modules:
        services.llms.fix(provider, cast(LLM, fake))
    return fake


@pytest.fixture
async def new_estate(run_jobs, client, llm) -> Callable[[Owner], Awaitable[Estate]]:
    """Give an owner one of everything."""

    async def furnish(owner: Owner) -> Estate:
        kb = await owner.create_kb(f"Handbook of {SECRET}", description=f"About {SECRET}")
        [job] = await owner.upload(kb["id"], (f"{SECRET}.md", HANDBOOK))
        base = f"/api/knowledge-bases/{kb['id']}"
        pair = {"question": f"Who is {SECRET}?", "answer": f"{SECRET} is the answer."}
        entry = (await owner.http.post(f"{base}/knowledge", json=pair)).json()
        await run_jobs()
        document = (await owner.http.get(f"{base}/documents/{job['document_id']}")).json()
        link = (await owner.http.post(f"{base}/share-links")).json()
        conversation_id = await owner.converse(kb["id"])
        answer = await owner.ask(conversation_id, QUESTION)
        llm.answers = f"The passages do not say anything about this {SECRET}."
        refused = await owner.ask(await owner.converse(kb["id"]), f"What does a {SECRET} cost?")
        llm.answers = None
        visit = (await client.post("/api/chat/conversations", json={"share_slug": link["slug"]})).json()
        client.cookies.clear()
        visitor = {"X-Visitor-Token": visit["visitor_token"]}
        said = await client.post(
            f"/api/chat/conversations/{visit['id']}/messages", json={"content": QUESTION}, headers=visitor
        )
        await client.put(
            f"/api/shared/{link['slug']}/visitor",
            json={"name": SECRET, "email": f"{SECRET}@example.com"},
            headers=visitor,
        )
        visited = await client.get(f"/api/chat/conversations/{visit['id']}", headers=visitor)
        kept = await owner.http.put("/api/provider-keys/openai", json={"api_key": f"sk-{SECRET}-0123456789"})
        assert kept.status_code == 200, kept.text
        website = (
            await owner.http.post(f"{base}/web-sources", json={"url": f"https://{SECRET}.example/"})
        ).json()
        await owner.http.post(f"{base}/web-sources/{website['id']}/stop")  # nobody is asked for it
        mailbox = (
            await owner.http.post(
                f"{base}/mailboxes",
                json={
                    "address": f"{SECRET}@example.com",
                    "host": f"imap.{SECRET}.example",
                    "password": f"password of {SECRET}",
                },
            )
        ).json()
        await owner.http.post(f"{base}/mailboxes/{mailbox['id']}/stop")
        read = (await owner.http.get(f"/api/chat/conversations/{conversation_id}")).json()
        return Estate(
            owner=owner,
            kb_id=kb["id"],
            document_id=document["id"],
            chunk_id=document["chunks"][0]["id"],
            job_id=job["id"],
            entry_id=entry["id"],
            entry_document_id=entry["document_id"],
            slug=link["slug"],
            conversation_id=conversation_id,
            question_id=read["messages"][0]["id"],
            message_id=answer["id"],
            marker=answer["citations"][0]["marker"],
            visit_id=visit["id"],
            visit_question_id=visited.json()["messages"][0]["id"],
            visit_message_id=said.json()["id"],
            visitor_token=visit["visitor_token"],
            refused_id=refused["id"],
            provider="openai",
            owner_id=owner.user["id"],
            web_source_id=website["id"],
            web_run_id=website["run"]["id"],
            mail_source_id=mailbox["id"],
            mail_run_id=mailbox["run"]["id"],
        )

    return furnish


@pytest.fixture
async def estate(owner: Owner, new_estate: Callable[[Owner], Awaitable[Estate]]) -> Estate:
    """What A has."""
    return await new_estate(owner)


@pytest.fixture
def rows(services: Services) -> Callable[[], Awaitable[dict[str, str]]]:
    """A hash of every table's rows, by name: what was not allowed must leave no trace in any."""

    async def hashes() -> dict[str, str]:
        async with services.engine.connect() as connection:
            tables = await connection.execute(
                sa.text("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
            )
            return {name: await _hash(connection, name) for (name,) in tables.all()}

    return hashes


async def _hash(connection: Any, table: str) -> str:
    found = await connection.execute(sa.text(f'SELECT CAST(t AS text) FROM "{table}" t ORDER BY 1'))
    return hashlib.sha256("\n".join(row[0] for row in found).encode()).hexdigest()


@pytest.fixture
def no_questions_asked(monkeypatch) -> None:
    """An installation whose check of owners is broken, to see that the tests would notice."""

    async def let_in(session: Any, *, kb_id: int, owner_id: int, **_: Any) -> KbScope:
        scope = await access.for_job(session, kb_id=kb_id)
        if scope is None:
            raise NotFound("knowledge base")
        return scope

    monkeypatch.setattr(access, "owned", let_in)
