import pytest

from rag_app.errors import PermanentError
from rag_app.rag.parsers import _charset, _sniffing
from rag_app.rag.parsers._cleaning import clean_text
from tests import sample_files

CSV_TEXT = "name,city,age\nAda,London,36\nBob,Paris,41\n"
MAIL = "Received: by mx\nFrom: a@example.org\nTo: b@example.org\nSubject: Hi\n\nText"


@pytest.fixture
def sniff(tmp_path):
    def run(content: bytes, file_name: str = "file") -> str:
        path = tmp_path / "stored-under-its-hash"
        path.write_bytes(content)
        return _sniffing.sniff(path, file_name=file_name)

    return run


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(sample_files.pdf_bytes(["text"]), _sniffing.PDF, id="pdf"),
        pytest.param(b"\r\n" + sample_files.pdf_bytes(["text"]), _sniffing.PDF, id="pdf after junk"),
        pytest.param(sample_files.docx_bytes(), _sniffing.DOCX, id="docx"),
        pytest.param(sample_files.pptx_bytes(), _sniffing.PPTX, id="pptx"),
        pytest.param(sample_files.xlsx_bytes(), _sniffing.XLSX, id="xlsx"),
        pytest.param(sample_files.odt_bytes(), _sniffing.ODT, id="odt"),
        pytest.param(sample_files.epub_bytes(), _sniffing.EPUB, id="epub"),
        pytest.param(sample_files.ole_bytes("Workbook"), _sniffing.XLS, id="xls"),
        pytest.param(sample_files.ole_bytes("WordDocument"), _sniffing.DOC, id="doc"),
        pytest.param(sample_files.ole_bytes("__properties_version1.0"), _sniffing.MSG, id="msg"),
        pytest.param(sample_files.rtf_bytes(), _sniffing.RTF, id="rtf"),
        pytest.param(sample_files.html_bytes(), _sniffing.HTML, id="html"),
        pytest.param(
            b"<!-- saved --> <HTML><body>x</body></HTML>", _sniffing.HTML, id="html after a comment"
        ),
        pytest.param(b'<?xml version="1.0"?><html xmlns="x"/>', _sniffing.HTML, id="xhtml"),
        pytest.param(b'<?xml version="1.0"?><note>x</note>', _sniffing.XML, id="xml"),
        pytest.param(b"<svg><text>x</text></svg>", _sniffing.XML, id="svg"),
        pytest.param(sample_files.eml_bytes(), _sniffing.EML, id="mail"),
        pytest.param(MAIL.replace("\n", "\r\n").encode(), _sniffing.EML, id="mail with CRLF"),
        pytest.param(b'{"a": [1, 2]}', _sniffing.JSON, id="json"),
        pytest.param(CSV_TEXT.encode(), _sniffing.CSV, id="csv"),
        pytest.param(CSV_TEXT.replace(",", ";").encode(), _sniffing.CSV, id="csv with semicolons"),
        pytest.param(CSV_TEXT.replace(",", "\t").encode(), _sniffing.TSV, id="tsv"),
        pytest.param(b"From here, it is\nonly, a text.\n", _sniffing.TEXT, id="text"),
        pytest.param("Zażółć gęślą".encode("utf-16"), _sniffing.TEXT, id="utf-16 with mark"),
        pytest.param("Only plain words".encode("utf-16-le"), _sniffing.TEXT, id="utf-16 without mark"),
        pytest.param("Café – “naïve”".encode("cp1252"), _sniffing.TEXT, id="cp1252"),
    ],
)
def test_content_decides_without_a_telling_name(sniff, content, expected):
    assert sniff(content) == expected


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("report.pdf", sample_files.docx_bytes(), _sniffing.DOCX),
        ("report.docx", sample_files.pdf_bytes(["text"]), _sniffing.PDF),
        ("notes.txt", sample_files.xlsx_bytes(), _sniffing.XLSX),
        ("page.pdf", sample_files.html_bytes(), _sniffing.HTML),
        ("page.json", b"<!doctype html><html></html>", _sniffing.HTML),
    ],
)
def test_a_wrong_name_does_not_matter(sniff, name, content, expected):
    assert sniff(content, name) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("readme.MD", _sniffing.MARKDOWN),
        ("data.csv", _sniffing.CSV),
        ("data.tsv", _sniffing.TSV),
        ("data.jsonl", _sniffing.JSON_LINES),
        ("letter.eml", _sniffing.EML),
        ("letter.txt", _sniffing.TEXT),
        ("../../etc/no-extension", _sniffing.TEXT),
    ],
)
def test_the_name_decides_between_kinds_of_text(sniff, name, expected):
    assert sniff(b"Some words, in a line.", name) == expected


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param(b"", "empty (0 bytes)", id="empty"),
        pytest.param(sample_files.encrypted_office_bytes(), "password", id="encrypted office file"),
        pytest.param(sample_files.ole_bytes("SomethingElse"), "cannot be read", id="unknown OLE2 file"),
        pytest.param(sample_files.zip_bytes({"a.txt": "x"}), "Unpack it", id="zip"),
        pytest.param(b"\x1f\x8b\x08" + bytes(100), "Unpack it", id="gzip"),
        pytest.param(bytes(257) + b"ustar" + bytes(300), "Unpack it", id="tar"),
        pytest.param(b"PK\x03\x04" + bytes(100), "damaged", id="damaged zip"),
        pytest.param(sample_files.png_bytes(), "Pictures", id="picture"),
        pytest.param(b"MZ" + bytes(2000), "Supported are", id="program"),
        pytest.param(bytes(range(256)) * 8, "Supported are", id="noise"),
    ],
)
def test_refusals_say_what_to_do(sniff, content, words):
    with pytest.raises(PermanentError, match=words.replace("(", r"\(").replace(")", r"\)")):
        sniff(content)


@pytest.mark.parametrize(
    ("text", "codec"),
    [
        ("plain ASCII", "utf-8"),
        ("Zażółć gęślą jaźń", "utf-8"),
        ("Grüße aus Köln, naïve Café – 5 €", "cp1252"),
        ("Привет, это обычный русский текст.", "cp1251"),
        ("これは日本語の文章です。", "cp932"),
        ("名前,年齢,住所\n佐藤太郎,30,東京\n", "cp932"),
        ("これは日本語の文章です。", "euc_jp"),
        ("안녕하세요, 한국어 문장입니다.", "euc_kr"),
        ("这是一个用中文写的普通句子。", "gb18030"),
        ("這是一個用中文寫的普通句子。", "big5"),
        ("Some longer text", "utf-16-be"),
        ("Some longer text", "utf-32"),
    ],
)
def test_text_survives_its_encoding(text, codec):
    assert _charset.decode(text.encode(codec)).removeprefix("\ufeff") == text


def test_pieces_of_utf16_with_marks_leave_no_mark():
    content = b"".join(f"piece {n}\n".encode("utf-16") for n in range(3))

    assert clean_text(_charset.decode(content)) == "piece 0\npiece 1\npiece 2"


def test_cleaned_text_can_be_stored():
    dirty = "\ufeffA\x00B\ud800C\u00adD\x07 \r\n\r\n\r\n\r\ne\u0301\fnext\x85line  \u2028end\n"

    assert clean_text(dirty) == "ABCD\n\né\nnext\nline\nend"
