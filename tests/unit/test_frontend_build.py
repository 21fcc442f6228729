"""Building the pages: any address, known scripts, and only when something changed."""

import base64
import hashlib
import json

import pytest

from rag_app.errors import PermanentError
from rag_app.ui import build

BUNDLE = "const e={PING:\"http://origin.invalid/ping\",EVENT:`ws://origin.invalid/_event`,U:'http://origin.invalid'};"
LOCAL = 'const l=["localhost","0.0.0.0","::","0:0:0:0:0:0:0:0"];'


@pytest.fixture
def pages(tmp_path):
    folder = tmp_path / ".web" / "build" / "client"
    (folder / "assets").mkdir(parents=True)
    (folder / "assets" / "env.js").write_text(LOCAL + BUNDLE)
    (folder / "assets" / "other.js").write_text("const l=['localhost'];")
    (folder / "index.html").write_text("<script>hello()</script><script src='/assets/env.js'></script>")
    return folder


def test_fixed_server_becomes_the_page_s_own_origin(pages):
    build.use_own_origin(pages)

    bundle = (pages / "assets" / "env.js").read_text()
    assert 'PING:(location.origin+"/ping")' in bundle
    assert 'EVENT:(location.origin.replace(/^http/,"ws")+"/_event")' in bundle
    assert 'U:(location.origin+"")' in bundle
    assert "origin.invalid" not in bundle


def test_port_is_kept_where_pages_are_served_locally_over_https(pages):
    build.use_own_origin(pages)

    assert (pages / "assets" / "env.js").read_text().startswith("const l=[];")
    assert (pages / "assets" / "other.js").read_text() == "const l=['localhost'];"


def test_unknown_form_of_the_placeholder_stops_the_build(pages):
    (pages / "assets" / "odd.js").write_text("fetch(`http://origin.invalid/${path}`)")

    with pytest.raises(PermanentError, match=r"odd\.js"):
        build.use_own_origin(pages)


def test_missing_placeholder_stops_the_build(pages):
    (pages / "assets" / "env.js").write_text("const e={};")

    with pytest.raises(PermanentError, match="no script names the server"):
        build.use_own_origin(pages)


def test_hashes_cover_each_inline_script_once(pages):
    (pages / "login").mkdir()
    (pages / "login" / "index.html").write_text(
        '<script>hello()</script><script type="module" async="">import "/a.js";\n</script>'
    )

    expected = [
        f"sha256-{base64.b64encode(hashlib.sha256(code).digest()).decode()}"
        for code in (b"hello()", b'import "/a.js";\n')
    ]
    assert build.inline_script_hashes(pages) == sorted(expected)


def test_after_a_build_the_hashes_lie_beside_the_pages(pages, monkeypatch):
    monkeypatch.setenv("REFLEX_API_URL", build.PLACEHOLDER)

    build.AnyOrigin().post_build(static_dir=pages)

    assert json.loads((pages.parent / "csp.json").read_text()) == build.inline_script_hashes(pages)
    assert "origin.invalid" not in (pages / "assets" / "env.js").read_text()


def test_export_for_a_named_host_keeps_its_address(pages, monkeypatch):
    monkeypatch.setenv("REFLEX_API_URL", "https://rag.example.org")

    build.AnyOrigin().post_build(static_dir=pages)

    assert BUNDLE in (pages / "assets" / "env.js").read_text()


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project with one source, and a list of the exports made of it."""
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets" / "app.css").write_text("a {}")
    exports = []

    def export(root):
        exports.append(root)
        (root / ".web" / "build" / "client").mkdir(parents=True, exist_ok=True)
        (root / "reflex.lock").mkdir(exist_ok=True)
        (root / "reflex.lock" / "package-lock.json").write_text("{}")

    monkeypatch.setattr(build, "_export", export)
    return tmp_path, exports


def test_unchanged_sources_are_built_once(project):
    root, exports = project

    first = build.ensure_built(root=root)
    second = build.ensure_built(root=root)

    assert first == second == root / ".web" / "build" / "client"
    assert len(exports) == 1


@pytest.mark.parametrize(
    "name", ["assets/app.css", "assets/new.svg", "rxconfig.py", "reflex.lock/package-lock.json"]
)
def test_changed_sources_are_built_again(project, name):
    root, exports = project
    build.ensure_built(root=root)

    (root / name).write_text("changed")
    build.ensure_built(root=root)

    assert len(exports) == 2


def test_build_can_be_forced(project):
    root, exports = project
    build.ensure_built(root=root)

    build.ensure_built(root=root, force=True)

    assert len(exports) == 2


def test_failed_build_is_tried_again(project, monkeypatch):
    root, exports = project

    def fail(root):
        raise PermanentError("npm is not installed.")

    with monkeypatch.context() as broken, pytest.raises(PermanentError):
        broken.setattr(build, "_export", fail)
        build.ensure_built(root=root)
    build.ensure_built(root=root)

    assert len(exports) == 1


def test_reason_of_a_failure_is_its_first_error(tmp_path):
    output = tmp_path / "pages.log"
    output.write_text("Compiling\nnpm error code ENOTFOUND\nnpm error network down\nDone.\n")

    assert build._reason(output) == "npm error code ENOTFOUND"


def test_lock_names_no_addresses_of_packages():
    lock = json.loads((build.ROOT / "reflex.lock" / "package-lock.json").read_text())

    assert all("resolved" not in package for package in lock["packages"].values())
    assert all("integrity" in package for path, package in lock["packages"].items() if path)


def test_developers_pages_pass_on_what_the_backend_answers():
    config = "export default {\n  server: {\n    port: 3000,\n  },\n};\n"

    once = build.with_proxy(config, "http://localhost:8000")

    assert '"/auth": "http://localhost:8000"' in once
    assert once.index("proxy:") > once.index("server: {")
    assert build.with_proxy(once, "http://localhost:8000") == once
