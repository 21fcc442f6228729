"""Nothing on this machine reports to anybody what is done on it."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

EMBED_ONE_TEXT = """
import asyncio, pathlib
from rag_app.rag.embedders import local_minilm
embedder = local_minilm.build(models_dir=pathlib.Path("unused"), threads=1)
asyncio.run(embedder.embed_query("Hello"))
"""


def test_the_local_model_leaves_no_trace_of_its_maker(tmp_path):
    # Its reporting would first keep the machine's number in the home folder and a session's in the other.
    home, temporary = tmp_path / "home", tmp_path / "temp"
    home.mkdir()
    temporary.mkdir()
    kept = {name: value for name, value in os.environ.items() if name.startswith(("PATH", "COVERAGE_"))}
    environment = kept | {"HOME": str(home), "TMPDIR": str(temporary)}

    subprocess.run([sys.executable, "-c", EMBED_ONE_TEXT], cwd=ROOT, env=environment, check=True)

    assert list(home.rglob("*")) == list(temporary.rglob("*")) == []
