"""Sources of any kind: what is kept of a run, and what happens when it is broken off."""

import asyncio
import hashlib
import os
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from rag_app.crypto import KeyRing
from rag_app.domain.encryption import EncryptionKey
from rag_app.domain.sources import Check, Schedule
from rag_app.errors import Conflict, InvalidInput, NotFound, PermanentError, TransientError
from rag_app.rag.sources.contract import (
    Checkpoint,
    Event,
    Found,
    Gone,
    Left,
    Note,
    Progress,
    RunContext,
    Same,
    SawEverything,
    SourceParts,
)  # fmt: skip
from rag_app.services.key_rotation import KeyRotationService, Rotation
from rag_app.services.source_runs import compared
from rag_app.services.sources import check_schedule

Script = Callable[[RunContext], AsyncGenerator[Event]]


@dataclass
class Shelf:
    """A kind of source whose runs the test writes."""

    NAME = "shelf"
    LABEL = "shelf"
    MANY = "shelves"
    ITEM = "book"
    ITEMS = "books"
    LIMIT: str | None = None
    ITEMS_LIMIT: str | None = None
    script: Script | None = None
    contexts: list[RunContext] = field(default_factory=list)
    parts: list[SourceParts] = field(default_factory=list)
    disconnected: list[str | None] = field(default_factory=list)

    def check_config(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        if not raw.get("place"):
            raise InvalidInput("Please say where it is.", field="place")
        return {"place": raw["place"], "depth": int(raw.get("depth", 1))}

    def title(self, config: Mapping[str, Any]) -> str:
        return f"Shelf at {config['place']}"

    def identity(self, config: Mapping[str, Any]) -> str:
        return config["place"].lower()

    def build(self, config: Mapping[str, Any], parts: SourceParts) -> "Reader":
        if config["place"] == "cellar":
            raise PermanentError("Nobody may go there.")
        self.parts.append(parts)
        return Reader(self, parts)


@dataclass
class Reader:
    shelf: Shelf
    parts: SourceParts

    async def check(self) -> Check:
        return Check(self.parts.secret == "right", "checked", (self.parts.secret or "no secret",))

    def read(self, run: RunContext) -> AsyncGenerator[Event]:
        self.shelf.contexts.append(run)
        assert self.shelf.script is not None
        return self.shelf.script(run)

    async def disconnect(self) -> None:
        self.shelf.disconnected.append(self.parts.secret)


def stored_files(services: Any) -> list[Path]:
    storage = services.sources.storage
    return [storage.path(sha256) for sha256 in storage.hashes()]


@pytest.fixture
def shelf(services) -> Shelf:
    kind = Shelf()
    services.sources.readers.kinds["shelf"] = kind
    return kind


def events(*all_of_them: Event) -> Script:
    async def read(run: RunContext) -> AsyncGenerator[Event]:
        for event in all_of_them:
            yield event

    return read


def book(key: str, text: str, **more: Any) -> Found:
    return Found(key, key.title(), f"{key}.md", text.encode(), **more)


@pytest.fixture
def ours(services, owner):
    """Do something with the sources of an owner's knowledge base."""

    @dataclass
    class Ours:
        kb_id: int
        source_id: int = 0

        async def create(self, **more: Any) -> Any:
            given = {"raw": {"place": "hall"}, **more}
            source = await services.sources.create(
                self.kb_id, owner_id=owner.user["id"], kind="shelf", **given
            )
            self.source_id = source.id
            return source

        async def do(self, what: str, *more: Any, **options: Any) -> Any:
            return await getattr(services.sources, what)(
                self.kb_id, self.source_id, *more, owner_id=owner.user["id"], kind="shelf", **options
            )

        async def run(self) -> None:
            await self.do("run_now")

    async def made(name: str = "KB") -> Ours:
        return Ours((await owner.create_kb(name))["id"])

    return made


async def test_what_is_found_can_be_searched_with_its_address_and_its_source(
    services, shelf, ours, owner, run_jobs, sql
):
    mine = await ours()
    written = datetime(2024, 5, 6, tzinfo=UTC)
    shelf.script = events(
        Progress("Looking", 2),
        book("holidays", "Everybody has thirty days of holidays.", url="https://a.example/holidays",
             modified_at=written, state={"etag": "1"}, tags=("hr",)),
        book("parking", "Parking is behind the house."),
        Left("secret", "Secret", "It is encrypted."),
        Left("noise", "Noise", "It is too short.", kind="skipped"),
        Note("Stopped after four."),
        Checkpoint({"at": 4}),
    )  # fmt: skip
    created = await mine.create()
    assert created.run.status == "waiting"
    assert created.name == "Shelf at hall"

    await run_jobs()

    source = await mine.do("get")
    assert source.run.status == "completed"
    assert source.problem == ""
    assert (source.n_items, source.n_failed) == (2, 1)
    counts = source.run.counts
    assert (counts.n_seen, counts.n_added, counts.n_failed, counts.n_skipped) == (4, 2, 1, 1)
    passages = await owner.search(mine.kb_id, "How many days of holidays?")
    assert passages[0]["source"] == "shelf"
    document = await services.documents.get(mine.kb_id, passages[0]["document_id"], owner_id=owner.user["id"])
    assert (document.url, document.modified_at) == ("https://a.example/holidays", written)
    assert (document.name, document.tags) == ("Holidays", ("hr",))
    items = await mine.do("items")
    assert [(item.key, item.status, item.reason) for item in reversed(items)] == [
        ("holidays", "kept", ""), ("parking", "kept", ""),
        ("secret", "failed", "It is encrypted."), ("noise", "skipped", "It is too short."),
    ]  # fmt: skip
    assert [item.key for item in await mine.do("items", status="failed")] == ["secret"]
    assert [item.key for item in await mine.do("items", text="PARK")] == ["parking"]
    history = await mine.do("events", source.run.id)
    assert [event.kind for event in history] == ["added", "added", "failed", "skipped", "note"]
    assert sql("SELECT cursor FROM sources") == [({"at": 4},)]


async def test_only_what_changed_is_read_again_and_the_change_can_be_seen(
    services, shelf, ours, owner, run_jobs, sql
):
    mine = await ours()
    shelf.script = events(
        book("one", "First line.\nThe price is 10 euros.\nLast line.", state={"v": 1}),
        book("two", "Nothing new here."),
    )
    await mine.create()
    await run_jobs()
    before = dict(sql("SELECT name, id FROM documents"))
    n_jobs = sql("SELECT count(*) FROM document_processing_jobs")[0][0]

    shelf.script = events(
        book("one", "First line.\nThe price is 12 euros.\nLast line.", state={"v": 2}), Same("two")
    )
    await mine.run()
    await run_jobs()

    known = await shelf.contexts[-1].known(["one", "two", "three"])
    assert set(known) == {"one", "two"}
    assert known["one"].state == {"v": 2}
    assert dict(sql("SELECT name, id FROM documents")) == before, "a document keeps its identity"
    assert sql("SELECT count(*) FROM document_processing_jobs")[0][0] == n_jobs + 1
    newest = (await mine.do("get")).run
    assert (newest.counts.n_changed, newest.counts.n_unchanged, newest.counts.n_added) == (1, 1, 0)
    (changed,) = await mine.do("events", newest.id)
    assert changed.kind == "changed"
    assert "-The price is 10 euros." in changed.diff
    assert "+The price is 12 euros." in changed.diff
    (passage,) = (await owner.search(mine.kb_id, "price in euros"))[:1]
    assert "12 euros" in passage["content"]
    assert not any("10 euros" in each["content"] for each in await owner.search(mine.kb_id, "price 10"))


async def test_text_that_is_the_same_is_not_read_again_whatever_else_changed(shelf, ours, run_jobs, sql):
    mine = await ours()
    shelf.script = events(book("one", "The same words.", state={"etag": "a"}))
    await mine.create()
    await run_jobs()
    shelf.script = events(book("one", "The same words.", state={"etag": "b"}))
    await mine.run()
    await run_jobs()
    assert sql("SELECT count(*) FROM document_processing_jobs") == [(1,)]
    assert sql("SELECT state FROM source_items") == [({"etag": "b"},)]


async def test_what_vanished_is_shown_as_missing_and_removed_after_its_grace_period(
    services, shelf, ours, owner, run_jobs, sql
):
    mine = await ours()
    shelf.script = events(
        book("stays", "This stays."), book("goes", "Unicorns live here."), Left("bad", "Bad", "Broken.")
    )
    await mine.create(schedule=Schedule(grace_hours=48))
    await run_jobs()

    shelf.script = events(Same("stays"), SawEverything())
    await mine.run()
    await run_jobs()
    assert {item.key: item.status for item in await mine.do("items")} == {"stays": "kept", "goes": "missing"}
    assert await owner.search(mine.kb_id, "unicorns"), "it can be found until the grace period ends"

    await services.source_runs.tend()
    assert len(await mine.do("items")) == 2
    sql("UPDATE source_items SET missing_since = now() - interval '49 hours' WHERE status = 'missing'")
    await services.source_runs.tend()
    assert [item.key for item in await mine.do("items")] == ["stays"]
    assert not [each for each in await owner.search(mine.kb_id, "unicorns") if "Unicorn" in each["content"]]
    assert sql("SELECT name FROM documents") == [("Stays",)]


async def test_what_comes_back_is_kept(shelf, ours, run_jobs, sql):
    mine = await ours()
    shelf.script = events(book("one", "One."), book("one/file", "Attached.", parent="one"))
    await mine.create()
    await run_jobs()
    shelf.script = events(Gone("one", "It was moved."))
    await mine.run()
    await run_jobs()
    assert {(each.key, each.status) for each in await mine.do("items")} == {
        ("one", "missing"), ("one/file", "missing"),
    }  # fmt: skip
    shelf.script = events(Same("one"), SawEverything())
    await mine.run()
    await run_jobs()
    assert {each.status for each in await mine.do("items")} == {"kept"}
    newest = (await mine.do("get")).run
    assert [event.kind for event in await mine.do("events", newest.id)] == ["back", "back"]


async def test_with_no_grace_what_is_gone_goes_at_once_and_its_file_is_free(shelf, ours, run_jobs, sql):
    mine = await ours()
    shelf.script = events(book("one", "One."), book("two", "Two."))
    await mine.create(schedule=Schedule(grace_hours=0))
    await run_jobs()
    shelf.script = events(Gone("one"))
    await mine.run()
    await run_jobs()
    assert sql("SELECT name FROM documents") == [("Two",)]
    newest = (await mine.do("get")).run
    assert [event.kind for event in await mine.do("events", newest.id)] == ["missing", "removed"]


async def test_the_same_text_twice_is_one_document_until_both_are_gone(shelf, ours, owner, run_jobs, sql):
    mine = await ours()
    await owner.upload(mine.kb_id, ("mine.md", b"Uploaded text."))
    shelf.script = events(
        book("a", "Twice the same."), book("b", "Twice the same."), book("c", "Uploaded text.")
    )
    await mine.create(schedule=Schedule(grace_hours=0))
    await run_jobs()
    assert sql("SELECT count(*) FROM documents") == [(2,)]

    shelf.script = events(Gone("a"), Gone("c"))
    await mine.run()
    await run_jobs()
    assert dict(sql("SELECT name, source FROM documents")) == {"A": "shelf", "mine.md": "document"}
    shelf.script = events(Gone("b"))
    await mine.run()
    await run_jobs()
    assert sql("SELECT name FROM documents") == [("mine.md",)], "what was uploaded stays"


async def test_a_text_that_changed_takes_no_file_from_anybody_else(
    services, shelf, ours, other, run_jobs, sql
):
    text, their_kb = "The same words everywhere.", await other.create_kb("Theirs")
    await other.upload(their_kb["id"], ("theirs.md", text.encode()))
    mine = await ours()
    shelf.script = events(book("one", text), book("two", "Only mine."))
    await mine.create()
    await run_jobs()
    for path in stored_files(services):
        os.utime(path, (0, 0))
    shelf.script = events(book("one", "Other words."), book("two", "Still only mine."))
    await mine.run()
    await run_jobs()
    for path in stored_files(services):
        os.utime(path, (0, 0))
    await services.maintenance.clean_up()
    kept = {path.name for path in stored_files(services)}
    assert hashlib.sha256(text.encode()).hexdigest() in kept
    assert hashlib.sha256(b"Only mine.").hexdigest() not in kept


async def test_a_page_that_is_not_taken_because_the_plan_is_full_leaves_the_file_of_the_old_one(
    services, shelf, ours, run_jobs, sql
):
    mine = await ours()
    shelf.script = events(book("one", "Small."))
    await mine.create()
    await run_jobs()
    for path in stored_files(services):
        os.utime(path, (0, 0))
    sql("UPDATE users SET limit_overrides = '{\"storage_bytes\": 1000}'")
    shelf.script = events(book("one", "x" * 5_000))
    await mine.run()
    await run_jobs()
    assert "allows" in (await mine.do("get")).problem
    ((sha256,),) = sql("SELECT sha256 FROM documents")
    assert services.sources.storage.path(sha256).exists()


async def test_what_its_owner_uploads_as_well_stays_when_the_source_loses_it(
    services, shelf, ours, owner, run_jobs, sql
):
    mine = await ours()
    shelf.script = events(book("one", "Our own words."), book("two", "More words."))
    await mine.create(schedule=Schedule(grace_hours=0))
    await run_jobs()
    await owner.upload(mine.kb_id, ("mine.md", b"Our own words."), ("too.md", b"More words."))
    listed = (await owner.http.get(f"/api/knowledge-bases/{mine.kb_id}/documents")).json()["items"]
    assert {each["name"] for each in listed} == {"One", "Two"}

    shelf.script = events(book("one", "Changed on the website."), Gone("two"))
    await mine.run()
    await run_jobs()
    texts = {each["content"] for each in await owner.search(mine.kb_id, "words website")}
    assert {"Our own words.", "More words.", "Changed on the website."} <= texts


async def test_a_text_of_two_sources_belongs_to_the_one_that_is_left(
    services, shelf, ours, owner, run_jobs, sql
):
    mine = await ours()
    shelf.script = events(book("one", "Both have this."), book("two", "Only the first has this."))
    await mine.create()
    await run_jobs()
    first = mine.source_id
    shelf.script = events(book("one", "Both have this."))
    await mine.create(raw={"place": "attic"}, schedule=Schedule(grace_hours=0))
    await run_jobs()
    second, mine.source_id = mine.source_id, first
    await mine.do("delete", keep_documents=True)
    assert sql("SELECT name, source, source_id FROM documents ORDER BY id") == [
        ("One", "shelf", second), ("Two", "document", None),
    ]  # fmt: skip
    mine.source_id = second
    shelf.script = events(Gone("one"))
    await mine.run()
    await run_jobs()
    assert sql("SELECT name FROM documents") == [("Two",)]


async def test_what_was_stopped_waits_for_its_next_turn(services, shelf, ours, run_jobs, sql):
    mine = await ours()
    shelf.script = events()
    await mine.create(schedule=Schedule(frequency_hours=24))
    await mine.do("stop")
    assert sql("SELECT next_run_at > now() + interval '23 hours' FROM sources") == [(True,)]
    sql("UPDATE sources SET next_run_at = now() - interval '1 hour'")
    await services.source_runs.tend()
    await mine.do("stop")
    await services.source_runs.tend()
    assert (await mine.do("get")).run.status == "cancelled"


async def test_a_new_password_ends_the_problem_at_once(services, shelf, ours, run_jobs):
    mine = await ours()

    async def refused(run: RunContext) -> AsyncGenerator[Event]:
        if shelf.parts[-1].secret != "right":
            raise PermanentError("The password is wrong.")
        yield book("one", "One.")

    shelf.script = refused
    await mine.create(secret="wrong")
    await run_jobs()
    assert (await mine.do("get")).problem
    await mine.do("change", secret="right")
    await run_jobs()
    source = await mine.do("get")
    assert (source.run.status, source.problem) == ("completed", "")


async def test_a_part_that_went_on_its_own_does_not_come_back_with_its_parent(shelf, ours, run_jobs):
    mine = await ours()
    shelf.script = events(book("mail", "Mail."), book("mail/file", "Attached.", parent="mail"))
    await mine.create()
    await run_jobs()
    shelf.script = events(Gone("mail/file", "Attachments are not wanted."), Same("mail"))
    await mine.run()
    await run_jobs()
    assert {each.key: each.status for each in await mine.do("items")} == {
        "mail": "kept", "mail/file": "missing",
    }  # fmt: skip


async def test_one_owners_many_sources_do_not_delay_anothers_first(services, shelf, ours, other, owner, sql):
    mine = await ours()
    shelf.script = events()
    for n in range(5):
        await mine.create(raw={"place": f"hall {n}"})
    theirs = await other.create_kb("Theirs")
    await services.sources.create(
        theirs["id"], owner_id=other.user["id"], kind="shelf", raw={"place": "elsewhere"}
    )
    order = sql("""SELECT r.kb_id FROM procrastinate_jobs p
                   JOIN source_runs r ON r.id = (p.args->>'run_id')::int ORDER BY p.priority DESC, p.id""")
    assert [kb_id for (kb_id,) in order].index(theirs["id"]) == 1


def test_a_text_too_long_to_be_compared_is_not(tmp_path):
    before = tmp_path / "before"
    before.write_text("a\nb\n" * 2_000)
    assert compared(before, b"a\nc\n" * 2_000) == ""
    before.write_text("one\ntwo")
    assert "+three" in compared(before, b"one\nthree")
    assert compared(tmp_path / "nowhere", b"one") == ""


async def test_of_two_with_one_text_the_one_that_changes_gets_a_document_of_its_own(
    shelf, ours, run_jobs, sql
):
    mine = await ours()
    shelf.script = events(book("a", "Same."), book("b", "Same."))
    await mine.create()
    await run_jobs()
    shelf.script = events(book("b", "Different now."))
    await mine.run()
    await run_jobs()
    assert sql("SELECT count(DISTINCT document_id), count(*) FROM source_items") == [(2, 2)]
    assert sql("SELECT count(*) FROM documents") == [(2,)]


async def test_a_run_that_is_broken_off_goes_on_from_its_checkpoint(shelf, ours, run_jobs, sql):
    mine = await ours()

    async def breaks_once(run: RunContext) -> AsyncGenerator[Event]:
        if not run.cursor:
            yield book("one", "One.")
            yield Checkpoint({"after": "one"})
            raise TransientError("The line is dead.")
        yield book("two", "Two.")

    shelf.script = breaks_once
    await mine.create()
    await run_jobs()
    assert (await mine.do("get")).run.status == "waiting"
    sql("UPDATE procrastinate_jobs SET scheduled_at = now()")
    await run_jobs()
    source = await mine.do("get")
    assert (source.run.status, source.run.attempt) == ("completed", 2)
    assert shelf.contexts[-1].cursor == {"after": "one"}
    assert {each.key for each in await mine.do("items")} == {"one", "two"}


async def test_a_lasting_outage_ends_the_run_and_it_is_tried_again_later(shelf, ours, run_jobs, sql):
    mine = await ours()

    async def away(run: RunContext) -> AsyncGenerator[Event]:
        raise TransientError("The server does not answer.")
        yield

    shelf.script = away
    await mine.create()
    for _ in range(6):
        await run_jobs()
        sql("UPDATE procrastinate_jobs SET scheduled_at = now()")
    source = await mine.do("get")
    assert (source.run.status, source.run.error_message) == ("failed", "The server does not answer.")
    assert (source.problem, source.n_failures) == ("The server does not answer.", 1)
    assert sql("SELECT next_run_at BETWEEN now() AND now() + interval '20 minutes' FROM sources") == [(True,)]


async def test_what_only_the_owner_can_mend_waits_for_the_owner(shelf, ours, run_jobs, sql):
    mine = await ours()

    async def refused(run: RunContext) -> AsyncGenerator[Event]:
        raise PermanentError("The password is wrong.")
        yield

    shelf.script = refused
    await mine.create()
    await run_jobs()
    source = await mine.do("get")
    assert (source.run.status, source.problem) == ("failed", "The password is wrong.")
    assert source.next_run_at is None
    shelf.script = events(book("one", "One."))
    await mine.run()
    await run_jobs()
    source = await mine.do("get")
    assert (source.run.status, source.problem, source.n_failures) == ("completed", "", 0)
    assert source.next_run_at is not None


async def test_a_fault_of_ours_is_no_end_of_a_run(shelf, ours, run_jobs, sql):
    mine = await ours()

    async def faulty(run: RunContext) -> AsyncGenerator[Event]:
        if len(shelf.contexts) == 1:
            raise KeyError("oops")
        yield book("one", "One.")

    shelf.script = faulty
    await mine.create()
    await run_jobs()
    sql("UPDATE procrastinate_jobs SET scheduled_at = now()")
    await run_jobs()
    assert (await mine.do("get")).run.status == "completed"


async def test_stopping_really_stops_and_keeps_what_there_is(services, shelf, ours, run_jobs):
    mine = await ours()
    going, closed = asyncio.Event(), asyncio.Event()

    async def endless(run: RunContext) -> AsyncGenerator[Event]:
        try:
            yield book("one", "One.")
            going.set()
            await asyncio.Event().wait()
        finally:
            closed.set()

    shelf.script = endless
    await mine.create()
    working = asyncio.create_task(run_jobs())
    await going.wait()
    stopped = await mine.do("stop")
    assert stopped.run.status == "cancelled"
    await working
    assert closed.is_set()
    assert [each.key for each in await mine.do("items")] == ["one"]
    with pytest.raises(Conflict, match="not being read"):
        await mine.do("stop")


async def test_a_worker_that_was_given_up_changes_nothing_any_more(services, shelf, ours, run_jobs, sql):
    mine = await ours()

    async def loses_its_turn(run: RunContext) -> AsyncGenerator[Event]:
        sql("UPDATE source_runs SET attempt = attempt + 1")  # another worker has claimed it
        yield book("one", "One.")

    shelf.script = loses_its_turn
    await mine.create()
    await run_jobs()
    assert await mine.do("items") == []
    assert (await mine.do("get")).run.status == "running"


async def test_a_run_the_queue_forgot_is_queued_again(services, shelf, ours, run_jobs, sql):
    mine = await ours()
    shelf.script = events(book("one", "One."))
    await mine.create()
    sql("DELETE FROM procrastinate_jobs")
    sql("UPDATE source_runs SET status = 'running', attempt = 1, updated_at = now() - interval '2 minutes'")
    await services.source_runs.tend()
    await run_jobs()
    assert (await mine.do("get")).run.status == "completed"


async def test_a_run_that_kills_its_workers_is_given_up(services, shelf, ours, run_jobs, sql):
    mine = await ours()
    shelf.script = events()
    await mine.create()
    sql("UPDATE source_runs SET attempt = 12")
    await run_jobs()
    assert "given up" in (await mine.do("get")).run.error_message


async def test_what_is_due_is_read_once_and_never_while_paused(services, shelf, ours, run_jobs, sql):
    mine = await ours()
    shelf.script = events(book("one", "One."))
    await mine.create(schedule=Schedule(frequency_hours=24))
    await run_jobs()
    assert sql("""SELECT next_run_at BETWEEN now() + interval '21 hours' AND now() + interval '27 hours'
                  FROM sources""") == [(True,)]
    sql("UPDATE sources SET next_run_at = now() - interval '1 hour'")
    await mine.do("set_paused", is_paused=True)
    await services.source_runs.tend()
    assert len(await mine.do("runs")) == 1
    await mine.do("set_paused", is_paused=False)
    await asyncio.gather(services.source_runs.tend(), services.source_runs.tend())
    runs = await mine.do("runs")
    assert [run.reason for run in runs] == ["schedule", "created"]
    with pytest.raises(Conflict, match="being read"):
        await mine.run()
    await run_jobs()
    assert len(shelf.contexts) == 2


async def test_a_source_without_a_schedule_is_read_only_when_asked(services, shelf, ours, run_jobs, sql):
    mine = await ours()
    shelf.script = events()
    await mine.create(schedule=Schedule(is_scheduled=False))
    await run_jobs()
    assert (await mine.do("get")).next_run_at is None


async def test_failed_items_are_handed_to_the_run_that_tries_again(services, shelf, ours, run_jobs):
    mine = await ours()
    shelf.script = events(Left("bad", "Bad", "Broken.", state={"uid": 7}), book("good", "Good."))
    await mine.create()
    await run_jobs()
    assert shelf.contexts[-1].again == ()
    shelf.script = events(book("bad", "Whole again."))
    await mine.do("retry_failed")
    await run_jobs()
    assert [(item.key, item.state) for item in shelf.contexts[-1].again] == [("bad", {"uid": 7})]
    assert {each.status for each in await mine.do("items")} == {"kept"}


async def test_a_secret_is_kept_sealed_lent_to_the_reader_and_never_to_another_place(
    services, shelf, ours, owner, run_jobs, sql
):
    mine = await ours()
    shelf.script = events()
    await mine.create(secret="right")
    ((stored, key_id),) = sql("SELECT secret, key_id FROM sources")
    assert b"right" not in bytes(stored)
    assert key_id
    assert "right" not in repr(await mine.do("get"))
    await run_jobs()
    assert shelf.parts[-1].secret == "right"
    mine_too = {"owner_id": owner.user["id"], "kind": "shelf"}
    same = await services.sources.check(mine.kb_id, raw={}, source_id=mine.source_id, **mine_too)
    assert same.is_ok
    moved = await services.sources.check(
        mine.kb_id, raw={"place": "attacker"}, source_id=mine.source_id, **mine_too
    )
    assert moved.details == ("no secret",)
    with pytest.raises(InvalidInput, match="password again"):
        await mine.do("change", raw={"place": "attacker"})
    await mine.do("change", raw={"depth": 2})
    await mine.do("delete")
    assert shelf.disconnected == ["right"]


async def test_rotation_of_keys_reaches_the_secrets_of_sources(services, shelf, ours, run_jobs, sql):
    mine = await ours()
    shelf.script = events()
    await mine.create(secret="right")
    newer = KeyRing((EncryptionKey("newer", bytes(range(32))), *services.sources.readers.ring.keys))
    assert await KeyRotationService(services.sources.sessions, newer).rotate() == Rotation(1, 0)
    assert sql("SELECT key_id FROM sources") == [("newer",)]
    services.sources.readers.__dict__["ring"] = newer
    await run_jobs()
    assert shelf.parts[-1].secret == "right"

    alone = KeyRing((EncryptionKey("other", bytes(range(1, 33))),))
    assert await KeyRotationService(services.sources.sessions, alone).rotate() == Rotation(0, 1)


async def test_a_secret_that_changes_during_a_run_is_kept(services, shelf, ours, run_jobs):
    mine = await ours()

    async def refreshes(run: RunContext) -> AsyncGenerator[Event]:
        save = shelf.parts[-1].save_secret
        assert save is not None
        await save("newer")
        yield Progress("done")

    shelf.script = refreshes
    await mine.create(secret="old")
    await run_jobs()
    shelf.script = events()
    await mine.run()
    await run_jobs()
    assert shelf.parts[-1].secret == "newer"


async def test_a_source_is_there_once_and_its_settings_are_checked(services, shelf, ours):
    mine = await ours()
    await mine.create()
    with pytest.raises(Conflict, match="has this shelf already"):
        await mine.create(raw={"place": "HALL"})
    with pytest.raises(InvalidInput, match="say where"):
        await mine.create(raw={})
    with pytest.raises(InvalidInput, match="Nobody may go there"):
        await mine.create(raw={"place": "cellar"})
    with pytest.raises(InvalidInput, match="every hour"):
        await mine.create(raw={"place": "x"}, schedule=Schedule(frequency_hours=0))
    with pytest.raises(InvalidInput, match="no kind of source"):
        await services.sources.create(mine.kb_id, owner_id=1, kind="nonsense", raw={})


async def test_other_settings_make_the_next_run_look_at_everything(shelf, ours, run_jobs, sql):
    mine = await ours()
    shelf.script = events(Checkpoint({"at": 9}))
    await mine.create()
    await run_jobs()
    await mine.do("change", name="Renamed")
    assert sql("SELECT cursor, name FROM sources") == [({"at": 9}, "Renamed")]
    await mine.do("change", raw={"depth": 3})
    await run_jobs()
    assert shelf.contexts[-1].cursor == {}


@pytest.mark.parametrize("keeps", [True, False], ids=["documents stay", "documents go"])
async def test_removing_a_source(services, shelf, ours, owner, run_jobs, sql, keeps):
    mine = await ours()
    shelf.script = events(*[book(f"b{n}", f"Text {n}.") for n in range(60)])
    await mine.create()
    await run_jobs()
    await mine.do("delete", keep_documents=keeps)
    assert sql("SELECT count(*) FROM sources") == [(0,)]
    assert sql("SELECT count(*) FROM source_items") == [(0,)]
    assert sql("SELECT count(*) FROM documents") == [(60 if keeps else 0,)]


async def test_deleting_the_knowledge_base_takes_its_sources_along(services, shelf, ours, owner, sql):
    mine = await ours()
    await mine.create()
    assert (await owner.http.delete(f"/api/knowledge-bases/{mine.kb_id}")).status_code < 300
    assert sql("SELECT count(*) FROM sources") == [(0,)]


async def test_nobody_else_can_do_anything_with_a_source(services, shelf, ours, other):
    mine = await ours()
    await mine.create()
    stranger = {"owner_id": other.user["id"], "kind": "shelf"}
    own = await other.create_kb("Other")
    for kb_id in (mine.kb_id, own["id"]):
        for what in ("get", "runs", "items", "run_now", "stop", "retry_failed", "delete", "change"):
            with pytest.raises(NotFound):
                await getattr(services.sources, what)(kb_id, mine.source_id, **stranger)
        with pytest.raises(NotFound):
            await services.sources.set_paused(kb_id, mine.source_id, is_paused=True, **stranger)
        with pytest.raises(NotFound):
            await services.sources.events(kb_id, mine.source_id, 1, **stranger)
        with pytest.raises(NotFound):
            await services.sources.check(kb_id, raw={"place": "x"}, source_id=mine.source_id, **stranger)
    with pytest.raises(NotFound):
        await services.sources.create(mine.kb_id, raw={"place": "x"}, **stranger)
    assert await services.sources.list_of(own["id"], owner_id=other.user["id"]) == []


async def test_a_full_plan_ends_the_run_with_its_reason(services, shelf, ours, owner, run_jobs, sql):
    mine = await ours()
    shelf.script = events(book("one", "One."), book("two", "x" * 5_000))
    await mine.create()
    sql("UPDATE users SET limit_overrides = '{\"storage_bytes\": 1000}'")
    await run_jobs()
    source = await mine.do("get")
    assert source.run.status == "failed"
    assert "allows" in source.problem
    assert source.next_run_at is not None, "it may have room later"
    assert [each.key for each in await mine.do("items")] == ["one"]


async def test_an_item_too_large_is_listed_with_its_reason(services, shelf, ours, run_jobs):
    services.source_runs.__dict__["max_bytes"] = 100
    mine = await ours()
    shelf.script = events(book("big", "x" * 200), book("small", "Small."))
    await mine.create()
    await run_jobs()
    assert {(each.key, each.status) for each in await mine.do("items")} == {
        ("big", "failed"), ("small", "kept"),
    }  # fmt: skip


async def test_one_owners_thousands_do_not_delay_anothers_first(owner, other, sql):
    many, one = await owner.create_kb("Many"), await other.create_kb("One")
    await owner.upload(many["id"], *[(f"{n}.txt", f"text {n}".encode()) for n in range(12)])
    await other.upload(one["id"], ("first.txt", b"first"))
    order = sql("""SELECT j.kb_id FROM procrastinate_jobs p JOIN document_processing_jobs j
                   ON j.id = (p.args->>'job_id')::int WHERE p.status = 'todo'
                   ORDER BY p.priority DESC, p.id""")
    assert [kb_id for (kb_id,) in order].index(one["id"]) == 1


def test_a_schedule_says_what_is_wrong_with_it():
    assert check_schedule(Schedule()) == Schedule()
    for wrong in (replace(Schedule(), frequency_hours=9_000), replace(Schedule(), grace_hours=-1)):
        with pytest.raises(InvalidInput):
            check_schedule(wrong)
