"""Words of a text as they can be compared, and the language of a question."""

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

# Prefixes of words are compared instead of stems: "expired" and "expires" meet, in any language
# that inflects at the end, and there is nothing to install. Length chosen by benchmarks/answerability.py.
STEM_CHARS = 6

WORD = re.compile(r"\w+")
# Scripts written without spaces: Chinese, Japanese, Thai, and what belongs to them.
_UNSPACED = re.compile(r"[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\uff66-\uff9f]+")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# The words questions are built with: they say which language it is, and nothing about the subject.
STOP_WORDS = {
    "en": _words(
        "a about after all also an and any are as at be been before between but by can could did do "
        "does during each for from had has have he her his how i if in into is it its many may me more "
        "most much must my no not of on or our out over same she should so some such than that the "
        "their them then there these they this those to under up us was we were what when where which "
        "while who whom whose why will with would you your tell explain please name called"
    ),
    "de": _words(
        "aber alle als also am an auch auf aus bei bin bis da damit dann das dass dem den der des die "
        "dies diese dieser dieses du durch ein eine einem einen einer eines er es für gab gibt hat "
        "hatte hatten haben ich ihr ihre im in ist ja kann können man mehr mein mit muss nach nicht "
        "noch nur ob oder sein seine sich sie sind so über um und uns unter viel viele vom von vor wann "
        "war waren warum was welche welchem welchen welcher welches wem wen wenn wer werden wessen wie "
        "wieso wieviel wir wird wo wofür wohin womit woher wurde wurden zu zum zur bitte heißt nannte"
    ),
    "fr": _words(
        "à après au aux avec c ce ces cet cette combien comment d dans de des du elle elles en est et "
        "était être eu fait il ils j je l la le les leur lors lui mais me mon n ne nous on ont ou où "
        "par pas plus pour pourquoi qu quand que quel quelle quelles quels qui quoi s sa se ses si son "
        "sont sur t un une vous y a été"
    ),
    "it": _words(
        "a ad agli ai al alla alle allo anche c che chi ci come con cosa cui da dai dal dalla dalle dei "
        "del della delle dello dell di dove e è era erano fu gli ha hanno i il in io l la le lo ma mi "
        "nei nel nella nelle non o per perché più qual quale quali quando quanta quante quanti quanto "
        "questa questo se si sono su sua sul sulla suo tra un una uno viene"
    ),
    "es": _words(
        "a al ante como cómo con cual cuál cuales cuáles cuando cuándo cuanta cuántas cuanto cuánto "
        "cuántos de del desde donde dónde e el él ella en era eran es esta está este fue fueron ha han "
        "hay la las le lo los más me mi muy no nos o para pero por porque que qué quien quién quiénes "
        "se ser sin sobre son su sus también tiene un una unos y ya"
    ),
    "pt": _words(
        "a à ao aos as às até com como da das de do dos e é ela ele em era eram essa esse esta está "
        "este foi foram há isso já lhe mais mas me meu na nas no nos não o onde os ou para pela pelo "
        "por porque quais qual quando quanta quantas quanto quantos que quê quem se sem ser seu são sua "
        "também tem um uma você vocês"
    ),
}
ALL_STOP_WORDS = frozenset().union(*STOP_WORDS.values())
DEFAULT_LANGUAGE = "en"


@lru_cache(maxsize=4096)  # the same few passages are read for a question and its follow-ups
def stems(text: str) -> frozenset[str]:
    """The distinct words of a text, cut to comparable stems, without stop words."""
    words = [word for word in WORD.findall(text.casefold()) if word not in ALL_STOP_WORDS]
    foreign = [] if text.isascii() else [word for word in words if not word.isascii()]
    plain = frozenset([word[:STEM_CHARS] for word in words if word.isascii()])
    return plain.union(*map(_stems_of_foreign, foreign)) if foreign else plain


def stems_among(wanted: frozenset[str], text: str) -> frozenset[str]:
    """Those of some stems that a text has: `stems(text) & wanted`, without cutting all of the text."""
    plain, foreign = text.casefold(), ""
    if not plain.isascii():
        pieces = plain.split()
        foreign = " ".join([piece for piece in pieces if not piece.isascii()])
        plain = " ".join([piece for piece in pieces if piece.isascii()])
    found = frozenset([stem for stem in wanted if stem in plain and _is_begun_by(plain, stem)])
    return found | (stems(foreign) & wanted) if foreign else found


def language(question: str) -> str:
    """Guess the language by the stop words; English where that says nothing."""
    words = WORD.findall(question.casefold())
    hits = {name: sum(word in known for word in words) for name, known in STOP_WORDS.items()}
    best = max(hits, key=hits.__getitem__)  # the first of equals, and English is the first
    return best if hits[best] else DEFAULT_LANGUAGE


def n_words(text: str) -> int:
    """How many words a text has."""
    return len(WORD.findall(text))


def _is_begun_by(plain: str, stem: str) -> bool:
    """Whether the stem is that of a word of an ASCII text."""
    at = plain.find(stem)
    while at >= 0:
        word = WORD.match(plain, at)
        is_whole = at == 0 or not WORD.match(plain, at - 1)
        if is_whole and word and word[0][:STEM_CHARS] == stem and word[0] not in ALL_STOP_WORDS:
            return True
        at = plain.find(stem, at + 1)
    return False


def _stems_of_foreign(word: str) -> Iterator[str]:
    """The stems of a word with letters beyond ASCII: pairs of signs where there are no spaces."""
    for run in _UNSPACED.findall(word):
        yield from (run[start : start + 2] for start in range(max(1, len(run) - 1)))
    if spaced := _UNSPACED.sub("", word):
        yield _without_accents(spaced)[:STEM_CHARS]


def _without_accents(word: str) -> str:
    decomposed = unicodedata.normalize("NFD", word)
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter))
