"""The container files name things that exist and keep secrets out."""

import re
from pathlib import Path

import pytest
import yaml

from rag_app.__main__ import COMMANDS
from rag_app.settings import Settings

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
APP_SERVICES = ("migrate", "web", "worker")

COPIED = [
    source
    for line in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE)
    for source in line.split()[:-1]
]


@pytest.mark.parametrize("source", COPIED)
def test_what_is_copied_exists_and_reaches_the_builder(source):
    assert (ROOT / source).exists()
    assert f"!{source}" in (ROOT / ".dockerignore").read_text().splitlines()


def test_nothing_reaches_the_builder_unasked():
    rules = [
        line
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line and not line.startswith("#")
    ]

    assert rules[0] == "*"
    assert not [rule for rule in rules if ".env" in rule]


def test_image_runs_as_an_ordinary_user():
    assert re.findall(r"^USER (\S+)$", DOCKERFILE, re.MULTILINE)[-1] == "rag"


@pytest.mark.parametrize("service", APP_SERVICES)
def test_services_run_commands_that_exist(service):
    assert COMPOSE["services"][service]["command"][0] in COMMANDS


def test_image_runs_a_command_that_exists():
    (default,) = re.findall(r'^CMD \["(\w+)"\]$', DOCKERFILE, re.MULTILINE)

    assert default in COMMANDS


@pytest.mark.parametrize("service", APP_SERVICES)
def test_services_use_settings_that_exist(service):
    others = {"POSTGRES_PASSWORD", "POSTGRES_APP_PASSWORD"}
    known = {name.upper() for name in Settings.model_fields} | others

    assert set(COMPOSE["services"][service]["environment"]) <= known


def test_passwords_come_from_outside_and_are_asked_for():
    text = (ROOT / "docker-compose.yml").read_text()
    secrets = re.findall(r"\$\{(\w*(?:PASSWORD|SECRET)\w*)(:\?)?", text)

    assert secrets
    assert all(asked == ":?" for _, asked in secrets)
    assert not re.search(r"(PASSWORD|SECRET\w*|KEYS?)[=:] *[\w-]{6,}", DOCKERFILE)


def test_nothing_starts_before_the_schema_is_there():
    services = COMPOSE["services"]

    assert services["migrate"]["depends_on"]["db"]["condition"] == "service_healthy"
    for name in ("web", "worker"):
        assert services[name]["depends_on"]["migrate"]["condition"] == "service_completed_successfully"


def test_every_mounted_file_and_volume_exists():
    for service in COMPOSE["services"].values():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert (ROOT / source).is_file() if source.startswith(".") else source in COMPOSE["volumes"]
