"""Clean text that people typed, before it is stored or shown."""

import re
import unicodedata

# Controls, and the marks that turn the direction of writing and so disguise a file's name.
_INVISIBLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufeff]")
# Marks without width and fillers that look like nothing: two names must not look the same.
_UNSEEN = re.compile(
    r"[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u200e\u200f\u2060-\u2064\u206a-\u206f\u2800"
    r"\u3164\uffa0\ufff9-\ufffb\U000e0000-\U000e007f]"
)
MAX_PATH_NAME = 240  # characters; the database takes 255
_SURROGATES = re.compile(r"[\ud800-\udfff]")


def clean_text(text: str) -> str:
    """Text that can be stored and shown: no controls but tab and line feed, no lone surrogates."""
    text = _SURROGATES.sub("\ufffd", text.replace("\r\n", "\n").replace("\r", "\n"))
    return _INVISIBLE.sub("", unicodedata.normalize("NFC", text))


def clean_line(text: str, *, max_characters: int) -> str:
    """The same on one line, trimmed and cut."""
    return " ".join(clean_text(text).split())[:max_characters].strip()


def clean_path_name(path: str) -> str:
    """A name to show for a file from a folder: its path in it, without steps that lead anywhere else."""
    parts = re.split(r"[/\\]", clean_line(_UNSEEN.sub("", path), max_characters=4096))
    parts = [clean_file_name(part) for part in parts if part.strip(". ") and not part.endswith(":")]
    while len(parts) > 1 and len("/".join(parts)) > MAX_PATH_NAME:
        parts = ["…", *parts[2:]] if parts[0] == "…" else ["…", *parts[1:]]
    return "/".join(parts) or "unnamed"


def clean_file_name(name: str) -> str:
    """A name to show for a file: its last part, without what could disguise it."""
    last = re.split(r"[/\\]", clean_line(_UNSEEN.sub("", name), max_characters=4096))[-1].strip(". ")
    if len(last) > 200:  # the end of a name says what kind of file it is
        last = f"{last[:150]}…{last[-45:]}"
    return last or "unnamed"
