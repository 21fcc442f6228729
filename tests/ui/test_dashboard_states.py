"""The dashboard's states against real services: whose data, once only, errors where they belong."""

import asyncio

import pytest

from rag_app.errors import InvalidInput, NotFound, NotSignedIn
from rag_app.ui import routes
from rag_app.ui.dashboard.create_kb.state import CreateKbState
from rag_app.ui.dashboard.current_kb import CurrentKbState, same_tab
from rag_app.ui.dashboard.document.state import CHUNKS, DocumentState
from rag_app.ui.dashboard.knowledge_base import state as knowledge_base
from rag_app.ui.dashboard.knowledge_base.state import KnowledgeBaseState
from rag_app.ui.dashboard.my_knowledge_bases.state import MyKnowledgeBasesState
from rag_app.ui.dashboard.settings.state import SettingsState
from tests.ui.conftest import InBackground, happens

PASSWORD = "a long enough secret"  # every owner's
MARKDOWN = b"# Leave\n\nTwenty-five days a year.\n\n# Travel\n\nTrains before planes.\n"


@pytest.fixture(autouse=True)
def looked_at(monkeypatch):
    """Background events look often, at a tab that is connected."""
    monkeypatch.setattr(knowledge_base, "is_connected", lambda _: True)
    monkeypatch.setattr(knowledge_base, "LOOK_EVERY_S", 0.01)


async def documents_tab(tab, kb_id):
    tab.go_to(f"{routes.KNOWLEDGE_BASE}?kb={kb_id}")
    await happens(CurrentKbState.load.fn(await tab.state(CurrentKbState)))
    state = await tab.state(KnowledgeBaseState)
    await happens(KnowledgeBaseState.load.fn(state))
    return state


async def document_tab(tab, document_id, *, kb_id, query=""):
    tab.go_to(routes.document(document_id, kb_id=kb_id) + query)
    await happens(CurrentKbState.load.fn(await tab.state(CurrentKbState)))
    state = await tab.state(DocumentState)
    await happens(DocumentState.load.fn(state))
    return state


async def create_form(tab):
    state = await tab.state(CreateKbState)
    await happens(CreateKbState.open_new.fn(state))
    return state


# My knowledge bases


async def test_newcomer_has_nothing_and_needs_nothing(owner, open_tab):
    state = await open_tab(owner).state(MyKnowledgeBasesState)

    await happens(MyKnowledgeBasesState.load.fn(state))

    assert (state.has_any, state.is_loading, state.tasks) == (False, False, [])


async def test_empty_knowledge_base_asks_for_documents(owner, open_tab):
    kb = await owner.create_kb("Handbook")
    state = await open_tab(owner).state(MyKnowledgeBasesState)

    await happens(MyKnowledgeBasesState.load.fn(state))

    assert [(task.action, task.href) for task in state.tasks] == [
        ("Add documents", f"/knowledge?kb={kb['id']}")
    ]


async def test_archived_one_moves_to_its_own_section_and_back(owner, open_tab):
    kb = await owner.create_kb("Handbook")
    state = await open_tab(owner).state(MyKnowledgeBasesState)

    await happens(MyKnowledgeBasesState.archive.fn(state, kb["id"]))
    await happens(MyKnowledgeBasesState.load.fn(state))
    assert ([card.name for card in state.active], [card.name for card in state.archived]) == (
        [],
        ["Handbook"],
    )
    assert state.tasks == []

    tab = await state.get_state(CurrentKbState)
    await happens(CurrentKbState.load.fn(tab))
    assert (tab.options, tab.kb_id) == ([], 0)

    await happens(MyKnowledgeBasesState.bring_back.fn(state, kb["id"]))
    await happens(MyKnowledgeBasesState.load.fn(state))
    assert [card.name for card in state.active] == ["Handbook"]


async def test_deleting_wants_the_name(owner, open_tab):
    kb = await owner.create_kb("Handbook")
    state = await open_tab(owner).state(MyKnowledgeBasesState)
    await happens(MyKnowledgeBasesState.ask_to_delete.fn(state, kb["id"]))

    with pytest.raises(InvalidInput):
        await happens(MyKnowledgeBasesState.delete.fn(state, "Something else"))
    assert state.is_deleting is False

    await happens(MyKnowledgeBasesState.delete.fn(state, "Handbook"))
    await happens(MyKnowledgeBasesState.load.fn(state))
    assert state.has_any is False


async def test_list_goes_on_page_by_page(owner, open_tab, monkeypatch):
    monkeypatch.setattr("rag_app.ui.dashboard.my_knowledge_bases.state.PAGE", 2)
    for name in ("one", "two", "three"):
        await owner.create_kb(name)
    state = await open_tab(owner).state(MyKnowledgeBasesState)

    await happens(MyKnowledgeBasesState.load.fn(state))
    assert ([card.name for card in state.active], state.has_more) == (["three", "two"], True)

    await happens(MyKnowledgeBasesState.show_more.fn(state))
    assert ([card.name for card in state.active], state.has_more) == (["three", "two", "one"], False)


# The window of one knowledge base


async def test_double_click_creates_one(owner, open_tab):
    state = await create_form(open_tab(owner))

    first = await happens(CreateKbState.save.fn(state, {"name": "Handbook"}))
    second = await happens(CreateKbState.save.fn(state, {"name": "Handbook"}))

    listed = (await owner.http.get("/api/knowledge-bases")).json()["items"]
    assert [kb["name"] for kb in listed] == ["Handbook"]
    assert f"/knowledge?kb={listed[0]['id']}" in str(first)
    assert second == []


async def test_second_press_during_the_first_does_nothing(owner, open_tab):
    state = await create_form(open_tab(owner))
    saving = CreateKbState.save.fn(state, {"name": "Handbook"})
    await anext(saving)

    assert await happens(CreateKbState.save.fn(state, {"name": "Handbook"})) == []
    await happens(saving)
    assert len((await owner.http.get("/api/knowledge-bases")).json()["items"]) == 1


@pytest.mark.parametrize(
    ("form", "field", "error"),
    [
        pytest.param({"name": " "}, "name", "Please enter a name.", id="no name"),
        pytest.param({}, "name", "Please enter a name.", id="nothing sent"),
        pytest.param({"name": ["x"]}, "name", "Please enter a name.", id="not a text"),
        pytest.param({"name": "x" * 121}, "name", "at most 120", id="long name"),
        pytest.param({"name": "x", "description": "x" * 2001}, "description", "2,000", id="long description"),
    ],
)
async def test_new_one_says_what_is_wrong_under_its_field(owner, open_tab, form, field, error):
    state = await create_form(open_tab(owner))

    await happens(CreateKbState.save.fn(state, form))

    assert error in getattr(state.errors, field)
    assert (state.is_open, state.is_saving) == (True, False)


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("temperature", "nan"),
        ("temperature", "3"),
        ("temperature", "warm"),
        ("max_tokens", "1.5"),
        ("max_tokens", "9" * 30),
    ],
)
async def test_edit_says_what_is_wrong_under_its_field(owner, open_tab, field, text):
    kb = await owner.create_kb("Handbook")
    state = await open_tab(owner).state(CreateKbState)
    await happens(CreateKbState.open_existing.fn(state, kb["id"]))

    form = {"name": "Handbook", "temperature": "0.5", "max_tokens": "500"} | {field: text}
    await happens(CreateKbState.save.fn(state, form))

    assert getattr(state.errors, field).startswith("Please enter a")


async def test_edit_keeps_what_was_typed(owner, open_tab):
    kb = await owner.create_kb("Handbook")
    state = await open_tab(owner).state(CreateKbState)
    await happens(CreateKbState.open_existing.fn(state, str(kb["id"])))
    assert state.begins_with.name == "Handbook"

    form = {"name": "Rules", "system_prompt": "Be brief.", "temperature": "0,3", "max_tokens": "500"}
    await happens(CreateKbState.save.fn(state, form))

    kept = (await owner.http.get(f"/api/knowledge-bases/{kb['id']}")).json()
    assert (kept["name"], kept["system_prompt"], kept["temperature"], kept["max_tokens"]) == (
        "Rules", "Be brief.", 0.3, 500,
    )  # fmt: skip


async def test_built_in_model_is_preselected_and_a_provider_without_key_says_why_not(owner, open_tab):
    state = await create_form(open_tab(owner))
    assert state.provider == "local"
    assert [option.is_disabled for option in state.providers if option.name == "openai"] == [True]

    await happens(CreateKbState.choose_provider.fn(state, "openai"))

    assert state.provider == "local"
    assert "no key" in state.errors.llm_provider


# Documents


async def test_upload_is_followed_until_it_is_ready(owner, open_tab, run_jobs):
    kb = await owner.create_kb()
    await owner.upload(kb["id"], ("leave.md", MARKDOWN))
    state = await documents_tab(open_tab(owner), kb["id"])
    assert [(row.name, row.state, row.is_working) for row in state.rows] == [("leave.md", "Received", True)]
    assert state.batch.is_open

    watching = asyncio.create_task(happens(KnowledgeBaseState.watch.fn(InBackground(state))))
    await run_jobs()
    said = await asyncio.wait_for(watching, 10)

    assert [(row.state, row.is_working) for row in state.rows] == [("Ready", False)]
    assert (state.batch.is_open, state._watcher) == (False, 0)
    assert "ready to be asked" in str(said)


async def test_only_one_event_watches(owner, open_tab):
    kb = await owner.create_kb()
    await owner.upload(kb["id"], ("leave.md", MARKDOWN))
    tab = open_tab(owner)
    state = await documents_tab(tab, kb["id"])
    watching = asyncio.create_task(happens(KnowledgeBaseState.watch.fn(InBackground(state))))
    await asyncio.sleep(0.05)

    await asyncio.wait_for(happens(KnowledgeBaseState.watch.fn(InBackground(state))), 1)
    assert (watching.done(), state._has_news) == (False, True)

    tab.go_to(routes.SETTINGS)
    await asyncio.wait_for(watching, 5)


async def test_watching_ends_when_the_tab_is_gone(owner, open_tab, monkeypatch):
    kb = await owner.create_kb()
    await owner.upload(kb["id"], ("leave.md", MARKDOWN))
    state = await documents_tab(open_tab(owner), kb["id"])
    monkeypatch.setattr(knowledge_base, "is_connected", lambda _: False)

    await asyncio.wait_for(happens(KnowledgeBaseState.watch.fn(InBackground(state))), 5)

    assert state._watcher == 0


async def test_watching_ends_with_the_sign_in(owner, open_tab):
    kb = await owner.create_kb()
    await owner.upload(kb["id"], ("leave.md", MARKDOWN))
    state = await documents_tab(open_tab(owner), kb["id"])
    await owner.http.post("/api/auth/logout")

    with pytest.raises(NotSignedIn):
        await asyncio.wait_for(happens(KnowledgeBaseState.watch.fn(InBackground(state))), 5)

    assert state._watcher == 0


async def test_newer_visit_takes_the_watch_over(owner, open_tab):
    kb = await owner.create_kb()
    await owner.upload(kb["id"], ("leave.md", MARKDOWN))
    tab = open_tab(owner)
    state = await documents_tab(tab, kb["id"])
    old = asyncio.create_task(happens(KnowledgeBaseState.watch.fn(InBackground(state))))
    await asyncio.sleep(0.05)

    await documents_tab(tab, kb["id"])
    new = asyncio.create_task(happens(KnowledgeBaseState.watch.fn(InBackground(state))))
    await asyncio.wait_for(old, 5)

    assert not new.done()
    tab.go_to("/")
    await asyncio.wait_for(new, 5)


async def test_failed_file_says_why_and_can_be_retried(owner, open_tab, run_jobs):
    kb = await owner.create_kb()
    await owner.upload(kb["id"], ("empty.pdf", b""))
    await run_jobs()
    state = await documents_tab(open_tab(owner), kb["id"])
    [row] = state.rows
    assert (row.state, row.can_retry) == ("Failed", True)
    assert "empty" in row.problem

    await happens(KnowledgeBaseState.retry.fn(state, row.job_id))
    assert [row.state for row in state.rows] == ["Received"]

    await happens(KnowledgeBaseState.cancel.fn(state, row.job_id))
    assert [(row.state, row.can_retry) for row in state.rows] == [("Cancelled", True)]


async def test_duplicate_is_named(owner, open_tab):
    kb = await owner.create_kb()
    state = await documents_tab(open_tab(owner), kb["id"])

    for is_duplicate in (False, True, True):
        await happens(KnowledgeBaseState.file_uploaded.fn(state, "leave.md", is_duplicate))

    assert (state.duplicates, state.more_duplicates) == (["leave.md"], "")


async def test_many_duplicates_are_counted(owner, open_tab):
    kb = await owner.create_kb()
    state = await documents_tab(open_tab(owner), kb["id"])

    for n in range(13):
        await happens(KnowledgeBaseState.file_uploaded.fn(state, f"{n}.md", True))
    assert (len(state.duplicates), state.more_duplicates) == (5, "and 8 other files")

    await happens(KnowledgeBaseState.forget_duplicates.fn(state))
    assert (state.duplicates, state.more_duplicates) == ([], "")


async def test_list_is_filtered_and_paged(owner, open_tab, monkeypatch):
    monkeypatch.setattr(knowledge_base, "PAGE", 2)
    kb = await owner.create_kb()
    await owner.upload(kb["id"], *((f"{name}.txt", name.encode()) for name in ("one", "two", "three")))
    state = await documents_tab(open_tab(owner), kb["id"])
    names = lambda: [row.name for row in state.rows]  # noqa: E731

    assert (names(), state.has_newer, state.has_older) == (["three.txt", "two.txt"], False, True)
    await happens(KnowledgeBaseState.older.fn(state))
    assert (names(), state.has_newer, state.has_older) == (["one.txt"], True, False)
    await happens(KnowledgeBaseState.newer.fn(state))
    assert names() == ["three.txt", "two.txt"]
    await happens(KnowledgeBaseState.filter_name.fn(state, "WO"))
    assert names() == ["two.txt"]
    await happens(KnowledgeBaseState.filter_status.fn(state, "failed"))
    assert names() == []
    with pytest.raises(InvalidInput):
        await happens(KnowledgeBaseState.filter_status.fn(state, "anything"))


async def test_deleting_a_document_takes_two_steps(owner, open_tab):
    kb = await owner.create_kb()
    [job] = await owner.upload(kb["id"], ("leave.md", MARKDOWN))
    state = await documents_tab(open_tab(owner), kb["id"])
    await happens(KnowledgeBaseState.delete.fn(state))
    assert len(state.rows) == 1

    await happens(KnowledgeBaseState.ask_to_delete.fn(state, job["document_id"]))
    assert state.deleting_name == "leave.md"
    await happens(KnowledgeBaseState.delete.fn(state))

    assert state.rows == []


# One document


@pytest.fixture
async def read_document(owner, run_jobs):
    kb = await owner.create_kb()
    [job] = await owner.upload(kb["id"], ("leave.md", MARKDOWN))
    await run_jobs()
    return kb["id"], job["document_id"]


async def test_document_shows_text_then_chunks(owner, open_tab, read_document):
    kb_id, document_id = read_document
    state = await document_tab(open_tab(owner), document_id, kb_id=kb_id)
    assert "Twenty-five days a year." in [block.text for block in state.parts[0].blocks]

    await happens(DocumentState.open_tab.fn(state, "chunks"))

    assert "Twenty-five days" in state.chunks[0].content


@pytest.mark.parametrize(("parameter", "how"), [("chunk", "Cited"), ("found", "Found")])
async def test_link_to_a_chunk_opens_it(owner, open_tab, read_document, parameter, how):
    kb_id, document_id = read_document
    tab = open_tab(owner)
    state = await document_tab(tab, document_id, kb_id=kb_id)
    await happens(DocumentState.open_tab.fn(state, "chunks"))
    chunk_id = state.chunks[-1].id

    state = await document_tab(tab, document_id, kb_id=kb_id, query=f"&{parameter}={chunk_id}")

    assert (state.tab, state.wanted_as) == ("chunks", how)
    assert [chunk.id for chunk in state.chunks if chunk.is_wanted] == [chunk_id]


async def test_link_from_a_citation_marks_what_was_quoted(owner, open_tab, read_document):
    kb_id, document_id = read_document
    tab = open_tab(owner)
    state = await document_tab(tab, document_id, kb_id=kb_id)
    await happens(DocumentState.open_tab.fn(state, "chunks"))
    chunk = next(each for each in state.chunks if "Twenty-five days" in each.content)
    begin = chunk.content.index("Twenty-five")

    async def marked(quoted: str) -> list[str]:
        query = f"&chunk={chunk.id}&quoted={quoted}"
        shown = await document_tab(tab, document_id, kb_id=kb_id, query=query)
        return [block.quote for each in shown.chunks for block in each.blocks if block.quote]

    assert await marked(f"{begin}-{begin + 16}") == ["Twenty-five days"]
    assert await marked("5-2") == await marked("x") == await marked("9" * 40) == []


@pytest.mark.parametrize("chunk", ["0", "x", "99999999", "9" * 40])
async def test_link_to_a_chunk_that_is_gone_opens_the_text(owner, open_tab, read_document, chunk):
    kb_id, document_id = read_document

    state = await document_tab(open_tab(owner), document_id, kb_id=kb_id, query=f"&chunk={chunk}")

    assert (state.tab, state.is_missing) == ("text", False)


async def test_chunk_is_edited_and_switched_off(owner, open_tab, read_document):
    kb_id, document_id = read_document
    state = await document_tab(open_tab(owner), document_id, kb_id=kb_id)
    await happens(DocumentState.open_tab.fn(state, "chunks"))
    chunk_id = state.chunks[0].id
    await happens(DocumentState.edit.fn(state, chunk_id))

    await happens(DocumentState.save.fn(state, {"content": "  "}))
    assert "Please enter some text" in state.edit_error
    await happens(DocumentState.save.fn(state, {"content": "Thirty days a year."}))
    await happens(DocumentState.switch_chunk.fn(state, chunk_id, False))

    chunk = state.chunks[0]
    assert (chunk.content, chunk.is_edited, chunk.is_enabled) == ("Thirty days a year.", True, False)
    assert state.editing_id == 0


async def test_long_document_is_shown_a_window_at_a_time(owner, open_tab, run_jobs):
    kb = await owner.create_kb()
    text = "\n\n".join(f"# Part {n}\n\n{f'word{n} ' * 150}" for n in range(200)).encode()
    [job] = await owner.upload(kb["id"], ("long.md", text))
    await run_jobs()
    state = await document_tab(open_tab(owner), job["document_id"], kb_id=kb["id"])
    assert (len(state.parts), state.has_earlier_text, state.has_later_text) == (20, False, True)
    await happens(DocumentState.later.fn(state))
    assert (state.has_earlier_text, state.has_later_text) == (True, False)

    await happens(DocumentState.open_tab.fn(state, "chunks"))
    assert (len(state.chunks), state.has_later_chunks) == (CHUNKS, True)
    await happens(DocumentState.later.fn(state))
    assert state.chunks[0].title == f"Chunk {CHUNKS + 1}"


# Whose it is


async def test_others_see_nothing_of_a_knowledge_base(owner, other, open_tab):
    kb = await owner.create_kb("Secret")
    tab = open_tab(other)

    state = await documents_tab(tab, kb["id"])
    assert state.summary.kb_id == 0

    cards = await tab.state(MyKnowledgeBasesState)
    await happens(MyKnowledgeBasesState.load.fn(cards))
    assert cards.has_any is False


async def test_others_cannot_act_on_a_knowledge_base(owner, other, open_tab):
    kb_id = (await owner.create_kb("Secret"))["id"]
    tab = open_tab(other)
    cards, form = await tab.state(MyKnowledgeBasesState), await tab.state(CreateKbState)

    for event in (
        MyKnowledgeBasesState.archive.fn(cards, kb_id),
        MyKnowledgeBasesState.bring_back.fn(cards, kb_id),
        MyKnowledgeBasesState.ask_to_delete.fn(cards, kb_id),
        CreateKbState.open_existing.fn(form, kb_id),
    ):
        with pytest.raises(NotFound):
            await happens(event)


async def test_others_cannot_act_on_documents(owner, other, open_tab, run_jobs):
    kb = await owner.create_kb("Secret")
    [job] = await owner.upload(kb["id"], ("leave.md", MARKDOWN))
    await run_jobs()
    own = await other.create_kb("Mine")
    tab = open_tab(other)
    state = await documents_tab(tab, own["id"])

    for event in (
        KnowledgeBaseState.retry.fn(state, job["id"]),
        KnowledgeBaseState.cancel.fn(state, job["id"]),
        KnowledgeBaseState.read_again.fn(state, job["document_id"]),
        KnowledgeBaseState.ask_to_delete.fn(state, job["document_id"]),
    ):
        with pytest.raises(NotFound):
            await happens(event)
    for kb_id in (own["id"], kb["id"]):
        shown = await document_tab(tab, job["document_id"], kb_id=kb_id)
        assert shown.is_missing
        assert shown.parts == []


@pytest.mark.parametrize("value", [0, -1, "x", "1; drop", None, True, 1.5, ["1"], {"id": 1}, "9" * 5000])
async def test_ids_that_are_none_are_refused_in_words(owner, open_tab, value):
    state = await open_tab(owner).state(MyKnowledgeBasesState)

    with pytest.raises(InvalidInput):
        await happens(MyKnowledgeBasesState.archive.fn(state, value))


async def test_nobody_is_asked_to_sign_in(services, open_tab):
    tab = open_tab(None)

    for kind in (MyKnowledgeBasesState, KnowledgeBaseState, DocumentState, SettingsState):
        state = await tab.state(kind)
        assert await happens(kind.load.fn(state)) == []
        assert state.is_loading
    with pytest.raises(NotSignedIn):
        await happens(CreateKbState.open_new.fn(await tab.state(CreateKbState)))


# Settings


async def test_name_is_changed_everywhere_at_once(owner, open_tab):
    state = await open_tab(owner).state(SettingsState)

    await happens(SettingsState.rename.fn(state, {"name": " "}))
    assert state.errors.name == "Please enter a name."
    await happens(SettingsState.rename.fn(state, {"name": "  Ada   King "}))

    assert (state.name, state.errors.name) == ("Ada King", "")


@pytest.mark.parametrize(
    ("current", "new", "repeated", "field"),
    [
        pytest.param("wrong", "a new long one", "a new long one", "current", id="wrong"),
        pytest.param(PASSWORD, "1234567", "1234567", "password", id="short"),
        pytest.param(PASSWORD, "one long secret", "another", "repeated", id="not repeated"),
    ],
)
async def test_password_says_what_is_wrong_under_its_field(owner, open_tab, current, new, repeated, field):
    state = await open_tab(owner).state(SettingsState)

    form = {"current": current, "new_password": new, "repeated": repeated}
    await happens(SettingsState.change_password.fn(state, form))

    assert getattr(state.errors, field)
    assert (state.n_password_changes, state.is_changing_password) == (0, False)


async def test_new_password_ends_the_other_sign_ins(owner, client, open_tab):
    login = {"email": owner.email, "password": PASSWORD}
    assert (await client.post("/api/auth/login", json=login)).status_code == 200
    state = await open_tab(owner).state(SettingsState)
    await happens(SettingsState.load.fn(state))
    assert (len(state.sign_ins), state.is_elsewhere) == (2, True)

    new = {
        "current": login["password"],
        "new_password": "quite another secret",
        "repeated": "quite another secret",
    }
    said = await happens(SettingsState.change_password.fn(state, new))

    assert "1 other sign-in ended" in str(said)
    assert [sign_in.is_current for sign_in in state.sign_ins] == [True]


# Addresses


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/knowledge/", "/knowledge?kb=7"),
        ("/knowledge/document/3/", "/knowledge?kb=7"),
        ("/chat/2", "/chat/7"),
        ("/settings", "/settings?kb=7"),
        ("/", "/knowledge?kb=7"),
    ],
)
def test_choosing_another_knowledge_base_stays_on_the_tab(path, expected):
    assert same_tab(path, kb_id=7) == expected


async def test_document_is_tagged_and_listed_by_its_tags(owner, open_tab, read_document):
    kb_id, document_id = read_document
    await owner.upload(kb_id, ("other.txt", b"Other."))
    state = await document_tab(open_tab(owner), document_id, kb_id=kb_id)
    await happens(DocumentState.add_tags.fn(state, {"tags": " HR , hr,Leave"}))
    await happens(DocumentState.add_tags.fn(state, {"tags": "  "}))
    assert (state.tags, state.n_tags_added) == (["HR", "Leave"], 1)
    await happens(DocumentState.remove_tag.fn(state, "Leave"))
    assert state.tags == ["HR"]

    documents = await documents_tab(open_tab(owner), kb_id)
    assert documents.tags == [("", "All tags"), ("HR", "HR")]
    await happens(KnowledgeBaseState.filter_tag.fn(documents, "HR"))
    assert [(row.name, row.tags) for row in documents.rows] == [("leave.md", ["HR"])]
    with pytest.raises(InvalidInput):
        await happens(KnowledgeBaseState.filter_tag.fn(documents, "Unheard of"))
    await happens(KnowledgeBaseState.show_all.fn(documents))
    assert len(documents.rows) == 2


async def test_tag_that_is_too_long_says_so_and_changes_nothing(owner, open_tab, read_document):
    kb_id, document_id = read_document
    state = await document_tab(open_tab(owner), document_id, kb_id=kb_id)

    await happens(DocumentState.add_tags.fn(state, {"tags": "x" * 41}))

    assert "at most 40 characters" in state.tag_error
    assert (state.tags, state.n_tags_added) == ([], 0)
