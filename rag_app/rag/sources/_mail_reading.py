"""One run over a mailbox.

    folders ── UIDs ── compare with cursor ─┬─ new: headers ── filters ── known? ─┬─ yes: noted
                                            │                                     └─ no: bodies, child process
                                            └─ vanished: what the owner chose

A mail is known by its Message-ID (`_mail_headers.py`), so one in two folders is one item, and folders that
are numbered anew are gone through without reading a mail twice. New mails come first, then the newest of the
old.
"""

import asyncio
import copy
import hashlib
import re
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from rag_app.domain.sources import KnownItem
from rag_app.errors import PermanentError
from rag_app.rag.parsers.contract import ParseLimits
from rag_app.rag.parsers.sandbox import parse_file, private_folder
from rag_app.rag.sources._imap import NO_FOLDER, Envelope, Opened
from rag_app.rag.sources._mail_config import Config
from rag_app.rag.sources._mail_headers import Headers, read_headers
from rag_app.rag.sources._mail_masking import mask
from rag_app.rag.sources._mail_sandbox import RawMail, read_mails
from rag_app.rag.sources._mail_text import Attachment, Mail, Options
from rag_app.rag.sources._mailbox import Mailbox
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
    SourceParts,
)

VERSION = 1  # of the text that is made of a mail; another one reads all mails again
HEADERS_AT_ONCE = 200
MAILS_AT_ONCE = HEADERS_AT_ONCE
BYTES_AT_ONCE = 6 * 1024 * 1024
MAX_MAIL_BYTES = 36 * 1024 * 1024  # what 25 MB of attachments are when they are sent
CUT_BYTES = 1024 * 1024  # of a larger mail: its text, and what comes before the attachment that is too large
LEFT_OUT = "Your settings leave it out now."
DELETED = "It was deleted or moved on the mail server."
NO_ATTACHMENTS = "Attachments of this mailbox are not read any more."


@dataclass
class _Counts:
    """What an attempt has done."""

    n_done: int = 0
    n_expected: int = 0
    n_read: int = 0
    n_left_out: int = 0


@dataclass
class _Part:
    """One folder in one run: what there is, and what of it was read.

    Everything from `low` to `high` is done; newer mails are above, older ones below.
    """

    folder: str
    opened: Opened
    uids: list[int]
    low: int
    high: int
    todo: list[int] = field(default_factory=list)
    old: frozenset[int] = frozenset()  # of those: from before the months that are read, so only looked for

    def note(self, uids: Sequence[int]) -> None:
        """Take a batch as done: the next newer ones, or the next older ones."""
        if uids[0] > self.high:
            self.high = max(uids)
        else:
            self.low = min(uids)

    def digest(self, upto: int) -> str:
        """Changes when one of the mails up to a UID vanishes."""
        there = ",".join(str(uid) for uid in self.uids if uid <= upto)
        return hashlib.sha256(there.encode()).hexdigest()[:16]


@dataclass
class Reading:
    """One run."""

    config: Config
    parts: SourceParts
    mailbox: Mailbox
    run: RunContext
    counts: _Counts = field(default_factory=_Counts)

    async def events(self) -> AsyncIterator[Event]:
        """All of it: failed ones once more, what is new in each folder, then what has gone."""
        cursor = self._cursor()
        async for event in self._again():
            yield event
        outdated = await self._outdated() if cursor["is_new"] else {}
        found = [(folder, await self._look(folder, cursor, outdated)) for folder in self.config.folders]
        for folder, part in found:
            if part is None:
                yield Note(NO_FOLDER.format(folder) + " What was read from it stays.")
        parts = [part for _, part in found if part is not None]
        if not parts:
            raise PermanentError(NO_FOLDER.format(self.config.folders[0]))
        self.counts.n_expected = sum(len(part.todo) for part in parts)
        for part in parts:
            async for event in self._folder(part, cursor):
                yield event
        async for event in self._gone(parts, cursor):
            yield event
        cursor["is_new"] = False
        yield Checkpoint(cursor)
        if self.counts.n_left_out:
            n = self.counts.n_left_out
            yield Note(f"Your filters left out {n:,} new mail{'' if n == 1 else 's'}.")

    def _cursor(self) -> dict[str, Any]:
        """What the last run knew; `is_new` until a run after a change of settings has ended."""
        if self.run.cursor.get("version") != VERSION:
            return {"version": VERSION, "is_new": True, "folders": {}}
        return copy.deepcopy(dict(self.run.cursor))

    async def _outdated(self) -> dict[tuple[str, int], set[int]]:
        """Where mails are that have grown too old to be found as recent ones, and have to be read anew."""
        places: dict[tuple[str, int], set[int]] = {}
        async for item in self.run.every():
            is_outdated = item.status != "missing" and item.state.get("shape") != self.config.shape
            if is_outdated and self.config.is_old(item.state):
                for folder, (validity, uid) in item.state.get("at", {}).items():
                    places.setdefault((folder, validity), set()).add(uid)
        return places

    async def _look(
        self, folder: str, cursor: Mapping[str, Any], outdated: Mapping[tuple[str, int], set[int]]
    ) -> _Part | None:
        """Open a folder and find out which of its mails are to be looked at."""
        imap = self.mailbox.imap
        opened = await self.mailbox.do(imap.open, folder)
        if opened is None:
            return None
        uids = await self.mailbox.do(imap.uids, opened)
        before = cursor["folders"].get(folder, {})
        if before.get("validity") != opened.validity:
            newest = uids[-1] if uids else 0
            before = {"low": newest + 1, "high": newest}
        part = _Part(folder, opened, uids, low=before["low"], high=before["high"])
        newer = [uid for uid in uids if uid > part.high]
        older = [uid for uid in uids if uid < part.low]
        if newer or older:
            recent = set(await self._recent(opened))
            wanted = recent | outdated.get((folder, opened.validity), set())
            part.todo = newer + sorted((uid for uid in older if uid in wanted), reverse=True)
            part.old = frozenset(part.todo) - recent
        return part

    async def _recent(self, opened: Opened) -> list[int]:
        def uids() -> list[int]:
            return self.mailbox.imap.uids(opened, since=self.config.since())

        return await self.mailbox.do(uids)

    async def _folder(self, part: _Part, cursor: dict[str, Any]) -> AsyncIterator[Event]:
        if part.todo:
            await self.mailbox.do(self.mailbox.imap.open, part.folder)
        newer = [uid for uid in part.todo if uid > part.high]
        older = [uid for uid in part.todo if uid < part.low]
        for batch in [*_batches(newer), *_batches(older)]:
            yield self._progress(part.folder)
            async for event in self._batch(part, batch):
                yield event
            part.note(batch)
            self.counts.n_done += len(batch)
            self._remember(part, cursor)
            yield Checkpoint(copy.deepcopy(cursor))
        part.low, part.high = 0, max([part.high, *part.uids[-1:]])
        self._remember(part, cursor)

    def _remember(self, part: _Part, cursor: dict[str, Any]) -> None:
        before = cursor["folders"].get(part.folder, {})
        if before.get("validity") != part.opened.validity:
            before = {"digest": "", "upto": 0}
        cursor["folders"][part.folder] = before | {
            "low": part.low,
            "high": part.high,
            "validity": part.opened.validity,
        }

    def _progress(self, folder: str) -> Progress:
        expected = self.counts.n_expected
        return Progress(f"Reading {folder}: {self.counts.n_done:,} of {expected:,} mails", expected)

    async def _batch(self, part: _Part, uids: Sequence[int]) -> AsyncIterator[Event]:
        """Look at headers, and read the mails that are not known."""
        envelopes = await self.mailbox.do(self.mailbox.imap.envelopes, uids)
        seen = await asyncio.to_thread(_with_headers, envelopes)
        known = dict(await self.run.known([headers.key for _, headers in seen]))
        to_read: dict[str, tuple[Envelope, Headers]] = {}
        again: list[tuple[Envelope, Headers]] = []
        for envelope, headers in seen:
            there = known.get(headers.key)
            is_known = there is not None and self.config.includes(there.state)
            if envelope.uid in part.old and not is_known:
                continue
            if headers.key in to_read:
                again.append((envelope, headers))
            elif there is not None and there.state.get("shape") == self.config.shape:
                state = self._at(there.state, part, envelope)
                known[headers.key] = replace(there, state=state)
                yield Same(headers.key, state)
            elif self.config.wants(headers.sender, headers.recipients, headers.subject):
                to_read[headers.key] = (envelope, headers)
            else:
                self.counts.n_left_out += 1
        states: dict[str, dict[str, Any]] = {}
        for group in _groups(list(to_read.values())):
            async for event in self._read(part, group, known, states):
                yield event
        for envelope, headers in again:  # delivered twice into one folder
            if headers.key in states:
                states[headers.key] = self._at(states[headers.key], part, envelope)
                yield Same(headers.key, states[headers.key])

    async def _read(
        self,
        part: _Part,
        group: Sequence[tuple[Envelope, Headers]],
        known: Mapping[str, KnownItem],
        states: dict[str, dict[str, Any]],
    ) -> AsyncIterator[Event]:
        raws = await self._fetch(group)
        options = Options(mask=self.config.mask_personal_data, with_attachments=self.config.with_attachments)
        present = [(envelope, headers) for envelope, headers in group if envelope.uid in raws]
        mails = await read_mails(
            [raws[envelope.uid] for envelope, _ in present], options, self.parts.parse_limits
        )
        for (envelope, headers), mail in zip(present, mails, strict=True):
            there = known.get(headers.key)
            state = self._state(headers, mail, self._at(there.state if there else {}, part, envelope))
            states[headers.key] = state
            for event in self._kept(headers, mail, state, envelope):
                yield event
            if not mail.reason:
                async for event in self._attachments(headers, mail):
                    yield event
            for at in range(state["n_parts"], there.state.get("n_parts", 0) if there else 0):
                yield Gone(_part_key(headers.key, at), NO_ATTACHMENTS)

    async def _fetch(self, group: Sequence[tuple[Envelope, Headers]]) -> dict[int, RawMail]:
        uids = [envelope.uid for envelope, _ in group]
        if len(group) == 1 and group[0][0].n_bytes > MAX_MAIL_BYTES:

            def beginning() -> dict[int, bytes]:
                return self.mailbox.imap.mails(uids, max_bytes=CUT_BYTES)

            return {uid: RawMail(raw, is_cut=True) for uid, raw in (await self.mailbox.do(beginning)).items()}
        found = await self.mailbox.do(self.mailbox.imap.mails, uids)
        return {uid: RawMail(raw) for uid, raw in found.items()}

    def _at(self, state: Mapping[str, Any], part: _Part, envelope: Envelope) -> dict[str, Any]:
        """A state that says where a mail is, besides the other folders it is in."""
        where = {**state.get("at", {}), part.folder: [part.opened.validity, envelope.uid]}
        months = state.get("months", 0) if envelope.uid in part.old else self.config.months_to_sync
        return {**state, "at": where, "day": state.get("day") or envelope.day, "months": months}

    def _state(self, headers: Headers, mail: Mail, at: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "at": at["at"],
            "shape": self.config.shape,
            "sender": headers.sender[:320],
            "recipient": ", ".join(headers.recipients)[:1_000],
            "subject": headers.subject[:320],
            "thread": headers.thread,
            "day": at["day"],
            "months": at["months"],
            "n_parts": len(mail.attachments),
        }

    def _kept(
        self, headers: Headers, mail: Mail, state: Mapping[str, Any], envelope: Envelope
    ) -> Iterator[Event]:
        name = (mask(headers.subject) if self.config.mask_personal_data else headers.subject)[:250]
        if mail.reason:
            yield Left(
                headers.key, name, mail.reason, kind="failed" if mail.is_damaged else "skipped", state=state
            )
            return
        yield Found(
            headers.key,
            name,
            f"{_file_stem(name)}.md",
            mail.text.encode("utf-8", "replace"),
            state=state,
            modified_at=headers.date or _noon(envelope.day),
        )

    async def _attachments(self, headers: Headers, mail: Mail) -> AsyncIterator[Event]:
        for at, attachment in enumerate(mail.attachments):
            key = _part_key(headers.key, at)
            if attachment.reason:
                yield Left(key, attachment.name, attachment.reason, kind="skipped", parent=headers.key)
                continue
            try:
                file = await self._file(attachment)
            except PermanentError as error:
                yield Left(key, attachment.name, str(error), parent=headers.key)
                continue
            yield Found(
                key, attachment.name, file.name, file.content, parent=headers.key, modified_at=headers.date
            )

    async def _file(self, attachment: Attachment) -> Attachment:
        if not self.config.mask_personal_data:
            return attachment
        return await masked(attachment, self.parts.parse_limits)

    async def _again(self) -> AsyncIterator[Event]:
        """Mails that failed and are to be tried once more, where they are still where they were."""
        by_folder: dict[str, list[KnownItem]] = {}
        for item in await self._to_try():
            for folder in list(item.state.get("at", {}))[:1]:
                if folder in self.config.folders:
                    by_folder.setdefault(folder, []).append(item)
        for folder, items in by_folder.items():
            opened = await self.mailbox.do(self.mailbox.imap.open, folder)
            if opened is None:
                continue
            part = _Part(folder, opened, [], low=0, high=0)
            asked = {item.key: item for item in items if item.state["at"][folder][0] == opened.validity}
            uids = [item.state["at"][folder][1] for item in asked.values()]
            for batch in _batches(uids):
                envelopes = await self.mailbox.do(self.mailbox.imap.envelopes, batch)
                seen = await asyncio.to_thread(_with_headers, envelopes)
                for group in _groups([each for each in seen if each[1].key in asked]):
                    async for event in self._read(part, group, asked, {}):
                        yield event

    async def _to_try(self) -> Sequence[KnownItem]:
        """Mails that failed, and those whose attachments did."""
        mails = {item.key: item for item in self.run.again if "at" in item.state}
        parents = {_parent_key(item.key) for item in self.run.again if "at" not in item.state}
        known = await self.run.known(sorted(parents - mails.keys()))
        return [*mails.values(), *(item for item in known.values() if item.status != "missing")]

    async def _gone(self, parts: Sequence[_Part], cursor: dict[str, Any]) -> AsyncIterator[Event]:
        """Mails that are not where they were, and those that other settings leave out."""
        is_new = bool(cursor["is_new"])
        folders = cursor["folders"]
        changed = [
            part
            for part in parts
            if folders[part.folder]["digest"] != part.digest(folders[part.folder]["upto"])
        ]
        if is_new or (changed and self.config.on_deleted == "remove"):
            yield Progress("Looking for mails that have gone", self.counts.n_expected)
            there = {part.folder: (part.opened.validity, frozenset(part.uids)) for part in parts}
            async for item in self.run.every():
                if item.status == "missing":
                    continue
                reason = self._why_gone(item.state, there, is_new=is_new)
                if reason:
                    yield Gone(item.key, reason)
        for part in parts:
            folders[part.folder] |= {"digest": part.digest(part.high), "upto": part.high}

    def _why_gone(
        self, state: Mapping[str, Any], there: Mapping[str, tuple[int, frozenset[int]]], *, is_new: bool
    ) -> str:
        if is_new and not self.config.includes(state):
            return LEFT_OUT
        is_old = self.config.is_old(state)
        if is_new and is_old and state.get("shape") != self.config.shape:
            return LEFT_OUT  # it was not found to be read anew, such as with personal data masked
        if self.config.on_deleted != "remove":
            return ""
        places = state.get("at", {}).items()
        may_be = any(self._may_be_at(folder, at, there, is_old=is_old) for folder, at in places)
        return "" if may_be else DELETED

    def _may_be_at(
        self,
        folder: str,
        at: tuple[int, int],
        there: Mapping[str, tuple[int, frozenset[int]]],
        *,
        is_old: bool,
    ) -> bool:
        """Whether a mail is still in a folder, or nobody can say."""
        if folder not in there:
            return folder in self.config.folders
        validity, uids = there[folder]
        if validity != at[0]:  # all recent mails were looked at since then, and no older ones
            return is_old
        return at[1] in uids


async def masked(attachment: Attachment, limits: ParseLimits) -> Attachment:
    """An attachment's text with its personal data masked; the file itself is not kept.

    Raises:
        PermanentError: it cannot be read.
    """
    async with private_folder() as folder:
        path = folder / "attachment"
        await asyncio.to_thread(path.write_bytes, attachment.content)
        document = await parse_file(path, file_name=attachment.name, limits=limits)
    text = await asyncio.to_thread(mask, "\n\n".join(page.text for page in document.pages))
    return Attachment(f"{attachment.name}.md", f"# {attachment.name}\n\n{text}".encode())


def _with_headers(envelopes: Sequence[Envelope]) -> list[tuple[Envelope, Headers]]:
    return [(each, read_headers(each.headers, n_bytes=each.n_bytes)) for each in envelopes]


def _part_key(key: str, at: int) -> str:
    return f"{key}/{at}"


def _parent_key(key: str) -> str:
    return key.rpartition("/")[0]


def _batches(uids: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(uids), HEADERS_AT_ONCE):
        yield uids[start : start + HEADERS_AT_ONCE]


def _groups(
    mails: Sequence[tuple[Envelope, Headers]],
) -> Iterator[list[tuple[Envelope, Headers]]]:
    """Mails that are read together; a large one is alone."""
    group: list[tuple[Envelope, Headers]] = []
    n_bytes = 0
    for mail in mails:
        size = mail[0].n_bytes
        if group and (n_bytes + size > BYTES_AT_ONCE or len(group) == MAILS_AT_ONCE):
            yield group
            group, n_bytes = [], 0
        group.append(mail)
        n_bytes += size
    if group:
        yield group


def _file_stem(name: str) -> str:
    return re.sub(r"[^\w-]+", "-", name)[:80].strip("-") or "mail"


def _noon(day: str) -> datetime | None:
    return datetime.fromisoformat(f"{day}T12:00:00+00:00") if day else None
