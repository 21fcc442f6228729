"""Whether a question was answered: a model that was told to say so when it cannot does so in its own words.

The built-in model says itself that the passages do not answer. Of another one only the text is known: a
short answer without a single citation that says, in one of the ways below, that there is nothing to say.
Where it says so in a language that is not known here, the answer is still one without a citation.
"""

import re
from typing import Literal

Outcome = Literal["answered", "refused", "uncited"]

LONGEST = 600  # characters; who refuses is asked to do it in one sentence, and some explain themselves

# A word that denies, and soon after it one of telling, by language.
_DENIALS = {
    "en": (
        r"not|\w+n['’]t|cannot|no|nothing|none|unable|insufficient",
        "contain provid mention includ specif stat cover address describ say answer giv tell know found find "
        "inform about avail detail",
    ),
    "de": (
        "nicht|keine?[nrs]?",
        "antwort beantwort inform angab hinweis auskunft enthalten erwähn hervor angegeben gefunden finden "
        "entnehmen genannt bekannt sagen",
    ),
    "fr": (
        r"ne|n['’]\w*|aucune?",
        "répon mention contien précis fourni indiqu trouv inform perm donn dis sai",
    ),
    "it": ("non|nessun[ao]?", "conten contien menzion forni rispo rispond indic specific trov inform so"),
    "es": (
        "no|ning[uú]na?",
        "contien mencion proporcion respond respuest indic especific encontr encuentr informaci sé",
    ),
    "pt": ("não|nenhuma?", "contê conté mencion fornec respond respost indic especific encontr informa sei"),
}
_SAYS_NO = re.compile(
    "|".join(
        rf"\b(?:{no})\b.{{0,40}}?\b(?:{'|'.join(telling.split())})" for no, telling in _DENIALS.values()
    ),
    re.IGNORECASE,
)


def outcome(answer: str, *, is_cited: bool, answerable: bool | None) -> Outcome:
    """What became of a question whose answer is complete.

    Args:
        is_cited: whether the answer refers to a passage.
        answerable: what the model itself said, None where it says nothing.
    """
    if is_cited:
        return "answered"
    return "refused" if answerable is False or says_no(answer) else "uncited"


def says_no(answer: str) -> bool:
    """Whether an answer without citations says that there is no answer."""
    text = " ".join(answer.split())
    return 0 < len(text) <= LONGEST and _SAYS_NO.search(text) is not None
