"""Follow-up questions keep the subject: "And for part-timers?" is searched with what it follows.

Without a language model the earlier question is put in front when the new one cannot stand alone.
"""

import re
from collections.abc import Sequence

from rag_app.domain.answers import PriorTurn

MAX_SUBJECT_CHARACTERS = 300
SHORT_WORDS = 3  # so few words of content rarely name their subject

# Words that point back to what was said: pronouns and openings of six languages.
_POINTS_BACK = frozenset(
    """it its they them their theirs this that these those he she his her him there then one ones same er
    sie es ihn ihm ihr ihre ihren dies diese dieser dieses das dort dann denn lo la li le gli esso essa
    essi questo questa questi queste quello quella ne il elle ils elles lui leur ce cette ces cela ça
    celui celle en él ella ellos ellas esto esta este eso esa ese aquello ele ela eles elas isso isto
    esse""".split()
)
_OPENINGS = re.compile(
    r"^(and|but|or|so|also|what about|how about|what if|why|why not|und|aber|oder|wie sieht es|was ist mit|"
    r"warum|e|ma|perché|et|mais|pourquoi|y|pero|por qué|mas|por que)\b",
    re.IGNORECASE,
)
_STOP_WORDS = frozenset(
    """a an the of for to in on at by with from is are was were be been do does did can could will would
    should may might have has had what which who whom when where why how and or but if not no yes i you
    we my your our der die das ein eine einer eines dem den des und oder aber ist sind war wird werden
    kann wie wer wann wo warum für von mit zu im auf bei il la lo gli le un una di da con su per e o ma
    è sono che chi come quando dove perché les une du de et ou est sont que qui quoi comment quand où
    pour el los las y es son quién cómo cuándo dónde por para um uma os as é são quem""".split()
)


def standalone_question(question: str, history: Sequence[PriorTurn]) -> str:
    """The question with the subject it takes from the conversation, or as it is when it stands alone."""
    if not history or not needs_subject(question):
        return question
    subject = _subject(history)
    return f"{subject} {question}" if subject else question


def needs_subject(question: str) -> bool:
    """Whether a question in the middle of a conversation seems to point back to what was said."""
    words = re.findall(r"\w+", question.lower())
    content = [word for word in words if word not in _STOP_WORDS and word not in _POINTS_BACK]
    points_back = any(word in _POINTS_BACK for word in words)
    opens_as_follow_up = bool(_OPENINGS.match(question.strip()))
    if not content:
        return True
    if opens_as_follow_up:
        return len(content) <= SHORT_WORDS + 2
    return points_back and len(content) <= SHORT_WORDS


def _subject(history: Sequence[PriorTurn]) -> str:
    """The last question that stood alone, with the follow-up after it if there was one."""
    for index in range(len(history) - 1, -1, -1):
        question = history[index].question
        if index == 0 or not needs_subject(question):
            return question[:MAX_SUBJECT_CHARACTERS]
    return ""
