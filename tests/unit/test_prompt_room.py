from dataclasses import replace

import pytest

from rag_app.domain.answers import PriorTurn
from rag_app.domain.models import Model
from rag_app.rag.prompt_room import estimated_tokens, fitted, prompt_tokens
from rag_app.rag.prompts import build_prompt, passage_block
from tests.unit.test_citations import passage

PASSAGES = [passage(number, f"Passage {number}. " + "Some words of text. " * 40) for number in range(1, 9)]
HISTORY = [PriorTurn(f"Question {number}?", "An answer. " * 20) for number in range(4)]
LARGE = Model("openai", "large", "Large", context_tokens=1_000_000, max_output_tokens=100_000)


def model(context_tokens, **more) -> Model:
    return replace(LARGE, context_tokens=context_tokens, **more)


def prompt_for(passages=PASSAGES, *, history=HISTORY, standalone="How much leave?", max_tokens=500):
    return build_prompt(
        "How much leave?",
        passages,
        history=history,
        standalone_question=standalone,
        system_prompt=None,
        max_tokens=max_tokens,
        temperature=0.7,
    )


@pytest.mark.parametrize(
    ("texts", "expected"), [((), 0), (("",), 0), (("abc",), 1), (("abcd", "é"), 3), (("年次",), 2)]
)
def test_tokens_are_estimated_from_bytes(texts, expected):
    assert estimated_tokens(*texts) == expected


def test_what_fits_is_left_as_it_is():
    prompt = prompt_for()

    assert fitted(prompt, LARGE) == prompt
    assert fitted(prompt, model(None)) == prompt


def test_the_conversation_goes_before_any_passage():
    prompt = prompt_for()
    without_history = prompt_tokens(replace(prompt, history=()))

    sent = fitted(prompt, model(without_history + 500 + 60))

    assert sent.passages == prompt.passages
    assert len(sent.history) < len(prompt.history)
    assert sent.history == prompt.history[len(prompt.history) - len(sent.history) :]


@pytest.mark.parametrize("context", [1200, 2000, 3000])
def test_the_best_passages_stay_and_all_of_it_fits_with_room_for_the_answer(context):
    prompt = prompt_for()

    sent = fitted(prompt, model(context))

    assert 0 < len(sent.passages) < len(PASSAGES)
    assert sent.passages == prompt.passages[: len(sent.passages)]
    assert passage_block(1, PASSAGES[0]) in sent.user
    assert "Passage 8." not in sent.user
    assert prompt_tokens(sent) + sent.max_tokens <= context
    assert sent.user.endswith("Question: How much leave?")


def test_a_passage_longer_than_all_room_is_cut_and_its_fence_is_closed():
    long = replace(passage(1, "Ürlaub 25 Tage. " * 2000), before="earlier", after="later")

    sent = fitted(prompt_for([long]), model(1000, max_output_tokens=100))

    assert "Ürlaub 25 Tage." in sent.user
    assert "earlier" not in sent.user
    assert sent.user.count("<passage") == sent.user.count("</passage>") == 1
    assert prompt_tokens(sent) + sent.max_tokens <= 1000


def test_rules_and_question_stay_even_where_nothing_else_fits():
    sent = fitted(prompt_for(), model(64))

    assert sent.passages == ()
    assert sent.history == ()
    assert sent.system == prompt_for().system
    assert "How much leave?" in sent.user


def test_a_follow_up_keeps_its_subject():
    prompt = prompt_for(standalone="How much leave do managers get?")

    sent = fitted(prompt, model(1500))

    assert len(sent.passages) < len(PASSAGES)
    assert "How much leave do managers get?" in sent.user
    assert (sent.question, sent.asked) == (prompt.question, prompt.asked)


def test_a_prompt_of_another_kind_loses_its_conversation_only():
    prompt = replace(prompt_for(), user="Rewrite this: and now?", passages=())

    sent = fitted(prompt, model(700))

    assert sent.user == prompt.user
    assert len(sent.history) < len(prompt.history)


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        pytest.param({"context_tokens": None, "max_output_tokens": None}, 4000, id="nothing is known"),
        pytest.param({"max_output_tokens": 1000}, 1000, id="what the model writes at most"),
        pytest.param({"context_tokens": 4096}, 2048, id="half of a small context"),
    ],
)
def test_an_answer_takes_no_more_than_the_model_can_give(limits, expected):
    assert fitted(prompt_for(max_tokens=4000), replace(LARGE, **limits)).max_tokens == expected


def test_a_temperature_is_sent_to_models_that_take_one():
    assert fitted(prompt_for(), LARGE).temperature == 0.7
    assert fitted(prompt_for(), replace(LARGE, takes_temperature=False)).temperature is None
