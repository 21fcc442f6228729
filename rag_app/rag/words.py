r"""Text as the word search sees it: what Postgres then cuts into words and stems.

Postgres cuts at spaces and punctuation, and gets wrong what people look for by its exact form:

    ERR-4012, ABC_12-X     an identifier in one piece, and its parts     err4012 ERR 4012
    ERR 4012               the same; of a question also err 4012         err4012 ERR 4012
    1,000                  one number                                    1000
    input/output           two words, not the name of a file             input output
    港口, 한국어는          overlapping pairs: no spaces, or endings       港口 / 한국 국어 어는
    ירושלים                overlapping threes: no stems for this script  ירו רוש ושל שלי לים
"""

import re
import unicodedata
from collections.abc import Sequence

from rag_app.rag.stems import ALL_STOP_WORDS

# Chinese, Japanese, Thai, Lao, Burmese, Khmer write no spaces; Korean glues endings to its words.
_PAIRED = re.compile(
    "[\u0e00-\u0e7f\u0e80-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf"
    "\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff]+"
)
# Scripts that Postgres has no stems for: Hebrew, Bengali to Sinhala but Tamil, Tibetan, Georgian, Ethiopic.
_IN_THREES = re.compile(
    "[\u0590-\u05ff\u0980-\u0b7f\u0c00-\u0dff\u0f00-\u0fff\u10a0-\u10ff\u1200-\u139f]{4,}"
)
_THOUSANDS = re.compile(r"(?<![\w.,])\d{1,3}(?:[,'\u2019\u00a0\u202f]\d{3})+(?![\w]|[.,]\d)")
# Letters and digits joined by marks; it can begin at one place of a run only, or it would take for ever.
_IDENTIFIER = re.compile(r"(?<![\w.-])[^\W_]+(?:[-_.][^\W_]+)+(?!\w)")
# A code written apart. Documents must have it in capitals, and no year, amount or "AD 1500": these are words.
_APART = re.compile(r"(?<![\w.-])([^\W\d_]{1,8})[ \u00a0](\d{3,}[^\W\d_]{0,2})(?!\w|[-.,'\u2019]\w)")
_YEAR = re.compile(r"(?:1[89]|20)\d\d")
_ERAS = frozenset("A AD BC CE".split())
_MEASURE = re.compile(r"\d+[^\W\d_]{1,2}")
_CURRENCIES = frozenset("CHF EUR GBP JPY USD".split())
_PLAIN_NUMBER = re.compile(r"\d+(?:[.,]\d+)?|[vV]?\d+(?:\.\d+)+")
_SLASHED = re.compile(r"(?<=\w)[/\\](?=\w)")
MIN_DIGITS = 3  # fewer are in words too: 20th, mp3, covid19
_SEPARATORS = re.compile(r"[-_.]")


def text_for_words(text: str) -> str:
    """The text with identifiers, numbers and unspaced scripts made fit to be cut into words."""
    return _IDENTIFIER.sub(_identifier, _APART.sub(_joined, _spaced(text)))


def words_of_question(question: str) -> str:
    """A question as text for words; codes are typed in small letters too.

    What is taken for a code wrongly does no harm: no document has it.
    """
    return _IDENTIFIER.sub(_identifier, _APART.sub(_joined_if_typed, _spaced(question)))


def words_of_chunk(heading: str, content: str) -> str:
    """The text a chunk's words are taken from: it is found by its heading too."""
    return text_for_words(f"{heading}\n{content}")


def quoted_phrases(question: str) -> list[str]:
    """What stands between quotation marks: to be found word for word."""
    found = re.findall(r"\"([^\"]{2,200})\"|“([^”]{2,200})”|„([^“”]{2,200})[“”]|«([^»]{2,200})»", question)
    return [phrase.strip() for groups in found for phrase in groups if phrase.strip()]


def has_phrases(content: str, phrases: Sequence[str]) -> bool:
    """Whether a text has all phrases word for word, whatever the case and the spaces."""
    plain = " ".join(content.casefold().split())
    return all(" ".join(phrase.casefold().split()) in plain for phrase in phrases)


def is_identifier(word: str) -> bool:
    """Whether a word is a code rather than language: letters with at least three digits, as err4012.

    A number with an ending is none: 1990s, 100th, 250mg.
    """
    if _MEASURE.fullmatch(word):
        return False
    return sum(letter.isdigit() for letter in word) >= MIN_DIGITS and any(map(str.isalpha, word))


class WrittenWords:
    """The words of a text, to tell which of them a stem was made of."""

    def __init__(self, text: str) -> None:
        self._behind: dict[str, str] = {}
        self._by_letter: dict[str, list[tuple[str, str]]] = {}
        for word in dict.fromkeys(re.findall(r"\w+", text)):
            plain = _plain(word)
            self._by_letter.setdefault(plain[:1], []).append((plain, word))

    def behind(self, lexeme: str) -> str:
        """The word that a stem was made of; the stem where it cannot be told."""
        if lexeme not in self._behind:
            self._behind[lexeme] = self._find(lexeme)
        return self._behind[lexeme]

    def _find(self, lexeme: str) -> str:
        words = self._by_letter.get(lexeme[:1], [])
        plain, word = max(words, key=lambda pair: _common_prefix(pair[0], lexeme), default=("", lexeme))
        return word if _common_prefix(plain, lexeme) >= min(3, len(lexeme)) else lexeme

    def beginning_with(self, lexeme: str) -> str:
        """The shortest word that begins with a stem; the stem where none does."""
        beginning = lexeme.removesuffix("i")  # stems have i for y
        words = [pair for pair in self._by_letter.get(lexeme[:1], []) if pair[0].startswith(beginning)]
        return min(words, key=_plainest, default=("", lexeme))[1]


def _plainest(pair: tuple[str, str]) -> tuple[int, bool, str]:
    plain, word = pair
    return len(plain), word[0].isupper(), word


def _plain(word: str) -> str:
    """Lower case without accents, as the word index has it."""
    decomposed = unicodedata.normalize("NFKD", word.lower())
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter))


def _common_prefix(a: str, b: str) -> int:
    at = min(len(a), len(b))
    while a[:at] != b[:at]:
        at -= 1
    return at


def _pieces(run: str, size: int) -> str:
    pieces = [run] if len(run) <= size else [run[i : i + size] for i in range(len(run) - size + 1)]
    return f" {' '.join(pieces)} "


def _spaced(text: str) -> str:
    text = _PAIRED.sub(lambda match: _pieces(match.group(), 2), text)
    text = _IN_THREES.sub(lambda match: _pieces(match.group(), 3), text)
    text = _THOUSANDS.sub(lambda match: re.sub(r"\D", "", match.group()), text)
    return _SLASHED.sub(" ", text)


def _joined(match: re.Match[str]) -> str:
    letters, number = match.groups()
    is_code = letters.isupper() and letters not in _CURRENCIES | _ERAS and not _YEAR.fullmatch(number)
    return f" {letters}{number} {letters} {number} " if is_code else match.group()


def _joined_if_typed(match: re.Match[str]) -> str:
    letters, number = match.groups()
    is_word = letters.casefold() in ALL_STOP_WORDS or (_YEAR.fullmatch(number) and not letters.isupper())
    return match.group() if is_word else f" {letters}{number} {letters} {number} "


def _identifier(match: re.Match[str]) -> str:
    whole = match.group()
    if not any(map(str.isdigit, whole)) or _PLAIN_NUMBER.fullmatch(whole):
        return whole  # well-known; and 10.5 and v2.3.1 are one word for Postgres too
    parts = _SEPARATORS.split(whole)
    return f" {''.join(parts)} {' '.join(parts)} "
