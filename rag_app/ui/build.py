"""Build the pages once and serve them under any address.

    sources ── changed since the last build? ── no ───────────────┐
                      └── yes ── reflex export ── any_origin ──┐  │
                                                 inline hashes ┴──┴─► .web/build/client

Reflex writes the address of the server into the JavaScript. `AnyOrigin` replaces it, before the
files are compressed, by the address the page itself came from: the same build works on every host
and port, over http and https.
"""

import base64
import hashlib
import json
import os
import re
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import structlog
from reflex.config import get_config
from reflex.plugins import Plugin

from rag_app.errors import PermanentError

log = structlog.get_logger()

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ("rag_app/ui", "rag_app/rag_app.py", "assets", "rxconfig.py")
LOCK = "reflex.lock"
VITE_CONFIG = "vite.config.js"
BACKEND_PATHS = ("/api", "/auth", "/health")

# A name that can never exist (RFC 2606), so every place that holds it is one to replace.
PLACEHOLDER = "http://origin.invalid"

# What Reflex and npm should do unless the environment says otherwise.
ENVIRONMENT = {
    "REFLEX_USE_NPM": "true",
    "REFLEX_CHECK_LATEST_VERSION": "false",
    "REFLEX_TELEMETRY_ENABLED": "false",
    "NPM_CONFIG_OMIT_LOCKFILE_REGISTRY_RESOLVED": "true",  # the lock names versions and hashes, no addresses
    "NPM_CONFIG_UPDATE_NOTIFIER": "false",
    "NPM_CONFIG_AUDIT": "false",
    "NPM_CONFIG_FUND": "false",
}

_LITERAL = re.compile(r"""(["'`])(http|ws)://origin\.invalid(/?[^"'`\\$]*)\1""")
# Reflex drops the port of pages served over https from one of these; their address is right already.
_LOCAL_NAMES = re.compile(r"""\[(["'`])localhost\1,\1(?:0\.0\.0\.0)\1,[^\]]*\]""")
_SCRIPT = re.compile(r"<script(?P<attributes>[^>]*)>(?P<code>.*?)</script>", re.DOTALL)
_ORIGINS = {"http": "location.origin", "ws": 'location.origin.replace(/^http/,"ws")'}


class AnyOrigin(Plugin):
    """Makes an exported build independent of the address it is served under."""

    def post_build(self, **context: Any) -> None:
        """Replace the placeholder and note the hashes; an export for a named host is left alone."""
        pages: Path = context["static_dir"]
        if os.environ.get("REFLEX_API_URL") == PLACEHOLDER:
            use_own_origin(pages)
        hashes = inline_script_hashes(pages)
        (pages.parent / "csp.json").write_text(json.dumps(hashes, indent=1) + "\n")


class DeveloperProxy(Plugin):
    """Lets the server of `reflex run` pass on what FastAPI answers: forms, API, downloads."""

    def pre_compile(self, **context: Any) -> None:
        """Name our own paths in Vite's configuration."""
        backend = f"http://localhost:{get_config().backend_port or 8000}"
        context["add_modify_task"](VITE_CONFIG, partial(with_proxy, backend=backend))


def with_proxy(vite_config: str, backend: str) -> str:
    """Vite's configuration with our own paths passed on to the backend; unchanged when it has them."""
    if "proxy:" in vite_config:
        return vite_config
    targets = json.dumps(dict.fromkeys(BACKEND_PATHS, backend))
    return re.sub(r"(\n  server: \{\n)", rf"\1    proxy: {targets},\n", vite_config, count=1)


def ensure_built(*, force: bool = False, root: Path = ROOT) -> Path:
    """Build the pages if their sources changed since the last build.

    Returns:
        The folder to serve; beside it lies `csp.json`, the hashes of every inline script in it
        (`["sha256-…"]`) for the header `Content-Security-Policy`.

    Raises:
        PermanentError: Node or npm failed; the message says where the full output is.
    """
    pages = root / ".web" / "build" / "client"
    stamp = pages.parent / "stamp"
    sources = fingerprint(root, SOURCES)
    if not force and _read(stamp) == f"{sources} {fingerprint(root, [LOCK])}" and pages.is_dir():
        return pages
    first = not (root / ".web" / "node_modules").is_dir()
    log.info("building_pages", hint="the first time about a minute" if first else "about 20 seconds")
    _export(root)
    stamp.write_text(f"{sources} {fingerprint(root, [LOCK])}")  # npm may have completed the lock
    return pages


def fingerprint(root: Path, names: Iterable[str]) -> str:
    """Return one hash over the named files and folders and the version of Reflex."""
    digest = hashlib.sha256(version("reflex").encode())
    for path in _files(root, names):
        digest.update(f"\0{path.relative_to(root).as_posix()}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def use_own_origin(pages: Path) -> None:
    """Replace the placeholder in every script by the address the page was loaded from.

    Raises:
        PermanentError: no placeholder was found, or one is left in a form not known here.
    """
    replaced = 0
    for path in _texts(pages):
        text = path.read_text(encoding="utf-8")
        if path.suffix in {".js", ".mjs"}:
            text, n = _LITERAL.subn(_own_origin, text)
            replaced += n
            if n:
                path.write_text(_LOCAL_NAMES.sub("[]", text), encoding="utf-8")
        if "origin.invalid" in text:
            raise PermanentError(f"The pages could not be built: {path.name} still names a fixed server.")
    if not replaced:
        raise PermanentError("The pages could not be built: no script names the server it talks to.")


def inline_script_hashes(pages: Path) -> list[str]:
    """Return the CSP hash of every inline script in the pages, sorted, each once."""
    hashes = set()
    for path in pages.rglob("*.html"):
        for script in _SCRIPT.finditer(path.read_text(encoding="utf-8")):
            if "src=" not in script["attributes"]:
                digest = hashlib.sha256(script["code"].encode()).digest()
                hashes.add(f"sha256-{base64.b64encode(digest).decode()}")
    return sorted(hashes)


def _own_origin(literal: re.Match[str]) -> str:
    return f"({_ORIGINS[literal[2]]}+{json.dumps(literal[3])})"


def _export(root: Path) -> None:
    """Run Reflex's own export; its output goes to a file, because it is only read when it fails."""
    output = root / ".build" / "pages.log"  # Reflex may empty .web
    output.parent.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "reflex", "export", "--frontend-only", "--no-zip"]
    with output.open("w", encoding="utf-8") as file:
        done = subprocess.run(  # noqa: S603 (our own command line)
            command, cwd=root, env=_environment(), stdout=file, stderr=subprocess.STDOUT, check=False
        )
    if done.returncode != 0:
        (root / ".web" / "reflex.json").unlink(missing_ok=True)  # the next try prepares .web afresh
        raise PermanentError(f"The pages could not be built ({_reason(output)}). See {output} for all of it.")


def _environment() -> dict[str, str]:
    scripts = sysconfig.get_path("scripts")
    path = os.pathsep.join([scripts, os.environ.get("PATH", os.defpath)])
    environment = {**ENVIRONMENT, **os.environ, "PATH": path, "REFLEX_API_URL": PLACEHOLDER}
    registry = _npm_registry(path)
    return {"NPM_CONFIG_REGISTRY": registry, **environment} if registry else environment


def _npm_registry(path: str) -> str:
    """Ask npm where this machine gets packages; else Reflex would measure public servers and pick one."""
    npm = Path(sysconfig.get_path("scripts")) / "npm"
    command = [str(npm) if npm.exists() else "npm", "config", "get", "registry"]
    try:
        answer = subprocess.run(  # noqa: S603 (our own command line)
            command, env={**os.environ, "PATH": path}, capture_output=True, text=True, timeout=60, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PermanentError("The pages could not be built: npm is not installed.") from error
    return answer.stdout.strip()


def _reason(output: Path) -> str:
    """Find the line that says most: the first that names an error, else the last."""
    lines = [line.strip() for line in output.read_text(encoding="utf-8").splitlines() if line.strip()]
    errors = [line for line in lines if re.match(r"(npm error|\[?\w*(Error|Exception)\b)", line)]
    return (errors or lines[-1:] or ["there was no output"])[0][:300].rstrip(".")


def _files(root: Path, names: Iterable[str]) -> Iterator[Path]:
    for name in names:
        path = root / name
        found = [path] if path.is_file() else path.rglob("*")
        yield from sorted(file for file in found if file.is_file() and "__pycache__" not in file.parts)


def _texts(pages: Path) -> Iterator[Path]:
    kinds = {".js", ".mjs", ".html", ".json", ".css", ".txt", ".xml", ".webmanifest"}
    yield from (path for path in pages.rglob("*") if path.suffix in kinds)


def _read(path: Path) -> str | None:
    return path.read_text() if path.exists() else None


if __name__ == "__main__":
    ensure_built(force="--force" in sys.argv)
