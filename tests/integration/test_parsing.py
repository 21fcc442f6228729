"""Files of every kind through the child process, as the worker reads them."""

import asyncio
import json
import os
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from rag_app.domain.documents import Page, ParsedDocument
from rag_app.errors import PermanentError, TransientError
from rag_app.rag import parsers
from rag_app.rag.parsers import contract, sandbox
from rag_app.rag.parsers.contract import ParseLimits
from rag_app.rag.parsers.sandbox import find_tessdata, parse_file
from tests import sample_files

LIMITS = ParseLimits(memory_mb=2048, cpu_s=60, wall_s=60)
GOOD = sample_files.docx_bytes(["The next file is read."])


@pytest.fixture
def parse(tmp_path):
    async def run(
        content: bytes, file_name: str, *, limits: ParseLimits = LIMITS, **options
    ) -> ParsedDocument:
        path = tmp_path / "stored-under-its-hash"
        path.write_bytes(content)
        return await parse_file(path, file_name=file_name, limits=limits, **options)

    return run


@pytest.fixture
def private_temp(tmp_path, monkeypatch):
    """The folder that temporary folders are made in, to look into afterwards."""
    folder = tmp_path / "temp"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.pdf", sample_files.pdf_bytes(["Hello from a PDF."]), "Hello from a PDF."),
        ("a.docx", sample_files.docx_bytes(["Hello from Word."]), "# Handbook\n\nHello from Word."),
        ("a.odt", sample_files.odt_bytes(), "# Notes\n\nHello from OpenDocument."),
        ("a.html", sample_files.html_bytes(), "# Welcome\n\nHello from the web."),
        ("a.rtf", sample_files.rtf_bytes(), "Hello from rich text."),
        ("a.eml", sample_files.eml_bytes(), "Hello from a mail."),
        ("a.epub", sample_files.epub_bytes(), "# Beginning\n\nIt was a dark night."),
        ("a.md", b"# Title\n\nSome *text*.", "# Title\n\nSome *text*."),
        ("a.txt", "Café – “naïve”".encode("cp1252"), "Café – “naïve”"),
        ("a.txt", "Zażółć gęślą".encode("utf-16"), "Zażółć gęślą"),
        (
            "a.csv",
            b"name;note\nBolt;a|b\nNut;\n",
            "| name | note |\n| --- | --- |\n| Bolt | a\\|b |\n| Nut |  |",
        ),
        ("a.tsv", b"name\tprice\nBolt\t12\n", "| name | price |\n| --- | --- |\n| Bolt | 12 |"),
        (
            "a.json",
            b'{"name": "Bolt", "tags": ["new", 7], "none": {}}',
            "name: Bolt\ntags:\n  - new\n  - 7\nnone: {}",
        ),
        ("a.jsonl", b'{"a": "x"}\n{"a": "y"}\n', "a: x\n\na: y"),
        ("a.xml", b"<list><item>Bolt &amp; nut</item><item>Saw</item></list>", "item: Bolt & nut\nitem: Saw"),
    ],
)
async def test_every_kind_is_read(parse, name, content, expected):
    document = await parse(content, name)

    assert expected in document.pages[0].text
    assert document.warnings == ()


async def test_pages_slides_and_sheets_keep_their_numbers(parse):
    pdf = await parse(sample_files.pdf_bytes(["First page.", "Second page."]), "a.pdf")
    slides = await parse(sample_files.pptx_bytes([("Plan", "One."), ("Cost", "Two.")]), "a.pptx")
    sheets = await parse(sample_files.xlsx_bytes({"In": [["A"], [1]], "Out": [["B"], [2]]}), "a.xlsx")

    assert [(page.number, page.text) for page in pdf.pages] == [(1, "First page."), (2, "Second page.")]
    assert [(page.number, page.text) for page in slides.pages] == [
        (1, "## Plan\n\nOne."),
        (2, "## Cost\n\nTwo."),
    ]
    assert [page.number for page in sheets.pages] == [1, 2]
    assert sheets.pages[1].text == "## Out\n\n| B |\n| --- |\n| 2 |"


async def test_formats_without_pages_have_no_page_numbers(parse):
    document = await parse(GOOD, "a.docx")

    assert document.n_pages == 0
    assert [page.number for page in document.pages] == [None]


async def test_tables_stay_tables(parse):
    content = sample_files.docx_bytes(table=[["Item", "Price"], ["Bolt", "12"], ["Nut", "7"]])

    document = await parse(content, "a.docx")

    assert "| Item | Price |\n| --- | --- |\n| Bolt | 12 |\n| Nut | 7 |" in document.pages[0].text


async def test_signs_with_a_meaning_in_markdown_are_not_escaped(parse):
    document = await parse(sample_files.docx_bytes(["Hurry! Mail <a@b.example> & pay ~5 EUR."]), "a.docx")

    assert "Hurry! Mail <a@b.example> & pay ~5 EUR." in document.pages[0].text


async def test_titles_are_found(parse):
    page = await parse(sample_files.html_bytes(title="Opening &amp; closing"), "a.html")
    book = await parse(sample_files.epub_bytes(title="A Small Book"), "a.epub")

    assert (page.title, book.title) == ("Opening & closing", "A Small Book")


async def test_scripts_are_not_read(parse):
    document = await parse(sample_files.html_bytes(), "a.html")

    assert "script text" not in document.pages[0].text


@pytest.mark.parametrize("name", ["a.pdf", "a.xlsx", "a.txt", "a", "../../a.exe"])
async def test_a_wrong_name_does_not_matter(parse, name):
    document = await parse(GOOD, name)

    assert "The next file is read." in document.pages[0].text


async def test_scanned_pages_are_recognised(parse):
    content = sample_files.scanned_pdf_bytes("Invoice number 4711", "Thank you for your order")

    document = await parse(content, "scan.pdf", ocr_data=find_tessdata())

    assert "Invoice number 4711" in document.pages[0].text
    assert "Thank you for your order" in document.pages[1].text
    assert document.used_ocr


@pytest.mark.parametrize("has_empty_folder", [False, True])
async def test_scans_without_tesseract_say_what_to_install(parse, tmp_path, has_empty_folder):
    folder = tmp_path if has_empty_folder else None

    with pytest.raises(PermanentError, match="scanned pages without text"):
        await parse(sample_files.scanned_pdf_bytes("Invoice"), "scan.pdf", ocr_data=folder)


async def test_nothing_is_recognised_on_an_empty_scan(parse):
    with pytest.raises(PermanentError, match="contains no text"):
        await parse(sample_files.picture_pdf_bytes(), "scan.pdf", ocr_data=find_tessdata())


async def test_progress_goes_forward_to_the_end(parse):
    seen: list[float] = []

    await parse(sample_files.pdf_bytes(["Text."] * 250), "a.pdf", on_progress=seen.append)

    assert len(seen) >= 2
    assert seen == sorted(seen)
    assert all(0 < share <= 1 for share in seen)


WORDS = {
    "empty.pdf": "empty (0 bytes)",
    "noise.pdf": "incomplete",
    "truncated.pdf": "incomplete",
    "loop.pdf": "This",
    "streambomb.pdf": "without text",
    "password.pdf": "protected with a password",
    "encrypted.docx": "protected with a password",
    "laughs.docx": "nothing but XML entities",
    "laughs.xml": "nothing but XML entities",
    "laughs.svg": "nothing but XML entities",
    "xxe.xml": "nothing but XML entities",
    "bomb.docx": "unpacks to far more",
    "nested.zip": "Unpack it",
    "traversal.docx": "unsafe archive",
    "absolute.docx": "unsafe archive",
    "symlink.docx": "unsafe archive",
    "truncated.docx": "damaged or incomplete",
    "program.exe": "Supported are",
    "noise.bin": "Supported are",
    "picture.png": "Pictures",
    "deep.html": "no text",
}
READABLE = {"xxe.docx", "deep.json"}
EITHER = {"sparse.xlsx"}  # read or refused, as memory allows


@pytest.mark.parametrize("name", sorted(sample_files.hostile_files()))
async def test_hostile_files_end_with_a_reason_and_the_next_file_is_read(parse, name, private_temp):
    try:
        document = await parse(sample_files.hostile_files()[name], name)
    except PermanentError as error:
        assert name not in READABLE
        assert WORDS.get(name, "") in str(error)
        assert str(error).endswith(".")
    else:
        assert name in READABLE | EITHER
        text = "".join(page.text for page in document.pages)
        assert "root:" not in text  # of /etc/passwd
        assert sample_files.SECRET not in text

    assert "The next file is read." in (await parse(GOOD, "next.docx")).pages[0].text
    assert list(private_temp.iterdir()) == []


async def test_entities_left_out_are_mentioned(parse):
    document = await parse(sample_files.hostile_files()["xxe.docx"], "a.docx")

    assert document.pages[0].text == "Visible text"
    assert "entities" in document.warnings[0]


@pytest.mark.parametrize("cut", [0.1, 0.5, 0.9, 0.99])
async def test_a_pdf_cut_off_anywhere_is_no_garbage(parse, cut):
    content = sample_files.pdf_bytes(["A page of text. " * 40] * 10)

    with pytest.raises(PermanentError, match="incomplete"):
        await parse(content[: int(len(content) * cut)], "a.pdf")


async def test_a_damaged_pdf_says_so(parse):
    with pytest.raises(PermanentError, match="This PDF is damaged"):
        await parse(b"%PDF-1.7\nnot a PDF at all\n%%EOF\n", "a.pdf")


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        pytest.param(replace(LIMITS, wall_s=0.01), "took too long", id="time"),
        pytest.param(replace(LIMITS, memory_mb=60), "too much memory", id="memory"),
        pytest.param(replace(LIMITS, max_pages=2), "3 pages", id="pages"),
        pytest.param(replace(LIMITS, max_chars=20), "characters of text", id="characters"),
    ],
)
async def test_limits_are_kept(parse, limits, words):
    content = sample_files.pdf_bytes(["Page of some length."] * 3)

    with pytest.raises(PermanentError, match=words):
        await parse(content, "a.pdf", limits=limits)


async def test_slow_files_are_stopped(parse):
    content = b"<r>" + b"<a>text</a>" * 3_000_000 + b"</r>"

    with pytest.raises(PermanentError, match="took too long"):
        await parse(content, "a.xml", limits=replace(LIMITS, cpu_s=1, max_chars=10**9, memory_mb=8192))


async def test_cancelling_kills_the_child_and_cleans_up(parse, private_temp, monkeypatch):
    started: asyncio.Queue[asyncio.subprocess.Process] = asyncio.Queue()
    original = asyncio.create_subprocess_exec

    async def remember(*arguments, **options):
        process = await original(*arguments, **options)
        started.put_nowait(process)
        return process

    monkeypatch.setattr(asyncio, "create_subprocess_exec", remember)
    task = asyncio.create_task(parse(b"<r>" + b"<a>text</a>" * 2_000_000 + b"</r>", "a.xml"))
    process = await started.get()
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
    assert list(private_temp.iterdir()) == []


async def test_many_files_are_read_at_once(tmp_path):
    paths = [tmp_path / f"{number}" for number in range(4)]
    for number, path in enumerate(paths):
        path.write_bytes(sample_files.docx_bytes([f"File number {number}."]))

    documents = await asyncio.gather(*(parse_file(path, file_name="a.docx", limits=LIMITS) for path in paths))

    assert all(f"File number {number}." in found.pages[0].text for number, found in enumerate(documents))


async def test_no_process_to_be_had_is_worth_another_try(parse, monkeypatch):
    monkeypatch.setattr(sandbox.sys, "executable", "/nowhere/python")

    with pytest.raises(TransientError, match="too busy"):
        await parse(GOOD, "a.docx")


async def test_no_room_for_temporary_files_is_worth_another_try(parse, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nowhere"))

    with pytest.raises(TransientError, match="no space left"):
        await parse(GOOD, "a.docx")


def test_a_complete_result_counts_even_if_the_child_crashed_after_it(tmp_path):
    answer = ParsedDocument((Page(1, "Text."),), "text/plain")
    (tmp_path / "result.json").write_text(json.dumps({"document": asdict(answer)}))

    assert sandbox._result(tmp_path, -11, 1000) == answer


@pytest.mark.parametrize(
    ("exit_code", "stderr", "kind", "words"),
    [
        (75, b"", TransientError, "no space left"),
        (-24, b"", PermanentError, "too long"),
        (-6, b"memory allocation of 800 bytes failed", PermanentError, "memory"),
        (1, b"ImportError: x.so: failed to map segment from shared object", PermanentError, "memory"),
        (-9, b"", TransientError, "too busy"),
        (-11, b"", PermanentError, "may be damaged"),
        (1, b"Traceback\nValueError: secret text", PermanentError, "may be damaged"),
    ],
)
def test_an_end_without_a_result_is_explained(tmp_path, exit_code, stderr, kind, words):
    (tmp_path / "stderr").write_bytes(stderr)

    with pytest.raises(kind, match=words) as caught:
        sandbox._result(tmp_path, exit_code, 1000)

    assert "secret" not in str(caught.value)


def test_a_result_that_is_too_large_is_not_read(tmp_path):
    (tmp_path / "result.json").write_text("x" * 100)

    with pytest.raises(PermanentError, match="characters"):
        sandbox._result(tmp_path, 0, 50)


CONFINED = """
import os, pathlib, socket, sys
sys.path.insert(0, sys.argv[1])
from rag_app.rag.parsers._confinement import confine
from rag_app.rag.parsers.contract import ParseLimits
confine(ParseLimits(memory_mb=512), max_file_bytes=1000)
tries = {
    "socket": lambda: socket.socket(),
    "execute": lambda: os.execv("/bin/true", ["true"]),
    "write": lambda: pathlib.Path("big").write_bytes(bytes(100_000)),
    "allocate": lambda: bytearray(600 << 20),
}
for name, attempt in tries.items():
    try:
        attempt()
    except (OSError, MemoryError) as error:
        print(name, type(error).__name__)
"""


def test_the_child_can_do_little(tmp_path):
    result = subprocess.run(
        [sys.executable, "-I", "-c", CONFINED, str(Path(parsers.__file__).parents[3])],
        cwd=tmp_path,
        env={"LANG": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=True,
    )

    assert result.stdout.splitlines() == [
        "socket PermissionError",
        "execute PermissionError",
        "write OSError",
        "allocate MemoryError",
    ]


def test_no_secret_reaches_the_child(tmp_path, monkeypatch):
    monkeypatch.setenv("RAG_SECRET_KEY", "very-secret")

    environment = sandbox.environment(tmp_path)

    assert "very-secret" not in environment.values()
    assert environment["HOME"] == str(tmp_path)


def test_language_data_is_found_where_it_is_configured(tmp_path, monkeypatch):
    (tmp_path / "eng.traineddata").touch()
    monkeypatch.setenv("TESSDATA_PREFIX", str(tmp_path))

    assert find_tessdata() == tmp_path


def test_every_offered_extension_is_lower_case_and_named():
    assert all(
        extension == extension.lower().strip(".") and label for extension, label in contract.SUPPORTED.items()
    )
