"""Every setting is explained where people look for it."""

import importlib.util
from pathlib import Path

import pytest

from rag_app.settings import Settings

ROOT = Path(__file__).parents[2]

_spec = importlib.util.spec_from_file_location("document_settings", ROOT / "scripts/document_settings.py")
assert _spec is not None and _spec.loader is not None
document_settings = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(document_settings)


@pytest.mark.parametrize("name", Settings.model_fields)
@pytest.mark.parametrize("page", [".env.example", "docs/configuration.md"])
def test_setting_is_documented(name, page):
    assert name.upper() in (ROOT / page).read_text()


@pytest.mark.parametrize("name", Settings.model_fields)
def test_setting_has_a_description_that_is_a_sentence(name):
    description = Settings.model_fields[name].description

    assert description and description.endswith(".")


def test_documents_say_what_the_settings_are_today():
    page = (ROOT / "docs/configuration.md").read_text()

    hint = "run: python scripts/document_settings.py"
    assert (ROOT / ".env.example").read_text() == document_settings.env_example(), hint
    assert page == document_settings.with_table(page), hint


def test_example_changes_nothing_when_copied():
    lines = (ROOT / ".env.example").read_text().splitlines()

    assert [line for line in lines if line and not line.startswith("#")] == []
