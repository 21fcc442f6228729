"""`python -m rag_app COMMAND`: everything an operator starts."""

import argparse
import asyncio
import os
import sys
from collections.abc import Callable
from typing import Protocol

from rag_app import doctor, log, processes
from rag_app.errors import RagAppError
from rag_app.services.provider_trials import as_table
from rag_app.settings import Settings, read_settings

FAILED = 1
MISCONFIGURED = 2


def up(configuration: Settings, *, supervised: bool) -> int:
    """Run everything on this machine: database, web and worker."""
    try:
        processes.up(configuration, ready=_announce)
    except KeyboardInterrupt:
        return 0


def web(configuration: Settings, *, supervised: bool) -> int:
    """Run the web process alone."""
    return _with_database(configuration, supervised, processes.web)


def worker(configuration: Settings, *, supervised: bool) -> int:
    """Run one worker process alone."""
    return _with_database(configuration, supervised, processes.worker)


def migrate(configuration: Settings, *, supervised: bool) -> int:
    """Bring the database to the newest schema."""
    return _with_database(configuration, supervised, processes.migrate)


def build(configuration: Settings, *, supervised: bool) -> int:
    """Build the pages if their sources changed."""
    from rag_app.ui.build import ensure_built

    ensure_built()
    return 0


def check(configuration: Settings, *, supervised: bool) -> int:
    """Say what works on this machine and what is missing."""
    findings = doctor.examine(configuration)
    for finding in findings:
        print(finding)
    return 0 if all(finding.fine for finding in findings) else FAILED


def keys(configuration: Settings, *, supervised: bool) -> int:
    """Encrypt all stored secrets anew with the first of RAG_ENCRYPTION_KEYS: `keys rotate`."""
    with processes.open_database(configuration, supervised=supervised) as database:
        n_done, n_unreadable = processes.rotate_keys(configuration, database.dsn)
    print(f"{n_done} stored secrets were encrypted anew with the first key.")
    if n_unreadable:
        print(
            f"{n_unreadable} can be read with no key and stay as they are. List the key they were stored "
            "with as well and run this again, or let their owners enter them again."
        )
    return FAILED if n_unreadable else 0


def check_providers(configuration: Settings, *, supervised: bool) -> int:
    """Make a few small real calls to every provider that has a key, and say what was verified."""
    found = asyncio.run(doctor.examine_providers(configuration))
    if not found:
        print("No provider has a key here. Set OPENAI_API_KEY, ANTHROPIC_API_KEY or GEMINI_API_KEY.")
        return FAILED
    print(as_table(found))
    return 0 if all(one.fine for one in found) else FAILED


class Command(Protocol):
    """A command of this program; `supervised` when `up` started it."""

    __doc__: str

    def __call__(self, configuration: Settings, *, supervised: bool) -> int:
        """Return the exit code."""
        ...


COMMANDS: dict[str, Command] = {
    "up": up,
    "web": web,
    "worker": worker,
    "migrate": migrate,
    "build": build,
    "doctor": check,
    "keys": keys,
}
PARTS: dict[tuple[str, str], Command] = {("doctor", "providers"): check_providers}


ACTIONS = {"keys": ("rotate",)}  # of the commands that have some


def main() -> int:
    """Run one command; what goes wrong on purpose is said in one sentence."""
    arguments = _parser().parse_args()
    if arguments.parent:
        processes.die_with_parent(arguments.parent)
    try:
        configuration = read_settings()
    except RagAppError as error:
        return _say(error, MISCONFIGURED)
    log.configure(json=configuration.rag_env == "production", level=configuration.rag_log_level)
    try:
        command = PARTS.get((arguments.command, arguments.part)) or COMMANDS[arguments.command]
        return command(configuration, supervised=bool(arguments.parent))
    except RagAppError as error:
        return _say(error, FAILED)
    except KeyboardInterrupt:
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m rag_app", description="Simple RAG")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, function in COMMANDS.items():
        command = commands.add_parser(name, help=function.__doc__)
        parts = {part: run.__doc__ for (of, part), run in PARTS.items() if of == name}
        command.set_defaults(part=None)
        if name in ACTIONS:
            command.add_argument("action", choices=ACTIONS[name])
        elif parts:
            words = "; ".join(f"{part}: {words}" for part, words in parts.items())
            command.add_argument("part", nargs="?", choices=parts, help=words)
        command.add_argument("--parent", type=int, help=argparse.SUPPRESS)  # the supervisor's process id
    return parser


def _with_database(configuration: Settings, supervised: bool, run: Callable[[Settings], None]) -> int:
    """Run with `DATABASE_URL` set, as the supervisor does already."""
    with processes.open_database(configuration, supervised=supervised) as database:
        os.environ["DATABASE_URL"] = database.dsn
        run(read_settings())
    return 0


def _announce(address: str) -> None:
    print(f"Simple RAG is ready: {address}", flush=True)
    if sys.stdout.isatty():
        print("Press Ctrl-C to stop.", flush=True)


def _say(error: RagAppError, code: int) -> int:
    print(f"Simple RAG: {error}", file=sys.stderr, flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
