"""Another model answers where the knowledge base's own cannot, and the reader is told who."""

import psycopg
import pytest
from pydantic import SecretStr

from rag_app.rag.llms import _streams
from rag_app.services import questions
from rag_app.services.breakers import N_FAILURES
from rag_app.settings import Settings
from tests.fake_llms import FORMATS, FakeLLMServer

ANSWER = "Employees have 25 days of leave a year [1]. Ask your manager before you book anything at all."
GEMINI, CLAUDE, GPT = (
    {"provider": "gemini", "model": "gemini-3.5-flash-lite"},
    {"provider": "anthropic", "model": "claude-haiku-5-5"},
    {"provider": "openai", "model": "gpt-6-luna"},
)
QUOTES = {"provider": "local", "model": "extractive-1"}


@pytest.fixture(autouse=True)
def short_waits(monkeypatch):
    monkeypatch.setattr(_streams, "RETRY_WAIT_S", 0)


@pytest.fixture
async def provider():
    async with FakeLLMServer(ANSWER) as server:
        yield server


@pytest.fixture
def with_keys() -> tuple[str, ...]:
    return tuple(FORMATS)


@pytest.fixture
def patience_s(request) -> float:
    """How long silence is borne: briefly where a test is about it, else longer than any machine needs."""
    params = getattr(getattr(request.node, "callspec", None), "params", {})
    return 0.5 if str(params.get("fault")).startswith("stall") else 30


@pytest.fixture
def config(database, tmp_path, provider, with_keys, patience_s):
    keys = {f"{name}_api_key": SecretStr("sk-test") for name in with_keys}
    urls = {f"{name}_base_url": provider.base_url(name) for name in FORMATS}
    return Settings(
        database_url=database,
        rag_data_dir=tmp_path,
        rag_llm_first_token_timeout_s=patience_s,
        rag_llm_idle_timeout_s=patience_s,
        **keys,
        **urls,
        _env_file=None,  # type: ignore[call-arg]
    )


@pytest.fixture
async def kb(owner, run_jobs) -> dict:
    """A knowledge base that Gemini answers for."""
    made = await owner.create_kb(llm_provider="gemini")
    await owner.upload(made["id"], ("leave.md", b"Employees have 25 days of leave a year."))
    await run_jobs()
    return made


@pytest.fixture
def fall_back(owner, kb):
    async def to(*choices: dict) -> None:
        response = await owner.http.put(
            f"/api/knowledge-bases/{kb['id']}", json={"llm_fallbacks": list(choices)}
        )
        assert response.status_code == 200, response.text
        assert response.json()["llm_fallbacks"] == list(choices)

    return to


@pytest.fixture
def ask(owner, kb):
    async def post(question: str = "How much leave do employees have?"):
        conversation = await owner.converse(kb["id"])
        return await owner.http.post(
            f"/api/chat/conversations/{conversation}/messages", json={"content": question}
        )

    return post


def calls(database, *columns: str) -> list[tuple]:
    with psycopg.connect(database) as connection:
        query = f"SELECT {', '.join(columns)} FROM llm_usage WHERE kind = 'chat' ORDER BY id"
        return connection.execute(query.encode()).fetchall()


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        ("overloaded", "overloaded", "Google Gemini was overloaded"),
        ("server_error", "overloaded", "Google Gemini was overloaded"),
        ("rate_limit_429", "rate_limit", "Google Gemini got more requests than it allows"),
        ("hang_up", "unreachable", "Google Gemini could not be reached"),
        ("stall at=start", "slow", "Google Gemini did not answer in time"),
        ("garbage at=start", "unreadable", "Google Gemini sent something that is not an answer"),
        ("no_done at=start", "interrupted", "Google Gemini broke off before its first word"),
        ("bad_key", "key", "Google Gemini refused the API key"),
        ("quota", "quota", "Google Gemini had no credit or quota left"),
        ("not_allowed", "not_allowed", "Google Gemini did not let this key use the model"),
        ("unknown_model", "unknown_model", "Google Gemini does not offer the model"),
        ("refused", "refused", "Google Gemini did not accept the request"),
    ],
)
async def test_another_model_answers_and_says_why(ask, fall_back, database, fault, kind, words):
    await fall_back(CLAUDE)

    answer = (await ask(f"How much leave? [[fault:{fault} only=gemini]]")).json()

    assert (answer["status"], answer["content"]) == ("complete", ANSWER)
    assert (answer["provider"], answer["model"]) == (CLAUDE["provider"], CLAUDE["model"])
    assert answer["instead_of"] == GEMINI | {"kind": kind, "words": words}
    assert calls(database, "provider", "model", "outcome", "total_tokens > 0") == [
        ("gemini", GEMINI["model"], kind, False),
        ("anthropic", CLAUDE["model"], "complete", True),
    ]


async def test_calls_for_one_answer_belong_together(ask, fall_back, database):
    await fall_back(CLAUDE)

    await ask("How much leave? [[fault:overloaded only=gemini]]")

    (first,), (second,) = calls(database, "request_id")
    assert first is not None
    assert first == second


async def test_the_order_is_kept_until_one_answers(ask, fall_back, provider):
    await fall_back(CLAUDE, GPT)
    provider.fail_with("gemini", "bad_key")
    provider.fail_with("anthropic", "quota")

    answer = (await ask()).json()

    assert [request.provider for request in provider.requests] == ["gemini", "anthropic", "openai"]
    assert answer["model"] == GPT["model"]
    assert answer["instead_of"]["words"] == "Google Gemini refused the API key"


async def test_the_built_in_answerer_can_stand_in(ask, fall_back, provider):
    await fall_back(QUOTES)
    provider.fail_with("gemini", "overloaded")

    answer = (await ask()).json()

    assert (answer["status"], answer["provider"]) == ("complete", "local")
    assert answer["instead_of"]["words"] == "Google Gemini was overloaded"


async def test_when_nobody_answers_every_reason_is_told(ask, fall_back, provider, database):
    await fall_back(CLAUDE)
    provider.fail_with("gemini", "overloaded")
    provider.fail_with("anthropic", "bad_key")

    response = await ask()

    assert response.status_code == 502
    assert response.json()["detail"] == (
        "Google Gemini is overloaded. Try again in a moment. "
        "Anthropic refused the API key. Check it in the settings."
    )
    assert calls(database, "outcome") == [("overloaded",), ("key",)]


@pytest.mark.parametrize("fault", ["cut", "stall", "garbage", "error_event", "no_done"])
async def test_nobody_takes_over_once_an_answer_has_begun(ask, fall_back, owner, provider, fault):
    await fall_back(CLAUDE)

    response = await ask(f"How much leave? [[fault:{fault}]]")

    assert response.status_code == 502
    assert {request.provider for request in provider.requests} == {"gemini"}
    listed = (await owner.http.get("/api/chat/conversations?include_previews=true")).json()["items"]
    read = (await owner.http.get(f"/api/chat/conversations/{listed[0]['id']}")).json()
    answer = read["messages"][-1]
    assert answer["status"] == "interrupted"
    assert (answer["provider"], answer["model"]) == (GEMINI["provider"], GEMINI["model"])
    assert ANSWER.startswith(answer["content"].rstrip())


@pytest.mark.parametrize("where", ["", "at=start"])
async def test_nobody_is_asked_around_for_what_a_content_rule_forbids(ask, fall_back, provider, where):
    await fall_back(CLAUDE)

    await ask(f"How much leave? [[fault:filtered {where}]]")

    assert [request.provider for request in provider.requests] == ["gemini"]


async def test_a_prompt_too_long_goes_to_a_model_that_holds_more(ask, fall_back, provider, services):
    contexts = {each.id: each.context_tokens for name in FORMATS for each in services.llms.models(name)}
    assert contexts[CLAUDE["model"]] < contexts[GEMINI["model"]] < contexts[GPT["model"]]
    await fall_back(CLAUDE, GPT)
    provider.fail_with("gemini", "context_too_long")

    answer = (await ask()).json()

    assert [request.provider for request in provider.requests] == ["gemini", "openai"]
    assert answer["instead_of"]["words"] == "Google Gemini could not read so much at once"


async def test_visitors_are_not_told_of_the_owners_troubles(owner, client, kb, fall_back, provider):
    await fall_back(CLAUDE)
    provider.fail_with("gemini", "quota")
    link = (await owner.http.post(f"/api/knowledge-bases/{kb['id']}/share-links")).json()
    visit = (await client.post("/api/chat/conversations", json={"share_slug": link["slug"]})).json()
    url = f"/api/chat/conversations/{visit['id']}"

    answer = await client.post(f"{url}/messages", json={"content": "How much leave?"})

    assert answer.json()["model"] == CLAUDE["model"]
    assert answer.json()["instead_of"] is None
    assert (await client.get(url)).json()["messages"][-1]["instead_of"] is None
    told = (await owner.http.get(url)).json()["messages"][-1]
    assert told["instead_of"]["kind"] == "quota"


async def test_a_provider_that_keeps_failing_is_left_alone(ask, fall_back, provider, database):
    await fall_back(CLAUDE)
    provider.fail_with("gemini", "hang_up")
    for _ in range(N_FAILURES):
        await ask()
    provider.requests.clear()
    provider.fail_with("gemini", "")

    answer = (await ask()).json()

    assert [request.provider for request in provider.requests] == ["anthropic"]
    assert answer["instead_of"]["words"] == "Google Gemini was having trouble"
    assert calls(database, "outcome")[-1] == ("complete",)
    assert len(calls(database, "outcome")) == 2 * N_FAILURES + 1  # what was not sent is not counted


async def test_an_open_breaker_says_when_to_come_back(ask, provider):
    provider.fail_with("gemini", "hang_up")
    for _ in range(N_FAILURES):
        await ask()

    response = await ask()

    assert response.status_code == 502
    assert "has failed several times in a row. It is asked again in" in response.json()["detail"]


async def test_a_slow_round_ends_with_a_reason_instead_of_yet_another_model(
    ask, fall_back, provider, services
):
    now = iter([0, 61])
    object.__setattr__(services.calls, "clock", lambda: next(now))
    await fall_back(CLAUDE)
    provider.fail_with("gemini", "overloaded")

    response = await ask()

    assert response.status_code == 502
    assert {request.provider for request in provider.requests} == {"gemini"}


async def test_a_follow_up_is_rewritten_by_whoever_can_write(owner, kb, fall_back, provider, monkeypatch):
    monkeypatch.setattr(questions, "BUDGET_S", 60)  # loading an SDK takes a busy machine a while
    await fall_back(QUOTES, CLAUDE)
    provider.fail_with("gemini", "overloaded")
    conversation = await owner.converse(kb["id"])
    await owner.ask(conversation, "How many days of leave do employees have?")
    provider.requests.clear()

    await owner.ask(conversation, "And when do they expire?")

    assert [request.provider for request in provider.requests] == [
        "gemini",
        "gemini",
        "anthropic",
        *["gemini"] * 2,
    ]


class TestWithoutEveryKey:
    @pytest.fixture
    def with_keys(self):
        return ("openai",)

    async def test_a_model_nobody_has_a_key_for_is_passed_over(self, ask, fall_back, provider, database):
        await fall_back(CLAUDE, GPT)

        answer = (await ask()).json()

        assert [request.provider for request in provider.requests] == ["openai"]
        assert answer["instead_of"]["words"] == "Google Gemini has no API key"
        assert calls(database, "provider", "outcome") == [("openai", "complete")]

    async def test_it_is_said_which_key_is_missing_where_nobody_stands_in(self, ask, fall_back):
        await fall_back(CLAUDE)

        response = await ask()

        assert "key for Google Gemini" in response.json()["detail"]
        assert "Anthropic" not in response.json()["detail"]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"llm_fallbacks": [{"provider": "local", "model": "gpt-6-luna"}]}, "llm_fallbacks"),
        ({"llm_fallbacks": [CLAUDE, GPT, QUOTES, GEMINI]}, "llm_fallbacks"),
        ({"answer_language": "klingon"}, "answer_language"),
    ],
)
async def test_what_cannot_be_is_refused(owner, kb, changes, field):
    response = await owner.http.put(f"/api/knowledge-bases/{kb['id']}", json=changes)

    assert response.status_code == 422
    assert field in response.text


async def test_each_model_stands_in_once(owner, kb):
    twice = [CLAUDE, CLAUDE, {"provider": "openai"}]

    changed = await owner.http.put(f"/api/knowledge-bases/{kb['id']}", json={"llm_fallbacks": twice})

    assert changed.json()["llm_fallbacks"] == [CLAUDE, GPT]


async def test_answers_are_asked_for_in_the_language_that_was_set(owner, ask, kb, provider):
    await owner.http.put(f"/api/knowledge-bases/{kb['id']}", json={"answer_language": "de"})

    await ask()

    assert "Answer in German, whatever language" in str(provider.requests[-1].body)


async def test_the_built_in_answerer_refuses_in_the_language_that_was_set(owner):
    made = await owner.create_kb("Empty", llm_provider="local")
    await owner.http.put(f"/api/knowledge-bases/{made['id']}", json={"answer_language": "fr"})

    answer = await owner.ask(await owner.converse(made["id"]), "Who won the world cup?")

    assert answer["content"].startswith("Je n’ai pas trouvé")
