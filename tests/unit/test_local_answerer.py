"""The answerer that needs no key: it quotes what answers, and says so when nothing does."""

from dataclasses import replace

import numpy as np
import pytest

from rag_app.domain.answers import Completed, PriorTurn, Prompt, TextDelta
from rag_app.domain.retrieval import Passage, PassageScores
from rag_app.rag.embedders import local_e5
from rag_app.rag.llms import local
from rag_app.rag.llms._evidence import Evidence, Sentence, Signals, Weighed, words_of
from rag_app.rag.llms._judgement import is_answerable
from rag_app.rag.llms._quoting import MAX_GAP, quotations
from rag_app.rag.llms._sentences import MAX_UNIT_CHARS, sentences, units
from rag_app.rag.llms.contract import LLMSettings
from rag_app.rag.rarity import Rarity
from rag_app.rag.stems import language, stems

LEAVE = "Employees get 25 days of paid leave a year. Unused days expire at the end of March."
OFFICE = "The office in Rome opens at nine. It closes at six in the evening."
PARKING = "Visitors park behind the building. Bicycles are kept in the cellar."
TRAVEL = "Train tickets are bought by the assistant. Flights need the approval of a manager."


class UnknownEmbedder:
    """Vectors that say nothing, from a model the answerer was not fitted to."""

    name = "somebody_elses"
    dimensions = 2
    max_tokens = 512

    async def embed_documents(self, texts):
        return np.tile(np.array([1, 0], np.float32), (len(texts), 1))

    async def embed_query(self, text):
        return np.array([0, 1], np.float32)

    def token_offsets(self, text):
        return []


@pytest.fixture(scope="session")
def models_dir(tmp_path_factory):
    return tmp_path_factory.getbasetemp() / "models"  # the same for every module: converted and loaded once


@pytest.fixture
def e5(models_dir):
    return local_e5.build(models_dir=models_dir, threads=2)


def passage(text, *, number=1, heading=""):
    scores = PassageScores(None, None, None, None, fused=0.5)
    return Passage(number, number, "handbook.md", "upload", None, None, heading, text, 0.5, scores)


def prompt(question, *texts, history=()):
    passages = tuple(passage(text, number=number) for number, text in enumerate(texts, start=1))
    return Prompt("system", "user", tuple(history), question, passages)


async def answer(asked, embedder=None):
    """The whole text, and the event that ends it."""
    llm = local.build(LLMSettings(provider="local"), embedder=embedder)
    events = [event async for event in llm.stream(asked, model=local.MODELS[0].id)]
    await llm.close()
    *deltas, completed = events
    texts = [delta.text for delta in deltas if isinstance(delta, TextDelta)]
    assert len(texts) == len(deltas)
    assert isinstance(completed, Completed)
    return "".join(texts), completed


@pytest.mark.parametrize("with_embedder", [True, False])
async def test_it_quotes_the_sentence_that_answers(with_embedder, e5):
    asked = prompt("How many days of paid leave do employees get?", OFFICE, LEAVE, PARKING, TRAVEL)
    text, completed = await answer(asked, e5 if with_embedder else None)

    assert text.startswith("Employees get 25 days of paid leave a year. [2]")
    assert completed.answerable is True
    assert completed.finish_reason == "stop"


async def test_one_passage_is_enough(e5):
    text, completed = await answer(prompt("How much paid leave do employees get?", LEAVE), e5)

    assert completed.answerable is True
    assert "25 days" in text


async def test_other_words_for_the_same_are_understood(e5):
    asked = prompt("When does the Rome office open in the morning?", PARKING, OFFICE, LEAVE)
    text, _ = await answer(asked, e5)

    assert text.startswith("The office in Rome opens at nine. [2]")


@pytest.mark.parametrize("with_embedder", [True, False])
async def test_it_refuses_what_the_documents_do_not_hold(with_embedder, e5):
    asked = prompt("Which enzyme unwinds the double helix of DNA?", OFFICE, LEAVE, PARKING, TRAVEL)
    text, completed = await answer(asked, e5 if with_embedder else None)

    assert text == local.REFUSALS["en"]
    assert completed.answerable is False


async def test_it_refuses_in_the_language_of_the_question(e5):
    text, _ = await answer(prompt("Welches Enzym öffnet die Doppelhelix der DNA?", OFFICE, LEAVE), e5)

    assert text == local.REFUSALS["de"]


@pytest.mark.parametrize("texts", [(), ("",), ("# \n\n---",)])
async def test_nothing_to_quote_is_a_refusal(texts):
    _, completed = await answer(prompt("How much leave is there?", *texts))

    assert completed.answerable is False


@pytest.mark.parametrize("question", ["", "?", "What is it?", "\ud800", "你好"])
async def test_a_question_about_nothing_is_refused(question):
    _, completed = await answer(prompt(question, LEAVE, OFFICE))

    assert completed.answerable is False


@pytest.mark.parametrize(
    "entry",
    [
        passage("Q: How do I reset my password?\nA: Click on the link below the form."),
        passage("How do I reset my password? Click on the link below the form."),
        passage("Click on the link below the form.", heading="How do I reset my password?"),
    ],
)
async def test_a_listed_question_brings_up_its_answer(entry, e5):
    asked = Prompt("system", "user", (), "How can I reset my password?", (entry, passage(OFFICE, number=2)))
    text, _ = await answer(asked, e5)

    assert text == "Click on the link below the form. [1]"


async def test_the_same_sentence_is_quoted_once(e5):
    text, _ = await answer(prompt("How many days of paid leave do employees get?", LEAVE, LEAVE, OFFICE), e5)

    assert text.count("25 days") == 1
    assert "[1]" in text


async def test_a_follow_up_is_not_answered_with_what_was_said_already():
    text = "Every employee has 25 days of holiday. Unused days of holiday expire on 31 March."
    before = PriorTurn("How many days of holiday do I have?", "Every employee has 25 days of holiday. [1]")
    joined = f"{before.question} When do they expire?"
    follow_up = replace(prompt(joined, text, history=[before]), asked="When do they expire?")

    answered, completed = await answer(follow_up)

    assert completed.answerable is True
    assert answered.startswith("Unused days of holiday expire on 31 March.")
    assert "25 days" not in answered


async def test_the_answer_comes_in_pieces():
    llm = local.build(LLMSettings(provider="local"))
    asked = prompt("How many days of paid leave do employees get?", LEAVE)
    deltas = [
        event async for event in llm.stream(asked, model="extractive-1") if isinstance(event, TextDelta)
    ]

    assert len(deltas) > 2
    assert all(len(delta.text.split()) <= local.WORDS_PER_DELTA for delta in deltas)


async def test_usage_is_an_estimate():
    _, completed = await answer(prompt("How many days of paid leave do employees get?", LEAVE, OFFICE))

    assert completed.usage.estimated is True
    assert completed.usage.prompt_tokens > completed.usage.completion_tokens > 0


async def test_cosines_of_an_unknown_embedder_do_not_decide():
    asked = prompt("How many days of paid leave do employees get?", LEAVE, OFFICE)
    _, completed = await answer(asked, UnknownEmbedder())

    assert completed.answerable is True


def evidence(text, *, score, marker=1):
    return Evidence(Sentence(text, marker), score=score)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        pytest.param([], [], id="nothing"),
        pytest.param([("one apple", 3), ("two pears", 3 - MAX_GAP)], [0, 1], id="nearly as good"),
        pytest.param([("one apple", 3), ("two pears", 2.9 - MAX_GAP)], [0], id="far behind"),
        pytest.param([("one apple", 3), ("apple, one!", 3), ("pears", 3)], [0, 2], id="the same again"),
        pytest.param([(word, 1) for word in ("oak", "elm", "ash", "fir")], [0, 1, 2], id="at most three"),
    ],
)
def test_what_is_quoted(found, expected):
    weighed = [evidence(text, score=score) for text, score in found]

    assert quotations(weighed) == [weighed[index] for index in expected]


@pytest.mark.parametrize("embedder", ["local_e5", "local_minilm", None])
def test_full_evidence_answers_and_none_does_not(embedder):
    similar, unrelated = {"local_e5": (0.90, 0.76), "local_minilm": (0.6, 0.1)}.get(embedder, (None, None))
    full = Weighed((), Signals(1, 1, 1, similar))
    empty = Weighed((), Signals(0, 0, 0, unrelated))

    assert is_answerable(full, embedder)
    assert not is_answerable(empty, embedder)


def test_rare_words_weigh_more():
    passages = [passage("leave in march"), passage("leave in april"), passage("leave in may")]
    rarity = Rarity.of("leave march", list(map(words_of, passages)))

    assert rarity.weights["march"] > rarity.weights["leave"]
    assert rarity.coverage("march") > 0.5 > rarity.coverage("leave")
    assert rarity.coverage("march", "leave") == 1


def test_a_heading_counts_as_part_of_its_passage():
    assert words_of(passage("25 days.", heading="Leave")) == words_of(passage("leave: 25 days"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("", [], id="nothing"),
        pytest.param("One. Two! Three?", ["One.", "Two!", "Three?"], id="marks"),
        pytest.param("Dr. Ross met J. Smith. He left.", ["Dr. Ross met J. Smith.", "He left."], id="names"),
        pytest.param("Am 3. Oktober ruht die Arbeit.", ["Am 3. Oktober ruht die Arbeit."], id="ordinals"),
        pytest.param("Das gilt z.B. Montags. Gut.", ["Das gilt z.B. Montags.", "Gut."], id="abbreviations"),
        pytest.param("It costs 3.50 euros. Fine.", ["It costs 3.50 euros.", "Fine."], id="numbers"),
        pytest.param('He said "No." Then left.', ['He said "No."', "Then left."], id="quotes"),
        pytest.param(
            "¿Cuándo? Élan was here. Über uns.", ["¿Cuándo?", "Élan was here.", "Über uns."], id="accents"
        ),
        pytest.param("这是一。这是二！", ["这是一。", "这是二！"], id="no spaces"),
        pytest.param("see example.com now", ["see example.com now"], id="addresses"),
    ],
)
def test_sentences(text, expected):
    assert sentences(text) == expected


@pytest.mark.parametrize(
    ("markdown", "expected"),
    [
        pytest.param("", [], id="nothing"),
        pytest.param("# Leave\n\n25 days.", ["25 days."], id="headings are left out"),
        pytest.param("# Leave", ["Leave"], id="but not when alone"),
        pytest.param("It is\nlong. Really.", ["It is long.", "Really."], id="lines of a paragraph"),
        pytest.param("- One. Two.\n2) Three", ["One. Two.", "Three"], id="items are whole"),
        pytest.param('a **b *c*** [d](http://e.f "g")', ["a b c d"], id="markup"),
        pytest.param("snake_case and 2*3*4", ["snake_case and 2*3*4"], id="what only looks like markup"),
        pytest.param("> said <b>so</b>", ["said so"], id="quotes and tags"),
        pytest.param(
            "| Plan | Price |\n|---|---|\n| Basic | 10 € |\n| Free | |",
            ["Plan, Price", "Plan: Basic, Price: 10 €", "Plan: Free"],
            id="rows carry their columns",
        ),
        pytest.param("| a | b |\n\n| c |", ["a, b", "c"], id="two tables"),
        pytest.param("x" * (MAX_UNIT_CHARS + 1), ["x" * MAX_UNIT_CHARS, "x"], id="endless"),
    ],
)
def test_units(markdown, expected):
    assert units(markdown) == expected


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("How much leave do I get?", "en"),
        ("Wie viele Tage Urlaub habe ich?", "de"),
        ("Combien de jours de congé avons-nous ?", "fr"),
        ("Quanti giorni di ferie ho nel primo anno?", "it"),
        ("¿Cuántos días de vacaciones tengo este año?", "es"),
        ("Quantos dias de férias eu tenho em um ano?", "pt"),
        ("Urlaubstage?", "en"),
        ("", "en"),
    ],
)
def test_language_of_a_question(question, expected):
    assert language(question) == expected


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("expires", "expired"),
        ("Straße", "STRASSE"),
        ("Café", "cafe"),
        ("employees", "employee"),
        ("北京市", "北京市"),
    ],
)
def test_forms_of_a_word_meet(one, other):
    assert stems(one) == stems(other) != frozenset()


def test_scripts_without_spaces_are_compared_by_pairs():
    assert stems("北京市") == {"北京", "京市"}
