"""The websites of a knowledge base, and the one that is being added or changed."""

from typing import Any

import reflex as rx

from rag_app.bootstrap import services
from rag_app.domain.sources import Schedule, Source
from rag_app.errors import InvalidInput, LimitReached
from rag_app.rag.sources.web import CHECKS_PER_MINUTE
from rag_app.ui.arguments import as_id
from rag_app.ui.auth import current_owner
from rag_app.ui.dashboard.sources.state import SourcesState, SourceState
from rag_app.ui.dashboard.sources.view import Words
from rag_app.ui.dashboard.web_sources.view import (
    WORDS,
    CheckView,
    WebErrors,
    WebForm,
    address,
    check_view,
    errors_of,
    form_of,
    frequencies,
    graces,
    schedule_of,
    settings_of,
    typed,
)
from rag_app.ui.feedback import notify


class WebSourcesState(SourcesState, rx.State):
    """The list with its window.

    A new website is looked at first: the window then says what would be read, and the same button adds it.
    """

    is_open: bool = False
    is_busy: bool = False
    is_more_open: bool = False
    form: WebForm = WebForm()
    errors: WebErrors = WebErrors()
    checked: CheckView = CheckView()
    frequency_options: list[tuple[str, str]] = frequencies("")
    grace_options: list[tuple[str, str]] = graces("")

    _checked: WebForm = WebForm()

    def _words(self) -> Words:
        return WORDS

    def _address(self, source: Source) -> str:
        return address(source)

    def _on_load(self) -> None:
        self.is_open, self.is_busy = False, False

    @rx.event
    async def begin(self) -> None:
        """Add a website."""
        await current_owner(self)
        self._show_form(WebForm())

    @rx.event
    async def edit(self, source_id: int) -> None:
        """Change a website."""
        owner_id = await current_owner(self)
        source = await services().sources.get(
            self.kb_id, as_id(source_id), owner_id=owner_id, kind=WORDS.kind
        )
        self._show_form(form_of(source))

    @rx.event
    def close(self) -> None:
        """Keep everything as it is."""
        self.is_open = False

    @rx.event(background=True)
    async def submit(self, form: dict[str, Any]) -> Any:
        """Look at a new website, then add it; keep what was changed about one that is there."""
        async with self:
            if not self.is_open or self.is_busy:
                return
            owner_id, kb_id = await current_owner(self), self.kb_id
            wanted = typed(form, self.form) if isinstance(form, dict) else self.form
            is_looked_at = wanted.id > 0 or (self.checked.message != "" and _same(wanted, self._checked))
            self.is_busy, self.errors, self.checked = True, WebErrors(), CheckView()
        try:
            if is_looked_at:
                await _store(wanted, kb_id=kb_id, owner_id=owner_id)
                checked = CheckView()
            else:
                schedule_of(wanted, Schedule())  # said now, not after the wait
                services().limits.hit("website-test", str(owner_id), per_minute=CHECKS_PER_MINUTE)
                found = await services().sources.check(
                    kb_id, owner_id=owner_id, kind=WORDS.kind, raw=settings_of(wanted)
                )
                checked = check_view(found)
        except InvalidInput as error:
            async with self:
                self.errors = errors_of(error)
                self.is_more_open = self.is_more_open or self.errors.is_below
            return
        except LimitReached as error:
            async with self:
                self.errors = WebErrors(other=str(error))
            return
        finally:
            async with self:
                self.is_busy = False
        async with self:
            self.checked, self._checked = checked, wanted
            if not is_looked_at:
                return
            self.is_open = False
            is_reading = await self._show()
        yield notify("Saved." if wanted.id else "Added. Its pages are being read.")
        if is_reading:
            yield WebSourcesState.watch

    def _show_form(self, form: WebForm) -> None:
        self.form, self.errors, self.checked = form, WebErrors(), CheckView()
        self.frequency_options = frequencies(form.frequency_hours)
        self.grace_options = graces(form.grace_hours)
        self.is_more_open, self.is_open = False, True


class WebSourceState(SourceState, rx.State):
    """One website: its pages and its history."""

    def _words(self) -> Words:
        return WORDS

    def _address(self, source: Source) -> str:
        return address(source)


def _same(wanted: WebForm, checked: WebForm) -> bool:
    """Whether what was looked at is what shall be added."""
    return (wanted.url, wanted.mode) == (checked.url, checked.mode)


async def _store(form: WebForm, *, kb_id: int, owner_id: int) -> None:
    sources, raw = services().sources, settings_of(form)
    if form.id == 0:
        schedule = schedule_of(form, Schedule())
        await sources.create(
            kb_id, owner_id=owner_id, kind=WORDS.kind, raw=raw, name=form.name, schedule=schedule
        )
        return
    there = await sources.get(kb_id, form.id, owner_id=owner_id, kind=WORDS.kind)
    kept = Schedule(there.frequency_hours, there.is_scheduled, there.grace_hours)
    await sources.change(
        kb_id,
        form.id,
        owner_id=owner_id,
        kind=WORDS.kind,
        raw=raw,
        name=form.name,
        schedule=schedule_of(form, kept),
    )
