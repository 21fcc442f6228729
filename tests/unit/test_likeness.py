"""Which questions ask the same, judged with the built-in embedder itself."""

import numpy as np
import pytest

from rag_app.rag.likeness import Asked, are_alike, group

# Two wordings of one question each.
WORDINGS = [
    ("How do I cancel my subscription?", "How can I end my subscription?"),
    ("How do I cancel my subscription?", "cancel subscription"),
    ("What are your opening hours?", "When are you open?"),
    ("What are your opening hours?", "opening hours on weekdays?"),
    ("Do you ship to Switzerland?", "Is shipping to Switzerland possible?"),
    ("Do you ship to Switzerland?", "Can I order from Switzerland?"),
    ("How do I reset my password?", "I forgot my password, what now?"),
    ("How do I reset my password?", "password reset"),
    ("Can I bring my dog?", "Are dogs allowed?"),
    ("Can I bring my dog?", "Is it okay to take a dog along?"),
    ("What does shipping cost?", "How much is delivery?"),
    ("What does shipping cost?", "How much does shipping cost"),
    ("Is there a student discount?", "Do students get a discount?"),
    ("Is there a student discount?", "discount for students?"),
    ("Where is my order?", "How do I track my order?"),
    ("Can I pay with PayPal?", "Do you accept PayPal?"),
    ("Can I pay with PayPal?", "is paypal possible"),
    ("How long is the warranty?", "How many years of warranty do I get?"),
    ("Wie kann ich kündigen?", "Wie kündige ich meinen Vertrag?"),
    ("Wie kann ich kündigen?", "Ich möchte meinen Vertrag kündigen"),
    ("Wann haben Sie geöffnet?", "Was sind Ihre Öffnungszeiten?"),
    ("Gibt es einen Studentenrabatt?", "Bekommen Studenten Rabatt?"),
    ("Liefern Sie in die Schweiz?", "Ist eine Lieferung in die Schweiz möglich?"),
    ("Do you have parking?", "Where can I park?"),
    ("Is the museum wheelchair accessible?", "Can I visit with a wheelchair?"),
    ("How do I change my email address?", "Change email address of my account"),
    ("What is the company's policy on parental leave?", "How much parental leave do I get?"),
    ("Who do I contact about payroll?", "Who is the contact person for payroll questions?"),
    ("Can I get a refund?", "How do refunds work?"),
    ("Can I get a refund?", "I want my money back"),
]

# Pairs that differ in what is asked, by as little as one word.
OTHERS = [
    ("How do I reset my password?", "How do I reset my PIN?"),
    ("How do I reset my password?", "How do I change my email address?"),
    ("What are your opening hours?", "What are your prices?"),
    ("Do you ship to Switzerland?", "Do you ship to Norway?"),
    ("Do you ship to Switzerland?", "What does shipping to Switzerland cost?"),
    ("Can I bring my dog?", "Can I bring my laptop?"),
    ("Can I bring my dog?", "Can I bring my child?"),
    ("Is there a student discount?", "Is there a senior discount?"),
    ("Can I pay with PayPal?", "Can I pay by invoice?"),
    ("How long is the warranty?", "How long is the delivery?"),
    ("Wie kann ich kündigen?", "Wie kann ich bestellen?"),
    ("Wann haben Sie geöffnet?", "Wann kommt meine Bestellung?"),
    ("Liefern Sie in die Schweiz?", "Liefern Sie nach Norwegen?"),
    ("How do I cancel my subscription?", "How do I renew my subscription?"),
    ("How do I cancel my subscription?", "How much is a subscription?"),
    ("Do you have parking?", "Do you have a restaurant?"),
    ("Who do I contact about payroll?", "Who do I contact about vacation?"),
    ("What is the policy on parental leave?", "What is the policy on sick leave?"),
    ("Can I get a refund?", "Can I get an invoice?"),
    ("Where is my order?", "Where is your office?"),
    ("How do I change my email address?", "How do I change my delivery address?"),
    ("hello", "What are your opening hours?"),
    ("How many days of holiday do I have?", "How many sick days do I have?"),
    ("What does the Model X weigh?", "What does the Model Y weigh?"),
    ("Is the museum open on Monday?", "Is the museum open on Sunday?"),
    ("Who is the CEO?", "Who is the CFO?"),
    ("What is ERR-4012?", "What is ERR-4013?"),
    ("Gibt es einen Studentenrabatt?", "Gibt es einen Parkplatz?"),
    ("How do I install the app?", "How do I delete the app?"),
    ("Can I get a refund?", "Can I work from home?"),
]


@pytest.fixture
def asked(real_embedder):
    async def asked(question):
        return Asked.of(question, await real_embedder.embed_query(question))

    return asked


async def n_alike(pairs, asked):
    return sum([are_alike(await asked(first), await asked(second)) for first, second in pairs])


async def test_more_than_half_of_the_wordings_meet_and_hardly_any_others(asked):
    assert await n_alike(WORDINGS, asked) >= 16
    assert await n_alike(OTHERS, asked) <= 1


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param("Can I cancel my order?", "Can I not cancel my order?", id="a negation"),
        pytest.param("Can I cancel after paying?", "Can I cancel before paying?", id="before and after"),
        pytest.param("What does error 4012 mean?", "What does error 4013 mean?", id="another number"),
    ],
)
async def test_what_turns_a_question_round_keeps_it_apart(asked, first, second):
    assert not are_alike(await asked(first), await asked(second))


async def test_groups_are_led_by_their_first_question(asked):
    questions = [
        "How do I reset my password?",
        "What does shipping cost?",
        "password reset",
        "how do i reset my PASSWORD",
        "How much does shipping cost",
    ]

    assert group([await asked(one) for one in questions]) == [[0, 2, 3], [1, 4]]


def test_questions_without_vectors_meet_by_their_words_only():
    questions = [Asked.of(text, None) for text in ("Is it open?", "is it OPEN", "Is it really open?")]

    assert group(questions) == [[0, 1], [2]]


def test_some_with_and_some_without_vectors_are_grouped():
    vector = np.eye(1, 4, dtype=np.float32)[0]
    questions = [
        Asked.of("Is it open?", None),
        Asked.of("Opening hours?", vector),
        Asked.of("is it open", vector),
    ]

    assert group(questions) == [[0, 2], [1]]


def test_nothing_makes_no_groups():
    assert group([]) == []
