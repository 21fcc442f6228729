"""A ZIP or a folder of files: every file becomes a document of its own, or says why not."""

import io
import stat
import struct
import tracemalloc
import zipfile
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag_app.rag import unpacking
from rag_app.services import uploads
from rag_app.services.text import clean_path_name
from tests import sample_files
from tests.invariants import stray_files, violations

BOATS = b"The harbour holds seven boats."


@pytest.fixture
async def kb(owner):
    return await owner.create_kb()


@pytest.fixture
def inbox(kb):
    return f"/api/knowledge-bases/{kb['id']}/knowledge/upload"


@pytest.fixture
def send(owner, inbox):
    """Upload one file; returns the answer."""

    async def upload(content, name="files.zip", **fields):
        form = [("files", (name, content))]
        return await owner.http.post(inbox, data=fields, files=form)

    return upload


async def names(owner, kb):
    found = await owner.http.get(f"/api/knowledge-bases/{kb['id']}/documents", params={"limit": 200})
    return sorted(document["name"] for document in found.json()["items"])


def zipped(files, *, method=zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in files:
            archive.writestr(name, content)
    return buffer.getvalue()


def reasons(response):
    return {each["file_name"]: each["reason"] for each in response.json()["refused"]}


async def test_each_file_becomes_a_document_with_its_path_as_name(
    owner, kb, send, run_jobs, database, tmp_path
):
    response = await send(
        zipped(
            [
                ("handbook/", ""),
                ("handbook/rules.md", b"# Rules\n\nNobody runs."),
                ("handbook/boats.docx", sample_files.docx_bytes([BOATS.decode()])),
                ("archive/rules.md", b"# Old rules\n\nEverybody runs."),
                ("prices.pdf", sample_files.pdf_bytes(["A bolt costs two euros."])),
            ]
        )
    )

    assert response.status_code == 202, response.text
    assert (len(response.json()["jobs"]), response.json()["refused"]) == (4, [])
    await run_jobs()
    assert await names(owner, kb) == [
        "archive/rules.md", "handbook/boats.docx", "handbook/rules.md", "prices.pdf",
    ]  # fmt: skip
    assert (await owner.search(kb["id"], "seven boats"))[0]["document_name"] == "handbook/boats.docx"
    assert violations(database) == []
    (tmp_path / "none").mkdir()
    assert stray_files(database, tmp_path, tmp_path / "none") == []


async def test_what_programs_put_beside_files_is_passed_over(owner, kb, send):
    response = await send(
        zipped(
            [
                ("__MACOSX/._a.txt", b"\x00\x05\x16\x07"),
                (".DS_Store", b"x"),
                (".git/config", b"x"),
                ("a/.hidden.txt", b"x"),
                ("a/Thumbs.db", b"x"),
                ("a/a.txt", BOATS),
            ]
        )
    )

    assert [job["file_name"] for job in response.json()["jobs"]] == ["a/a.txt"]
    assert response.json()["refused"] == []


async def test_what_cannot_be_read_is_listed_with_its_reason(owner, kb, send):
    inner = zipped([("x.txt", b"x")])
    response = await send(
        zipped(
            [
                ("a.txt", BOATS),
                ("nested.zip", inner),
                ("disguised.txt", inner),
                ("picture.png", sample_files.png_bytes()),
                ("program.exe", b"MZ" + bytes(500)),
                ("empty.txt", b""),
                ("old.tar.gz", b"\x1f\x8b" + bytes(50)),
                ("copy.txt", BOATS),
            ]
        )
    )

    assert [(job["file_name"], job["is_duplicate"]) for job in response.json()["jobs"]] == [
        ("a.txt", False),
        ("a.txt", True),
    ]
    told = reasons(response)
    assert told["nested.zip"] == told["disguised.txt"] == told["old.tar.gz"] == unpacking.NESTED
    assert "Pictures are not read" in told["picture.png"]
    assert "cannot be read" in told["program.exe"]
    assert "empty" in told["empty.txt"]
    assert await names(owner, kb) == ["a.txt"]


async def test_links_and_protected_files_are_left_out(owner, kb, send):
    buffer = io.BytesIO(zipped([("a.txt", BOATS)]))
    with zipfile.ZipFile(buffer, "a") as archive:
        link = zipfile.ZipInfo("link.txt")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
        archive.writestr("secret.txt", b"x")
    content = bytearray(buffer.getvalue())
    at = content.rfind(b"PK\x01\x02")  # the last entry: it says that it is encrypted
    content[at + 8] |= 1

    response = await send(bytes(content))

    assert reasons(response) == {"link.txt": unpacking.LINK, "secret.txt": unpacking.PROTECTED}
    assert await names(owner, kb) == ["a.txt"]


@pytest.mark.parametrize(
    "name", ["../evil.txt", "a/../../evil.txt", "/etc/evil.txt", "C:\\evil.txt", "..\\evil.txt"]
)
async def test_paths_that_lead_out_refuse_the_whole_archive(owner, kb, send, tmp_path, name):
    outside = set(tmp_path.parent.iterdir())

    response = await send(zipped([("a.txt", BOATS), (name, b"evil")]))

    assert (response.status_code, response.json()["detail"]) == (422, unpacking.UNSAFE)
    assert await names(owner, kb) == []
    assert set(tmp_path.parent.iterdir()) == outside
    assert not [path for path in (tmp_path / "files").rglob("*") if path.is_file()]


def declared_larger(content: bytes, size: int) -> bytes:
    """A ZIP whose last entry says that it has another size."""
    changed = bytearray(content)
    at = changed.rfind(b"PK\x01\x02")
    struct.pack_into("<L", changed, at + 24, size)
    return bytes(changed)


def with_end(content: bytes, *, n_entries: int, n_bytes: int) -> bytes:
    """A ZIP that says how long the list of its entries is."""
    changed = bytearray(content)
    at = changed.rfind(b"PK\x05\x06")
    struct.pack_into("<HHL", changed, at + 8, n_entries, n_entries, n_bytes)
    return bytes(changed)


def with_end_64(content: bytes, *, n_entries: int, n_bytes: int = 100, leads_to: int | None = None) -> bytes:
    """The same, with the record for long archives that counts instead."""
    at = content.rfind(b"PK\x05\x06")
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, at if leads_to is None else leads_to, 1)
    return content[:at] + record_64(n_entries, n_bytes) + locator + content[at:]


def record_64(n_entries: int, n_bytes: int) -> bytes:
    return struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, n_entries, n_entries, n_bytes, 0)


def with_decoy(*, n_entries: int) -> bytes:
    """Many entries in a ZIP whose locator leads to a record that says there is one."""
    listed = struct.pack("<4s6H3L5H2L", b"PK\x01\x02", *[0] * 9, 1, *[0] * 6) + b"x"
    directory = listed * n_entries
    local = b"PK\x03\x04" + bytes(26)
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, 47, 0, 0)
    content = local + record_64(1, 47) + directory + end
    return with_end_64(content, n_entries=n_entries, n_bytes=len(directory), leads_to=len(local))


ONE = zipped([("a.txt", BOATS)])
TEXTS = {"one.txt": b"1", "two.txt": b"2", "three.txt": b"3"}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        pytest.param(zipped([("a.txt", bytes(80 * 2**20))]), "far more than its size", id="bomb"),
        pytest.param(declared_larger(ONE, 3 * 2**30), "far more than its size", id="says it is huge"),
        pytest.param(with_end(ONE, n_entries=60_000, n_bytes=60), "10,000 entries", id="too many entries"),
        pytest.param(with_end(ONE, n_entries=1, n_bytes=2**31), "10,000 entries", id="long list"),
        pytest.param(with_end_64(ONE, n_entries=2**40), "10,000 entries", id="too many in the long record"),
        pytest.param(with_decoy(n_entries=200_000), "damaged", id="a decoy of the long record"),
        pytest.param(with_end_64(ONE, n_entries=1, leads_to=2**63), "damaged", id="a record nowhere"),
        pytest.param(ONE[:-30], "damaged", id="cut off"),
        pytest.param(b"PK\x03\x04" + bytes(3000), "damaged", id="no list"),
        pytest.param(zipped([]), "no file in this ZIP", id="empty"),
        pytest.param(zipped([(".hidden", b"x")]), "no file in this ZIP", id="only hidden"),
        pytest.param(zipped([(f"{n}.txt", b"%d" % n) for n in range(201)]), "at most 200", id="too many"),
        pytest.param(zipped([("a.png", sample_files.png_bytes())]), "Pictures", id="nothing to read"),
    ],
)
async def test_archives_that_are_not_taken_say_why_and_leave_nothing(
    owner, kb, send, database, tmp_path, content, says
):
    response = await send(content)

    assert response.status_code == 422, response.text
    assert says in response.json()["detail"]
    assert await names(owner, kb) == []
    assert not [path for path in (tmp_path / "files").rglob("*") if path.is_file()]


async def test_a_damaged_file_does_not_keep_the_others_out(owner, kb, send):
    content = bytearray(zipped([("a.txt", BOATS), ("b.txt", b"Other text. " * 40), ("c.txt", b"Third.")]))
    at = content.index(b"b.txt") + 10
    content[at : at + 8] = bytes(8)

    response = await send(bytes(content))

    assert "damaged in the ZIP" in reasons(response)["b.txt"]
    assert await names(owner, kb) == ["a.txt", "c.txt"]


@pytest.mark.parametrize("method", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
async def test_unusual_ways_of_packing_are_not_unpacked(owner, kb, send, method):
    response = await send(zipped([("a.txt", BOATS)], method=method))

    assert (response.status_code, response.json()["detail"]) == (422, unpacking.OTHER_METHOD)


async def test_office_files_are_no_archives_whatever_they_are_called(owner, kb, send, run_jobs):
    await send(sample_files.docx_bytes([BOATS.decode()]), name="report.zip")
    await send(sample_files.epub_bytes(), name="book")
    await run_jobs()

    assert await names(owner, kb) == ["book", "report.zip"]
    assert await owner.search(kb["id"], "seven boats")


async def test_names_of_older_programs_are_read_as_they_were_meant(owner, kb, send):
    content = zipped([("Uebersicht.txt", BOATS)])
    raw = "Übersicht.txt".encode()  # as long, and without the mark that says UTF-8

    response = await send(content.replace(b"Uebersicht.txt", raw))

    assert [job["file_name"] for job in response.json()["jobs"]] == ["Übersicht.txt"]


async def test_files_that_no_longer_fit_the_plan_are_told_one_by_one(owner, other, services):
    kb = await other.create_kb()
    await owner.http.put(f"/api/admin/owners/{other.user['id']}", json={"overrides": {"documents": 2}})

    response = await other.http.post(
        f"/api/knowledge-bases/{kb['id']}/knowledge/upload",
        files=[("files", ("all.zip", zipped(TEXTS.items())))],
    )

    assert response.status_code == 202
    assert [job["file_name"] for job in response.json()["jobs"]] == ["one.txt", "two.txt"]
    assert "allows 2 documents" in reasons(response)["three.txt"]


async def test_a_large_file_in_a_zip_is_refused_alone(owner, kb, send, services, monkeypatch):
    object.__setattr__(services.documents, "max_bytes", 1000)

    response = await send(zipped([("a.txt", BOATS), ("b.txt", b"x" * 1001)]))

    assert "b.txt is larger than" in reasons(response)["b.txt"]
    assert await names(owner, kb) == ["a.txt"]


async def test_a_file_of_a_folder_keeps_its_path(owner, kb, send, inbox):
    for path in ("manuals/a/rules.md", "../../etc/rules.md", "C:\\x\\rules.md", "/rules.md"):
        response = await send(path.encode(), name="rules.md", path=path)
        assert response.status_code == 202, response.text

    assert await names(owner, kb) == ["etc/rules.md", "manuals/a/rules.md", "rules.md", "x/rules.md"]
    refused = await send(sample_files.png_bytes(), name="a.png", path="manuals/a.png")
    assert (refused.status_code, "Pictures" in refused.json()["detail"]) == (422, True)
    assert (await send(b"x", path="x" * 9000)).status_code == 422


async def test_unpacking_holds_no_file_in_memory(owner, kb, services, tmp_path):
    noise = zlib.compress(bytes(10), 0) * (2 * 2**20)  # repeats, so it packs well, but is no bomb
    big = noise[: 24 * 2**20]
    archive = tmp_path / "big.zip"
    archive.write_bytes(zipped([("a.txt", big), ("b.txt", big + b"b")]))
    del noise, big

    async def stream():
        with archive.open("rb") as file:
            while block := file.read(65_536):
                yield block

    tracemalloc.start()
    outcomes = [
        each
        async for each in services.uploads.take(
            stream(), file_name="big.zip", kb_id=kb["id"], owner_id=owner.user["id"]
        )
    ]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert [type(each).__name__ for each in outcomes] == ["Added", "Added"], outcomes
    assert peak < 12 * 2**20


PARTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


@settings(deadline=None, max_examples=300)
@given(path=st.lists(PARTS, max_size=12).map("/".join) | st.text(max_size=300))
def test_a_path_becomes_a_name_that_leads_nowhere(path):
    name = clean_path_name(path)

    parts = name.split("/")
    assert 0 < len(name) <= 255
    assert not name.startswith("/")
    assert not {"", ".", ".."} & set(parts)
    assert "\\" not in name and "\x00" not in name
    assert clean_path_name(name) == name or "…" in name


@settings(deadline=None, max_examples=60)
@given(cut=st.integers(0, 400), flip=st.integers(0, 400), value=st.integers(0, 255))
def test_no_damage_breaks_the_reader(tmp_path_factory, cut, flip, value):
    content = bytearray(zipped([("a.txt", BOATS), ("b/c.txt", b"Some more text.")]))
    content[flip % len(content)] = value
    path = tmp_path_factory.mktemp("zip") / "x.zip"
    path.write_bytes(bytes(content[: len(content) - cut % 60]))

    try:
        if unpacking.is_archive(path, file_name="x.zip"):
            contents = unpacking.look_into(path, max_files=10)
            with unpacking.opened(path) as archive:
                for file in contents.files:
                    assert sum(map(len, unpacking.blocks(archive, file))) <= file.size_bytes
    except unpacking.PermanentError as error:
        assert str(error).endswith(".")


def test_a_long_archive_of_an_ordinary_program_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 1)
    path = tmp_path / "x.zip"
    path.write_bytes(zipped([("a.txt", BOATS), ("b.txt", BOATS)]))
    assert b"PK\x06\x07" in path.read_bytes()

    assert len(unpacking.look_into(path, max_files=10).files) == 2


def test_archives_may_be_larger_than_files():
    assert uploads.MAX_ARCHIVE_BYTES >= 2**30
