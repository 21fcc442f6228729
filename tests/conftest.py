"""What most tests start from: a real Postgres, the services on it, and clients of the API."""

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import psycopg
import pytest
from starlette.types import ASGIApp

from rag_app import bootstrap
from rag_app.api.app import create_api, layers
from rag_app.bootstrap import Services
from rag_app.db.embedded import EmbeddedServer
from rag_app.rag.embedders import local_e5
from rag_app.rag.embedders.contract import Embedder
from rag_app.settings import Settings
from rag_app.worker.handlers import register
from tests.database import create_database, drop_database, quick_folder, start_test_postgres
from tests.fakes import WordEmbedder

ORIGIN = "http://localhost:3000"

# A developer's own keys and settings must not change what tests do.
for name in [
    n for n in os.environ if n.startswith("RAG_") or n.endswith(("_API_KEY", "_BASE_URL")) or "_OAUTH_" in n
]:
    del os.environ[name]

# Tests look into every knowledge base; the application's own connections say otherwise.
os.environ["PGOPTIONS"] = "-c rag.all_kbs=on"


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedServer]:
    """A throwaway Postgres for the whole run."""
    folder = quick_folder()
    server = start_test_postgres(folder)
    yield server
    server.stop()
    shutil.rmtree(folder)


@pytest.fixture
def database(postgres: EmbeddedServer) -> Iterator[str]:
    """A database of the test's own with the newest schema."""
    name = f"test_{uuid4().hex[:12]}"
    yield create_database(postgres, name)
    drop_database(postgres, name)


@pytest.fixture
def config(database: str, tmp_path: Path) -> Settings:
    """Settings as a fresh installation has them, on the test's own database and folder."""
    return Settings(database_url=database, rag_data_dir=tmp_path, _env_file=None)  # type: ignore[call-arg]


@pytest.fixture(scope="session")
def models_dir() -> Path:
    """Where the built-in models are kept between test runs, for converting them takes a while."""
    folder = Path(tempfile.gettempdir()) / "simple-rag-test-models"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def real_embedder(models_dir: Path) -> Embedder:
    """The built-in embedding model itself; a module asks for it by overriding `embedder`."""
    return local_e5.build(models_dir=models_dir, threads=2)


@pytest.fixture
def embedder() -> Embedder:
    """What texts are embedded by: their words, which is quick and exact."""
    return WordEmbedder()


@pytest.fixture
async def services(config: Settings, embedder: Embedder) -> AsyncIterator[Services]:
    """The services of an installation."""
    built = bootstrap.build(config)
    for name in ("local_e5", "local_minilm"):
        built.retrieval.embedders._made[name] = embedder
    register(built.jobs_queue, built)
    bootstrap.use(built)
    yield built
    bootstrap.use(None)
    await built.close()


@pytest.fixture
def sql(database: str) -> Callable[..., list[tuple[Any, ...]]]:
    """Ask the database something, beside everything that is checked; returns rows."""

    def ask(statement: str, *values: object) -> list[tuple[Any, ...]]:
        with psycopg.connect(database, autocommit=True) as connection:
            found = connection.execute(statement.encode(), values)
            return found.fetchall() if found.description else []

    return ask


@pytest.fixture
def run_jobs(services: Services) -> Callable[[], Awaitable[None]]:
    """Do all queued jobs, as a worker would, and come back."""

    async def run() -> None:
        async with services.jobs_queue.open_async():
            n_left, n_before = 10**9, -1
            while n_left and n_left != n_before:  # jobs that had to wait for another one's lock
                await services.jobs_queue.run_worker_async(
                    queues=["default", "sources"], wait=False, concurrency=2, install_signal_handlers=False,
                    listen_notify=False, delete_jobs="successful",
                )  # fmt: skip
                waiting = await services.jobs_queue.job_manager.list_jobs_async(status="todo")
                n_before, n_left = n_left, sum(job.scheduled_at is None for job in waiting)

    return run


@pytest.fixture
def app(services: Services, config: Settings) -> ASGIApp:
    """The API behind everything that surrounds it."""
    wrapped: ASGIApp = create_api()
    for layer in layers(config):
        wrapped = layer(wrapped)
    return wrapped


@pytest.fixture
async def client(app: ASGIApp) -> AsyncIterator[httpx2.AsyncClient]:
    """A caller nobody knows."""
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url=ORIGIN) as caller:
        yield caller


@dataclass
class Owner:
    """A signed-in caller of the API, with short ways to do what owners do."""

    http: httpx2.AsyncClient
    email: str
    user: dict[str, Any]
    tokens: dict[str, Any]

    async def create_kb(self, name: str = "Handbook", **more: Any) -> dict[str, Any]:
        """Make a knowledge base."""
        response = await self.http.post("/api/knowledge-bases", json={"name": name, **more})
        assert response.status_code == 201, response.text
        return response.json()

    async def upload(self, kb_id: int, *files: tuple[str, bytes]) -> list[dict[str, Any]]:
        """Upload files; returns their jobs."""
        response = await self.http.post(
            f"/api/knowledge-bases/{kb_id}/knowledge/upload",
            files=[("files", (name, content)) for name, content in files],
        )
        assert response.status_code == 202, response.text
        return response.json()["jobs"]

    async def search(self, kb_id: int, query: str, **more: Any) -> list[dict[str, Any]]:
        """Search; returns the passages."""
        response = await self.http.post(
            f"/api/knowledge-bases/{kb_id}/knowledge/search", json={"query": query, **more}
        )
        assert response.status_code == 200, response.text
        return response.json()["results"]

    async def converse(self, kb_id: int) -> int:
        """Begin a conversation; returns its id."""
        response = await self.http.post("/api/chat/conversations", json={"kb_id": kb_id})
        assert response.status_code == 201, response.text
        return response.json()["id"]

    async def ask(self, conversation_id: int, question: str) -> dict[str, Any]:
        """Ask; returns the answer."""
        response = await self.http.post(
            f"/api/chat/conversations/{conversation_id}/messages", json={"content": question}
        )
        assert response.status_code == 200, response.text
        return response.json()


@pytest.fixture
async def new_owner(app: ASGIApp) -> AsyncIterator[Callable[..., Awaitable[Owner]]]:
    """Register accounts."""
    opened: list[httpx2.AsyncClient] = []

    async def register_owner(email: str | None = None, password: str = "a long enough secret") -> Owner:
        email = email or f"owner-{uuid4().hex[:8]}@example.com"
        http = httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url=ORIGIN)
        opened.append(http)
        response = await http.post(
            "/api/auth/register", json={"email": email, "password": password, "name": "Ada"}
        )
        assert response.status_code == 201, response.text
        tokens = response.json()
        http.headers["Authorization"] = f"Bearer {tokens['access_token']}"
        return Owner(http, email, tokens["user"], tokens)

    yield register_owner
    for http in opened:
        await http.aclose()


@pytest.fixture
async def owner(new_owner: Callable[..., Awaitable[Owner]]) -> Owner:
    """The first account of an installation."""
    return await new_owner()


@pytest.fixture
async def other(owner: Owner, new_owner: Callable[..., Awaitable[Owner]]) -> Owner:
    """A second account, which must not see anything of the first."""
    return await new_owner()
