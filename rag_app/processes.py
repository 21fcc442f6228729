"""The processes of one installation, started and stopped together.

    up ─┬─ Postgres   unless DATABASE_URL names another
        ├─ web        pages, API and websocket on one port
        └─ worker     jobs: ingestion, synchronisation, evaluation

A child that crashes is restarted, more slowly each time; one that never ran properly is given up.
The supervisor imports neither Reflex nor SQLAlchemy, so it stays small: what needs them runs as a child.
"""

import contextlib
import ctypes
import errno
import http.client
import importlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import structlog

from rag_app.db import embedded
from rag_app.db.check import check_database
from rag_app.db.embedded import EmbeddedServer
from rag_app.db.file_locks import FileLock
from rag_app.errors import Conflict, InvalidInput, PermanentError, RagAppError
from rag_app.settings import Settings, settings

log = structlog.get_logger()

WEB_TARGET = "rag_app.rag_app:create_asgi"
STANDARD_ERROR = 2
POLL_S = 0.2
GRACE_S = 15.0  # for children to finish what they are doing
WEB_GRACE_S = 10  # for open requests; less than the above, so that web ends itself
PATIENCE_S = 60.0  # after this, an unfinished start is mentioned
PR_SET_PDEATHSIG = 1  # from linux/prctl.h

# What a built front end needs to be served by the process of the back end (pinned Reflex version).
PREBUILT = {
    "__REFLEX_SKIP_COMPILE": "true",
    "__REFLEX_MOUNT_FRONTEND_COMPILED_APP": "true",
    "REFLEX_ENV_MODE": "prod",
}


# ---------------------------------------------------------------- children


@dataclass
class Child:
    """One process with its own group, restarted when it ends by itself."""

    name: str
    command: list[str]
    environment: dict[str, str] = field(default_factory=dict)
    backoff_s: float = 1.0
    max_backoff_s: float = 30.0
    stable_s: float = 60.0  # a child that lived this long can run
    max_crashes: int = 5
    crashes: int = 0
    proven: bool = False
    process: subprocess.Popen[Any] | None = None
    started_at: float = 0.0
    restart_at: float | None = None

    def start(self) -> None:
        """Start the process."""
        self.restart_at = None
        self.started_at = time.monotonic()
        self.process = subprocess.Popen(
            self.command,
            stdin=subprocess.DEVNULL,
            stdout=STANDARD_ERROR,  # our own output is the one line that says we are ready
            env=os.environ | self.environment,
            start_new_session=True,  # Ctrl-C reaches the supervisor alone
        )

    def check(self) -> None:
        """Restart the process if it ended.

        Raises:
            PermanentError: it has never run long, and ended too many times in a row.
        """
        if self.restart_at is not None:
            if time.monotonic() >= self.restart_at:
                self.start()
            return
        if self.process is None or (code := self.process.poll()) is None:
            return
        self.kill_group()  # what it started itself
        if time.monotonic() - self.started_at >= self.stable_s:
            self.proven, self.crashes = True, 0
        self.crashes += 1
        if self.crashes >= self.max_crashes and not self.proven:
            raise PermanentError(
                f"The {self.name} process ended {self.crashes} times in a row, "
                f"at last {_described(code)}; its messages above say why."
            )
        delay_s = min(self.backoff_s * 2 ** (self.crashes - 1), self.max_backoff_s)
        self.restart_at = time.monotonic() + delay_s
        log.warning("process_restarts", process=self.name, ended=_described(code), delay_s=delay_s)

    def terminate(self) -> None:
        """Ask the process to finish what it is doing and end."""
        self.restart_at = None
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()

    def wait(self, until: float) -> None:
        """Wait for the end, at most until a point of the monotonic clock; then kill what is left."""
        if self.process is None:
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(max(0.0, until - time.monotonic()))
        self.kill_group()
        self.process.wait()

    def kill_group(self) -> None:
        """End every process of the group at once."""
        assert self.process is not None
        with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS: only zombies are left
            os.killpg(self.process.pid, signal.SIGKILL)


def stop(children: list[Child], *, grace_s: float = GRACE_S) -> None:
    """Stop children together: gently, and by force after the grace."""
    for child in children:
        child.terminate()
    until = time.monotonic() + grace_s
    for child in children:
        child.wait(until)


def own_process(name: str, environment: dict[str, str]) -> Child:
    """A child that runs another command of this program."""
    command = [sys.executable, "-m", "rag_app", name, "--parent", str(os.getpid())]
    return Child(name, command, environment)


def die_with_parent(parent_pid: int, how: signal.Signals = signal.SIGTERM) -> None:
    """End this process when its parent ends, however that happens (on Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, how)
    if os.getppid() != parent_pid:  # it ended before we could ask
        raise SystemExit(0)


def _described(code: int) -> str:
    return f"by signal {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"


# ---------------------------------------------------------------- database


@dataclass
class Database:
    """The database of this installation; `server` when it is the embedded one."""

    dsn: str
    server: EmbeddedServer | None = None
    retry_at: float = 0.0

    def check(self) -> None:
        """Bring the embedded server back if it was killed; keep trying while that fails."""
        if self.server is None or time.monotonic() < self.retry_at or self.server.is_running():
            return
        log.warning("database_restarts")
        try:
            self.server.revive()
        except RagAppError as error:
            log.error("database_restart_failed", reason=str(error))
            self.retry_at = time.monotonic() + 10


@contextlib.contextmanager
def open_database(configuration: Settings, *, supervised: bool = False) -> Generator[Database]:
    """Start or join the embedded server, or check the one of `DATABASE_URL`."""
    if configuration.database_url:
        if not supervised:  # a crashed child must come back even while the database is away
            check_database(configuration.database_url)
        yield Database(configuration.database_url)
        return
    with embedded.start(configuration.rag_data_dir) as server:
        yield Database(server.dsn(), server)


# ---------------------------------------------------------------- commands


def up(configuration: Settings, *, ready: Callable[[str], None]) -> NoReturn:
    """Run everything until a KeyboardInterrupt; `ready` is called once, with the address."""
    with _the_only_one(configuration), _stopping_on_signals():
        check_port(configuration.rag_host, configuration.rag_port)
        with open_database(configuration) as database:
            environment = {"DATABASE_URL": database.dsn}
            _finish(own_process("migrate", environment))
            _finish(own_process("build", environment))
            children = [own_process("worker", environment), own_process("web", environment)]
            try:
                for child in children:
                    child.start()
                _watch(configuration, children, database, ready)
            finally:
                stop(children)


def _finish(step: Child) -> None:
    """Run one step of the start; what goes wrong it says itself."""
    step.start()
    assert step.process is not None
    try:
        code = step.process.wait()
    finally:
        stop([step])
    if code != 0:
        raise SystemExit(1)


def _watch(
    configuration: Settings, children: list[Child], database: Database, ready: Callable[[str], None]
) -> NoReturn:
    is_ready = False
    mention_at = time.monotonic() + PATIENCE_S
    while True:
        database.check()
        for child in children:
            child.check()
        if not is_ready and is_live(configuration):
            is_ready = True
            ready(configuration.base_url)
        if not is_ready and time.monotonic() > mention_at:
            mention_at = float("inf")
            log.warning("start_takes_long", waiting_for="web")
        time.sleep(POLL_S)


def web(configuration: Settings) -> None:
    """Serve pages, API and websocket until a signal; `DATABASE_URL` must be set."""
    from granian import Granian
    from granian.constants import Interfaces
    from granian.log import LogLevels

    states = configuration.rag_data_dir / "run" / "states"  # they hold what people see
    os.environ.update(PREBUILT | {"REFLEX_STATES_WORKDIR": str(states)})
    Granian(
        WEB_TARGET,
        address=configuration.rag_host,
        port=configuration.rag_port,
        interface=Interfaces.ASGI,
        workers=1,  # rate limits and the state of open pages are shared only through Redis
        workers_kill_timeout=WEB_GRACE_S,
        websockets=True,
        backlog=1024,
        backpressure=1024,
        log_level=LogLevels.warning,
    ).serve(target_loader=_load_application)


def migrate(configuration: Settings) -> None:
    """Bring the schema up to date, with room for the embedding models; `DATABASE_URL` must be set."""
    from rag_app.bootstrap import hub_embedder
    from rag_app.db.migrations import add_embedding_model, added_embedding_models, upgrade
    from rag_app.rag.model_table import model_table

    assert configuration.database_url
    hub = hub_embedder(configuration)  # before anything is changed: it may be set up wrongly
    upgrade(configuration.database_url)
    table = [(model.name, model.dimensions) for model in model_table().models if model.dimensions]
    added = added_embedding_models(configuration.database_url)
    if hub is not None:
        table.insert(0, (hub.name, hub.dimensions))
    for name, dimensions in dict([*added, *table]).items():
        add_embedding_model(configuration.database_url, name=name, dimensions=dimensions)


def rotate_keys(configuration: Settings, dsn: str) -> tuple[int, int]:
    """Encrypt stored secrets anew; how many that were, and how many no key opens."""
    import asyncio

    from rag_app.bootstrap import key_ring
    from rag_app.db.engine import create_engine, create_sessions
    from rag_app.services.key_rotation import KeyRotationService

    async def rotate() -> tuple[int, int]:
        engine = create_engine(dsn)
        try:
            done = await KeyRotationService(create_sessions(engine), key_ring(configuration)).rotate()
        finally:
            await engine.dispose()
        return done.n_done, done.n_unreadable

    return asyncio.run(rotate())


def worker(configuration: Settings) -> None:
    """Run jobs until a signal; `DATABASE_URL` must be set."""
    import asyncio

    from rag_app.worker.loop import run

    running = _worker_lock(embedded.writable_folder(configuration.rag_data_dir))
    running.acquire(shared=True)
    try:
        asyncio.run(run())
    finally:
        running.release()


@contextlib.contextmanager
def backing_services() -> Generator[None]:
    """Give a developer's `reflex run` what `up` would: database, schema and one worker.

    Nothing happens when DATABASE_URL is set, by `up` or by hand. Enter it in the main thread: the
    worker ends with the thread that started it.
    """
    if settings().database_url:
        yield
        return
    with contextlib.ExitStack() as started:
        server = started.enter_context(embedded.start(settings().rag_data_dir))
        os.environ["DATABASE_URL"] = server.dsn()
        started.callback(os.environ.pop, "DATABASE_URL", None)
        settings.cache_clear()
        migrate(settings())
        running = _worker_lock(server.data_dir)
        if running.acquire(wait=False):
            running.release()
            child = own_process("worker", {"DATABASE_URL": server.dsn()})
            child.start()
            started.callback(stop, [child])  # before the database: the last one in is the first out
        yield


# ---------------------------------------------------------------- conditions of a start


@contextlib.contextmanager
def _the_only_one(configuration: Settings) -> Generator[None]:
    folder = embedded.writable_folder(configuration.rag_data_dir)
    lock = FileLock(folder / "run" / "up.lock")
    if not lock.acquire(wait=False):
        raise Conflict(
            f"Simple RAG is already running on the data folder {folder}, at {lock.read_note()}. "
            "Stop it first, or choose another RAG_DATA_DIR."
        )
    try:
        lock.note(configuration.base_url)
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def _stopping_on_signals() -> Generator[None]:
    """Turn the first of the usual signals into a KeyboardInterrupt; further ones change nothing."""
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def interrupt(_number: int, _frame: object) -> None:
        for each in signals:
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = {each: signal.signal(each, interrupt) for each in signals}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def check_port(host: str, port: int) -> None:
    """Check that we may listen there.

    Raises:
        InvalidInput: the port is taken or not ours to take, or the address is not this machine's.
    """
    try:
        family, kind, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise InvalidInput(_port_problem(error, host, port)) from error


def _port_problem(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} is in use by another program; choose another one with RAG_PORT."
    if error.errno in {errno.EACCES, errno.EPERM}:
        return f"Port {port} needs special rights; choose one above 1023 with RAG_PORT."
    return f"This machine cannot listen at {host}, port {port}: {error.strerror}. See RAG_HOST and RAG_PORT."


def is_live(configuration: Settings) -> bool:
    """Whether the web process answers."""
    everywhere = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 (looked up, not bound)
    host = everywhere.get(configuration.rag_host, configuration.rag_host)
    connection = http.client.HTTPConnection(host, configuration.rag_port, timeout=2)
    try:
        connection.request("GET", "/health/live")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _load_application(target: str) -> Any:
    """Make the application in the process that serves it, which ends with the one that started it."""
    die_with_parent(os.getppid(), signal.SIGKILL)
    module, _, factory = target.partition(":")
    return getattr(importlib.import_module(module), factory)()


def _worker_lock(folder: Path) -> FileLock:
    """Held together by all workers of a data folder."""
    return FileLock(folder / "run" / "worker.lock")
