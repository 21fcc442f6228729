"""Answers of conversations made entries of the FAQ, through the API."""

import pytest

from tests.attacks.conftest import ObedientLLM

HANDBOOK = ("handbook.md", b"# Holiday\n\nEvery employee has 25 days of holiday a year.\n")


@pytest.fixture
async def kb(owner, run_jobs):
    made = await owner.create_kb()
    await owner.upload(made["id"], HANDBOOK)
    await run_jobs()
    return made


@pytest.fixture
def base(kb):
    return f"/api/knowledge-bases/{kb['id']}/knowledge"


@pytest.fixture
async def answered(owner, kb):
    """A conversation and the answer in it."""
    conversation = await owner.converse(kb["id"])
    return conversation, await owner.ask(conversation, "How many days of holiday does an employee have?")


async def make(owner, base, *message_ids, question="How much holiday is there?"):
    return await owner.http.post(
        base,
        json={"question": question, "answer": "25 days, and 30 from next year.", "message_ids": message_ids},
    )


async def message(owner, conversation, message_id):
    read = (await owner.http.get(f"/api/chat/conversations/{conversation}")).json()
    return next(one for one in read["messages"] if one["id"] == message_id)


async def test_an_entry_made_from_an_answer_says_so_and_the_answer_names_it(owner, base, answered):
    conversation, answer = answered
    assert answer["faq_entry_id"] is None

    made = await make(owner, base, answer["id"])

    assert (made.status_code, made.json()["origin"]) == (201, "conversation")
    assert (await message(owner, conversation, answer["id"]))["faq_entry_id"] == made.json()["id"]


async def test_an_answer_whose_entry_is_deleted_is_as_before(owner, base, answered):
    conversation, answer = answered
    entry = (await make(owner, base, answer["id"])).json()

    await owner.http.delete(f"{base}/{entry['id']}")

    assert (await message(owner, conversation, answer["id"]))["faq_entry_id"] is None


async def test_the_entry_of_the_same_question_can_be_changed_from_an_answer(owner, base, answered):
    conversation, answer = answered
    entry = (
        await owner.http.post(base, json={"question": "How much holiday is there?", "answer": "20"})
    ).json()
    assert (await make(owner, base, answer["id"])).status_code == 409

    changed = await owner.http.put(
        f"{base}/{entry['id']}", json={"answer": "25 days", "message_ids": [answer["id"]]}
    )

    assert changed.json()["answer"] == "25 days"
    assert (await message(owner, conversation, answer["id"]))["faq_entry_id"] == entry["id"]


@pytest.mark.parametrize("which", ["question", "of another knowledge base", "none"])
async def test_only_answers_of_this_knowledge_base_are_taken_and_else_nothing_is_kept(
    owner, base, answered, which
):
    conversation, answer = answered
    if which == "question":
        read = (await owner.http.get(f"/api/chat/conversations/{conversation}")).json()
        message_id = read["messages"][0]["id"]
    elif which == "of another knowledge base":
        other_kb = await owner.create_kb("Other")
        message_id = (await owner.ask(await owner.converse(other_kb["id"]), "Anything?"))["id"]
    else:
        message_id = 2**31 - 1

    refused = await make(owner, base, answer["id"], message_id)

    assert refused.status_code == 404
    assert (await owner.http.get(base)).json()["items"] == []
    assert (await message(owner, conversation, answer["id"]))["faq_entry_id"] is None


async def test_a_follow_up_is_offered_with_its_subject_and_the_answer_without_markers(services, owner, kb):
    services.llms.fix("local", ObedientLLM())  # ty: ignore[invalid-argument-type]
    conversation = await owner.converse(kb["id"])
    await owner.ask(conversation, "How many days of holiday does an employee have?")
    answer = await owner.ask(conversation, "And per year?")
    assert answer["searched"] is not None
    assert "[1]" in answer["content"]

    draft = await services.faq.draft(conversation, answer["id"], owner_id=owner.user["id"])

    assert draft.question == answer["searched"]
    assert draft.answer == answer["content"].replace(" [1]", "")
    assert draft.kb_id == kb["id"]


async def test_a_visitor_is_not_told_what_became_of_an_answer(services, owner, client, kb, base):
    services.llms.fix("local", ObedientLLM())  # ty: ignore[invalid-argument-type]
    link = (await owner.http.post(f"/api/knowledge-bases/{kb['id']}/share-links")).json()
    visit = (await client.post("/api/chat/conversations", json={"share_slug": link["slug"]})).json()
    where = f"/api/chat/conversations/{visit['id']}"
    answer = (await client.post(f"{where}/messages", json={"content": "How many days of holiday?"})).json()

    assert (await make(owner, base, answer["id"])).status_code == 201

    seen = (await client.get(where)).json()["messages"][-1]
    assert (seen["id"], seen["faq_entry_id"]) == (answer["id"], None)
