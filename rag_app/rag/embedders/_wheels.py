"""Find the model files that come inside installed packages, without running any of those packages' code."""

import hashlib
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from rag_app.errors import PermanentError

_READ_BYTES = 1 << 20


@dataclass(frozen=True)
class WheelFile:
    """One file of an installed package, known by its hash.

    `remedy` is the sentence that tells an operator what to do when it cannot be used.
    """

    package: str
    path: str
    sha256: str
    remedy: str

    def locate(self) -> Path:
        """Return where the file is, after comparing its hash.

        Raises:
            PermanentError: the package is not installed here, or its file is not the one we know.
        """
        found = self._find()
        if found is None:
            raise PermanentError(f"The package {self.package} is not installed. {self.remedy}")
        if sha256_of(found) != self.sha256:
            raise PermanentError(
                f"The package {self.package} holds other weights than expected. {self.remedy}"
            )
        return found

    def _find(self) -> Path | None:
        try:
            files = metadata.files(self.package) or []
        except metadata.PackageNotFoundError:
            return None
        for file in files:
            if file.as_posix() == self.path:
                location = Path(str(file.locate()))
                return location if location.is_file() else None
        return None


def sha256_of(path: Path) -> str:
    """The file's SHA-256, read piece by piece."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_READ_BYTES):
            digest.update(block)
    return digest.hexdigest()
