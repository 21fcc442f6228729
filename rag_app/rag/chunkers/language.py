"""Guess a text's language by its most frequent words, for stemming in word search."""

import re
from collections import Counter

SIMPLE = "simple"  # Postgres's configuration without a language: no stems, no stop words

_SAMPLE_CHARS = 20_000
_MIN_SHARE = 0.08  # of all words; running text has 20 % and more, tables and code hardly any
_MIN_WORDS = 3  # stop words in all: fewer are chance
_MIN_LEAD = 1.25  # times the second best; Spanish and Portuguese share many

_STOP_WORDS = {
    "english": "the of and to in is that for it with as was on be this are by from or an not have you at",
    "german": "der die und das den von ist zu mit des im für auf ein eine nicht dem sich als auch werden bei",
    "french": "le la les de des et du un une est que pour dans qui sur pas plus par ne au avec sont vous ce",
    "italian": "il di che e la per un è con non una del della le sono si alla nel da i gli come anche più",
    "spanish": "el la de que y en los del se las por un con no una para es al lo como más pero sus su está",
    "portuguese": "o de que e do da em um para é com não uma os no se na por mais as dos como mas foi ao à",
    "dutch": "de het een van en is dat op te in voor met zijn niet aan er om ook als bij door naar wordt u",
}
_LANGUAGES_OF: dict[str, list[str]] = {}
for _language, _words in _STOP_WORDS.items():
    for _word in _words.split():
        _LANGUAGES_OF.setdefault(_word, []).append(_language)

_WORD = re.compile(r"[^\W\d_]+")


def detect_language(text: str) -> str:
    """Return a Postgres text search configuration: one of seven languages, or `simple` when unsure."""
    words = _WORD.findall(_sample(text).lower())
    counts = Counter(language for word in words for language in _LANGUAGES_OF.get(word, ()))
    (best, most), (_, second) = [*counts.most_common(2), (SIMPLE, 0), (SIMPLE, 0)][:2]
    is_sure = most >= _MIN_WORDS and most >= _MIN_SHARE * len(words) and most >= _MIN_LEAD * second
    return best if is_sure else SIMPLE


def _sample(text: str) -> str:
    """Take the beginning and the middle: the first pages may be a title in another language."""
    middle = len(text) // 2
    return f"{text[: _SAMPLE_CHARS // 2]} {text[middle : middle + _SAMPLE_CHARS // 2]}"
