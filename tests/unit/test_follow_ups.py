import pytest

from rag_app.domain.answers import PriorTurn
from rag_app.rag.follow_ups import standalone_question

HOLIDAY = [PriorTurn("How many days of holiday do employees have?", "25 days [1].")]


@pytest.mark.parametrize(
    "question",
    [
        "And for part-timers?",
        "When do they expire?",
        "Why?",
        "What about trainees?",
        "Und für Teilzeitkräfte?",
        "Is it paid?",
    ],
)
def test_a_follow_up_is_searched_with_its_subject(question):
    assert standalone_question(question, HOLIDAY) == f"{HOLIDAY[0].question} {question}"


@pytest.mark.parametrize(
    "question",
    [
        "What is AutoGen?",
        "Opening hours?",
        "How are travel expenses paid back after a business trip?",
        "Which printer stands on the second floor of the building?",
        "Wie hoch ist das Kilometergeld für Dienstreisen mit dem Auto?",
    ],
)
def test_a_question_that_stands_alone_is_left_alone(question):
    assert standalone_question(question, HOLIDAY) == question


def test_the_first_question_is_left_alone():
    assert standalone_question("Why?", []) == "Why?"


def test_a_second_follow_up_goes_back_to_the_subject():
    history = [*HOLIDAY, PriorTurn("And for part-timers?", "Pro rata [1].")]

    assert standalone_question("Why?", history).startswith(HOLIDAY[0].question)
