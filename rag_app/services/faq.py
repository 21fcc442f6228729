"""FAQ entries: pairs of a question and a curated answer.

An entry is kept as a small file with a document of its own, and takes the same way as every other file:
its job, its chunks, its retries. What is asked nearly as one of them asks it gets the answer as it is.
"""

import csv
import hashlib
import io
import tempfile
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePath
from typing import Any

import procrastinate
import structlog

from rag_app.db import queue
from rag_app.db.engine import Sessions
from rag_app.db.queries import access, accounts, conversations, documents, faq, jobs, knowledge_bases
from rag_app.domain.faq import SOURCE, FaqDraft, FaqEntry, FaqImport, FaqPair, FaqRow, Origin
from rag_app.domain.knowledge_bases import KbScope
from rag_app.domain.limits import CHUNKS, STORAGE
from rag_app.errors import Conflict, InvalidInput, NotFound, PermanentError
from rag_app.rag import faq as rag_faq
from rag_app.rag import faq_table
from rag_app.rag.citations import without_markers
from rag_app.rag.parsers.contract import ParseLimits
from rag_app.rag.parsers.sandbox import parse_file
from rag_app.services.limits import LimitService
from rag_app.services.tags import clean_tags
from rag_app.services.text import clean_line, clean_text
from rag_app.storage import Storage, StoredFile

log = structlog.get_logger()

MAX_QUESTION = 1_000
MAX_ANSWER = 20_000
MAX_IMPORT_BYTES = 20 * 2**20
MAX_IMPORT_ROWS = 5_000
ROWS_AT_ONCE = 50
EXPORTED_AT_ONCE = 500
SPREADSHEETS = {".xlsx", ".xls", ".ods"}
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet would run


@dataclass(frozen=True)
class FaqService:
    """The FAQ entries of an owner's knowledge bases."""

    sessions: Sessions
    storage: Storage
    jobs_queue: procrastinate.App
    parse_limits: ParseLimits
    quotas: LimitService

    async def add(
        self,
        kb_id: int,
        *,
        owner_id: int,
        question: str,
        answer: str,
        tags: Iterable[str] = (),
        message_ids: Sequence[int] = (),
    ) -> FaqEntry:
        """Add an entry; it is found a moment later.

        Args:
            message_ids: the answers of conversations it is made from.

        Raises:
            NotFound: the knowledge base is not this owner's, or has no such answers.
            InvalidInput: question or answer is missing or too long.
            Conflict: the question is there already.
            PlanFull: the owner's plan allows no more.
        """
        pair, cleaned = check_pair(question, answer), clean_tags(tags)
        await self.quotas.check_room(STORAGE, CHUNKS, owner_id=owner_id)
        stored = await self._keep(pair)
        origin: Origin = "conversation" if message_ids else "typed"
        async with self.sessions.begin() as session:
            scope = await access.owned(session, kb_id=kb_id, owner_id=owner_id, hold=True)
            entry_id = await self._insert(session, scope, pair, stored, origin)
            entry = await faq.get(session, scope, entry_id=entry_id)
            if cleaned:
                await documents.set_tags(session, scope, document_id=entry.document_id, tags=cleaned)
                entry = await faq.get(session, scope, entry_id=entry_id)
            await self._mark(session, scope, entry_id, message_ids)
            await self._note(session, owner_id, kb_id, "faq_added", entry_id=entry_id)
            await self.quotas.keep_within(session, STORAGE, owner_id=owner_id)
        return entry

    async def get(self, kb_id: int, entry_id: int, *, owner_id: int) -> FaqEntry:
        """One entry. Raises NotFound."""
        async with self.sessions() as session:
            scope = await access.owned(session, kb_id=kb_id, owner_id=owner_id)
            return await faq.get(session, scope, entry_id=entry_id)

    async def of_question(self, kb_id: int, question: str, *, owner_id: int) -> FaqEntry | None:
        """The entry that has a question, whatever its case and punctuation. Raises NotFound."""
        key = question_key(question)
        async with self.sessions() as session:
            scope = await access.owned(session, kb_id=kb_id, owner_id=owner_id)
            return (await faq.by_question(session, scope, question_keys=[key])).get(key)

    async def draft(self, conversation_id: int, message_id: int, *, owner_id: int) -> FaqDraft:
        """What an entry made from an answer begins with: a follow-up has its subject, the answer no markers.

        Raises:
            NotFound: there is no such answer in a conversation with this owner's knowledge bases.
        """
        async with self.sessions() as session:
            scope = await conversations.scope_for_owner(
                session, conversation_id=conversation_id, owner_id=owner_id
            )
            where = {"conversation_id": conversation_id}
            answer = await conversations.message(session, scope, message_id=message_id, **where)
            earlier = await conversations.messages(session, scope, before=message_id, limit=1, **where)
        if answer.sender != "assistant" or not earlier or earlier[-1].sender != "user":
            raise NotFound("answer")
        question = str(answer.metadata.get("searched") or earlier[-1].content)
        text = without_markers(answer.content).strip()
        return FaqDraft(
            scope.kb_id, clean_line(question, max_characters=MAX_QUESTION), text, answer.faq_entry_id
        )

    async def list_of(
        self,
        kb_id: int,
        *,
        owner_id: int,
        before: int | None = None,
        limit: int = 50,
        text: str | None = None,
        status: str | None = None,
    ) -> list[FaqEntry]:
        """Entries, newest first; `text` is part of the question or answer. Raises NotFound."""
        async with self.sessions() as session:
            scope = await access.owned(session, kb_id=kb_id, owner_id=owner_id)
            return await faq.page_of(session, scope, before=before, limit=limit, text=text, status=status)

    async def count(self, kb_id: int, *, owner_id: int) -> int:
        """How many entries there are. Raises NotFound."""
        async with self.sessions() as session:
            scope = await access.owned(session, kb_id=kb_id, owner_id=owner_id)
            return await faq.count(session, scope)

    async def update(
        self,
        kb_id: int,
        entry_id: int,
        *,
        owner_id: int,
        question: str | None = None,
        answer: str | None = None,
        tags: Iterable[str] | None = None,
        message_ids: Sequence[int] = (),
    ) -> FaqEntry:
        """Change an entry; until its new words are indexed it is found by the old ones.

        Args:
            message_ids: the answers of conversations that brought the change.

        Raises:
            NotFound: it is not in this owner's knowledge base, or that has no such answers.
            InvalidInput: question or answer is missing or too long.
            Conflict: another entry has the question.
        """
        cleaned = None if tags is None else clean_tags(tags)
        now = await self.get(kb_id, entry_id, owner_id=owner_id)
        pair = check_pair(
            now.question if question is None else question, now.answer if answer is None else answer
        )
        is_changed = pair != FaqPair(now.question, now.answer)
        stored = await self._keep(pair) if is_changed else None
        async with self.sessions.begin() as session:
            scope = await access.owned(session, kb_id=kb_id, owner_id=owner_id, hold=True)
            if stored is not None:
                await self._change(session, scope, now, pair, stored)
            if cleaned is not None:
                await documents.set_tags(session, scope, document_id=now.document_id, tags=cleaned)
            await self._mark(session, scope, entry_id, message_ids)
            await self._note(session, owner_id, kb_id, "faq_changed", entry_id=entry_id)
            return await faq.get(session, scope, entry_id=entry_id)

    async def delete(self, kb_id: int, entry_ids: Sequence[int], *, owner_id: int) -> None:
        """Delete entries; all of them or, when one is not there, none. Raises NotFound."""
        removable: list[str] = []
        async with self.sessions.begin() as session:
            scope = await access.owned(session, kb_id=kb_id, owner_id=owner_id, hold=True)
            for entry_id in sorted(set(entry_ids)):
                entry = await faq.get(session, scope, entry_id=entry_id)
                sha256 = await documents.delete(session, scope, document_id=entry.document_id)
                if sha256 is not None:
                    removable.append(sha256)
                await self._note(session, owner_id, kb_id, "faq_deleted", entry_id=entry_id)
        for sha256 in removable:
            self.storage.remove_if_old(sha256)

    # Files

    async def take_file(
        self,
        kb_id: int,
        *,
        owner_id: int,
        content: bytes,
        file_name: str,
        question_column: int | None = None,
        answer_column: int | None = None,
        replace: bool = False,
        preview: bool = False,
    ) -> FaqImport:
        """Take the pairs of a CSV file or spreadsheet in, or say what would come of it.

        Args:
            question_column: which column holds questions, from 0; found by its name when left out.
            answer_column: which column holds answers.
            replace: give questions that are there already their new answers; else they stay as they are.
            preview: change nothing.

        Raises:
            NotFound: the knowledge base is not this owner's.
            InvalidInput: the file is no table, too long, or has no such columns.
            PlanFull: the owner's plan allows no more; rows taken in before that stay.
        """
        if not preview:
            await self.quotas.check_room(STORAGE, CHUNKS, owner_id=owner_id)
        async with self.sessions() as session:
            scope = await access.owned(session, kb_id=kb_id, owner_id=owner_id)
        table = await self._table(content, file_name)
        header = table[0][1]
        found = faq_table.find_columns(header)
        question_at = found[0] if question_column is None else question_column
        answer_at = found[1] if answer_column is None else answer_column
        if not {question_at, answer_at} <= set(range(len(header))) or question_at == answer_at:
            raise InvalidInput("Please choose one column for questions and another one for answers.")
        rows = _rows(table[1:], question_at, answer_at)
        async with self.sessions() as session:
            keys = [question_key(row.question) for row in rows if not row.problem]
            there = await faq.by_question(session, scope, question_keys=keys)
        judged = [_judged(row, there) for row in rows]
        result = _summary(judged, there, header, question_at, answer_at, replace=replace, preview=preview)
        if not preview:
            fit = [row for row in judged if not row.problem]
            for batch in batched(fit, ROWS_AT_ONCE):
                await self._take_rows(kb_id, owner_id, batch, there, replace=replace)
            log.info("faq_imported", kb_id=kb_id, n_added=result.n_added, n_changed=result.n_changed)
        return result

    async def _take_rows(
        self,
        kb_id: int,
        owner_id: int,
        rows: Sequence[FaqRow],
        there: dict[bytes, FaqEntry],
        *,
        replace: bool,
    ) -> None:
        """Keep some rows in one transaction; entries that were deleted or added meanwhile are left alone."""
        pairs = [FaqPair(row.question, row.answer) for row in rows]
        files = [await self._keep(pair) for pair in pairs]
        async with self.sessions.begin() as session:
            scope = await access.owned(session, kb_id=kb_id, owner_id=owner_id, hold=True)
            for pair, stored in zip(pairs, files, strict=True):
                entry = there.get(question_key(pair.question))
                try:
                    async with session.begin_nested():
                        if entry is None:
                            await self._insert(session, scope, pair, stored, "import")
                        elif replace and entry.answer != pair.answer:
                            await self._change(session, scope, entry, pair, stored)
                except (Conflict, NotFound):
                    log.info("faq_row_left_alone", kb_id=kb_id)
            await self._note(session, owner_id, kb_id, "faq_imported", n_rows=len(rows))
            await self.quotas.keep_within(session, STORAGE, owner_id=owner_id)

    async def _table(self, content: bytes, file_name: str) -> list[tuple[int, list[str]]]:
        if len(content) > MAX_IMPORT_BYTES:
            raise InvalidInput(f"Please import at most {MAX_IMPORT_BYTES // 2**20} MB at once.", field="file")
        if PurePath(file_name).suffix.lower() in SPREADSHEETS:
            with tempfile.NamedTemporaryFile() as file:
                file.write(content)
                file.flush()
                try:
                    parsed = await parse_file(Path(file.name), file_name=file_name, limits=self.parse_limits)
                except PermanentError as error:
                    raise InvalidInput(str(error), field="file") from error
            table = faq_table.of_spreadsheet(parsed)
        else:
            table = faq_table.of_csv(content)
        if not table or len(table[0][1]) < 2:
            raise InvalidInput(
                "There is no table with at least two columns, one for questions and one for answers.",
                field="file",
            )
        if len(table) - 1 > MAX_IMPORT_ROWS:
            raise InvalidInput(
                f"Please import at most {MAX_IMPORT_ROWS:,} rows at once; this file has {len(table) - 1:,}.",
                field="file",
            )
        return table

    async def check(self, kb_id: int, entry_ids: Sequence[int], *, owner_id: int) -> None:
        """Make sure that entries are there. Raises NotFound."""
        async with self.sessions() as session:
            scope = await access.owned(session, kb_id=kb_id, owner_id=owner_id)
            for entry_id in entry_ids:
                await faq.get(session, scope, entry_id=entry_id)

    async def export(
        self, kb_id: int, *, owner_id: int, only: Sequence[int] | None = None
    ) -> AsyncIterator[str]:
        """All entries as CSV, oldest last, or only some, piece by piece. Raises NotFound."""
        yield "\ufeff" + _csv_line("question", "answer", "tags", "updated")
        before: int | None = None
        while True:
            page = await self.list_of(kb_id, owner_id=owner_id, before=before, limit=EXPORTED_AT_ONCE)
            for entry in page:
                if only and entry.id not in only:
                    continue
                yield _csv_line(
                    entry.question, entry.answer, ", ".join(entry.tags), entry.updated_at.isoformat()
                )
            if len(page) < EXPORTED_AT_ONCE:
                return
            before = page[-1].id

    # Rows

    async def _keep(self, pair: FaqPair) -> StoredFile:
        content = rag_faq.to_bytes(pair.question, pair.answer)

        async def blocks() -> AsyncIterator[bytes]:
            yield content

        return await self.storage.receive(blocks(), name="entry", max_bytes=len(content))

    async def _insert(
        self, session: Any, scope: KbScope, pair: FaqPair, stored: StoredFile, origin: Origin
    ) -> int:
        document_id, is_new = await documents.insert(
            session,
            scope,
            name=pair.question[:255],
            size_bytes=stored.size_bytes,
            sha256=stored.sha256,
            media_type=rag_faq.MEDIA_TYPE,
            source=SOURCE,
        )
        entry_id = None
        if is_new:
            entry_id = await faq.insert(
                session,
                scope,
                document_id=document_id,
                question=pair.question,
                answer=pair.answer,
                question_key=question_key(pair.question),
                origin=origin,
            )
        if entry_id is None:
            raise Conflict("This question is there already. Change its answer instead.", field="question")
        await self._add_job(session, scope, document_id, pair, stored)
        return entry_id

    async def _change(
        self, session: Any, scope: KbScope, entry: FaqEntry, pair: FaqPair, stored: StoredFile
    ) -> None:
        await knowledge_bases.lock(session, scope)  # two entries must not get one question at once
        if not await documents.lock(session, scope, document_id=entry.document_id):
            await faq.get(session, scope, entry_id=entry.id)  # deleted meanwhile: raises NotFound
        is_free = await faq.change(
            session,
            scope,
            entry_id=entry.id,
            question=pair.question,
            answer=pair.answer,
            question_key=question_key(pair.question),
        )
        if not is_free:
            raise Conflict("Another entry has this question already.", field="question")
        document = await documents.get(session, scope, document_id=entry.document_id)
        if document.job is not None:
            await jobs.cancel(session, scope, job_id=document.job.id)  # it would index the old words
        await documents.replace_file(
            session,
            scope,
            document_id=entry.document_id,
            name=pair.question[:255],
            size_bytes=stored.size_bytes,
            sha256=stored.sha256,
        )
        await self._add_job(session, scope, entry.document_id, pair, stored)

    async def _add_job(
        self, session: Any, scope: KbScope, document_id: int, pair: FaqPair, stored: StoredFile
    ) -> None:
        job_id = await jobs.insert(
            session,
            scope,
            document_id=document_id,
            file_name=pair.question[:200],
            size_bytes=stored.size_bytes,
            file_type=SOURCE,
        )
        await queue.add_ingestion(self.jobs_queue, session, scope, job_id=job_id, document_id=document_id)

    async def _mark(self, session: Any, scope: KbScope, entry_id: int, message_ids: Sequence[int]) -> None:
        if message_ids:
            await faq.mark_answers(session, scope, entry_id=entry_id, message_ids=message_ids)

    async def _note(self, session: Any, owner_id: int, kb_id: int, action: str, **about: int) -> None:
        await accounts.write_audit(session, user_id=owner_id, kb_id=kb_id, action=action, **about)


def batched(rows: Sequence[FaqRow], size: int) -> Iterator[tuple[FaqRow, ...]]:
    """Cut rows into groups."""
    left = iter(rows)
    while group := tuple(islice(left, size)):
        yield group


def check_pair(question: str, answer: str) -> FaqPair:
    """A pair fit to be kept.

    Raises:
        InvalidInput: question or answer is missing or too long; `problems` says which and why.
    """
    line, text = clean_line(question, max_characters=MAX_QUESTION + 1), clean_text(answer).strip()
    problems = {}
    if not rag_faq.normalised(line):
        problems["question"] = "Please enter a question."
    elif len(line) > MAX_QUESTION:
        problems["question"] = f"Please use at most {MAX_QUESTION:,} characters for the question."
    if not text:
        problems["answer"] = "Please enter an answer."
    elif len(text) > MAX_ANSWER:
        problems["answer"] = f"Please use at most {MAX_ANSWER:,} characters for the answer."
    if problems:
        field, sentence = next(iter(problems.items()))
        raise InvalidInput(sentence, field=field, problems=problems)
    return FaqPair(line, text)


def question_key(question: str) -> bytes:
    """What is the same for two questions that differ in case and punctuation only."""
    return hashlib.sha256(rag_faq.normalised(question).encode()).digest()


def _rows(table: Sequence[tuple[int, list[str]]], question_at: int, answer_at: int) -> list[FaqRow]:
    rows: list[FaqRow] = []
    seen: dict[bytes, int] = {}
    for number, cells in table:
        question = cells[question_at] if question_at < len(cells) else ""
        answer = cells[answer_at] if answer_at < len(cells) else ""
        try:
            pair = check_pair(question, answer)
        except InvalidInput as error:
            rows.append(FaqRow(number, question[:MAX_QUESTION], answer[:MAX_QUESTION], problem=str(error)))
            continue
        first = seen.setdefault(question_key(pair.question), number)
        problem = "" if first == number else f"Row {first:,} has the same question."
        rows.append(FaqRow(number, pair.question, pair.answer, problem))
    return rows


def _judged(row: FaqRow, there: dict[bytes, FaqEntry]) -> FaqRow:
    exists = not row.problem and question_key(row.question) in there
    return FaqRow(row.number, row.question, row.answer, row.problem, exists)


def _summary(
    rows: Sequence[FaqRow],
    there: dict[bytes, FaqEntry],
    header: Sequence[str],
    question_at: int,
    answer_at: int,
    *,
    replace: bool,
    preview: bool,
) -> FaqImport:
    fit = [row for row in rows if not row.problem]
    n_added = sum(not row.exists for row in fit)
    n_other = sum(row.exists and there[question_key(row.question)].answer != row.answer for row in fit)
    n_changed = n_other if replace else 0
    return FaqImport(
        columns=tuple(" ".join(name.split()) for name in header),
        question_column=question_at,
        answer_column=answer_at,
        rows=tuple(rows),
        n_added=n_added,
        n_changed=n_changed,
        n_unchanged=len(fit) - n_added - n_changed,
        is_preview=preview,
    )


def _csv_line(*cells: str) -> str:
    out = io.StringIO()
    csv.writer(out).writerow([f"'{cell}" if cell.startswith(FORMULA_STARTS) else cell for cell in cells])
    return out.getvalue()
