"""Table rows, page numbers and reading order of real kinds of files, checked against what is known of them.

Our own files are made here; those beside the repository are looked at where they are.
"""

import io
import textwrap
from collections.abc import Sequence

import pytest
from reportlab.lib.pagesizes import A4
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import SimpleDocTemplate, Table, TableStyle

from rag_app.domain.documents import ParsedDocument
from rag_app.rag.chunkers.blocks import chunk
from rag_app.rag.parsers.contract import ParseLimits
from rag_app.rag.parsers.sandbox import parse_file
from tests import sample_files
from tests.integration.test_shared_samples import parsed, present
from tests.unit.test_chunker import token_offsets

PRICES = [["Article", "Packs", "Price"], *([f"Bolt M{n}", str(n * 3), f"{n}.50 EUR"] for n in range(1, 61))]


def cells_of(text: str) -> list[tuple[str, ...]]:
    """Every row of every table of a page, as its cells."""
    rows = [line.strip().strip("|").split("|") for line in text.splitlines() if line.startswith("|")]
    return [tuple(cell.strip() for cell in row) for row in rows]


def page_with_row(document: ParsedDocument, row: Sequence[str]) -> list[int | None]:
    """Numbers of the pages that have a row with exactly these cells; empty cells do not count."""
    wanted = tuple(cell for cell in row if cell)
    return [
        page.number
        for page in document.pages
        if any(tuple(cell for cell in found if cell) == wanted for found in cells_of(page.text))
    ]


def places(text: str, phrases: Sequence[str]) -> list[int]:
    """Where phrases begin, one after the other; -1 for what is not there."""
    return [text.find(phrase) for phrase in phrases]


# ---- our own files


def pdf_table(rows: Sequence[Sequence[str]]) -> bytes:
    """A PDF with one ruled table over several pages, its header on each."""
    buffer = io.BytesIO()
    table = Table([list(row) for row in rows], repeatRows=1, colWidths=[150, 100, 120])
    table.setStyle(TableStyle([("GRID", (0, 0), (-1, -1), 0.5, "black")]))
    SimpleDocTemplate(buffer, pagesize=A4, invariant=1).build([table])
    return buffer.getvalue()


def pdf_columns(left: Sequence[str], right: Sequence[str]) -> bytes:
    """A PDF with a title and two columns of text, and a running foot."""
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=A4, invariant=1)
    canvas.setFont("Helvetica-Bold", 18)
    canvas.drawString(60, 790, "A Report in Columns")
    canvas.setFont("Helvetica", 10)
    for x, sentences in ((60, left), (310, right)):
        for at, line in enumerate(textwrap.wrap(" ".join(sentences), 44)):
            canvas.drawString(x, 760 - 13 * at, line)
    canvas.drawString(280, 30, "Page 1 of 1")
    canvas.save()
    return buffer.getvalue()


EAST_ASIAN = {
    "HeiseiMin-W3": ["休暇は年に二十五日です。", "病気のときは九時までに電話してください。"],
    "STSong-Light": ["员工每年有二十五天假期。", "生病时请在九点前打电话。"],
    "HYSMyeongJo-Medium": ["직원은 일년에 이십오일의 휴가가 있습니다."],
}


def pdf_east_asian() -> bytes:
    """A PDF with a page in each of three languages, set in fonts that every reader has."""
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=A4, invariant=1)
    for font, lines in EAST_ASIAN.items():
        pdfmetrics.registerFont(UnicodeCIDFont(font))
        canvas.setFont(font, 12)
        for at, line in enumerate(lines):
            canvas.drawString(60, 780 - 20 * at, line)
        canvas.showPage()
    canvas.save()
    return buffer.getvalue()


@pytest.fixture
def parse(tmp_path):
    async def read(content: bytes, name: str) -> ParsedDocument:
        path = tmp_path / "file"
        path.write_bytes(content)
        return await parse_file(path, file_name=name, limits=ParseLimits(cpu_s=60, wall_s=60))

    return read


async def test_a_table_over_pages_of_a_pdf_keeps_every_row_on_its_page(parse):
    document = await parse(pdf_table(PRICES), "prices.pdf")

    found = [page_with_row(document, row) for row in PRICES[1:]]
    assert all(len(pages) == 1 for pages in found), found
    numbers = [pages[0] for pages in found]
    assert numbers == sorted(numbers, key=lambda number: number or 0)
    assert set(numbers) == {1, 2}


async def test_rows_survive_being_cut_into_chunks_with_their_pages_and_header(parse):
    document = await parse(pdf_table(PRICES), "prices.pdf")

    drafts = chunk(document, token_offsets=token_offsets, max_tokens=128)

    for row in PRICES[1:]:
        [pages] = page_with_row(document, row)
        [draft] = [each for each in drafts if tuple(row) in cells_of(each.content)]
        assert (draft.page_first or 0) <= (pages or 0) <= (draft.page_last or 0)
        assert tuple(PRICES[0]) in cells_of(draft.content)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("prices.docx", sample_files.docx_bytes(["Our prices."], table=PRICES)),
        ("prices.xlsx", sample_files.xlsx_bytes({"Notes": [["Nothing"]], "Prices": PRICES})),
        ("prices.csv", "\n".join(";".join(row) for row in PRICES).encode()),
        ("prices.tsv", "\n".join("\t".join(row) for row in PRICES).encode()),
        (
            "prices.html",
            sample_files.html_bytes(
                "<table>"
                + "".join("<tr>" + "".join(f"<td>{c}</td>" for c in row) + "</tr>" for row in PRICES)
                + "</table>"
            ),
        ),
    ],
)
async def test_every_kind_of_table_keeps_its_rows(parse, name, content):
    document = await parse(content, name)

    expected = 2 if name.endswith(".xlsx") else None
    assert [page_with_row(document, row) for row in PRICES] == [[expected]] * len(PRICES)


def pdf_report(n_pages: int) -> bytes:
    """A PDF whose pages have a running title, a line of text, and their number."""
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=A4, invariant=1)
    for n in range(1, n_pages + 1):
        canvas.drawString(60, 810, "Annual report of the harbour")
        canvas.drawString(60, 600, f"In year {n} there were {n * 17} boats, and more will come.")
        canvas.drawString(280, 30, f"Page {n} of {n_pages}")
        canvas.showPage()
    canvas.save()
    return buffer.getvalue()


async def test_what_every_page_repeats_is_left_out_and_its_text_is_not(parse):
    document = await parse(pdf_report(5), "report.pdf")

    for page in document.pages:
        assert page.text == f"In year {page.number} there were {page.number * 17} boats, and more will come."


async def test_columns_are_read_one_after_the_other(parse):
    left = [f"Left sentence {n} tells of harbours." for n in range(30)]
    right = [f"Right sentence {n} tells of mountains." for n in range(30)]

    [page] = (await parse(pdf_columns(left, right), "columns.pdf")).pages

    found = places(page.text, ["A Report in Columns", *left, *right])
    assert -1 not in found
    assert found == sorted(found)


async def test_east_asian_text_is_read_from_a_pdf(parse):
    document = await parse(pdf_east_asian(), "cjk.pdf")

    for page, lines in zip(document.pages, EAST_ASIAN.values(), strict=True):
        assert -1 not in places(page.text, lines), page


async def test_a_heading_ends_without_unseen_characters(parse):
    page = sample_files.html_bytes("<h1>Results\u200b</h1><p>All is well.</p>")

    [read] = (await parse(page, "a.html")).pages

    assert "# Results\n" in read.text


# ---- files beside the repository: rows with the number of their page, and texts in their order

ROWS: dict[str, list[tuple[int | None, tuple[str, ...]]]] = {
    "dl_csv-semicolon.csv": [
        (None, ("Index", "Customer Id", "First Name", "Last Name", "Company", "City", "Country", "Phone 1",
                "Phone 2", "Email", "Subscription Date", "Website")),
        (None, ("4", "5Cef8BFA16c5e3c", "Linda", "Olsen", "Dominguez;Mcmillan and Donovan", "Bensonview",
                "Dominican Republic", "001-808-617-6467x12895", "+1-813-324-8756",
                "stanleyblackwell@benson.org", "2020-06-02", "http://www.good-lyons.com/")),
    ],
    "dl_odf_table_with_title_01.ods": [
        (1, ("Year", "Freshwater Ducks")),
        *((1, row) for row in (("2019", "120"), ("2020", "135"), ("2021", "150"), ("2024", "180"))),
    ],
    "dl_powerpoint_sample.pptx": [(1, ("R1", "True", "False", "False", "True", "True"))],
    "dl_word_sample.docx": [
        (None, ("Food", "Calories per portion")),
        (None, ("Leaves", "Ash, Elm, Maple", "50")),
        (None, ("Berries", "Blueberry, Strawberry, Cranberry", "150")),
        (None, ("Grain", "Corn, Buckwheat, Barley", "200")),
    ],
    "dl_xlsx_01.xlsx": [
        (1, ("first", "second", "third")), (1, ("6", "0", "-6")),
        (2, ("4", "8", "12", "16", "col-1", "col-2", "col-3")),

        (3, ("3", "4", "5")), (4, ("header",)), (4, ("1",)),
    ],
    "kg_fed2013.pdf": [
        (21, ("Key Indicator - Performance Culture", "FY 2011 Baseline", "FY 2012 Interim Result",
              "FY 2013 Target", "FY 2013 Actual")),
        (21, ("Performance Culture Index - OPM", "60.20", "59.40", "63.21", "60.00")),
        (30, ("Percent of customers satisfied with overall retirement services", "85%", "81%", "76%", "73%",
              "76%", "75%", "Met", "↔ Stable")),
        (44, ("n/a", "75%", "87%", "80%", "92%", "80%", "Met")),
        (47, ("91%", "94%", "94%", "92%", "93%", "95%", "Not Met")),
        (65, ("ACSI", "American Customer Satisfaction Index")),
        (67, ("OIG", "Office of the Inspector General")),
        (68, ("VA", "Department of Veterans Affairs")),
    ],
    "kg_ntsb1.pdf": [
        (1, ("Date & Time:", "12/08/2007, 1730 EST", "Registration:", "N5921D")),
        (2, ("Certificate:", "Private", "Age:", "85, Male")),
        (2, ("Landing Gear Type:", "Tailwheel", "Seats:", "4")),
        (3, ("Altimeter Setting:", "30.27 inches Hg", "Temperature/Dew Point:", "22°C / 17°C")),
    ],
    "kg_ntsb2.pdf": [
        (1, ("Date & Time:", "12/06/2007, 1308 CST", "Registration:")),
        (2, ("Aircraft Make:", "Cessna", "Registration:")),
        (3, ("30.04 inches Hg", "Temperature/Dew Point:", "25°C / 9°C")),
    ],
    "mk_REPAIR-2022-INV-001_multipage.pdf": [
        (1, ("Claim #", "SF-1008", "Make", "Jeep")), (1, ("Body Labor", "2", "150", "300")),
        (2, ("Claim #", "999", "Make", "Batman")),
    ],
    "mk_SPARSE-2024-INV-1234_borderless_table.pdf": [
        (1, ("Product Code", "Location", "Expected", "Actual", "Variance", "Status")),
        (1, ("SKU-4563", "D-22", "156", "CRITICAL")),
        (2, ("SKU-9201", "Hardware", "$32.50", "$25,285.00", "2024-10-22", "Verified")),
        (2, ("SKU-6678", "Software", "$200.00", "$42,000.00", "2024-10-25", "High Value")),
    ],
    "mk_test.docx": [(None, ("13", "14", "49e168b7-d2ae-407f-a055-2167576f39a1", "15", "16", "17"))],
    "mk_test.pptx": [(3, ("7", "8", "9", "1b92870d-e3b5-4e65-8153-919f4ff45592", "11", "12"))],
    "mk_test.xls": [
        (1, ("58", "6ff4173b-42a5-4784-9b19-f49caff4d93d", "22", "9")),
        (2, ("13", "14", "15", "affc7dad-52dc-4b98-9b5d-51e65d8a8ad0")),
    ],
    "mk_test.xlsx": [
        (1, ("58", "6ff4173b-42a5-4784-9b19-f49caff4d93d", "22", "9")),
        (2, ("13", "14", "15", "affc7dad-52dc-4b98-9b5d-51e65d8a8ad0")),
    ],
    "mk_test_mskanji.csv": [(None, ("名前", "年齢", "住所")), (None, ("髙橋淳", "35", "名古屋"))],
    "pp_multicolumn.pdf": [
        (3, ("Country", "Population (millions)", "Area (km2)", "Capital", "Official Language")),
        (3, ("Belgium", "11.5", "30,689", "Brussels", "Dutch, French, German")),
        (3, ("Finland", "5.5", "338,424", "Helsinki", "Finnish, Swedish")),
    ],
}  # fmt: skip

# Of a page, in this order: the left column to its end before the right one begins.
IN_ORDER: dict[str, list[tuple[int, list[str]]]] = {
    "pp_multicolumn.pdf": [
        (1, ["# Two-Column Document with Lorem Ipsum", "Abstract", "Donec varius orci eget risus.",
             "Nullam cursus pulvinar lectus.", "Nunc elementum fermentum wisi.",
             "Duis cursus enim ut augue.", "Nam feugiat"]),
        (2, ["lacus vel est.", "Sed accumsan risus eget odio.", "Praesent feugiat sapien aliquet odio.",
             "Suspendisse vitae elit."]),
        (3, ["Table 1: EU Countries Information", "| Country |", "| Austria |", "| Finland |"]),
    ],
    "dl_multi_page.pdf": [
        (1, ["# The Evolution of the Word Processor", "# Pre-Digital Era", "# The Birth of Word Processing",
             "# The Rise of Personal Computers"]),
        (2, ["# The Modern Era", "# Future of Word Processing"]),
        (3, ["# Specialized Word Processing Tools", "# Key Features", "# The Cultural Impact"]),
        (4, ["# Word Processors in a Post-Digital Era", "# A Glimpse Into the Future"]),
    ],
    "mk_SPARSE-2024-INV-1234_borderless_table.pdf": [
        (1, ["# INVENTORY RECONCILIATION REPORT", "| SKU-8847 | A-12 |", "Total Variance Cost: $4,287.50",
             "## Detailed Analysis by Category:"]),
        (2, ["## Extended Inventory Review:", "| SKU-1123 |", "## Recommendations:", "## Approval:"]),
    ],
    "dl_powerpoint_sample.pptx": [
        (1, ["## Test Table Slide", "With footnote", "Notes: Some notes on the second slide."]),
        (2, ["## Second slide title", "With foo", "Notes: Final notes on the third slide."]),
    ],
}  # fmt: skip


async def test_rows_of_samples_stand_on_their_pages():
    wrong = []
    for name in present(ROWS):
        document = await parsed(name)
        for number, row in ROWS[name]:
            if number not in page_with_row(document, row):
                wrong.append((name, number, row, page_with_row(document, row)))

    assert wrong == []


async def test_samples_are_read_in_their_order():
    wrong = []
    for name in present(IN_ORDER):
        texts = {page.number: page.text for page in (await parsed(name)).pages}
        for number, phrases in IN_ORDER[name]:
            found = places(texts[number], phrases)
            if -1 in found or found != sorted(found):
                wrong.append((name, number, list(zip(phrases, found, strict=True))))

    assert wrong == []
