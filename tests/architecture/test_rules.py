"""The house rules that a machine can check."""

import ast
import importlib
import inspect
import pkgutil
import re
import typing
from pathlib import Path

import pytest

import rag_app
from rag_app.db import queries
from rag_app.domain.knowledge_bases import KbScope
from rag_app.domain.usage_reports import UsageScope

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "rag_app").rglob("*.py"))

TENANT_TABLES = re.compile(
    r"\b(knowledge_bases|knowledge_base|documents|document_pages|chunks|chunk_postings|conversations|messages|"
    r"end_users|share_links|document_processing_jobs|pending_embeddings|provider_keys|kb_word_stats|"
    r"document_word_stats|llm_usage|sources|source_runs|source_items|source_events|unanswered_questions|"
    r"job_events)\b"
)

# Queries that reach over tenants on purpose, each with who asks.
ACROSS_TENANTS = {
    "access.shared": "makes the scope, of a public link",
    "access.for_job": "makes the scope, of a queued job",
    "admin.owners": "the super admin sees how much each account has",
    "conversations.scope_for_visitor": "makes the scope, of a visitor's token",
    "jobs.about": "a worker looks what a queued job is about",
    "jobs.claim": "a worker takes a job by its number",
    "jobs.release_stalled": "the sweep hands on what dead workers had in hand",
    "jobs.open_without_worker": "the sweep looks for forgotten jobs",
    "provider_keys.not_sealed_with": "the operator encrypts all stored keys anew",
    "provider_keys.reseal": "the operator encrypts all stored keys anew",
    "source_runs.about": "a worker looks which source a queued run reads",
    "source_runs.add_event": "adds to a run that is held under a lock",
    "source_runs.open_due": "the worker looks for sources whose time has come",
    "source_runs.open_without_worker": "the worker looks for forgotten runs",
    "source_runs.with_overdue_items": "the worker looks for what is to be removed",
    "sources.reseal": "the operator encrypts all stored secrets anew",
    "sources.secrets_not_sealed_with": "the operator encrypts all stored secrets anew",
    "system.is_file_needed": "the clean-up asks whether anybody has these bytes",
    "system.forget_old": "the clean-up removes what has served its time",
    "system.live_workers": "counts processes",
    "unanswered.waiting": "the worker looks for questions to embed",
    "usage.insert": "counts a call for the owner it was made for",
    "document_versions.unneeded": "asks which files nobody has any more, before they are deleted",
    "embedding_switch.under_way": "the worker looks for switches to go on with",
    "vector_index.large_kbs": "the worker looks for knowledge bases to index",
    "word_index.stale": "the worker looks for words to index anew",
}


def query_functions():
    for module_info in pkgutil.iter_modules(queries.__path__):
        module = importlib.import_module(f"{queries.__name__}.{module_info.name}")
        for name, function in inspect.getmembers(module, inspect.iscoroutinefunction):
            if function.__module__ == module.__name__ and not name.startswith("_"):
                yield f"{module_info.name}.{name}", function


@pytest.mark.parametrize(("name", "function"), [pytest.param(n, f, id=n) for n, f in query_functions()])
def test_every_query_of_a_tenants_rows_names_the_tenant(name, function):
    if not TENANT_TABLES.search(inspect.getsource(function)) or name in ACROSS_TENANTS:
        return
    parameters = inspect.signature(function).parameters
    hints = typing.get_type_hints(function)
    takes_scope = any(hints.get(parameter) in {KbScope, UsageScope} for parameter in parameters)
    takes_owner = any(
        parameter in {"owner_id", "caller", "token_hash"}
        and parameters[parameter].default is inspect.Parameter.empty
        for parameter in parameters
    )

    assert takes_scope or takes_owner, f"{name} must take a KbScope or a required owner_id"


def test_the_list_of_exceptions_has_no_dead_entry():
    assert set(ACROSS_TENANTS) <= {name for name, _ in query_functions()}


def test_a_scope_is_made_in_few_places_only():
    makers = {
        path.relative_to(ROOT).as_posix() for path in SOURCES if re.search(r"\bKbScope\(", path.read_text())
    }

    assert makers <= {"rag_app/db/queries/access.py", "rag_app/db/queries/conversations.py"}


def test_whose_usage_may_be_seen_is_decided_in_one_place():
    makers = {
        path.relative_to(ROOT).as_posix()
        for path in SOURCES
        if re.search(r"\bUsageScope\(\w", path.read_text())
    }

    assert makers == {"rag_app/db/queries/usage_reports.py"}


def imports_of(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


def packages_of(path: Path) -> set[str]:
    return {name.partition(".")[0] for name in imports_of(path)}


def test_sql_is_known_only_in_db():
    sql = {"sqlalchemy", "sqlmodel", "psycopg", "pgvector"}
    knowing = {
        path.relative_to(ROOT).as_posix()
        for path in SOURCES
        if packages_of(path) & sql and path.relative_to(ROOT).parts[1] != "db"
    }

    assert knowing <= {"rag_app/bootstrap.py"}  # it opens the engine and hands it on


def test_reflex_is_known_only_in_ui():
    knowing = {
        path.relative_to(ROOT).as_posix()
        for path in SOURCES
        if "reflex" in packages_of(path) and path.relative_to(ROOT).parts[1] != "ui"
    }

    assert knowing <= {"rag_app/rag_app.py"}


def test_only_bootstrap_and_the_start_read_settings():
    readers = {
        path.relative_to(ROOT).as_posix()
        for path in SOURCES
        if "rag_app.settings" in imports_of(path)
        and re.search(r"import [^\n]*\b(read_)?settings\b", path.read_text())
    }

    assert readers <= {
        "rag_app/bootstrap.py",
        "rag_app/rag_app.py",
        "rag_app/__main__.py",
        "rag_app/processes.py",
        "rag_app/worker/loop.py",
    }


def test_one_place_decides_whose_addresses_are_guarded():
    """A second one could forget that owners' addresses must not lead into the operator's network."""
    found = {
        path.relative_to(ROOT).as_posix(): path.read_text().count("LLMSettings(")
        for path in SOURCES
        if "LLMSettings(" in path.read_text() and path.name != "contract.py"
    }

    assert found == {"rag_app/bootstrap.py": 1}


def test_there_is_no_room_for_odds_and_ends():
    assert not [path for path in SOURCES if path.stem in {"utils", "helpers", "misc", "common"}]


def test_every_module_says_what_it_is_for():
    silent = [
        path.relative_to(ROOT).as_posix()
        for path in SOURCES
        if path.stat().st_size and ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) is None
    ]

    assert silent == []


def test_every_embedding_model_has_an_id_and_an_index():
    from rag_app import registry
    from rag_app.rag import embedders as providers

    migration = (ROOT / "alembic/versions/0002_documents_chunks_sign_ins.py").read_text()
    indexes = (ROOT / "alembic/versions/0003_search_index.py").read_text()
    modules = {name: registry.load(providers, name) for name in registry.names(providers)}
    built_in = [name for name in modules if hasattr(modules[name], "DIMENSIONS")]  # others: at the start
    assert built_in == ["local_e5", "local_minilm"]
    for number, name in enumerate(built_in, start=1):
        dimensions = registry.load(providers, name).DIMENSIONS
        assert f"({number}, '{name}', {dimensions})" in migration
        assert f"({number}, {dimensions})" in indexes


def test_every_dependency_is_explained():
    explained = (ROOT / "docs/dependencies.md").read_text().lower()
    names = [
        re.split(r"[\[<>=~]", line.strip())[0].lower()
        for file in ("requirements.in", "requirements-models.in", "requirements-dev.in")
        for line in (ROOT / file).read_text().splitlines()
        if line.strip() and not line.startswith(("#", "-"))
    ]

    assert [name for name in names if f"`{name}`" not in explained] == []


def test_no_lock_file_names_a_registry():
    locks = [*ROOT.glob("requirements*.txt"), *(ROOT / "reflex.lock").glob("*")]

    named = [
        path.name
        for path in locks
        if re.search(r'"resolved"|--index-url|--find-links|--extra-index-url', path.read_text())
    ]

    assert locks
    assert named == []


def test_the_version_is_the_same_everywhere():
    project = (ROOT / "pyproject.toml").read_text()

    assert f'version = "{rag_app.__version__}"' in project
    assert rag_app.__version__ in (ROOT / "CHANGELOG.md").read_text()


@pytest.mark.parametrize(
    ("call", "callers"),
    [
        ("search.ask(", {"rag_app/services/candidates.py"}),
        (".finder.find(", {"rag_app/services/retrieval.py"}),
        ("retrieval.retrieve(", {"rag_app/services/chat.py"}),
    ],
)
def test_there_is_one_path_from_a_question_to_its_passages(call, callers):
    """Preview, shared chat, search page, API and benchmarks get the same passages for the same question."""
    found = {path.relative_to(ROOT).as_posix() for path in SOURCES if call in path.read_text()}

    assert found == callers
