"""Answers as safe HTML.

    Markdown ── parse ── render ── sanitise ── our own buttons
                  │        └ pictures become their alternative text, links show where they lead
                  └ [n] of a passage that was sent becomes a citation, but not inside code

What a model writes may have been dictated by a document, so nothing of it is trusted: no HTML, no
pictures, no styles, and only links a person can judge by their host. Buttons for citations and code
are put in after sanitising, in place of characters that no text may hold.
"""

import re
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Final
from urllib.parse import urlsplit

import nh3
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_core import StateCore
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token
from markdown_it.utils import OptionsDict

MAX_CHARACTERS = 100_000  # far more than any model answers; keeps a broken one from costing minutes

_TAGS: Final = set(
    "p ul ol li table thead tbody tr th td code pre blockquote h3 h4 h5 h6 em strong s br hr a".split()
)
_ATTRIBUTES: Final = {"a": {"href"}, "ol": {"start"}}

# Of the Private Use Area: they stand for our own elements until the text around them is sanitised.
_CITE, _HOST, _END = "\ue000", "\ue001", "\ue002"
_OURS: Final = re.compile("[\ue000-\ue002]")

_MARKER: Final = re.compile(r"\[(\d{1,3})\]")
_LINK: Final = re.compile(r"https?://[^/]|mailto:.", re.IGNORECASE)

_CODE_OPEN = '<div class="code"><pre tabindex="0" role="region" aria-label="Code">'
_CODE_CLOSE = (
    '</pre><button type="button" class="copy copy-code btn btn-ghost btn-icon" aria-label="Copy code">'
    '<svg class="icon" aria-hidden="true"><use href="/icons.svg#copy"></use></svg></button></div>'
)
_TABLE_OPEN = '<div class="table-scroll" tabindex="0" role="region" aria-label="Table"><table>'


def answer_html(text: str, labels: Mapping[int, str], *, is_partial: bool = False) -> str:
    """Return an answer as HTML that can be shown as it is.

    Args:
        labels: what each valid marker stands for, such as "handbook.pdf, page 3".
        is_partial: more will follow, so citations cannot be opened yet.
    """
    text = _OURS.sub("", text[:MAX_CHARACTERS])
    rendered = _MARKDOWN.render(text, {"markers": labels.keys()})
    clean = nh3.clean(
        rendered,
        tags=_TAGS,
        attributes=_ATTRIBUTES,
        url_schemes={"http", "https", "mailto"},
        url_relative="deny",
        link_rel="noopener noreferrer nofollow",
        set_tag_attribute_values={"a": {"target": "_blank"}},
    )
    clean = clean.replace("<pre>", _CODE_OPEN).replace("</pre>", _CODE_CLOSE)
    clean = clean.replace("<table>", _TABLE_OPEN).replace("</table>", "</table></div>")
    clean = re.sub(f"{_HOST}(.*?){_END}", r' <span class="link-host">(\1)</span>', clean)
    return re.sub(f"{_CITE}(\\d+){_END}", lambda m: _cite(int(m[1]), labels, is_partial), clean)


def plain_text(html: str) -> str:
    """What a screen reader says of an answer: its words alone."""
    spaced = re.sub(r"</(?:p|li|tr|h\d|td|th)>", r" \g<0>", html)
    spaced = re.sub(r"<button.*?</button>", "", spaced, flags=re.DOTALL)
    return " ".join(nh3.clean(spaced, tags=set()).split())


def _cite(marker: int, labels: Mapping[int, str], is_partial: bool) -> str:
    if is_partial:
        return f'<span class="cite">{marker}</span>'
    label = escape(f"Source {marker}: {labels[marker]}")
    return f'<button type="button" class="cite" data-cite="{marker}" aria-label="{label}">{marker}</button>'


class _Markdown(MarkdownIt):
    """CommonMark with tables, without HTML, pictures and references."""

    def __init__(self) -> None:
        super().__init__("commonmark", {"html": False})
        self.enable(["table", "strikethrough"])
        self.disable("reference")  # "[1]: https://…" would make a link of every [1]
        self.inline.ruler.before("link", "citation", _citation)
        self.core.ruler.push("ours", _prepare)
        for name, rule in (("citation", _render_citation), ("image", _render_image), ("link_close", _close)):
            self.add_render_rule(name, rule)

    def validateLink(self, url: str) -> bool:  # noqa: N802 (the library's name)
        """Whether a link may lead there."""
        return _LINK.match(url) is not None


def _citation(state: StateInline, silent: bool) -> bool:
    match = _MARKER.match(state.src, state.pos)
    if match is None or int(match[1]) not in state.env["markers"]:
        return False
    if not silent:
        state.push("citation", "", 0).content = str(int(match[1]))
    state.pos = match.end()
    return True


def _prepare(state: StateCore) -> None:
    """Keep the page's own headings above an answer's, and our characters out of its text."""
    for token in _all(state.tokens):
        token.content = _OURS.sub("", token.content)
        if token.type in {"heading_open", "heading_close"}:
            token.tag = f"h{min(int(token.tag[1]) + 2, 6)}"


def _all(tokens: Sequence[Token]) -> list[Token]:
    return [found for token in tokens for found in (token, *_all(token.children or []))]


def _render_citation(
    _renderer: RendererHTML, tokens: Sequence[Token], at: int, _options: OptionsDict, _env: Any
) -> str:
    return f"{_CITE}{tokens[at].content}{_END}"


def _render_image(
    renderer: RendererHTML, tokens: Sequence[Token], at: int, options: OptionsDict, env: Any
) -> str:
    return escape(renderer.renderInlineAsText(tokens[at].children or [], options, env))


def _close(
    _renderer: RendererHTML, tokens: Sequence[Token], at: int, _options: OptionsDict, _env: Any
) -> str:
    opening = next(token for token in reversed(tokens[:at]) if token.type == "link_open")
    host = "" if opening.markup == "autolink" else _host(str(opening.attrGet("href") or ""))
    return f"</a>{_HOST}{escape(_OURS.sub('', host))}{_END}" if host else "</a>"


def _host(address: str) -> str:
    try:
        parts = urlsplit(address)
        return parts.path if parts.scheme == "mailto" else parts.hostname or ""
    except ValueError:
        return ""


_MARKDOWN: Final = _Markdown()
