"""The mailboxes of the chosen knowledge base."""

import reflex as rx

from rag_app.ui import routes
from rag_app.ui.components import (
    banner,
    button,
    card,
    checkbox,
    dialog,
    dialog_actions,
    empty_state,
    icon,
    link_button,
    menu,
    menu_item,
    page_header,
    password_input,
    select,
    switch,
    text_input,
)
from rag_app.ui.dashboard.create_kb.modal import create_kb_dialog
from rag_app.ui.dashboard.create_kb.state import CreateKbState
from rag_app.ui.dashboard.current_kb import CurrentKbState
from rag_app.ui.dashboard.email.state import MailboxesState, MailboxState
from rag_app.ui.dashboard.email.view import (
    MONTHS,
    ON_DELETED,
    SCHEDULES,
    SECURITIES,
    WORDS,
    FolderChoice,
)
from rag_app.ui.dashboard.frame import frame
from rag_app.ui.dashboard.sources.parts import delete_dialog, source_detail, source_list, waiting

TITLE = "Email Integration · Simple RAG"
DETAIL_TITLE = "Mailbox · Simple RAG"

_GONE = (
    "It is read no more, and its password or permission is forgotten and given back where the provider lets "
    "programs do that. The mailbox itself stays as it is."
)


def email_page() -> rx.Component:
    """Connect mailboxes and see how their mails get here."""
    return frame(
        rx.cond(
            MailboxesState.is_loading,
            waiting("Loading the mailboxes"),
            rx.cond(MailboxesState.kb_id == 0, _no_knowledge_base(), _mailboxes()),
        ),
        create_kb_dialog(),
        _mailbox_dialog(),
        delete_dialog(MailboxesState, WORDS, text=_GONE),
        active=routes.EMAIL,
    )


def mailbox_page() -> rx.Component:
    """One mailbox: its mails, and what each reading did."""
    return frame(source_detail(MailboxState, WORDS), active=routes.EMAIL)


def _mailboxes() -> rx.Component:
    return rx.fragment(
        page_header(
            title="Email Integration",
            text=rx.fragment("Mails for ", rx.el.strong(CurrentKbState.name)),
            actions=rx.cond(MailboxesState.rows, _add_menu()),
        ),
        rx.el.div(
            rx.cond(
                MailboxesState.problem != "",
                banner(
                    MailboxesState.problem,
                    tone="danger",
                    action=button(
                        "Close", variant="secondary", size="sm", on_click=MailboxesState.dismiss_problem
                    ),
                ),
            ),
            rx.cond(MailboxesState.welcome != "", banner(MailboxesState.welcome, tone="success")),
            rx.cond(MailboxesState.rows, source_list(MailboxesState, edit=MailboxesState.edit), _empty()),
            class_name="flex flex-col gap-5",
        ),
    )


def _add_menu() -> rx.Component:
    return menu(
        rx.fragment(icon("plus"), "Connect a mailbox"),
        menu_item("Gmail", icon="mail", on_click=MailboxesState.begin("gmail")),
        menu_item("Outlook", icon="mail", on_click=MailboxesState.begin("outlook")),
        menu_item("Another mailbox", icon="server", on_click=MailboxesState.begin("imap")),
        label="Connect a mailbox",
        trigger_class="btn btn-primary",
    )


def _empty() -> rx.Component:
    return rx.el.div(
        rx.el.div(
            rx.el.h2("Answers from your mail", class_name="text-lg"),
            rx.el.p(
                "Much of what a team knows was once written in a mail. Connect a mailbox: its mails and "
                "attachments can then be searched and asked like documents, and new ones follow by "
                "themselves. Nothing is changed, marked as read or deleted in the mailbox.",
                class_name="mt-1 max-w-[68ch] text-muted",
            ),
        ),
        rx.el.ul(
            _way(
                "Gmail",
                rx.cond(
                    MailboxesState.offers_google,
                    "Sign in with Google and allow reading. No password is stored.",
                    "Works with an app password, which you make in your Google account under Security.",
                ),
                "gmail",
            ),
            _way(
                "Outlook",
                rx.cond(
                    MailboxesState.offers_microsoft,
                    "Sign in with Microsoft and allow reading. No password is stored.",
                    "Microsoft lets programs in by its own sign-in only, which whoever runs this "
                    "installation has not set up yet.",
                ),
                "outlook",
            ),
            _way(
                "Another mailbox",
                "Any provider or server that speaks IMAP, with address and password. The server is mostly "
                "found by itself.",
                "imap",
            ),
            class_name="grid gap-4 md:grid-cols-3",
        ),
        rx.el.p(
            icon("shield", class_name="flex-none"),
            "Passwords and permissions are stored encrypted and never shown again. You choose folders, how "
            "far back to go, and whether addresses and telephone numbers are masked.",
            class_name="flex items-start gap-2 text-sm text-muted",
        ),
        class_name="flex flex-col gap-5",
    )


def _way(name: str, text: rx.Component | rx.Var | str, provider: str) -> rx.Component:
    return rx.el.li(
        card(
            rx.el.h3(
                icon("server" if provider == "imap" else "mail"), name, class_name="flex items-center gap-2"
            ),
            rx.el.p(text, class_name="flex-1 text-[0.9375rem] text-muted"),
            button(
                "Connect",
                variant="secondary",
                aria_label=f"Connect {name}",
                on_click=MailboxesState.begin(provider),
                class_name="self-start",
            ),
            class_name="flex h-full flex-col gap-3",
        )
    )


def _mailbox_dialog() -> rx.Component:
    return dialog(
        rx.el.form(
            _sign_in(),
            _what(),
            _more(),
            rx.el.p(MailboxesState.errors.form, role="alert", class_name="field-error"),
            _result(),
            rx.cond(MailboxesState.away != "", _departure(), _actions()),
            on_submit=MailboxesState.submit,
            no_validate=True,
            class_name="flex flex-col gap-5",
        ),
        open=MailboxesState.is_open,
        title=MailboxesState.window_title,
        on_close=MailboxesState.close,
        wide=True,
    )


def _sign_in() -> rx.Component:
    return rx.fragment(
        text_input(
            name="address",
            label="E-mail address",
            type="email",
            required=True,
            auto_complete="off",
            max_length=320,
            placeholder="ada@example.org",
            default_value=MailboxesState.form.address,
            error=MailboxesState.errors.address,
        ),
        rx.cond(
            MailboxesState.by_sign_in,
            rx.el.p(
                f"You give the permission at {MailboxesState.sign_in_name}; no password is stored here. ",
                rx.el.button(
                    "Use a password instead",
                    type="button",
                    on_click=MailboxesState.use_password,
                    class_name="underline",
                ),
                class_name="text-sm text-muted",
            ),
            _password(),
        ),
    )


def _password() -> rx.Component:
    return rx.fragment(
        password_input(
            name="password",
            id="mailbox-password",
            label="Password",
            required=False,
            auto_complete="off",
            hint=MailboxesState.password_hint,
            error=MailboxesState.errors.password,
        ),
        rx.cond(
            MailboxesState.can_sign_in,
            rx.el.button(
                f"Sign in with {MailboxesState.sign_in_name} instead",
                type="button",
                on_click=MailboxesState.use_sign_in,
                class_name="self-start text-sm underline",
            ),
        ),
        rx.el.details(
            rx.el.summary("Mail server", class_name="font-medium text-[0.9375rem]"),
            rx.el.div(
                text_input(
                    name="host",
                    label="Server",
                    hint="Leave it empty to have it found by itself.",
                    placeholder="imap.example.org",
                    auto_complete="off",
                    default_value=MailboxesState.form.host,
                    error=MailboxesState.errors.host,
                ),
                rx.el.div(
                    text_input(
                        name="port",
                        label="Port",
                        placeholder="993",
                        input_mode="numeric",
                        default_value=MailboxesState.form.port,
                        error=MailboxesState.errors.port,
                    ),
                    select(
                        name="security",
                        label="Encryption",
                        options=SECURITIES,
                        default_value=MailboxesState.form.security,
                        required=True,
                    ),
                    class_name="grid grid-cols-1 gap-5 sm:grid-cols-2",
                ),
                text_input(
                    name="username",
                    label="User name",
                    hint="Only where it is not the address.",
                    auto_complete="off",
                    default_value=MailboxesState.form.username,
                    error=MailboxesState.errors.username,
                ),
                class_name="flex flex-col gap-5 pt-4",
            ),
            open=(MailboxesState.errors.host != "") | (MailboxesState.errors.port != ""),
        ),
    )


def _what() -> rx.Component:
    return rx.fragment(
        rx.cond(
            MailboxesState.folders,
            rx.el.fieldset(
                rx.el.legend("Folders to read", class_name="field-label"),
                rx.el.div(
                    rx.foreach(MailboxesState.folders, _folder),
                    class_name="mt-2 grid max-h-64 grid-cols-1 gap-2 overflow-y-auto sm:grid-cols-2",
                ),
                rx.el.p(MailboxesState.errors.folders, role="alert", class_name="field-error"),
            ),
            text_input(
                name="folders",
                label="Folders to read",
                hint=MailboxesState.folders_hint,
                default_value=MailboxesState.form.folders,
                error=MailboxesState.errors.folders,
            ),
        ),
        rx.el.div(
            select(
                name="months",
                label="How far back",
                options=MONTHS,
                default_value=MailboxesState.form.months,
                required=True,
            ),
            select(
                name="every",
                label="Look for new mails",
                options=SCHEDULES,
                default_value=MailboxesState.form.every,
                required=True,
            ),
            class_name="grid grid-cols-1 gap-5 sm:grid-cols-2",
        ),
        switch(
            name="mask",
            label="Mask personal data",
            hint="E-mail addresses and telephone numbers are replaced before a mail or attachment is kept.",
            default_checked=MailboxesState.form.mask,
        ),
    )


def _folder(folder: FolderChoice) -> rx.Component:
    return rx.el.label(
        rx.el.input(
            type="checkbox",
            name=f"folder:{folder.name}",
            default_checked=folder.is_chosen,
            class_name="checkbox",
        ),
        rx.el.span(folder.name, class_name="break-all"),
        key=folder.name,
        class_name="flex items-center gap-2",
    )


def _more() -> rx.Component:
    return rx.el.details(
        rx.el.summary("Filters, attachments, deleted mails", class_name="font-medium text-[0.9375rem]"),
        rx.el.div(
            text_input(
                name="from_filter",
                label="Only from",
                hint="Names, addresses or parts of them, separated by commas.",
                placeholder="@supplier.example, Ada",
                default_value=MailboxesState.form.from_filter,
                error=MailboxesState.errors.from_filter,
            ),
            text_input(
                name="to_filter",
                label="Only to",
                placeholder="support@example.org",
                default_value=MailboxesState.form.to_filter,
                error=MailboxesState.errors.to_filter,
            ),
            text_input(
                name="subject_filter",
                label="Only with these words in the subject",
                default_value=MailboxesState.form.subject_filter,
                error=MailboxesState.errors.subject_filter,
            ),
            checkbox(
                name="attachments",
                label="Read attachments",
                default_checked=MailboxesState.form.attachments,
            ),
            select(
                name="on_deleted",
                label="When mails are deleted or moved away in the mailbox",
                options=ON_DELETED,
                default_value=MailboxesState.form.on_deleted,
                required=True,
            ),
            class_name="flex flex-col gap-5 pt-4",
        ),
        open=(MailboxesState.errors.from_filter != "")
        | (MailboxesState.errors.to_filter != "")
        | (MailboxesState.errors.subject_filter != ""),
    )


def _result() -> rx.Component:
    return rx.cond(
        MailboxesState.is_tested,
        rx.cond(
            MailboxesState.works,
            banner(MailboxesState.said, tone="success"),
            banner(MailboxesState.said, tone="danger"),
        ),
    )


def _actions() -> rx.Component:
    return dialog_actions(
        button("Cancel", variant="secondary", on_click=MailboxesState.close),
        rx.cond(
            MailboxesState.form.id > 0,
            rx.fragment(
                rx.cond(
                    MailboxesState.by_sign_in,
                    button("Sign in again", variant="secondary", on_click=MailboxesState.sign_in_again),
                ),
                button(
                    "Test connection",
                    variant="secondary",
                    disabled=MailboxesState.is_busy,
                    on_click=MailboxesState.test,
                ),
                button("Save", type="submit", loading=MailboxesState.is_busy),
            ),
            rx.cond(
                MailboxesState.by_sign_in,
                button("Continue", type="submit", loading=MailboxesState.is_busy),
                rx.cond(
                    MailboxesState.works,
                    button("Connect and read", type="submit", loading=MailboxesState.is_busy),
                    button("Test connection", type="submit", loading=MailboxesState.is_busy),
                ),
            ),
        ),
    )


def _departure() -> rx.Component:
    return rx.fragment(
        rx.el.p(
            f"{MailboxesState.sign_in_name} now asks whether Simple RAG may read this mailbox. You come back "
            "here afterwards.",
            class_name="text-sm text-muted",
        ),
        dialog_actions(
            button("Cancel", variant="secondary", on_click=MailboxesState.close),
            link_button(
                f"Go to {MailboxesState.sign_in_name}",
                href=MailboxesState.away,
                icon="external",
                leaves_app=True,
            ),
        ),
    )


def _no_knowledge_base() -> rx.Component:
    return rx.fragment(
        page_header(title="Email Integration"),
        empty_state(
            icon="book",
            title="Mails need a knowledge base",
            text="Create one, then connect a mailbox to fill it.",
            action=button("Create a knowledge base", icon="plus", on_click=CreateKbState.open_new),
        ),
    )
