"""What tests of faults share: an installation whose processes are real."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.database import short_folder
from tests.processes import Site


@pytest.fixture
def site(database: str, models_dir: Path) -> Iterator[Site]:
    """An installation on a database of its own, with nothing running yet."""
    folder = short_folder()
    (folder / "models").symlink_to(models_dir)  # converting a model is not what is tested
    yield Site(database, folder)
    shutil.rmtree(folder)
