"""Fetch the files of a model from a hub, once, and use none whose hash is another than expected.

settings of the operator ── first use: download, compare hash, keep ── path of an intact file
"""

import hashlib
import re
import time
from dataclasses import dataclass
from pathlib import Path

import httpx2
import structlog

from rag_app.errors import PermanentError, TransientError

log = structlog.get_logger()

TOKENIZER_FILE = "tokenizer.json"
CONNECT_TIMEOUT_S = 10
READ_TIMEOUT_S = 60

_COMMIT = re.compile(r"[0-9a-f]{40}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class HubModel:
    """A tokenizer and an ONNX graph in one repository, pinned to a commit and to their hashes.

    `what` names the model to people, and the names of its settings begin with `setting`.
    """

    what: str
    setting: str
    url: str
    repo: str
    revision: str
    file: str
    sha256: str
    tokenizer_sha256: str

    def check(self) -> None:
        """Raise PermanentError, naming the setting, where something is missing or not pinned."""
        if not self.repo or not self.file:
            raise PermanentError(f"No {self.what} is set up here. Set {self.setting}_REPO and its hashes.")
        if not _COMMIT.fullmatch(self.revision):
            raise PermanentError(f"{self.setting}_REVISION must be a commit, 40 hexadecimal digits.")
        for name, value in (("", self.sha256), ("_TOKENIZER", self.tokenizer_sha256)):
            if not _SHA256.fullmatch(value):
                raise PermanentError(f"{self.setting}{name}_SHA256 must be 64 hexadecimal digits.")

    def graph(self, folder: Path) -> "HubFile":
        """The ONNX graph, to be kept in a folder."""
        return HubFile(self, self.file, self.sha256, folder)

    def tokenizer(self, folder: Path) -> "HubFile":
        """The tokenizer, to be kept in a folder."""
        return HubFile(self, TOKENIZER_FILE, self.tokenizer_sha256, folder)

    def address(self, file: str) -> str:
        """Where the hub has a file."""
        return f"{self.url.rstrip('/')}/{self.repo}/resolve/{self.revision}/{file}"


@dataclass(frozen=True)
class HubFile:
    """A file of a hub, kept under the hash it must have."""

    model: HubModel
    name: str
    sha256: str
    folder: Path

    def ready(self) -> Path:
        """Return where the file is, after fetching it where needed.

        Raises:
            TransientError: the hub cannot be reached, or the disk is full.
            PermanentError: it has no such file, or another one than expected.
        """
        path = self.folder / self.sha256
        if not path.is_file():
            self._fetch(path)
        elif _sha256_of(path) != self.sha256:
            path.unlink()
            raise TransientError(
                f"The {self.model.what}'s file was damaged on disk and will be fetched again."
            )
        return path

    def _fetch(self, path: Path) -> None:
        part = path.with_name(f"{path.name}.{time.monotonic_ns()}.part")
        log.info("model_download_started", url=self.model.address(self.name))
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if self._download(part) != self.sha256:
                raise PermanentError(
                    f"The hub's file is not the one {self.model.setting}_* names: its hash differs."
                )
            part.replace(path)
        except httpx2.HTTPError as error:
            log.warning("model_download_failed", error=type(error).__name__)
            raise TransientError(f"The {self.model.what} cannot be fetched from the model hub now.") from None
        except OSError as error:
            raise TransientError(
                f"The {self.model.what} cannot be kept in {self.folder}: {error.strerror}."
            ) from error
        finally:
            part.unlink(missing_ok=True)

    def _download(self, part: Path) -> str:
        digest = hashlib.sha256()
        timeout = httpx2.Timeout(READ_TIMEOUT_S, connect=CONNECT_TIMEOUT_S)
        # Hubs redirect to where large files lie; no key is sent, and the hash decides what is taken.
        with (
            httpx2.stream(
                "GET", self.model.address(self.name), timeout=timeout, follow_redirects=True
            ) as response,
            part.open("wb") as file,
        ):
            if 400 <= response.status_code < 500:
                raise PermanentError(f"The model hub has no such file. Check {self.model.setting}_*.")
            response.raise_for_status()
            for block in response.iter_bytes():
                digest.update(block)
                file.write(block)
        return digest.hexdigest()


def _sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
