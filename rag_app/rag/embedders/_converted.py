"""Files made once from others, and made again when they are missing, outdated or damaged."""

import fcntl
import json
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import structlog

from rag_app.errors import PermanentError
from rag_app.rag.embedders._wheels import sha256_of

log = structlog.get_logger()


@dataclass(frozen=True)
class ConvertedFile:
    """A file, how to make it, and the `recipe` it was made by: a new recipe makes it anew.

    A manifest beside the file holds recipe and hash. It is written last, so that a file without a
    fitting manifest is one whose making was cut short.
    """

    path: Path
    recipe: str
    convert: Callable[[Path], None]

    def ready(self) -> Path:
        """Return the path of an intact file, after making it where needed; processes wait for each other.

        Raises:
            PermanentError: the folder cannot be written.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with _locked(self._beside(".lock")):
                if not self._is_intact():
                    self._make()
        except OSError as error:
            raise PermanentError(
                f"The embedding model cannot be kept in {self.path.parent}: {error.strerror}."
            ) from error
        return self.path

    def _is_intact(self) -> bool:
        try:
            manifest = json.loads(self._beside(".json").read_text())
        except (FileNotFoundError, ValueError):
            return False
        return self.path.is_file() and manifest == self._manifest()

    def _make(self) -> None:
        log.info("model_conversion_started", file=self.path.name)
        part = self._beside(".part")
        self.convert(part)
        part.replace(self.path)
        part.write_text(json.dumps(self._manifest()))
        part.replace(self._beside(".json"))

    def _manifest(self) -> dict[str, str]:
        return {"recipe": self.recipe, "sha256": sha256_of(self.path)}

    def _beside(self, suffix: str) -> Path:
        return self.path.with_name(self.path.name + suffix)


@contextmanager
def _locked(path: Path) -> Generator[None]:
    """Let one process at a time through; the system frees the lock of one that dies."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
