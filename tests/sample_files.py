"""Files of every kind, good and hostile, made on the spot: none is stored in the repository."""

import io
import zipfile
import zlib
from collections.abc import Iterable, Mapping, Sequence
from email.message import EmailMessage
from functools import cache

import docx
import openpyxl
import pptx
from PIL import Image, ImageDraw, ImageFont
from reportlab.lib.pagesizes import A4
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.pdfgen.canvas import Canvas

Rows = Sequence[Sequence[object]]

OLE_MAGIC = bytes.fromhex("D0CF11E0A1B11AE1")
SECRET = "XXE-SECRET"  # what a hostile file would show if an entity were expanded
_LINES_PER_PAGE = 45
_LINE_CHARS = 90


def pdf_bytes(pages: Sequence[str], *, password: str | None = None) -> bytes:
    """A PDF with one page of text for each string."""
    buffer = io.BytesIO()
    encrypt = StandardEncryption(password, canPrint=0) if password else None
    canvas = Canvas(buffer, pagesize=A4, encrypt=encrypt, invariant=1)
    for page in pages:
        text = canvas.beginText(60, 780)
        for line in _wrapped(page)[:_LINES_PER_PAGE]:
            text.textLine(line)
        canvas.drawText(text)
        canvas.showPage()
    canvas.save()
    return buffer.getvalue()


def scanned_pdf_bytes(*texts: str) -> bytes:
    """A PDF whose pages are pictures of text, as a scanner makes them."""
    images = [_picture_of(text) for text in texts]
    buffer = io.BytesIO()
    images[0].save(buffer, "PDF", save_all=True, append_images=images[1:], resolution=150)
    return buffer.getvalue()


def picture_pdf_bytes() -> bytes:
    """A PDF with one empty page picture: nothing to read, with or without OCR."""
    return scanned_pdf_bytes("")


def png_bytes() -> bytes:
    """A small picture."""
    buffer = io.BytesIO()
    Image.new("RGB", (20, 20), "red").save(buffer, "PNG")
    return buffer.getvalue()


def docx_bytes(
    paragraphs: Iterable[str] = ("Hello from Word.",), *, heading: str = "Handbook", table: Rows = ()
) -> bytes:
    """A Word file: a heading, paragraphs and, where rows are given, a table."""
    document = docx.Document()
    document.add_heading(heading, level=1)
    for paragraph in paragraphs:
        document.add_paragraph(paragraph)
    if table:
        cells = document.add_table(rows=len(table), cols=len(table[0]))
        for row, values in zip(cells.rows, table, strict=True):
            for cell, value in zip(row.cells, values, strict=True):
                cell.text = str(value)
    return _saved(document)


def pptx_bytes(
    slides: Iterable[tuple[str, str]] = (("Plan", "First slide."), ("Cost", "Second slide.")),
) -> bytes:
    """A presentation; each slide has a title and a text."""
    presentation = pptx.Presentation()
    for title, text in slides:
        slide = presentation.slides.add_slide(presentation.slide_layouts[1])
        slide.shapes.title.text = title
        slide.placeholders[1].text = text
    return _saved(presentation)


def xlsx_bytes(sheets: Mapping[str, Rows] | None = None) -> bytes:
    """A workbook with one sheet for each entry."""
    workbook = openpyxl.Workbook()
    workbook.remove(workbook.active)
    for name, rows in (sheets or {"Prices": [["Item", "Price"], ["Bolt", 12], ["Nut", 7]]}).items():
        sheet = workbook.create_sheet(name)
        for row in rows:
            sheet.append(list(row))
    return _saved(workbook)


def odt_bytes(text: str = "Hello from OpenDocument.", *, heading: str = "Notes") -> bytes:
    """An OpenDocument text with a heading and a paragraph."""
    content = (
        '<?xml version="1.0" encoding="UTF-8"?><office:document-content '
        'xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" '
        'xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0" office:version="1.2"><office:body>'
        f'<office:text><text:h text:outline-level="1">{heading}</text:h><text:p>{text}</text:p></office:text>'
        "</office:body></office:document-content>"
    )
    manifest = (
        '<?xml version="1.0" encoding="UTF-8"?><manifest:manifest '
        'xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0" manifest:version="1.2">'
        '<manifest:file-entry manifest:full-path="/" '
        'manifest:media-type="application/vnd.oasis.opendocument.text"/>'
        '<manifest:file-entry manifest:full-path="content.xml" manifest:media-type="text/xml"/>'
        "</manifest:manifest>"
    )
    return zip_bytes(
        {
            "mimetype": "application/vnd.oasis.opendocument.text",
            "content.xml": content,
            "META-INF/manifest.xml": manifest,
        }
    )


def epub_bytes(chapters: Mapping[str, str] | None = None, *, title: str = "A Small Book") -> bytes:
    """An e-book with one file for each chapter."""
    chapters = chapters or {"Beginning": "It was a dark night.", "End": "It was a bright day."}
    names = [f"chapter{number}.xhtml" for number in range(1, len(chapters) + 1)]
    items = "".join(
        f'<item id="c{at}" href="{name}" media-type="application/xhtml+xml"/>'
        for at, name in enumerate(names)
    )
    spine = "".join(f'<itemref idref="c{at}"/>' for at in range(len(names)))
    package = (
        '<?xml version="1.0"?><package xmlns="http://www.idpf.org/2007/opf" version="3.0" '
        'unique-identifier="id">'
        '<metadata xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:identifier id="id">1</dc:identifier>'
        f"<dc:title>{title}</dc:title><dc:language>en</dc:language></metadata>"
        f"<manifest>{items}</manifest><spine>{spine}</spine></package>"
    )
    container = (
        '<?xml version="1.0"?><container version="1.0" '
        'xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
        '<rootfile full-path="book.opf" media-type="application/oebps-package+xml"/></rootfiles></container>'
    )
    texts = {
        name: f'<html xmlns="http://www.w3.org/1999/xhtml"><body><h1>{heading}</h1><p>{text}</p></body></html>'
        for name, (heading, text) in zip(names, chapters.items(), strict=True)
    }
    return zip_bytes(
        {
            "mimetype": "application/epub+zip",
            "META-INF/container.xml": container,
            "book.opf": package,
            **texts,
        }
    )


def html_bytes(body: str = "<h1>Welcome</h1><p>Hello from the web.</p>", *, title: str = "A Page") -> bytes:
    """A web page with a script that must not be read."""
    head = f"<title>{title}</title><script>var hidden = 'script text';</script>"
    return f"<!DOCTYPE html><html><head>{head}</head><body>{body}</body></html>".encode()


def eml_bytes(text: str = "Hello from a mail.", *, subject: str = "Opening hours") -> bytes:
    """A mail."""
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "Ada <ada@example.org>", "bob@example.org", subject
    mail["Date"] = "Mon, 02 Nov 2026 10:00:00 +0000"
    mail.set_content(text)
    return mail.as_bytes()


def rtf_bytes(text: str = "Hello from rich text.") -> bytes:
    """A rich-text file."""
    return rf"{{\rtf1\ansi {{\b Title}}\par {text}\par}}".encode("ascii")


def zip_bytes(entries: Mapping[str, str | bytes]) -> bytes:
    """An archive; an entry called `mimetype` is stored first and as it is, as OpenDocument wants it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            kind = zipfile.ZIP_STORED if name == "mimetype" else zipfile.ZIP_DEFLATED
            archive.writestr(name, content, compress_type=kind)
    return buffer.getvalue()


@cache
def hostile_files() -> dict[str, bytes]:
    """Files made to break or to deceive, by name; none may be read with its trick working."""
    return {
        "empty.pdf": b"",
        "noise.pdf": b"%PDF-1.7\n" + bytes(range(256)) * 20,
        "truncated.pdf": pdf_bytes(["A page of text. " * 40] * 20)[:-3000],
        "loop.pdf": page_loop_pdf(),
        "streambomb.pdf": stream_bomb_pdf(),
        "password.pdf": pdf_bytes(["Secret text."], password="secret"),
        "encrypted.docx": encrypted_office_bytes(),
        "xxe.docx": docx_with_document_xml(_XXE),
        "laughs.docx": docx_with_document_xml(_LAUGHS + _word_body("&l9;")),
        "laughs.xml": (_LAUGHS + "<r>&l9;</r>").encode(),
        "laughs.svg": (_LAUGHS + '<svg xmlns="http://www.w3.org/2000/svg"><text>&l9;</text></svg>').encode(),
        "xxe.xml": f'<?xml version="1.0"?>{_EXTERNAL}<r>&x;</r>'.encode(),
        "bomb.docx": bomb_docx(),
        "nested.zip": zip_bytes({"inner.zip": zip_bytes({"a.txt": "text"})}),
        "traversal.docx": with_entries(docx_bytes(), {"../../evil.txt": "evil"}),
        "absolute.docx": with_entries(docx_bytes(), {"/etc/evil.txt": "evil"}),
        "symlink.docx": with_symlink(docx_bytes()),
        "truncated.docx": docx_bytes()[:-4000],
        "sparse.xlsx": sparse_xlsx(),
        "program.exe": b"MZ" + bytes(4000),
        "noise.bin": bytes((at * 7919) % 251 for at in range(5000)),
        "picture.png": png_bytes(),
        "deep.html": b"<html><body>" + b"<div>" * 100_000 + b"deep" + b"</div>" * 100_000 + b"</body></html>",
        "deep.json": b"[" * 100_000 + b'"deep"' + b"]" * 100_000,
    }


def encrypted_office_bytes() -> bytes:
    """The beginning of a Word file with a password: an OLE2 file with an `EncryptedPackage`."""
    directory = "".join(name.ljust(32, "\0") for name in ("Root Entry", "EncryptedPackage", "EncryptionInfo"))
    return (OLE_MAGIC + bytes(504) + directory.encode("utf-16-le")).ljust(8192, b"\0")


def ole_bytes(stream: str) -> bytes:
    """An OLE2 file that holds little more than the name of a stream."""
    directory = "".join(name.ljust(32, "\0") for name in ("Root Entry", stream))
    return (OLE_MAGIC + bytes(504) + directory.encode("utf-16-le")).ljust(8192, b"\0")


def page_loop_pdf() -> bytes:
    """A PDF whose tree of pages contains itself."""
    return _raw_pdf(
        [
            b"<< /Type /Catalog /Pages 2 0 R >>",
            b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
            b"<< /Type /Pages /Kids [2 0 R] /Count 1 /Parent 2 0 R >>",
        ]
    )


def stream_bomb_pdf(unpacked_mb: int = 20) -> bytes:
    """A PDF whose one page unpacks to much more than the file's size, and shows nothing."""
    stream = zlib.compress(b" " * (unpacked_mb * 1024 * 1024), 9)
    return _raw_pdf(
        [
            b"<< /Type /Catalog /Pages 2 0 R >>",
            b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents 4 0 R >>",
            b"<< /Length %d /Filter /FlateDecode >>\nstream\n%s\nendstream" % (len(stream), stream),
        ]
    )


def bomb_docx(unpacked_mb: int = 80) -> bytes:
    """A Word file that unpacks to a thousand times its size."""
    return with_entries(docx_bytes(), {"word/media/zeros.bin": bytes(unpacked_mb * 1024 * 1024)})


def sparse_xlsx() -> bytes:
    """A workbook with two cells, in opposite corners of the largest sheet there can be."""
    workbook = openpyxl.Workbook()
    workbook.active["A1"] = "first corner"
    workbook.active["XFD1048576"] = "last corner"
    return _saved(workbook)


def docx_with_document_xml(xml: str) -> bytes:
    """A Word file with its main part replaced."""
    return with_entries(docx_bytes(), {"word/document.xml": xml})


def with_entries(archive: bytes, entries: Mapping[str, str | bytes]) -> bytes:
    """An archive with entries added or replaced."""
    with zipfile.ZipFile(io.BytesIO(archive)) as original:
        kept = {name: original.read(name) for name in original.namelist()}
    return zip_bytes({**kept, **entries})


def with_symlink(archive: bytes) -> bytes:
    """An archive with a link to a file outside it."""
    buffer = io.BytesIO(archive)
    with zipfile.ZipFile(buffer, "a") as changed:
        link = zipfile.ZipInfo("word/link")
        link.create_system, link.external_attr = 3, 0o120777 << 16
        changed.writestr(link, "/etc/passwd")
    return buffer.getvalue()


_EXTERNAL = '<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
_LAUGHS = (
    f'<?xml version="1.0"?><!DOCTYPE r [<!ENTITY l0 "{SECRET}">'
    + "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    + "]>"
)


def _word_body(text: str) -> str:
    return (
        '<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main">'
        f"<w:body><w:p><w:r><w:t>{text}</w:t></w:r></w:p></w:body></w:document>"
    )


_XXE = f'<?xml version="1.0"?>{_EXTERNAL}{_word_body("Visible text &x;")}'


def _raw_pdf(objects: Sequence[bytes]) -> bytes:
    """Write objects, numbered from 1, as a PDF; the first is its catalogue."""
    body, offsets = bytearray(b"%PDF-1.7\n"), []
    for number, content in enumerate(objects, start=1):
        offsets.append(len(body))
        body += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    table += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    trailer = b"trailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, len(body))
    return bytes(body) + table + trailer


def _wrapped(text: str) -> list[str]:
    lines = []
    for line in text.split("\n"):
        words, current = line.split(), ""
        for word in words:
            if current and len(current) + len(word) >= _LINE_CHARS:
                lines.append(current)
                current = ""
            current = f"{current} {word}".strip()
        lines.append(current)
    return lines


def _picture_of(text: str) -> Image.Image:
    image = Image.new("RGB", (1240, 1754), "white")  # A4 at 150 dpi
    font = ImageFont.load_default(size=40)
    ImageDraw.Draw(image).multiline_text((120, 160), "\n".join(_wrapped(text)), fill="black", font=font)
    return image


def _saved(document: object) -> bytes:
    buffer = io.BytesIO()
    document.save(buffer)  # ty: ignore[missing-attribute]
    return buffer.getvalue()
