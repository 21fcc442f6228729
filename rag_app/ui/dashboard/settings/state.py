"""The person's account and sign-ins."""

from typing import Any

import reflex as rx

from rag_app.bootstrap import services
from rag_app.domain.accounts import SignIn
from rag_app.errors import InvalidInput, NotSignedIn
from rag_app.ui.account import AccountState
from rag_app.ui.arguments import as_text, one_of
from rag_app.ui.auth import current_sign_in
from rag_app.ui.dashboard.settings.view import (
    Errors,
    SignInView,
    error_at,
    sign_in_views,
)
from rag_app.ui.feedback import notify
from rag_app.ui.wording import counted

TABS = ("retrieval", "answers", "providers", "limits", "account")


class SettingsState(rx.State):
    """What stands in the forms, and the lists."""

    tab: str = "retrieval"
    name: str = ""
    errors: Errors = Errors()
    sign_ins: list[SignInView] = []
    is_elsewhere: bool = False
    n_password_changes: int = 0
    is_loading: bool = True
    is_changing_password: bool = False

    @rx.event
    async def load(self) -> None:
        """Read who this is and where they are signed in; `?tab=account` opens that tab."""
        try:
            sign_in = await current_sign_in(self)
        except NotSignedIn:  # AccountState leads to the log-in page
            return
        wish = self.router.url.query_parameters.get("tab", "")
        self.tab = wish if wish in TABS else TABS[0]
        self.errors = Errors()
        self.name = sign_in.user.name
        await _show_sign_ins(self, sign_in)
        self.is_loading = False

    @rx.event
    async def open_tab(self, tab: str) -> None:
        """Show another part of the settings."""
        await current_sign_in(self)
        self.tab = one_of(tab, TABS)

    @rx.event
    async def rename(self, form: dict[str, Any]) -> Any:
        """Change how the person is called."""
        sign_in = await current_sign_in(self)
        self.errors = Errors()
        try:
            self.name = await services().accounts.rename(sign_in, name=as_text(form, "name"))
        except InvalidInput as error:
            self.errors = error_at(error)
            return None
        (await self.get_state(AccountState)).name = self.name
        return notify("Saved.")

    @rx.event
    async def change_password(self, form: dict[str, Any]) -> Any:
        """Set a new password, which signs out everywhere else."""
        if self.is_changing_password:
            return
        sign_in = await current_sign_in(self)
        self.is_changing_password, self.errors = True, Errors()
        yield
        try:
            new = as_text(form, "new_password")
            if as_text(form, "repeated") != new:
                raise InvalidInput("The two new passwords are not the same.", field="repeated")
            n_ended = await services().accounts.change_password(
                sign_in, current=as_text(form, "current"), new=new
            )
        except InvalidInput as error:
            self.errors = error_at(error)
            return
        finally:
            self.is_changing_password = False
        self.n_password_changes += 1  # empties the form
        await _show_sign_ins(self, sign_in)
        yield notify(f"Your password is changed.{_ended(n_ended)}")

    @rx.event
    async def sign_out_elsewhere(self) -> Any:
        """End every sign-in but this one."""
        sign_in = await current_sign_in(self)
        n_ended = await services().accounts.end_other_sign_ins(sign_in)
        await _show_sign_ins(self, sign_in)
        return notify(_ended(n_ended).strip() or "You were signed in nowhere else.")


async def _show_sign_ins(state: SettingsState, sign_in: SignIn) -> None:
    state.sign_ins = sign_in_views(await services().accounts.sign_ins(sign_in))
    state.is_elsewhere = len(state.sign_ins) > 1


def _ended(n_ended: int) -> str:
    return f" {counted(n_ended, 'other sign-in')} ended." if n_ended else ""
