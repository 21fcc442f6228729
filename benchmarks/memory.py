"""How much memory an idle installation takes, before any model is loaded.

    python -m rag_app up &              # or any way of starting it
    python benchmarks/memory.py         # a Markdown table; --pid names another supervisor

Counted is the proportional share (PSS of /proc/*/smaps_rollup): pages that several processes have in
common count once, as they do in the machine. Linux only; the processes must be the caller's own, or
the caller root.
"""

import argparse
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

MIB = 1024
TARGET_MIB = 600


@dataclass(frozen=True)
class Process:
    """One process and what it holds, in kibibytes."""

    pid: int
    parent: int
    role: str
    shared_once: int
    private: int


def processes() -> list[Process]:
    """All processes that may be looked into."""
    return [found for path in Path("/proc").glob("[0-9]*") if (found := _process(path)) is not None]


def _process(path: Path) -> Process | None:
    try:
        command = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        parent = int((path / "stat").read_text().rpartition(")")[2].split()[1])
        sizes = dict(_sizes((path / "smaps_rollup").read_text().splitlines()[1:]))
    except OSError:  # it ended, or is another user's
        return None
    private = sizes["Private_Clean"] + sizes["Private_Dirty"]
    return Process(int(path.name), parent, _role(command), sizes["Pss"], private)


def _sizes(lines: Iterable[str]) -> Iterable[tuple[str, int]]:
    for line in lines:
        name, _, rest = line.partition(":")
        yield name, int(rest.split()[0])


def _role(command: str) -> str:
    words = command.split()
    if command.startswith("postgres:") or "/postgres " in command:
        return "postgres"
    if "rag_app" in words:
        return words[words.index("rag_app") + 1]
    return "web" if "multiprocessing" in command else Path(words[0]).name if words else "?"


def family(found: list[Process], root: int) -> list[Process]:
    """A process with all its descendants."""
    known = {root}
    while True:
        more = {process.pid for process in found if process.parent in known} - known
        if not more:
            return [process for process in found if process.pid in known]
        known |= more


def main() -> None:
    """Print the table."""
    arguments = _arguments()
    found = processes()
    roots = [arguments.pid] if arguments.pid else [process.pid for process in found if process.role == "up"]
    if not roots:
        sys.exit("No `python -m rag_app up` is running.")
    rows = sorted(family(found, roots[0]), key=lambda process: (process.role, process.pid))
    print("| process | PSS, MiB | private, MiB |\n|---|---|---|")
    for role in dict.fromkeys(process.role for process in rows):
        same = [process for process in rows if process.role == role]
        print(_row(f"{role} ({len(same)})", same))
    print(_row("**all**", rows))
    total = sum(process.shared_once for process in rows) / MIB
    print(f"\nTarget: under {TARGET_MIB} MiB; {'met' if total < TARGET_MIB else 'missed'}.")


def _row(name: str, rows: list[Process]) -> str:
    shared = sum(process.shared_once for process in rows) / MIB
    private = sum(process.private for process in rows) / MIB
    return f"| {name} | {shared:.0f} | {private:.0f} |"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pid", type=int, help="the supervisor, where more than one is running")
    return parser.parse_args()


if __name__ == "__main__":
    main()
