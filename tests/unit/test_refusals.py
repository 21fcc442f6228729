"""What counts as an answer, and what only says that there is none."""

import pytest

from rag_app.rag.llms.local import REFUSALS
from rag_app.rag.refusals import outcome, says_no


@pytest.mark.parametrize(
    "answer",
    [
        *REFUSALS.values(),
        "The passages do not contain information about the price.",
        "I don't know; the documents don’t mention opening hours.",
        "I'm sorry, but I cannot answer that from the provided passages.",
        "There is no information about parking in the passages.",
        "Unfortunately, the provided documents didn't specify a date.",
        "Die Dokumente enthalten keine Angaben zum Preis.",
        "Diese Frage kann anhand der Passagen nicht beantwortet werden.",
        "Das geht aus den Passagen nicht hervor.",
        "Les passages ne mentionnent pas le prix.",
        "Je ne dispose d'aucune information à ce sujet.",
        "I passaggi non contengono informazioni sul prezzo.",
        "Los pasajes no mencionan el precio.",
        "As passagens não contêm informações sobre o preço.",
    ],
)
def test_a_refusal_is_known_in_the_words_models_use(answer):
    assert says_no(answer)
    assert outcome(answer, is_cited=False, answerable=None) == "refused"


@pytest.mark.parametrize(
    "answer",
    ["", "Hello! How can I help you today?", "25 days a year.", "Der Preis beträgt 20 Euro.", "word " * 500],
)
def test_other_answers_without_a_citation_are_told_apart(answer):
    assert outcome(answer, is_cited=False, answerable=None) == "uncited"


def test_a_citation_makes_an_answer_and_the_models_own_word_counts():
    assert outcome("It does not say when [1].", is_cited=True, answerable=None) == "answered"
    assert outcome("Hm.", is_cited=False, answerable=False) == "refused"
