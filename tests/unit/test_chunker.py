import re
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rag_app.domain.documents import PAGE_SEPARATOR, ChunkDraft, Page, ParsedDocument
from rag_app.rag.chunkers.blocks import chunk
from rag_app.rag.chunkers.language import detect_language

TOKEN = re.compile(r"\w{1,6}|[^\w\s]")
SENTENCE = "The quick brown fox number {} jumps over the lazy dog."
TABLE = "| Item | Price |\n|---|---|\n" + "\n".join(f"| Bolt {n} | {n} EUR |" for n in range(120))


def token_offsets(text: str) -> list[tuple[int, int]]:
    return [match.span() for match in TOKEN.finditer(text)]


def word_offsets(text: str) -> list[tuple[int, int]]:
    """A tokeniser to which a word of any length is one token."""
    return [match.span() for match in re.finditer(r"\S+", text)]


def document(*pages: str, media_type: str = "text/markdown", numbered: bool = True) -> ParsedDocument:
    numbers = range(1, len(pages) + 1) if numbered else [None] * len(pages)
    return ParsedDocument(tuple(map(Page, numbers, pages)), media_type)


def chunks(*pages: str, max_tokens: int = 256, overlap_tokens: int = 32, **kwargs) -> list[ChunkDraft]:
    return chunk(
        document(*pages, **kwargs),
        token_offsets=token_offsets,
        max_tokens=max_tokens,
        overlap_tokens=overlap_tokens,
    )


def sentences(n: int) -> str:
    return " ".join(SENTENCE.format(number) for number in range(n))


def test_a_short_text_is_one_chunk():
    [draft] = chunks("# Leave\n\nEveryone has 25 days.")

    assert draft.content == "# Leave\n\nEveryone has 25 days."
    assert draft.heading_path == ("Leave",)
    assert (draft.page_first, draft.page_last) == (1, 1)
    assert (draft.char_start, draft.char_end) == (0, len(draft.content))
    assert draft.n_tokens == len(token_offsets(draft.text_to_embed))


@pytest.mark.parametrize("pages", [(), ("",), ("", "\n \n")], ids=["no page", "empty", "blank"])
def test_nothing_gives_no_chunk(pages):
    assert chunks(*pages) == []


def test_headings_lead_to_their_text():
    deep = (
        f"# Handbook\n\n{sentences(10)}\n\n## Leave\n\n{sentences(30)}\n\n### Sick leave\n\n{sentences(30)}"
    )
    other = f"# Contact\n\n{sentences(10)}"

    paths = list(dict.fromkeys(draft.heading_path for draft in chunks(f"{deep}\n\n{other}")))

    assert paths == [
        ("Handbook",),
        ("Handbook", "Leave"),
        ("Handbook", "Leave", "Sick leave"),
        ("Contact",),
    ]


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(f"# {'long ' * 60}", id="longer than 200 characters"),
        pytest.param("# 2024", id="only digits"),
        pytest.param("### 45 49 50 59 63", id="page numbers"),
        pytest.param("## The company shall not be liable for any loss of data.", id="a sentence"),
        pytest.param("#hashtag", id="no blank after the sign"),
        pytest.param("```\n# a comment in code\n```", id="in code"),
    ],
)
def test_not_every_heading_is_one(line):
    [draft] = chunks(f"{line}\n\nText.")

    assert draft.heading_path == ()
    assert line.split("\n", maxsplit=1)[0].strip() in draft.content


def test_marks_are_no_part_of_a_heading():
    [draft] = chunks("# **Rules** of the [house](http://x.example) ##\n\nText.")

    assert draft.heading_path == ("Rules of the house",)


def test_tiny_sections_of_one_chapter_are_joined():
    page = "# Hours\n\n" + "\n\n".join(f"## Day {n}\n\nOpen from nine to five on day {n}." for n in range(5))

    [draft] = chunks(page)

    assert draft.heading_path == ("Hours",)


def test_chapters_are_not_mixed():
    drafts = chunks(f"# Cats\n\n{sentences(3)}\n\n# Dogs\n\n{sentences(3)}")

    assert [draft.heading_path for draft in drafts] == [("Cats",), ("Dogs",)]


def test_a_heading_stays_with_its_text():
    drafts = chunks(f"{sentences(15)}\n\n## Next\n\n{sentences(30)}", max_tokens=100)

    assert not any(draft.content.rstrip().endswith("## Next") for draft in drafts)


def test_a_slide_does_not_inherit_the_heading_of_the_last():
    first, second = chunks(
        f"## Costs\n\n{sentences(8)}", sentences(8), media_type="application/vnd.ms-powerpoint"
    )

    assert (first.heading_path, second.heading_path) == (("Costs",), ())
    assert (first.page_first, second.page_first) == (1, 2)


def test_a_text_over_pages_has_both_page_numbers():
    [draft] = chunks("The sentence goes on", "on the next page.")

    assert (draft.page_first, draft.page_last) == (1, 2)


def test_formats_without_pages_have_no_page_numbers():
    [draft] = chunks("Text.", numbered=False)

    assert (draft.page_first, draft.page_last) == (None, None)


def test_long_paragraphs_are_cut_after_sentences_and_overlap_by_whole_ones():
    drafts = chunks(sentences(100))

    assert all(draft.content.startswith("The quick") for draft in drafts)
    assert all(draft.content.endswith("dog.") for draft in drafts)
    for before, after in pairwise(drafts):
        assert before.char_start < after.char_start < before.char_end < after.char_end
        shared = document(sentences(100)).pages[0].text[after.char_start : before.char_end]
        assert 0 < len(token_offsets(shared)) <= 32


def test_overlap_can_be_turned_off():
    drafts = chunks(sentences(100), overlap_tokens=0)

    assert all(before.char_end < after.char_start for before, after in pairwise(drafts))


def test_sections_do_not_overlap():
    drafts = chunks(f"# A\n\n{sentences(20)}\n\n# B\n\n{sentences(20)}")

    assert all("# B" not in draft.content or draft.content.startswith("# B") for draft in drafts)


@pytest.mark.parametrize(
    ("sentence", "end"),
    [
        ("这是一个很普通的中文句子。", "。"),
        ("これは質問ですか？", "？"),
        ("هل هذا سؤال؟ ", "؟"),
        ("यह एक वाक्य है। ", "।"),
    ],
)
def test_sentences_end_in_many_scripts(sentence, end):
    drafts = chunks(sentence * 200)

    assert len(drafts) > 1
    assert all(draft.content.endswith(end) for draft in drafts)


def test_tables_repeat_their_header():
    drafts = chunks(f"## Prices\n\n{TABLE}", max_tokens=128)

    assert len(drafts) > 3
    for draft in drafts[1:]:
        assert draft.content.startswith("| Item | Price |\n|---|---|\n| Bolt ")
        assert draft.heading_path == ("Prices",)
    rows = [line for draft in drafts for line in draft.content.split("\n") if line.startswith("| Bolt")]
    assert rows == TABLE.split("\n")[2:]


def test_a_huge_table_header_is_not_repeated():
    header = "| " + " | ".join(f"Column {n}" for n in range(60)) + " |"
    rule = "|" + "---|" * 60
    drafts = chunks(f"{header}\n{rule}\n" + "| cell |\n" * 200)

    assert sum("Column 59" in draft.content for draft in drafts) == 1


def test_lists_and_code_are_cut_between_lines():
    items = "\n".join(f"- item number {n} of the list" for n in range(100))
    code = "```python\n" + "\n".join(f"value_{n} = {n}" for n in range(100)) + "\n```"

    for draft in chunks(f"{items}\n\n{code}", overlap_tokens=0):
        assert draft.content.startswith(("- item", "```python", "value_"))


@pytest.mark.parametrize("offsets", [token_offsets, word_offsets])
@pytest.mark.parametrize(
    "text",
    [
        "x" * 60_000,
        "word " * 12_000,
        "。" * 30_000,
        "." * 60_000,
        "a" + " " * 60_000 + "b",
        "这是一个句子。" * 6_000,
    ],
    ids=["one word", "no sentence", "only ends", "dots", "blanks", "no blank"],
)
def test_texts_without_good_places_to_cut(text, offsets):
    drafts = chunk(document(text), token_offsets=offsets)

    assert_sound(document(text), drafts, offsets, max_tokens=256)
    assert all(len(draft.content) <= 256 * 12 for draft in drafts)
    assert sum(len(draft.content) for draft in drafts) <= 2 * len(text)


def test_the_tokeniser_sees_each_part_of_a_long_text_a_few_times_only():
    seen = 0

    def counting(text: str) -> list[tuple[int, int]]:
        nonlocal seen
        seen += len(text)
        return token_offsets(text)

    text = sentences(5_000)
    chunk(document(text), token_offsets=counting)

    assert seen < 3 * len(text)


def assert_sound(parsed: ParsedDocument, drafts: list[ChunkDraft], offsets, *, max_tokens: int) -> None:
    joined = PAGE_SEPARATOR.join(page.text for page in parsed.pages)
    covered = bytearray(len(joined))
    for draft in drafts:
        own_text = joined[draft.char_start : draft.char_end]
        assert own_text.strip() == own_text != ""
        assert draft.content.endswith(own_text)
        assert draft.n_tokens == len(offsets(draft.text_to_embed)) <= max_tokens
        covered[draft.char_start : draft.char_end] = b"x" * len(own_text)
    assert all(covered[at] or character.isspace() for at, character in enumerate(joined))
    assert [draft.char_start for draft in drafts] == sorted(draft.char_start for draft in drafts)


MARKDOWN_LINES = st.sampled_from(
    [
        "",
        "",
        "# Top",
        "## Second level",
        "###### " + "deep " * 20,
        "#",
        "- item one",
        "1. first",
        "| a | b |",
        "|---|---|",
        "| 1 | 2 |",
        "|||",
        "```",
        "~~~ text",
        "One sentence. Another one! And a third?",
        "句子一。句子二！",
        "word " * 70,
        "x" * 700,
        "\u00a0\u3000 ",
        "🙂👩‍👩‍👧 é",
        "> quoted",
        "....",
    ]
)
PAGES = st.lists(st.lists(MARKDOWN_LINES | st.text(max_size=60), max_size=25).map("\n".join), max_size=5)


@settings(max_examples=200, deadline=None)
@given(pages=PAGES, max_tokens=st.sampled_from([16, 40, 256]), overlap_tokens=st.sampled_from([0, 8, 32]))
def test_nothing_is_lost_and_everything_fits(pages, max_tokens, overlap_tokens):
    parsed = document(*pages)

    drafts = chunk(parsed, token_offsets=token_offsets, max_tokens=max_tokens, overlap_tokens=overlap_tokens)

    assert_sound(parsed, drafts, token_offsets, max_tokens=max_tokens)


@settings(max_examples=100, deadline=None)
@given(
    n_sentences=st.integers(1, 120),
    n_rows=st.integers(1, 60),
    max_tokens=st.integers(64, 400),
    overlap_share=st.floats(0, 0.49),
)
@example(n_sentences=5, n_rows=1, max_tokens=64, overlap_share=0.1875)  # exactly one sentence
def test_any_size_repeats_whole_sentences_headings_and_table_headers(
    n_sentences, n_rows, max_tokens, overlap_share
):
    overlap_tokens = int(max_tokens * overlap_share)
    rows = "\n".join(f"| Bolt {n} | {n} EUR |" for n in range(n_rows))
    prose, table = f"# Rules\n\n{sentences(n_sentences)}", f"# Prices\n\n| Item | Price |\n|---|---|\n{rows}"
    parsed = document(f"{prose}\n\n{table}")

    drafts = chunk(parsed, token_offsets=token_offsets, max_tokens=max_tokens, overlap_tokens=overlap_tokens)

    assert_sound(parsed, drafts, token_offsets, max_tokens=max_tokens)
    one_sentence = len(token_offsets(SENTENCE.format(100)))
    for before, after in pairwise(drafts):
        shared = parsed.pages[0].text[after.char_start : before.char_end]
        if before.heading_path == after.heading_path == ("Rules",):
            assert len(token_offsets(shared)) <= overlap_tokens
            assert shared == "" or (shared.startswith("The quick") and shared.endswith("dog."))
            assert bool(shared) == (overlap_tokens >= one_sentence)
        if before.heading_path == after.heading_path == ("Prices",):
            assert after.content.startswith("| Item | Price |\n|---|---|\n| Bolt ")
            assert shared == ""


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("The members of the board are elected by the assembly for a term of two years.", "english"),
        (
            "Die Mitglieder des Vorstands werden von der Versammlung für zwei Jahre gewählt und sind im Amt.",
            "german",
        ),
        (
            "Les membres du conseil sont élus par l'assemblée pour deux ans et ne sont pas payés.",
            "french",
        ),
        (
            "I membri del consiglio sono eletti dalla assemblea per un periodo di due anni e non di più.",
            "italian",
        ),
        (
            "Los miembros del consejo son elegidos por la asamblea para un período de dos años y no más.",
            "spanish",
        ),
        (
            "Os membros do conselho são eleitos pela assembleia para um período de dois anos e não mais.",
            "portuguese",
        ),
        (
            "De leden van het bestuur worden door de vergadering voor een periode van twee jaar gekozen.",
            "dutch",
        ),
        ("Członkowie zarządu są wybierani przez zgromadzenie na okres dwóch lat.", "simple"),
        ("これは日本語の文章です。", "simple"),
        ("4711 0815 X-200 Y-300", "simple"),
        ("", "simple"),
    ],
)
def test_the_language_is_told_by_its_small_words(text, language):
    assert detect_language(text) == language
