"""`python -m rag_app`: what it refuses and how it says so, and how children are kept running."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from rag_app import processes
from rag_app.db.file_locks import FileLock
from rag_app.errors import InvalidInput, PermanentError
from rag_app.processes import Child
from rag_app.settings import Settings
from tests.database import bare_environment, short_folder

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder() -> Iterator[Path]:
    path = short_folder()
    yield path
    shutil.rmtree(path)


def run(command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run one command of the program with nothing of this environment but the path."""
    return subprocess.run(
        [sys.executable, "-m", "rag_app", *command.split()],
        cwd=ROOT,
        env=bare_environment(PYTHONWARNINGS="error", **environment),
        capture_output=True,
        text=True,
        check=False,
    )


def alive(pid: int) -> bool:
    """Whether a process runs; one that only waits to be noticed does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        pytest.param({"RAG_PROT": "3401"}, "There is no setting called RAG_PROT.", id="misspelt name"),
        pytest.param({"RAG_PORT": "eighty"}, "RAG_PORT: ", id="no number"),
        pytest.param({"RAG_PORT": "70000"}, "RAG_PORT: ", id="impossible number"),
        pytest.param({"RAG_ENV": "prod"}, "RAG_ENV: ", id="unknown choice"),
        pytest.param({"RAG_SECRET_KEY": "short"}, "RAG_SECRET_KEY: must be at least 32", id="weak key"),
        pytest.param({"DATABASE_URL": "mysql://db"}, "DATABASE_URL: must look like", id="other database"),
        pytest.param({"RAG_BASE_URL": "rag.example.org"}, "RAG_BASE_URL: must look like", id="no address"),
    ],
)
@pytest.mark.parametrize("command", ["up", "migrate"])
def test_wrong_setting_stops_the_start_with_one_sentence(command, setting, sentence):
    result = run(command, **setting)

    assert result.returncode == 2
    assert result.stderr.startswith(f"Simple RAG: {sentence}")
    assert len(result.stderr.splitlines()) == 1
    assert result.stdout == ""


def test_busy_port_is_named_with_the_setting_that_changes_it(folder):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = run("up", RAG_DATA_DIR=str(folder), RAG_PORT=str(port))

    assert result.returncode == 1
    assert result.stderr == (
        f"Simple RAG: Port {port} is in use by another program; choose another one with RAG_PORT.\n"
    )


def test_address_of_another_machine_is_refused(folder):
    result = run("up", RAG_DATA_DIR=str(folder), RAG_HOST="192.0.2.1")  # reserved for documentation

    assert result.returncode == 1
    assert "cannot listen at 192.0.2.1" in result.stderr


def test_privileged_port_is_explained(monkeypatch):
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket.socket, "bind", refuse)

    with pytest.raises(InvalidInput, match=r"Port 80 needs special rights.*RAG_PORT"):
        processes.check_port("127.0.0.1", 80)


def test_unwritable_data_folder_is_named_with_its_setting():
    result = run("up", RAG_DATA_DIR="/proc/simple-rag")

    assert result.returncode == 1
    assert result.stderr.startswith("Simple RAG: The data folder /proc/simple-rag cannot be used: ")
    assert "RAG_DATA_DIR" in result.stderr


def test_second_start_on_a_folder_says_where_the_first_runs(folder):
    (folder / "run").mkdir()
    lock = FileLock(folder / "run" / "up.lock")
    with lock:
        lock.note("http://localhost:3401")
        result = run("up", RAG_DATA_DIR=str(folder), RAG_PORT="3402")

    assert result.returncode == 1
    assert "already running" in result.stderr
    assert "http://localhost:3401" in result.stderr


def test_unreachable_database_is_named_without_its_password(folder):
    result = run("migrate", RAG_DATA_DIR=str(folder), DATABASE_URL="postgresql://app:hunter2@127.0.0.1:1/rag")

    assert result.returncode == 1
    assert "The database at 127.0.0.1:1 cannot be reached" in result.stderr
    assert "hunter2" not in result.stderr


def test_doctor_says_what_works(folder):
    result = run("doctor", RAG_DATA_DIR=str(folder), RAG_PORT="3403", OPENAI_API_KEY="sk-very-secret-key")

    findings = result.stdout.splitlines()
    assert f"ok       Data folder: {folder} is writable" in findings
    assert "ok       Database: embedded, reachable, with the extensions it needs" in findings
    assert "ok       OPENAI_API_KEY: configured" in findings
    assert "ok       ANTHROPIC_API_KEY: not configured (optional)" in findings
    assert "sk-very" not in result.stdout + result.stderr


def test_doctor_says_what_is_missing():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        result = run("doctor", RAG_DATA_DIR="/proc/simple-rag", RAG_PORT=port)

    assert result.returncode == 1
    missing = [line.split()[1] for line in result.stdout.splitlines() if line.startswith("MISSING")]
    assert missing == ["Data", "Database:", "Port"]


def test_help_names_every_command():
    result = run("--help")

    assert {"up", "web", "worker", "migrate", "build", "doctor"} <= set(result.stdout.split())


def child(program: str, *, backoff_s: float = 0.0, **options: Any) -> Child:
    """A child that is restarted at once unless told otherwise."""
    return Child("test", [sys.executable, "-c", program], backoff_s=backoff_s, **options)


def test_crashed_child_is_restarted(folder):
    marker = folder / "started before"
    program = f"""
import pathlib, time
marker = pathlib.Path({str(marker)!r})
if marker.exists():
    time.sleep(600)
marker.touch()
"""
    crashing = child(program)
    crashing.start()
    try:
        assert crashing.process is not None
        first = crashing.process.pid
        crashing.process.wait()

        crashing.check()
        crashing.check()

        assert crashing.process.pid != first
        assert crashing.process.poll() is None
    finally:
        processes.stop([crashing], grace_s=5)


def test_child_that_never_runs_is_given_up_with_the_reason():
    broken = child("raise SystemExit(7)", max_crashes=3)
    broken.start()

    with pytest.raises(PermanentError, match="ended 3 times in a row, at last with exit code 7"):
        while True:
            broken.check()


def test_child_that_ran_well_before_is_never_given_up():
    crashing = child("raise SystemExit(7)", max_crashes=1, stable_s=0.0)
    crashing.start()
    assert crashing.process is not None
    for _ in range(3):
        crashing.process.wait()
        crashing.check()
        crashing.check()

    processes.stop([crashing], grace_s=5)
    assert crashing.proven


def test_restarts_come_more_slowly_each_time():
    crashing = child("raise SystemExit(7)", backoff_s=1000.0, max_backoff_s=3000.0, max_crashes=9)
    waits = []
    for _ in range(4):
        crashing.start()
        assert crashing.process is not None
        crashing.process.wait()
        before = time.monotonic()
        crashing.check()
        assert crashing.restart_at is not None
        waits.append(round(crashing.restart_at - before, -2))

    assert waits == [1000, 2000, 3000, 3000]


def test_stop_ends_what_the_child_started_and_what_does_not_listen(folder):
    note = folder / "pid"
    program = f"""
import pathlib, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
grandchild = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
pathlib.Path({str(note)!r}).write_text(str(grandchild.pid))
time.sleep(600)
"""
    stubborn = child(program)
    stubborn.start()
    while not note.exists() or not note.read_text():
        time.sleep(0.02)

    processes.stop([stubborn], grace_s=0.1)

    assert stubborn.process is not None
    assert stubborn.process.returncode == -signal.SIGKILL
    grandchild = int(note.read_text())
    while alive(grandchild):  # killed together; the test's time limit is the bound
        time.sleep(0.02)


@pytest.mark.skipif(sys.platform != "linux", reason="needs prctl")
def test_children_of_a_killed_supervisor_end(folder):
    note = folder / "pid"
    inner = """
import os, pathlib, sys, time
from rag_app.processes import die_with_parent
die_with_parent(int(sys.argv[1]))
pathlib.Path(sys.argv[2]).write_text(str(os.getpid()))
time.sleep(600)
"""
    outer = f"""
import os, subprocess, sys
subprocess.Popen([sys.executable, "-c", {inner!r}, str(os.getpid()), {str(note)!r}]).wait()
"""
    supervisor = subprocess.Popen([sys.executable, "-c", outer], cwd=ROOT)
    while not note.exists() or not note.read_text():
        time.sleep(0.02)
    orphan = int(note.read_text())

    supervisor.kill()
    supervisor.wait()

    while alive(orphan):
        time.sleep(0.02)


def test_child_whose_parent_is_gone_already_does_not_start():
    with pytest.raises(SystemExit):
        processes.die_with_parent(os.getpid())  # certainly not our own parent
    with suppress(SystemExit):
        processes.die_with_parent(os.getppid(), signal.SIGCONT)  # harmless again


def test_web_answers_are_asked_at_an_address_that_exists(unused_tcp_port):
    configuration = Settings(rag_host="0.0.0.0", rag_port=unused_tcp_port)

    assert processes.is_live(configuration) is False
