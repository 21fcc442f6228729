"""The mailboxes on show, and the one that is being connected or changed.

A typed password passes through a form to the service and is kept in no variable here: what a state remembers
is sent to the browser, or written to the server's disk.
"""

from typing import Any

import reflex as rx

from rag_app.bootstrap import services
from rag_app.domain.sources import Source
from rag_app.errors import InvalidInput
from rag_app.ui.arguments import as_id, as_text, one_of
from rag_app.ui.auth import current_owner
from rag_app.ui.dashboard.email.view import (
    KEEP_IT,
    LABELS,
    PASSWORD_HINTS,
    PROVIDERS,
    SIGN_INS,
    WORDS,
    FolderChoice,
    MailboxErrors,
    MailboxForm,
    errors_of,
    folder_choices,
    form_of,
    read_problem,
    schedule_of,
    settings_of,
)
from rag_app.ui.dashboard.sources.state import SourcesState, SourceState
from rag_app.ui.dashboard.sources.view import Words
from rag_app.ui.feedback import notify


class MailboxesState(SourcesState, rx.State):
    """The list, and the window in which a mailbox is connected or changed."""

    provider: str = "imap"
    by_sign_in: bool = False
    offers_google: bool = False
    offers_microsoft: bool = False
    is_open: bool = False
    is_busy: bool = False
    is_tested: bool = False
    said: str = ""
    works: bool = False
    folders: list[FolderChoice] = []
    form: MailboxForm = MailboxForm()
    errors: MailboxErrors = MailboxErrors()
    away: str = ""
    problem: str = ""
    welcome: str = ""

    _shown_on: str = ""

    def _words(self) -> Words:
        return WORDS

    def _address(self, source: Source) -> str:
        return str(source.config["address"])

    def _on_load(self) -> None:
        self.is_open, self.away = False, ""
        self.offers_google = services().mailboxes.offers("gmail")
        self.offers_microsoft = services().mailboxes.offers("outlook")
        connection = self.router.session.session_id
        # The cookie is as old as the connection: once said is enough.
        is_new, self._shown_on = self._shown_on != connection, connection
        query = self.router.url.query_parameters
        self.problem = read_problem(self.router.headers.cookie) if is_new and "failed" in query else ""
        self.welcome = "The mailbox is connected." if is_new and "connected" in query else ""

    @rx.var
    def window_title(self) -> str:
        """What the window is about."""
        if self.form.id:
            return f"Settings of {self.form.address}"
        return f"Connect {LABELS.get(self.provider, 'a mailbox')}"

    @rx.var
    def sign_in_name(self) -> str:
        """Whose sign-in it is."""
        return SIGN_INS.get(self.provider, "")

    @rx.var
    def can_sign_in(self) -> bool:
        """Whether this provider's own sign-in is set up here."""
        return {"gmail": self.offers_google, "outlook": self.offers_microsoft}.get(self.provider, False)

    @rx.var
    def folders_hint(self) -> str:
        """How folders are named, and where their names come from."""
        if self.by_sign_in and not self.form.id:
            return "Separated by commas; the inbox, if you name none. You can choose from a list later."
        return "Separated by commas; the inbox, if you name none. The connection test lists them all."

    @rx.var
    def password_hint(self) -> str:
        """Which password is meant."""
        return KEEP_IT if self.form.id else PASSWORD_HINTS[self.provider]

    @rx.event
    async def begin(self, provider: str) -> None:
        """Connect a mailbox of a provider, by its sign-in where that is set up."""
        await current_owner(self)
        self.provider = one_of(provider, PROVIDERS)
        self.by_sign_in = services().mailboxes.offers(self.provider)
        self._open(MailboxForm())

    @rx.event
    async def edit(self, source_id: int) -> None:
        """Change a mailbox."""
        owner_id = await current_owner(self)
        source = await services().sources.get(
            self.kb_id, as_id(source_id), owner_id=owner_id, kind=WORDS.kind
        )
        self.provider = str(source.config["provider"])
        self.by_sign_in = services().mailboxes.offers(self.provider)
        self._open(form_of(source))

    @rx.event
    async def use_password(self) -> None:
        """Connect with a password instead of the provider's sign-in."""
        await current_owner(self)
        self.by_sign_in, self.away = False, ""

    @rx.event
    async def use_sign_in(self) -> None:
        """Connect with the provider's sign-in after all."""
        await current_owner(self)
        self.by_sign_in = services().mailboxes.offers(self.provider)

    @rx.event
    def close(self) -> None:
        """Connect nothing, change nothing."""
        self.is_open = False

    @rx.event
    async def submit(self, form: dict[str, Any]) -> Any:
        """Test the connection first, then connect; or save, or go to the provider."""
        if not self.is_open or self.is_busy:
            return
        owner_id = await current_owner(self)
        self.is_busy, self.errors = True, MailboxErrors()
        yield
        try:
            done = await self._submit(form, owner_id)
        except InvalidInput as error:
            self.errors = errors_of(error)
            return
        finally:
            self.is_busy = False
        if not done:
            return
        self.is_open = False
        looking = await self._look()
        yield notify(done)
        if looking is not None:
            yield looking

    @rx.event
    async def test(self) -> Any:
        """Try the connection of the mailbox that is being changed, and list its folders."""
        if not self.is_open or self.is_busy or not self.form.id:
            return
        owner_id = await current_owner(self)
        self.is_busy = True
        yield
        try:
            await self._try({}, owner_id, password="", source_id=self.form.id)
        finally:
            self.is_busy = False

    @rx.event
    async def sign_in_again(self) -> None:
        """Renew the permission of the mailbox that is being changed."""
        owner_id = await current_owner(self)
        if self.is_open and self.form.id:
            self.away = await services().mailboxes.begin(
                self.kb_id, owner_id=owner_id, raw={}, source_id=self.form.id
            )

    @rx.event
    def dismiss_problem(self) -> None:
        """Take the message of a failed sign-in away."""
        self.problem = ""

    def _open(self, form: MailboxForm) -> None:
        self.form, self.errors, self.is_open = form, MailboxErrors(), True
        self.is_tested, self.works, self.said, self.folders, self.away = False, False, "", [], ""

    async def _submit(self, form: dict[str, Any], owner_id: int) -> str:
        """Do what the button says; returns what to tell when the window can be closed."""
        raw = settings_of(form, self.provider, [folder.name for folder in self.folders])
        if self.folders and not raw["folders"]:
            raise InvalidInput("Choose at least one folder.", field="folders")
        schedule = schedule_of(form)
        if self.form.id:
            return await self._change(form, raw, owner_id)
        if self.by_sign_in:
            self.away = await services().mailboxes.begin(
                self.kb_id, owner_id=owner_id, raw=raw, schedule=schedule
            )
            return ""
        password = as_text(form, "password")
        if not password:
            raise InvalidInput("Enter the password.", field="password")
        if not self.works:
            await self._try(raw, owner_id, password=password)
            return ""
        made = await services().mailboxes.create(
            self.kb_id, owner_id=owner_id, raw=raw, password=password, schedule=schedule
        )
        return f"{made.name} is connected. Its mails are being read."

    async def _change(self, form: dict[str, Any], raw: dict[str, Any], owner_id: int) -> str:
        there = await services().sources.get(self.kb_id, self.form.id, owner_id=owner_id, kind=WORDS.kind)
        changed = await services().mailboxes.change(
            self.kb_id,
            self.form.id,
            owner_id=owner_id,
            raw=raw,
            password=as_text(form, "password") or None,
            schedule=schedule_of(form, grace_hours=there.grace_hours),
        )
        if changed.run is not None and changed.run.is_open:
            return "Saved. The mailbox is gone through again."
        return "Saved."

    async def _try(
        self, raw: dict[str, Any], owner_id: int, *, password: str, source_id: int | None = None
    ) -> None:
        tried = await services().mailboxes.check(
            self.kb_id, owner_id=owner_id, raw=raw, password=password or None, source_id=source_id
        )
        self.works, self.said, self.is_tested = tried.check.is_ok, tried.check.message, True
        if tried.check.details:
            chosen = self.form.folders.split(", ") if self.form.folders else raw.get("folders", [])
            self.folders = folder_choices(tried.check.details, chosen)
        if tried.check.is_ok and tried.server is not None:
            self.said += f" Server: {tried.server.host}, port {tried.server.port}."


class MailboxState(SourceState, rx.State):
    """One mailbox."""

    def _words(self) -> Words:
        return WORDS

    def _address(self, source: Source) -> str:
        return str(source.config["address"])
