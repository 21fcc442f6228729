"""Real documents, kept beside the repository and not in it; without them these tests have nothing to do."""

from pathlib import Path

import pytest

from rag_app.domain.documents import PAGE_SEPARATOR, ParsedDocument
from rag_app.errors import PermanentError
from rag_app.rag.chunkers.blocks import chunk
from rag_app.rag.chunkers.language import detect_language
from rag_app.rag.parsers.contract import ParseLimits
from rag_app.rag.parsers.sandbox import find_tessdata, parse_file
from tests.unit.test_chunker import assert_sound, token_offsets

SAMPLES = Path(__file__).parents[2].parent / "shared" / "samples"
LIMITS = ParseLimits(cpu_s=90, wall_s=90)

# File → a piece of text and the index of the page it is on.
KNOWN_TEXTS = {
    "dl_csv-semicolon.csv": (
        0,
        "| 1 | DD37Cf93aecA6Dc | Sheryl | Baxter | Rasmussen Group | East Leonard | Chile |",
    ),
    "dl_docx_rich_cells.docx": (0, "# Table with rich cells"),
    "dl_eml_with_attachment.eml": (0, "This email contains an attachment."),
    "dl_msg_with_attachment.msg": (0, "This email contains an attachment."),
    "dl_multi_page.pdf": (2, "# Specialized Word Processing Tools"),
    "dl_ocr_test.pdf": (0, "Docling bundles PDF document conversion"),
    "dl_odf_table_with_title_01.ods": (0, "| 2022 | 170 |"),
    "dl_powerpoint_sample.pptx": (1, "## Second slide title"),
    "dl_right_to_left_01.pdf": (0, "Python"),
    "dl_text_document_01.odt": (0, "# heading level 1.0"),
    "dl_word_sample.docx": (0, "| Leaves | Ash, Elm, Maple | 50 |"),
    "dl_xlsx_01.xlsx": (0, "| 6 | 0 | -6 |"),
    "kg_fed2013.pdf": (20, "| Performance Culture Index - OPM | 60.20 | 59.40 | 63.21 | 60.00 |"),
    "kg_ntsb1.pdf": (0, "| Location: | Tallahassee, FL | Accident Number: | NYC08CA055 |"),
    "kg_ntsb2.pdf": (0, "| Aircraft: | Cessna 210 | Aircraft Damage: | Destroyed |"),
    "mk_MEDRPT-2024-PAT-3847_medical_report_scan.pdf": (0, "Jonathan Michael Harrison"),
    "mk_REPAIR-2022-INV-001_multipage.pdf": (0, "| Insured name | Gabriel Diaz | Year | 2022 |"),
    "mk_SPARSE-2024-INV-1234_borderless_table.pdf": (0, "| SKU-9201 |  | 780 | 778 |  | OK |"),
    "mk_test.docx": (0, "# Abstract"),
    "mk_test.epub": (0, "# Chapter 1: Test Content"),
    "mk_test.pptx": (2, "| ColA | ColB | ColC | ColD | ColE | ColF |"),
    "mk_test.xls": (0, "| 89 | 82 | 100 | 12 |"),
    "mk_test.xlsx": (1, "affc7dad-52dc-4b98-9b5d-51e65d8a8ad0"),
    "mk_test_blog.html": (0, "# Does Model and Inference Parameter Matter in LLM Applications?"),
    "mk_test_mskanji.csv": (0, "| 佐藤太郎 | 30 | 東京 |"),
    "mk_test_outlook_msg.msg": (0, "This is the body of the test email message"),
    "pp_gdoc.pdf": (0, "Beautiful is better than ugly."),
    "pp_habibi.pdf": (0, "habibi"),
    "pp_multicolumn.pdf": (2, "| Austria | 8.9 | 83,879 | Vienna | German |"),
}
N_PAGES = {
    "dl_multi_page.pdf": 5,
    "dl_powerpoint_sample.pptx": 3,
    "dl_word_sample.docx": 0,
    "dl_xlsx_01.xlsx": 4,
    "kg_fed2013.pdf": 70,
    "kg_ntsb1.pdf": 4,
    "mk_MEDRPT-2024-PAT-3847_medical_report_scan.pdf": 3,
    "mk_test.pptx": 6,
    "mk_test.xls": 2,
    "pp_multicolumn.pdf": 3,
}
REASONS = {
    "pp_password.pdf": "protected with a password",
    "enc.docx": "protected with a password",
    "enc.xlsx": "protected with a password",
    "laughs.docx": "nothing but XML entities",
    "laughs.svg": "nothing but XML entities",
    "laughs.xml": "nothing but XML entities",
    "loop.pdf": "incomplete",
    "nested.zip": "Unpack it",
    "trunc_1k.pdf": "incomplete",
    "zero.pdf": "empty (0 bytes)",
}
READ_ANYWAY = {
    "cp1252.txt": "Café — “quotes” €5 naïve",
    "docx_named.pdf": "# AutoGen: Enabling Next-Gen LLM Applications",
    "pdf_named.docx": "Large language models (LLMs)",
    "sparse_huge.xlsx": "| ColA | ColB | ColC | ColD |",
    "streambomb.pdf": "A",
    "utf16.txt": "Zażółć gęślą jaźń\nZażółć gęślą jaźń",
    "xlsx_named.txt": "| 89 | 82 | 100 | 12 |",
    "xxe.docx": "SECRET[]",
}
LANGUAGES = {"kg_fed2013.pdf": "english", "mk_test.docx": "english", "dl_right_to_left_01.pdf": "simple"}


def present(names) -> list[str]:
    return sorted(name for name in names if found(name) is not None)


def found(name: str) -> Path | None:
    return next((path for path in (SAMPLES / "docs" / name, SAMPLES / "bad" / name) if path.exists()), None)


async def parsed(name: str) -> ParsedDocument:
    path = found(name)
    assert path is not None
    return await parse_file(path, file_name=name, limits=LIMITS, ocr_data=find_tessdata())


def test_every_sample_is_covered():
    if not SAMPLES.exists():
        print("There is no folder of shared samples; nothing was read from it.")  # noqa: T201
        return

    files = {path.name for folder in ("docs", "bad") for path in (SAMPLES / folder).iterdir()}

    assert files == KNOWN_TEXTS.keys() | REASONS.keys() | READ_ANYWAY.keys()


def test_what_is_known_of_samples_is_about_files_that_are_read():
    assert N_PAGES.keys() | LANGUAGES.keys() <= KNOWN_TEXTS.keys()
    assert not REASONS.keys() & READ_ANYWAY.keys()


async def test_documents_are_read_and_cut_soundly():
    for name in present(KNOWN_TEXTS):
        document = await parsed(name)

        page, text = KNOWN_TEXTS[name]
        assert text in document.pages[page].text, name
        assert document.n_pages == N_PAGES.get(name, document.n_pages), name
        joined = PAGE_SEPARATOR.join(page.text for page in document.pages)
        assert detect_language(joined) == LANGUAGES.get(name, detect_language(joined)), name
        drafts = chunk(document, token_offsets=token_offsets)
        assert_sound(document, drafts, token_offsets, max_tokens=256)


async def test_refused_files_say_why():
    for name in present(REASONS):
        with pytest.raises(PermanentError) as caught:
            await parsed(name)

        assert REASONS[name] in str(caught.value), name


async def test_odd_files_are_read_by_their_content():
    for name in present(READ_ANYWAY):
        document = await parsed(name)

        assert READ_ANYWAY[name] in "\n\n".join(page.text for page in document.pages), name
