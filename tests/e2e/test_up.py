"""`python -m rag_app up` as a whole: it starts with one line, stops without a trace, and survives kills."""

import contextlib
import http.client
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from rag_app.db import embedded
from tests.database import bare_environment, short_folder

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]  # the pages may have to be built first

ROOT = Path(__file__).parents[2]


class Installation:
    """One run of `up` on its own folder and port."""

    def __init__(self, folder: Path, port: int) -> None:
        self.port = port
        self.log = folder / "up.log"
        environment = bare_environment(RAG_DATA_DIR=str(folder / "d"), RAG_PORT=str(port))
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "rag_app", "up"],
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
            )

    def wait_until_ready(self) -> str:
        """Return the line that says so."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline().decode()
        assert line, f"it ended instead:\n{self.log.read_text()}"
        return line

    def rest_of_output(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.read().decode()

    def is_live(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/health/live")
            return connection.getresponse().status == http.HTTPStatus.OK
        except OSError:
            return False
        finally:
            connection.close()

    def child(self, name: str) -> psutil.Process | None:
        """The living process of this role or program, if there is one now."""
        for process in psutil.Process(self.process.pid).children():
            with contextlib.suppress(psutil.Error):
                command = process.cmdline()
                if name in {*command, *(Path(program).name for program in command[:1])}:
                    return process
        return None

    def descendants(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)


@pytest.fixture
def folder() -> Iterator[Path]:
    path = short_folder()
    yield path
    shutil.rmtree(path)


@pytest.fixture
def up(folder: Path, unused_tcp_port: int) -> Iterator[Callable[[], Installation]]:
    """Start an installation in the test's folder and wait until it is ready."""
    started: list[Installation] = []

    def start() -> Installation:
        started.append(Installation(folder, unused_tcp_port))
        started[-1].wait_until_ready()
        return started[-1]

    yield start
    for installation in started:
        with installation.process:
            installation.process.terminate()
            installation.rest_of_output()
    embedded.start(folder / "d").stop()  # a failed test may have left the database


def eventually(condition: Callable[[], object]) -> None:
    """Wait for a condition; the time limit of the test is the bound."""
    while not condition():
        time.sleep(0.05)


def ended(processes: list[psutil.Process]) -> bool:
    return not [each for each in processes if each.is_running() and each.status() != psutil.STATUS_ZOMBIE]


def database_is_running(folder: Path) -> bool:
    """Whether the database of a folder was not shut down."""
    return (folder / "d" / "pg" / "postmaster.pid").exists()


@pytest.mark.parametrize("request_to_stop", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_starts_with_one_line_and_stops_without_a_trace(folder, unused_tcp_port, request_to_stop):
    installation = Installation(folder, unused_tcp_port)
    with installation.process:
        line = installation.wait_until_ready()
        live = installation.is_live()
        processes = installation.descendants()
        installation.process.send_signal(request_to_stop)
        rest = installation.rest_of_output()

    assert line == f"Simple RAG is ready: http://localhost:{unused_tcp_port}\n"
    assert rest == ""
    assert live
    assert installation.process.returncode == 0, installation.log.read_text()
    assert len(processes) > 3
    assert ended(processes)
    assert not database_is_running(folder)
    assert "Traceback" not in installation.log.read_text()


def test_second_start_on_the_folder_is_refused_and_the_first_goes_on(up, folder):
    first = up()

    second = subprocess.run(
        [sys.executable, "-m", "rag_app", "up"],
        cwd=ROOT,
        env=bare_environment(RAG_DATA_DIR=str(folder / "d")),
        capture_output=True,
        text=True,
        check=False,
    )

    assert second.returncode == 1
    assert (
        f"already running on the data folder {folder / 'd'}, at http://localhost:{first.port}"
        in second.stderr
    )
    assert first.is_live()


def test_everything_ends_when_the_supervisor_is_killed_and_the_next_start_heals(up, folder):
    killed = up()
    # The database alone stays: another program may be using it.
    children = [each for each in killed.descendants() if each.name() != "postgres"]

    killed.process.kill()
    killed.process.wait()
    eventually(lambda: ended(children))

    again = up()
    assert again.is_live()
    left = again.descendants()
    again.process.send_signal(signal.SIGINT)
    again.process.wait()
    assert ended(left)
    assert not database_is_running(folder)


@pytest.mark.parametrize("name", ["web", "worker"])
def test_killed_child_comes_back(up, name):
    installation = up()
    before = installation.child(name)
    assert before is not None

    before.kill()

    eventually(lambda: installation.child(name) not in {None, before})
    eventually(installation.is_live)


def test_killed_database_comes_back_with_what_was_committed(up, folder):
    installation = up()
    dsn = f"postgresql://app@/rag?host={folder / 'd' / 'pg'}"
    with psycopg.connect(dsn) as connection:
        connection.execute("CREATE TABLE kept AS SELECT generate_series(1, 100) AS n")

    database = installation.child("postgres")
    assert database is not None
    database.kill()

    def rows() -> int | None:
        try:
            with psycopg.connect(dsn) as connection:
                row = connection.execute("SELECT count(*) FROM kept").fetchone()
                return row[0] if row else None
        except psycopg.OperationalError:
            return None

    eventually(lambda: rows() == 100)
    assert installation.is_live()


DEVELOPER = """
import os, sys
from rag_app.processes import backing_services
with backing_services():
    print(os.environ["DATABASE_URL"], flush=True)
    sys.stdin.read()
"""


def test_developers_get_a_database_and_one_worker_that_end_with_them(folder):
    first = developer(folder)
    second = developer(folder)
    with first, second:
        address = address_given_to(first)
        workers = psutil.Process(first.pid).children()
        eventually(lambda: (folder / "run" / "worker.lock").exists())

        assert address == address_given_to(second) == f"postgresql://app@/rag?host={folder}/pg"
        second.communicate("")
        first.communicate("")

    assert ended(workers)
    assert not (folder / "pg" / "postmaster.pid").exists()


def developer(folder: Path) -> subprocess.Popen[str]:
    """A program that asks for what `reflex run` needs, and runs until its input ends."""
    return subprocess.Popen(
        [sys.executable, "-c", DEVELOPER],
        cwd=ROOT,
        env=bare_environment(RAG_DATA_DIR=str(folder)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def address_given_to(program: subprocess.Popen[str]) -> str:
    """What it found in DATABASE_URL; lines of the log before it are passed over."""
    assert program.stdout is not None
    while not (line := program.stdout.readline()).startswith("postgresql://"):
        assert line, "it ended instead"
    return line.strip()
