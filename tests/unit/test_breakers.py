from dataclasses import dataclass, replace

import pytest
from pydantic import SecretStr

from rag_app.errors import TransientError
from rag_app.services.breakers import MAX_PAUSE_S, N_FAILURES, PAUSE_S, WITHIN_S, Breakers
from rag_app.services.provider_keys import ProviderAccess

ACCESS = ProviderAccess("openai", SecretStr("sk-1"), None, "installation")


@dataclass
class Clock:
    now: float = 1000

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breakers(clock) -> Breakers:
    return Breakers(clock)


def begin(breakers, access=ACCESS, model="gpt"):
    return breakers.begin(access, "OpenAI", model)


def fail(breakers, times=1, *, kind="overloaded", retry_after_s=None, **more):
    for _ in range(times):
        begin(breakers, **more).failed(kind, retry_after_s)


def is_open(breakers, **more) -> bool:
    """Look without leaving a trace."""
    try:
        begin(breakers, **more).given_up()
    except TransientError:
        return True
    return False


def test_failures_in_a_row_open_it(breakers):
    fail(breakers, N_FAILURES - 1)
    assert not is_open(breakers)

    fail(breakers)

    with pytest.raises(TransientError, match="OpenAI has failed several times in a row") as refused:
        begin(breakers)
    assert refused.value.kind == "paused"
    assert refused.value.retry_after_s == PAUSE_S


def test_an_answer_ends_the_row(breakers):
    fail(breakers, N_FAILURES - 1)
    begin(breakers).answered()

    fail(breakers, N_FAILURES - 1)

    assert not is_open(breakers)


def test_failures_far_apart_are_no_row(breakers, clock):
    for _ in range(N_FAILURES * 2):
        fail(breakers)
        clock.now += WITHIN_S

    assert not is_open(breakers)


@pytest.mark.parametrize("kind", ["key", "quota", "too_long", "filtered", "unknown_model", "failed"])
def test_a_refusal_is_an_answer(breakers, kind):
    fail(breakers, N_FAILURES * 2, kind=kind)

    assert not is_open(breakers)


def test_who_leaves_says_nothing_about_the_provider(breakers):
    fail(breakers, N_FAILURES - 1)
    begin(breakers).given_up()
    fail(breakers)

    assert is_open(breakers)


def test_another_key_or_server_is_not_held_responsible(breakers):
    fail(breakers, N_FAILURES)

    assert is_open(breakers)
    assert not is_open(breakers, access=replace(ACCESS, api_key=SecretStr("sk-2")))
    assert not is_open(breakers, access=replace(ACCESS, base_url="http://10.0.0.1/v1"))


def test_after_the_pause_one_call_tries_and_the_others_wait_for_it(breakers, clock):
    fail(breakers, N_FAILURES)
    clock.now += PAUSE_S

    trial = begin(breakers)
    assert is_open(breakers)
    trial.answered()

    assert not is_open(breakers)


def test_a_trial_that_fails_doubles_the_pause(breakers, clock):
    fail(breakers, N_FAILURES)
    for pause_s in (PAUSE_S, PAUSE_S * 2, PAUSE_S * 4):
        clock.now += pause_s - 1
        assert is_open(breakers)
        clock.now += 1
        fail(breakers)

    for _ in range(10):
        clock.now += MAX_PAUSE_S  # never longer
        fail(breakers)


def test_a_trial_whose_asker_leaves_lets_the_next_one_try(breakers, clock):
    fail(breakers, N_FAILURES)
    clock.now += PAUSE_S
    begin(breakers).given_up()

    begin(breakers).answered()

    assert not is_open(breakers)


def test_an_old_calls_late_failure_does_not_end_a_trial(breakers, clock):
    late = begin(breakers)
    fail(breakers, N_FAILURES)
    clock.now += PAUSE_S
    trial = begin(breakers)

    late.failed("slow", None)
    trial.answered()

    assert not is_open(breakers)


def test_a_model_rests_as_long_as_its_provider_asks(breakers, clock):
    fail(breakers, kind="rate_limit", retry_after_s=30)

    with pytest.raises(TransientError, match="asked not to be sent more") as refused:
        begin(breakers)
    assert refused.value.retry_after_s == 30
    assert not is_open(breakers, model="another")
    clock.now += 30
    assert not is_open(breakers)


def test_nobody_rests_for_ever(breakers, clock):
    fail(breakers, kind="rate_limit", retry_after_s=1e9)
    clock.now += MAX_PAUSE_S

    assert not is_open(breakers)


def test_only_the_first_that_is_said_of_a_call_counts(breakers):
    for _ in range(N_FAILURES):
        attempt = begin(breakers)
        attempt.answered()
        attempt.failed("interrupted", None)
        attempt.given_up()

    assert not is_open(breakers)
