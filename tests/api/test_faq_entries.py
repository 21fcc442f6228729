"""FAQ entries through the API: kept, found, answered as they are, imported, exported."""

import asyncio
import csv
import io

import openpyxl
import pytest

PASSWORD = ("How do I reset my password?", "Open **Settings**, then choose *Reset password*.")


@pytest.fixture
async def kb(owner):
    return await owner.create_kb()


@pytest.fixture
def base(kb):
    return f"/api/knowledge-bases/{kb['id']}/knowledge"


@pytest.fixture
def add(owner, base):
    async def add(question, answer, **more):
        response = await owner.http.post(base, json={"question": question, "answer": answer, **more})
        assert response.status_code == 201, response.text
        return response.json()

    return add


@pytest.fixture
def entries(owner, base):
    async def entries(**params):
        return (await owner.http.get(base, params=params)).json()["items"]

    return entries


async def test_an_entry_is_kept_shown_and_found(owner, kb, base, add, run_jobs):
    made = await add(*PASSWORD, tags=["Login"])
    assert made["status"] == "received"

    await run_jobs()

    shown = (await owner.http.get(f"{base}/{made['id']}")).json()
    assert (shown["question"], shown["answer"], shown["tags"], shown["status"]) == (
        *PASSWORD,
        ["Login"],
        "ready",
    )
    [found] = await owner.search(kb["id"], "Where do I choose a new password?")
    assert (found["source"], found["document_name"]) == ("faq", PASSWORD[0])
    assert "Open **Settings**" in found["content"]


async def test_entries_are_no_documents_in_the_lists_of_documents(owner, kb, add, run_jobs):
    await add(*PASSWORD)
    await run_jobs()

    listed = await owner.http.get(f"/api/knowledge-bases/{kb['id']}/documents")
    assert listed.json()["items"] == []


async def test_what_asks_the_same_gets_the_answer_as_it_is(owner, kb, add, run_jobs):
    made = await add(*PASSWORD)
    await add("How do I reset my PIN?", "Go to the bank.")
    await run_jobs()
    conversation = await owner.converse(kb["id"])

    answer = await owner.ask(conversation, "how do i reset my password")

    assert answer["content"] == f"{PASSWORD[1]} [1]"
    assert answer["curated"] == {"entry_id": made["id"], "question": PASSWORD[0], "match": 1.0}
    assert (answer["model"], answer["status"]) == ("curated", "complete")
    [citation] = answer["citations"]
    assert citation["document_id"] == made["document_id"]


@pytest.mark.parametrize(
    ("changes", "question"),
    [
        pytest.param({"match_faq": False}, PASSWORD[0], id="switched off"),
        pytest.param({"faq_threshold": 1.0}, "How can somebody reset a password?", id="not near enough"),
    ],
)
async def test_else_the_model_answers(owner, kb, add, run_jobs, changes, question):
    await add(*PASSWORD)
    await run_jobs()
    await owner.http.put(f"/api/knowledge-bases/{kb['id']}/rag-config", json=changes)

    answer = await owner.ask(await owner.converse(kb["id"]), question)

    assert answer["curated"] is None
    assert answer["model"] == "extractive-1"


async def test_the_trace_says_what_was_compared(owner, kb, add, run_jobs):
    await add(*PASSWORD)
    await run_jobs()

    searched = await owner.http.post(
        f"/api/knowledge-bases/{kb['id']}/knowledge/search", json={"query": PASSWORD[0]}
    )

    [step] = [step for step in searched.json()["steps"] if step["name"] == "faq"]
    assert step["was_done"]
    assert "Asks the same" in step["note"]


async def test_a_changed_entry_is_found_by_its_new_words_only(owner, kb, base, add, run_jobs):
    made = await add("What colour is the gate?", "Green.")
    await run_jobs()
    changed = await owner.http.put(
        f"{base}/{made['id']}", json={"question": "What colour is the door?", "answer": "Scarlet."}
    )
    await run_jobs()

    assert changed.json()["document_id"] == made["document_id"]
    [found] = await owner.search(kb["id"], "door")
    assert "Scarlet" in found["content"]
    assert "Green" not in found["content"]


async def test_an_entry_changed_before_it_was_read_is_read_once_as_it_is_now(owner, kb, base, add, run_jobs):
    made = await add("What colour is the gate?", "Green.")
    for answer in ("Blue.", "Yellow."):
        await owner.http.put(f"{base}/{made['id']}", json={"answer": answer})
    await run_jobs()

    [found] = await owner.search(kb["id"], "gate")
    assert "Yellow" in found["content"]


async def test_a_deleted_entry_is_gone(owner, kb, base, add, run_jobs):
    made = await add(*PASSWORD)
    await run_jobs()

    assert (await owner.http.delete(f"{base}/{made['id']}")).status_code == 204
    assert (await owner.http.get(f"{base}/{made['id']}")).status_code == 404
    assert await owner.search(kb["id"], "password") == []


async def test_a_question_is_there_once(owner, base, add):
    made = await add(*PASSWORD)
    other = await add("What else?", "Nothing.")

    again = await owner.http.post(base, json={"question": "how do I reset MY password", "answer": "x"})
    taken = await owner.http.put(f"{base}/{other['id']}", json={"question": PASSWORD[0]})

    assert (again.status_code, taken.status_code) == (409, 409)
    assert "there already" in again.json()["detail"]
    assert (await owner.http.get(f"{base}/{made['id']}")).json()["answer"] == PASSWORD[1]


async def test_many_at_once_leave_one_of_each_question(owner, base, entries):
    bodies = [{"question": "One?", "answer": f"Answer {number}"} for number in range(10)]

    responses = await asyncio.gather(*(owner.http.post(base, json=body) for body in bodies))

    assert sorted(response.status_code for response in responses) == [201, *[409] * 9]
    assert len(await entries()) == 1


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"question": " ", "answer": "x"}, "question"),
        ({"question": "?!", "answer": "x"}, "question"),
        ({"question": "x" * 1001, "answer": "x"}, "question"),
        ({"question": "x", "answer": "\x00 \n"}, "answer"),
        ({"question": "x", "answer": "x" * 20_001}, "answer"),
    ],
)
async def test_what_cannot_be_kept_is_said_in_words(owner, base, body, field):
    response = await owner.http.post(base, json=body)

    assert response.status_code == 422
    assert response.json()["field"] == field
    assert response.json()["detail"].startswith("Please")


async def test_entries_are_searched_and_paged(owner, base, add, entries):
    for number in range(5):
        await add(f"Question {number}?", "Even." if number % 2 == 0 else "ODD_100%")

    assert [one["question"] for one in await entries(q="odd_1")] == ["Question 3?", "Question 1?"]
    first = (await owner.http.get(base, params={"limit": 3})).json()
    rest = (await owner.http.get(base, params={"limit": 3, "cursor": first["next_cursor"]})).json()
    assert len(first["items"]) + len(rest["items"]) == 5
    assert rest["next_cursor"] is None


TABLE = (
    "id,Question,Answer\n"
    '1,Is it open?,"Yes,\nall day."\n'
    "2,,No question\n"
    "3,No answer,\n"
    "4,is it OPEN,Twice\n"
    "5,Is it free?,=HYPERLINK(1)\n"
)


def as_xlsx(table: str) -> bytes:
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    assert sheet is not None
    for row in csv.reader(io.StringIO(table)):
        sheet.append([cell.replace("\n", " ").lstrip("=") for cell in row])
    content = io.BytesIO()
    workbook.save(content)
    return content.getvalue()


@pytest.mark.parametrize(
    ("name", "content"), [("faq.csv", TABLE.encode()), ("faq.xlsx", as_xlsx(TABLE))], ids=["csv", "xlsx"]
)
async def test_a_table_is_previewed_then_taken_with_a_reason_for_each_bad_row(
    owner, base, entries, run_jobs, name, content
):
    files = {"files": (name, content)}
    preview = (await owner.http.post(f"{base}/import", files=files, params={"preview": True})).json()

    assert (preview["columns"], preview["question_column"], preview["answer_column"]) == (
        ["id", "Question", "Answer"],
        1,
        2,
    )
    assert (preview["n_added"], preview["is_preview"]) == (2, True)
    problems = [row["problem"] for row in preview["problems"]]
    assert problems[0] == "Please enter a question."
    assert problems[1] == "Please enter an answer."
    assert "has the same question" in problems[2]
    assert await entries() == []

    taken = (await owner.http.post(f"{base}/import", files=files)).json()
    await run_jobs()

    assert taken["n_added"] == 2
    assert {one["question"]: one["status"] for one in await entries()} == {
        "Is it open?": "ready",
        "Is it free?": "ready",
    }


@pytest.mark.parametrize("replace", [False, True])
async def test_answers_that_are_there_change_only_when_asked_to(owner, base, add, entries, replace):
    await add("Is it open?", "No.")
    files = {"files": ("faq.csv", b"question,answer\nIs it open?,Yes.\nIs it new?,Yes.\n")}

    result = (await owner.http.post(f"{base}/import", files=files, params={"replace": replace})).json()

    assert (result["n_added"], result["n_changed"], result["n_unchanged"]) == (
        (1, 1, 0) if replace else (1, 0, 1)
    )
    answers = {one["question"]: one["answer"] for one in await entries()}
    assert answers == {"Is it open?": "Yes." if replace else "No.", "Is it new?": "Yes."}


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("faq.csv", b"", "no table"),
        ("faq.csv", b"only one column\nx\n", "no table"),
        ("faq.xlsx", b"not a workbook", ""),
        ("faq.csv", b"q,a\n" + b"x,y\n" * 5001, "at most 5,000 rows"),
    ],
)
async def test_what_is_no_table_is_said_in_words(owner, base, entries, name, content, words):
    response = await owner.http.post(f"{base}/import", files={"files": (name, content)})

    assert response.status_code == 422
    assert words in response.json()["detail"]
    assert await entries() == []


async def test_columns_can_be_chosen(owner, base, entries):
    files = {"files": ("faq.csv", b"text,title,note\nYes.,Is it open?,x\n")}

    wrong = await owner.http.post(
        f"{base}/import", files=files, params={"question_column": 1, "answer_column": 9}
    )
    right = await owner.http.post(
        f"{base}/import", files=files, params={"question_column": 1, "answer_column": 0}
    )

    assert (wrong.status_code, right.status_code) == (422, 200)
    assert [(one["question"], one["answer"]) for one in await entries()] == [("Is it open?", "Yes.")]


async def test_what_is_exported_can_be_imported_again(owner, base, add, entries):
    await add("Is it “open”?", 'Yes,\n"all" day')
    await add("What is =1+1?", "=2")

    exported = await owner.http.get(f"{base}/export")
    other_kb = await owner.create_kb("Other")
    other_base = f"/api/knowledge-bases/{other_kb['id']}/knowledge"
    await owner.http.post(f"{other_base}/import", files={"files": ("faq.csv", exported.content)})

    assert "'=2" in exported.text  # a spreadsheet must not run it
    copied = (await owner.http.get(other_base)).json()["items"]
    assert {(one["question"], one["answer"].lstrip("'")) for one in copied} == {
        ("Is it “open”?", 'Yes,\n"all" day'),
        ("What is =1+1?", "=2"),
    }
