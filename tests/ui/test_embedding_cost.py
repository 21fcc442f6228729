"""What the card of embedding models says of a provider's models and their cost."""

from decimal import Decimal

import pytest

from rag_app.domain.embedding_models import EmbeddingChoice, EmbeddingSwitch
from rag_app.ui.dashboard.settings.embedding_view import model_views

LOCAL = EmbeddingChoice("local_e5", "e5", 384)


def hosted(price):
    return EmbeddingChoice("openai:small", "Small (OpenAI)", 1536, price_per_million=price, is_hosted=True)


def view(price, *, n_total=4, n_tokens=2_000_000, model="local_e5"):
    switch = EmbeddingSwitch(model, None, 0, n_total, (LOCAL, hosted(price)), n_tokens=n_tokens)
    return {one.name: one for one in model_views(switch)}["openai:small"]


@pytest.mark.parametrize(
    ("price", "n_tokens", "says"),
    [
        pytest.param(Decimal("0.02"), 2_000_000, "costs about $0.04: 4 chunks", id="a known price"),
        pytest.param(Decimal("0.02"), 2_000, "costs less than $0.01: 4 chunks", id="next to nothing"),
        pytest.param(None, 2_000, "is not known: 4 chunks with about 2,000 tokens", id="an unknown price"),
    ],
)
def test_the_cost_is_said_before_a_switch(price, n_tokens, says):
    assert says in view(price, n_tokens=n_tokens).cost


def test_nothing_to_embed_costs_nothing_to_speak_of():
    assert view(Decimal(1), n_total=0, n_tokens=0).cost == ""


def test_where_texts_go_is_said():
    shown = view(Decimal("0.13"))

    assert shown.title == "Small"
    assert "sent to OpenAI" in shown.text
    assert "$0.13 per million tokens" in shown.text


def test_a_price_that_nobody_knows_is_said():
    assert "price is unknown" in view(None).text


def test_a_model_whose_key_is_gone_keeps_its_name():
    switch = EmbeddingSwitch("openai:text-embedding-3-small", None, 0, 4, (LOCAL,))

    first = model_views(switch)[0]

    assert (first.title, first.is_used, first.cost) == ("text-embedding-3-small", True, "")
    assert "no key for its provider" in first.text


def test_a_local_model_costs_nothing_to_switch_to():
    switch = EmbeddingSwitch("openai:small", None, 0, 4, (LOCAL, hosted(None)), n_tokens=9)

    assert {one.name: one.cost for one in model_views(switch)}["local_e5"] == ""
