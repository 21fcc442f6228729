"""The Postgres that comes with Simple RAG, for installations without a `DATABASE_URL`.

    start ── initialise once ── running? ─┬─ yes: join
                                          └─ no: clear what a killed run left, launch, wait
    stop ─── anybody else using it? ── no: fast shutdown

Any number of processes may use one server. Each holds a shared lock while it does; the one that
started it stops it, or the last user if that one was killed or left earlier. It listens on a Unix
socket inside its own private folder only, and the application's role is no superuser.
"""

import contextlib
import errno
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import structlog
from psycopg import pq

from rag_app.db.check import EXTENSIONS
from rag_app.db.file_locks import FileLock
from rag_app.db.service_user import ServiceUser, admit, programs, service_user
from rag_app.errors import InvalidInput, PermanentError, RagAppError, StorageFull

log = structlog.get_logger()

MAX_SOCKET_BYTES = 100  # systems allow 103 to 107
SUPERUSER = "postgres"
ROLE = "app"
DATABASE = "rag"

POLL_S = 0.05
REPORT_EVERY_S = 10.0
LEFTOVERS_S = 30.0  # how long the processes of a killed server may take to notice
SHUTDOWN_S = 60.0  # a fast shutdown writes out what is in memory

_DISK_FULL = {errno.ENOSPC, errno.EDQUOT}

LEAST_BUFFERS_MB, MOST_BUFFERS_MB = 64, 2048
# Sized for a machine shared with the application; ALTER SYSTEM overrides any of it.
CONFIGURATION = {
    "max_connections": "60",
    "effective_cache_size": "1GB",
    "work_mem": "8MB",
    "maintenance_work_mem": "256MB",  # vector indexes that fit are built several times faster
    "autovacuum_work_mem": "64MB",
    "max_wal_size": "512MB",
    "huge_pages": "off",
    "jit": "off",  # our queries are short; compiling them takes longer than running them
    "random_page_cost": "1.1",
    "io_method": "sync",  # no idle helper processes
    "max_logical_replication_workers": "0",
    "autovacuum_max_workers": "2",
    "timezone": "'UTC'",
    "log_timezone": "'UTC'",
    "lc_messages": "'C'",
    "log_checkpoints": "off",
    # Texts of people stay out of the log: no statements, no details with values.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
}


class EmbeddedServer:
    """One process's use of the embedded server of a data folder."""

    def __init__(self, data_dir: Path, user: ServiceUser, bin_dir: Path) -> None:
        self.data_dir = data_dir
        self.pgdata = data_dir / "pg"
        self.log_file = data_dir / "postgres.log"
        self._user = user
        self._bin_dir = bin_dir
        self._use = FileLock(data_dir / "run" / "postgres.users")
        self._process: subprocess.Popen[Any] | None = None

    def dsn(self, role: str = ROLE, database: str = DATABASE) -> str:
        """Address of a database, for psycopg and, with its driver's name put in, SQLAlchemy."""
        return f"postgresql://{role}@/{database}?host={quote(str(self.pgdata))}"

    def is_running(self) -> bool:
        """Whether the server's main process is alive, though it may be starting or stopping."""
        if self._process is not None:
            return self._process.poll() is None
        return _postmaster(self.pgdata) is not None

    def revive(self) -> None:
        """Bring the server back if it was killed; the errors are those of `start`."""
        with _one_at_a_time(self.data_dir):
            self._join_or_launch()

    def stop(self) -> None:
        """End this use, and the server unless another process uses it; safe to call twice."""
        with _one_at_a_time(self.data_dir):
            self._leave()

    def __enter__(self) -> "EmbeddedServer":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _leave(self) -> None:
        self._use.release()
        alone = FileLock(self._use.path)
        if not alone.acquire(wait=False):
            if self._process is not None:
                _left_running.append(self._process)
                self._process = None
            return
        try:
            self._shut_down()
        finally:
            alone.release()

    def _join_or_launch(self) -> None:
        while pid := _postmaster(self.pgdata):
            if _answers(self.dsn(SUPERUSER, "postgres")):
                log.debug("postgres_joined", pid=pid)
                return
            time.sleep(POLL_S)  # recovering, or on its way out
        self._launch()

    def _launch(self) -> None:
        """Start the server and wait for it, however long the recovery after a crash takes."""
        (self.pgdata / "postgresql.conf").write_text(_configuration(self.pgdata))
        give_up_at = time.monotonic() + LEFTOVERS_S
        while True:
            _clear_leftovers(self.pgdata)
            written = self._spawn()
            if self._wait_until_ready():
                return
            said = self.log_file.read_bytes()[written:].decode(errors="replace")
            in_use = "is still in use" in said or "already exists" in said
            if not in_use or time.monotonic() > give_up_at:
                raise _failure("The database did not start", said, self.log_file)
            time.sleep(0.5)

    def _spawn(self) -> int:
        """Start the main process; return how long its log was before."""
        with self.log_file.open("ab") as output:
            written = output.tell()
            self._process = subprocess.Popen(
                [self._bin_dir / "postgres", "-D", self.pgdata],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd="/",
                env=_ENVIRONMENT,
                start_new_session=True,  # Ctrl-C in the terminal is for the supervisor
                **self._user.run_as,
            )
        return written

    def _wait_until_ready(self) -> bool:
        """Wait until connections are taken; False when the process ended instead."""
        report_at = time.monotonic() + REPORT_EVERY_S
        while not _answers(self.dsn(SUPERUSER, "postgres")):
            if not self.is_running():
                self._process = None
                return False
            if time.monotonic() > report_at:
                log.info("postgres_recovering")
                report_at += REPORT_EVERY_S
            time.sleep(POLL_S)
        return True

    def _provide_database(self) -> None:
        """Create the role, its database and the extensions, where they are lacking."""
        with psycopg.connect(self.dsn(SUPERUSER, "postgres"), autocommit=True) as connection:
            if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [ROLE]).fetchone():
                connection.execute(f"CREATE ROLE {ROLE} LOGIN NOSUPERUSER".encode())
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
                connection.execute(f"CREATE DATABASE {DATABASE} OWNER {ROLE}".encode())
        with psycopg.connect(self.dsn(SUPERUSER), autocommit=True) as connection:
            for name in EXTENSIONS:
                connection.execute(f"CREATE EXTENSION IF NOT EXISTS {name}".encode())

    def _shut_down(self) -> None:
        """Ask for a fast shutdown, then insist."""
        for request in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
            pid = self._process.pid if self._process else _postmaster(self.pgdata)
            if pid is None or not self.is_running():
                break
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, request)
            give_up_at = time.monotonic() + SHUTDOWN_S
            while self.is_running() and time.monotonic() < give_up_at:
                time.sleep(POLL_S)
        self._process = None
        _left_running[:] = [process for process in _left_running if process.poll() is None]


def start(data_dir: Path) -> EmbeddedServer:
    """Start the server in `<data_dir>/pg`, or join it where it runs already.

    Raises:
        InvalidInput: the folder cannot be used: not writable, not ours, path too long.
        StorageFull: the disk is full.
        PermanentError: data of another Postgres version, or a server that will not start.
    """
    data_dir = writable_folder(data_dir)
    pgdata = data_dir / "pg"
    _check_socket_path(pgdata)
    with _one_at_a_time(data_dir):
        user = service_user(pgdata)
        admit(user, data_dir)
        server = EmbeddedServer(data_dir, user, programs(user, data_dir))
        _ensure_initialised(server)
        server._use.acquire(shared=True)
        try:
            server._join_or_launch()
            server._provide_database()
        except BaseException as error:
            server._leave()
            if isinstance(error, psycopg.Error):
                raise _failure("The database could not be set up", str(error), server.log_file) from error
            raise
    return server


# Processes of servers that others still use: nobody waits for them any more.
_left_running: list[subprocess.Popen[Any]] = []

# Nothing of the caller's environment (PGPORT, PGDATA, locale) changes how the server behaves.
_ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C"}


def _one_at_a_time(data_dir: Path) -> FileLock:
    return FileLock(data_dir / "run" / "postgres.lock")


def writable_folder(data_dir: Path) -> Path:
    """Make the data folder with its folder of locks, and return its real path.

    Raises:
        InvalidInput: it cannot be made or written.
        StorageFull: the disk is full.
    """
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        (data_dir / "run").mkdir(mode=0o700, exist_ok=True)
        with tempfile.TemporaryFile(dir=data_dir / "run") as probe:
            probe.write(b"a full disk takes no byte")
    except OSError as error:
        if error.errno in _DISK_FULL:
            raise StorageFull(f"The disk of the data folder {data_dir} is full.") from error
        raise InvalidInput(
            f"The data folder {data_dir} cannot be used: {error.strerror}. "
            "Set RAG_DATA_DIR to a folder you may write to."
        ) from error
    return data_dir.resolve()


def _check_socket_path(pgdata: Path) -> None:
    socket = os.fsencode(pgdata / ".s.PGSQL.5432")
    if len(socket) > MAX_SOCKET_BYTES:
        allowed = MAX_SOCKET_BYTES - len(socket) + len(os.fsencode(pgdata.parent))
        raise InvalidInput(
            f"The path of the data folder {pgdata.parent} is too long for the database's socket; "
            f"set RAG_DATA_DIR to one of at most {allowed} characters."
        )


def _ensure_initialised(server: EmbeddedServer) -> None:
    pgdata = server.pgdata
    if (pgdata / "PG_VERSION").exists():
        _check_version(server)
        return
    if pgdata.exists() and any(pgdata.iterdir()):
        raise InvalidInput(f"The folder {pgdata} holds something else than a database; move it away.")
    log.info("postgres_initialising", folder=str(pgdata))
    unfinished = pgdata.with_name("pg.unfinished")  # renamed when complete: never half a database
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700)
    if server._user.switched:
        os.chown(unfinished, server._user.uid, server._user.gid)
    ctype = "C.UTF-8" if sys.platform == "linux" else "en_US.UTF-8"
    result = subprocess.run(
        [
            *(server._bin_dir / "initdb", "-D", unfinished, "-U", SUPERUSER, "--auth=trust"),
            *("--encoding=UTF8", f"--locale={ctype}"),
            *("--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
        ],
        check=False,
        capture_output=True,
        text=True,
        cwd="/",
        env=_ENVIRONMENT,
        **server._user.run_as,
    )
    if result.returncode != 0:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise _failure("The database could not be initialised", result.stderr, server.log_file)
    unfinished.rename(pgdata)


def _check_version(server: EmbeddedServer) -> None:
    """Refuse data of another major version, which Postgres cannot open."""
    found = (server.pgdata / "PG_VERSION").read_text().strip()
    command = [server._bin_dir / "postgres", "--version"]
    said = subprocess.run(command, capture_output=True, text=True, cwd="/", check=True, **server._user.run_as)
    ours = said.stdout.split()[-1].split(".")[0]
    if found != ours:
        raise PermanentError(
            f"The database in {server.pgdata} was made by Postgres {found}, but {ours} is installed; "
            "install the earlier version, or restore a backup into a new data folder."
        )


def _configuration(pgdata: Path) -> str:
    """The server's configuration file."""
    fixed = {
        "listen_addresses": "''",
        "unix_socket_directories": "'" + str(pgdata).replace("'", "''") + "'",
        "unix_socket_permissions": "0700",
        "dynamic_shared_memory_type": _shared_memory(),
    }
    sized = {"shared_buffers": f"{_shared_buffers_mb()}MB"}
    lines = [f"{name} = {value}" for name, value in (fixed | CONFIGURATION | sized).items()]
    return "\n".join(["# Written at every start; change settings with ALTER SYSTEM.", *lines, ""])


def _shared_buffers_mb() -> int:
    """An eighth of the memory there is: an index that is read through the system's cache takes twice as long.

    What is not in use takes no memory, so that a small installation stays small.
    """
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with contextlib.suppress(OSError, ValueError):  # a container's own limit; "max" is none
        memory = min(memory, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    return min(max(memory // 2**20 // 8, LEAST_BUFFERS_MB), MOST_BUFFERS_MB)


def _shared_memory() -> str:
    """Use files where /dev/shm is as small as in a container: parallel index builds need more."""
    shm = Path("/dev/shm")  # noqa: S108 (a file system, not a temporary file)
    small = shm.is_dir() and shutil.disk_usage(shm).total < 1024**3
    return "mmap" if small else "posix"


def _answers(dsn: str) -> bool:
    return pq.PGconn.ping(f"{dsn}&connect_timeout=5".encode()) == pq.Ping.OK


def _postmaster(pgdata: Path) -> int | None:
    """The id of the server's main process, if it is alive.

    Neither a number left in the file by a killed run, nor a dead process that nobody
    has waited for yet, nor a stranger with the same number counts.
    """
    try:
        pid = int((pgdata / "postmaster.pid").read_text().split("\n", 1)[0])
    except (OSError, ValueError):
        return None
    return pid if pid in _servers(pgdata, [pid]) else None


def _servers(pgdata: Path, pids: list[int]) -> list[int]:
    """Those of `pids` that are living Postgres processes of this folder."""
    if not Path("/proc/self").exists():
        return [pid for pid in pids if _exists(pid)]
    return [pid for pid in pids if _is_server(Path(f"/proc/{pid}"), pgdata)]


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True


def _is_server(process: Path, pgdata: Path) -> bool:
    try:
        name, _, rest = (process / "stat").read_text().partition("(")[2].rpartition(")")
        # Every Postgres process works in its data folder; of a dead one the folder cannot be read.
        return name == "postgres" and rest.split()[0] != "Z" and (process / "cwd").readlink() == pgdata
    except (OSError, IndexError):
        return False


def _clear_leftovers(pgdata: Path) -> None:
    """Wait for the orphans of a killed server, then remove its lock files.

    Orphans end by themselves as soon as they notice; a new server beside them would damage the data.
    """
    give_up_at = time.monotonic() + LEFTOVERS_S
    while orphans := _servers(pgdata, _all_pids()):
        if time.monotonic() > give_up_at:
            for pid in orphans:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        time.sleep(POLL_S)
    if Path("/proc/self").exists():  # elsewhere Postgres decides whether the files are stale
        for name in ("postmaster.pid", ".s.PGSQL.5432.lock"):
            (pgdata / name).unlink(missing_ok=True)


def _all_pids() -> list[int]:
    proc = Path("/proc")
    return [int(entry.name) for entry in proc.iterdir() if entry.name.isdigit()] if proc.is_dir() else []


def _failure(what: str, said: str, log_file: Path) -> RagAppError:
    """The error to raise, from what a program of Postgres said last."""
    if "No space left on device" in said:
        return StorageFull(f"{what}: the disk is full.")
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    telling = [line for line in lines if "FATAL" in line or "PANIC" in line or "error:" in line]
    reason = (telling[-1:] or lines[:1] or ["it gave no reason"])[0]
    reason = re.sub(r"^.*(FATAL|PANIC|error):\s+", "", reason)
    if "Permission denied" in reason:
        return InvalidInput(f"{what}: {reason}.")
    return PermanentError(f"{what}: {reason.rstrip('.')}. More may be in {log_file}.")
