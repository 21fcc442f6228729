"""Keep what the writer of a mail wrote, without what was quoted and signed below it."""

import re
from dataclasses import dataclass

from mailparser_reply.parser import EmailMessage as Parsed

LANGUAGES = ("en", "de", "fr", "es", "it", "nl", "pl", "da", "sv", "cs")
MAX_READ = 200_000  # characters that quotes and signatures are looked for in; the rest stays as it is
MAX_SIGNATURE = 1_200  # a longer one is text below a line that only looks like a greeting

_ATTRIBUTION = re.compile(
    r"^.{0,200}\b(?:wrote|schrieb|a écrit|escribió|ha scritto|schreef|napisał\(a\)|skrev|napsal)\b"
    r".{0,200}:\s*$"
)
_ORIGINAL = re.compile(
    r"^[ \t]*-{2,}[ \t]*(?:Original Message|Ursprüngliche Nachricht|Message d'origine|Mensaje original|"
    r"Messaggio originale|Oorspronkelijk bericht)[ \t]*-{2,}[ \t]*$",
    re.IGNORECASE | re.MULTILINE,
)
_MARKED = re.compile(r"^\s*> ?")
_SIGNATURE_MARK = re.compile(r"^-- ?$", re.MULTILINE)


@dataclass(frozen=True)
class Reply:
    """What was written, and the text that it answers."""

    text: str
    quoted: str = ""


def split_reply(body: str) -> Reply:
    """Take a mail's text apart.

    A mail that quotes with “>” and writes below or in between keeps all that is not quoted; one that was
    written on top keeps what stands above. Where nothing would be left, all of it stays.
    """
    head, rest = body[:MAX_READ], body[MAX_READ:]
    lines = head.split("\n")
    if any(_MARKED.match(line) for line in lines):
        return _without_marked(lines, rest)
    cut = _ORIGINAL.search(head)
    if cut and head[: cut.start()].strip():
        return Reply(_without_signature(head[: cut.start()]), _plain(head[cut.end() :]))
    replies = _parse(head).replies
    if len(replies) < 2 or not _has_words(replies[0].content):
        return Reply((_without_signature(head) + rest).strip() or body.strip())
    quoted = replies[1].content.replace(replies[1].headers or "", "", 1)
    return Reply(_without_signature(replies[0].content), _plain(quoted))


def _without_marked(lines: list[str], rest: str) -> Reply:
    own: list[str] = []
    quoted: list[str] = []
    for at, line in enumerate(lines):
        if _MARKED.match(line):
            quoted.append(_MARKED.sub("", line, count=1))
        elif not _is_attribution(lines, at):
            own.append(line)
    kept = _without_signature("\n".join(own).strip())
    if not _has_words(kept):
        return Reply("\n".join([*(_MARKED.sub("", line) for line in lines), rest]).strip())
    first = [line for line in quoted if not _MARKED.match(line)]  # older ones are quoted twice
    return Reply((kept + rest).strip(), _plain("\n".join(first)))


def _is_attribution(lines: list[str], at: int) -> bool:
    """Whether a line only says who wrote what follows; mail programs break long ones."""
    following = next((line for line in lines[at + 1 : at + 4] if line.strip()), "")
    if _ATTRIBUTION.match(lines[at]):
        return bool(_MARKED.match(following))
    joined = f"{lines[at]} {following}"
    after = [line for line in lines[at + 1 : at + 6] if line.strip()][1:2]
    return bool(
        lines[at].strip()
        and re.match(r"^(?:On|Am|Le|El|Il|Op|W dniu|Den|Dne)\b", lines[at].strip())
        and _ATTRIBUTION.match(joined)
        and after
        and _MARKED.match(after[0])
    )


def _without_signature(text: str) -> str:
    """Cut what a person signs with. The mark of RFC 3676 counts wherever it is, greetings near the end."""
    mark = next(reversed(list(_SIGNATURE_MARK.finditer(text))), None)
    if mark is not None and len(text) - mark.start() <= 2 * MAX_SIGNATURE and text[: mark.start()].strip():
        return text[: mark.start()].strip()
    first = next(iter(_parse(text).replies), None)
    if first is None or not first.signatures or len(first.signatures) > MAX_SIGNATURE:
        return text.strip()
    at = text.rfind(first.signatures.split("\n")[0].strip())
    return text[:at].strip() if at > 0 and text[:at].strip() else text.strip()


def _parse(text: str) -> Parsed:
    # Lists that begin with hyphens are no signatures, which is what the library takes them for by itself.
    return Parsed(text=text, languages=list(LANGUAGES), keep_hyphen_lists=True).read()


def _plain(text: str) -> str:
    return re.sub(r"\n{2,}", "\n", text).strip()


def _has_words(text: str) -> bool:
    return any(character.isalnum() for character in text)
