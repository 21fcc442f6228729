"""Questions nobody could answer, through the API: collected, grouped, answered, dismissed."""

import pytest

from rag_app.services import unanswered as unanswered_service
from tests.attacks.conftest import ObedientLLM

NO = "The passages do not say anything about this."


@pytest.fixture
def llm(services):
    """Says no until it is told otherwise."""
    fake = ObedientLLM()
    fake.answers = NO
    services.llms.fix("local", fake)  # ty: ignore[invalid-argument-type]
    return fake


@pytest.fixture
async def kb(owner, llm, run_jobs):
    made = await owner.create_kb()
    await owner.upload(
        made["id"], ("handbook.md", b"# Holiday\n\nEvery employee has 25 days of holiday a year.")
    )
    await run_jobs()
    return made


@pytest.fixture
def base(kb):
    return f"/api/knowledge-bases/{kb['id']}/unanswered"


@pytest.fixture
def ask(owner, kb):
    async def ask(question, conversation=None):
        return await owner.ask(conversation or await owner.converse(kb["id"]), question)

    return ask


@pytest.fixture
def groups(owner, base):
    async def groups(**params):
        response = await owner.http.get(base, params=params)
        assert response.status_code == 200, response.text
        return response.json()["items"]

    return groups


def shown(found):
    return [(one["question"], one["count"]) for one in found]


async def test_refused_questions_are_grouped_with_those_asked_most_first(ask, groups):
    await ask("Is there a canteen?")
    first = await ask("What does parking cost?")
    last = await ask("what does PARKING cost")

    found = await groups()

    assert first["outcome"] == "refused"
    assert shown(found) == [("What does parking cost?", 2), ("Is there a canteen?", 1)]
    assert found[0]["message_ids"] == [last["id"], first["id"]]
    assert [one["reason"] for one in found[0]["examples"]] == ["refused", "refused"]
    assert all(one["is_preview"] for one in found[0]["examples"])


async def test_an_answer_without_a_source_is_collected_and_a_cited_one_is_not(ask, groups, llm):
    llm.answers = "Hello!"
    assert (await ask("What about lunch?"))["outcome"] == "uncited"
    llm.answers = None
    assert (await ask("How many days of holiday?"))["outcome"] == "answered"

    [group] = await groups()

    assert [one["reason"] for one in group["examples"]] == ["uncited"]


async def rate(owner, answer, feedback):
    where = f"/api/chat/conversations/{answer['conversation_id']}/messages/{answer['id']}/feedback"
    assert (await owner.http.put(where, json={"feedback": feedback})).status_code == 200


async def test_a_thumb_down_brings_a_question_in_and_taking_it_back_out(owner, ask, groups, llm):
    llm.answers = None
    answer = await ask("How many days of holiday?")
    assert await groups() == []

    await rate(owner, answer, -1)
    [group] = await groups()
    assert [one["reason"] for one in group["examples"]] == ["disliked"]

    await rate(owner, answer, None)
    assert await groups() == []


async def test_a_refusal_its_reader_was_content_with_is_none(owner, ask, groups):
    answer = await ask("What does parking cost?")

    await rate(owner, answer, 1)

    assert await groups() == []


async def test_a_visitors_question_is_collected_as_such(owner, client, kb, groups):
    link = (await owner.http.post(f"/api/knowledge-bases/{kb['id']}/share-links")).json()
    visit = (await client.post("/api/chat/conversations", json={"share_slug": link["slug"]})).json()
    await client.post(
        f"/api/chat/conversations/{visit['id']}/messages", json={"content": "Is there parking?"}
    )

    [group] = await groups()

    assert [(one["question"], one["is_preview"]) for one in group["examples"]] == [
        ("Is there parking?", False)
    ]


async def test_a_question_that_was_asked_again_or_deleted_is_not_counted_twice(owner, ask, groups):
    answer = await ask("What does parking cost?")
    where = f"/api/chat/conversations/{answer['conversation_id']}"
    await owner.http.post(f"{where}/messages/{answer['id']}/retry")
    assert shown(await groups()) == [("What does parking cost?", 1)]

    await owner.http.delete(where)

    assert await groups() == []


async def test_a_follow_up_is_collected_with_its_subject(ask, groups, owner, kb, llm):
    conversation = await owner.converse(kb["id"])
    llm.answers = None
    await ask("How many days of holiday does an employee have?", conversation)
    llm.answers = NO

    answer = await ask("And in Norway?", conversation)

    [group] = await groups()
    assert answer["searched"] not in {None, "And in Norway?"}
    assert group["question"] == answer["searched"]


async def test_an_entry_made_from_a_group_settles_it_and_deleting_it_brings_it_back(owner, kb, ask, groups):
    await ask("What does parking cost?")
    await ask("what does parking cost")
    [group] = await groups()
    faq = f"/api/knowledge-bases/{kb['id']}/knowledge"

    pair = {"question": "Parking fees", "answer": "Nothing.", "message_ids": group["message_ids"]}
    entry = (await owner.http.post(faq, json=pair)).json()
    assert await groups() == []

    await owner.http.delete(f"{faq}/{entry['id']}")
    assert shown(await groups()) == [("What does parking cost?", 2)]


@pytest.mark.parametrize("by_import", [False, True])
async def test_an_entry_that_asks_the_same_settles_a_group_once_it_can_be_found(
    owner, kb, ask, groups, run_jobs, by_import
):
    await ask("What does parking cost?")
    await ask("Is there a canteen?")
    faq = f"/api/knowledge-bases/{kb['id']}/knowledge"
    if by_import:
        files = {"files": ("faq.csv", b"question,answer\nwhat does parking COST,Nothing.\n")}
        await owner.http.post(f"{faq}/import", files=files)
    else:
        await owner.http.post(faq, json={"question": "what does parking COST", "answer": "Nothing."})

    await run_jobs()

    assert shown(await groups()) == [("Is there a canteen?", 1)]


async def test_dismissed_questions_stay_away_with_all_that_ask_the_same_until_they_are_brought_back(
    owner, base, ask, groups
):
    await ask("Who are you?")
    [group] = await groups()

    dismissed = await owner.http.post(f"{base}/dismiss", json={"message_ids": group["message_ids"]})
    await ask("who are YOU")

    assert dismissed.status_code == 204
    assert await groups() == []
    [away] = await groups(dismissed=True)
    assert (away["count"], away["is_dismissed"]) == (2, True)

    await owner.http.post(f"{base}/restore", json={"message_ids": group["message_ids"]})
    assert shown(await groups()) == [("Who are you?", 2)]
    assert await groups(dismissed=True) == []


@pytest.mark.parametrize("message_ids", [[], [2**31 - 1]])
async def test_only_questions_that_are_there_can_be_dismissed(owner, base, ask, groups, message_ids):
    answer = await ask("Who are you?")
    wrong = [answer["id"], *message_ids] if message_ids else []

    refused = await owner.http.post(f"{base}/dismiss", json={"message_ids": wrong})

    assert refused.status_code == (404 if message_ids else 422)
    assert len(await groups()) == 1


async def test_only_the_newest_are_looked_at(ask, groups, monkeypatch):
    monkeypatch.setattr(unanswered_service, "WINDOW", 2)
    for question in ("Is there a canteen?", "What does parking cost?", "Where is the gym?"):
        await ask(question)

    assert {one["question"] for one in await groups()} == {"What does parking cost?", "Where is the gym?"}


async def test_vectors_are_made_once_and_at_most_so_many_while_somebody_waits(
    services, ask, groups, embedder, monkeypatch
):
    monkeypatch.setattr(unanswered_service, "EMBEDDED_AT_ONCE", 1)
    made = []
    monkeypatch.setattr(unanswered_service, "_vector", counting(unanswered_service._vector, made))
    for question in ("Is there a canteen?", "What does parking cost?", "Where is the gym?"):
        await ask(question)

    await groups()
    assert made == ["Where is the gym?"]
    await services.unanswered.tend()
    await groups()
    await services.unanswered.tend()

    assert sorted(made) == ["Is there a canteen?", "What does parking cost?", "Where is the gym?"]


def counting(real, made):
    async def vector(embedder, question):
        made.append(question)
        return await real(embedder, question)

    return vector


async def test_another_owner_sees_and_dismisses_nothing(owner, other, base, ask, groups):
    answer = await ask("Who are you?")

    seen = await other.http.get(base)
    dismissed = await other.http.post(f"{base}/dismiss", json={"message_ids": [answer["id"]]})

    assert (seen.status_code, dismissed.status_code) == (404, 404)
    assert len(await groups()) == 1
