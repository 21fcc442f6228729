"""The list of accounts, and the windows in which one is changed."""

import reflex as rx

from rag_app.domain.limits import LIMITS
from rag_app.ui.components import (
    badge,
    banner,
    button,
    cell,
    dialog,
    dialog_actions,
    empty_state,
    field,
    icon,
    load_more,
    menu,
    menu_item,
    row,
    select,
    table,
    text_input,
)
from rag_app.ui.dashboard.admin.accounts_state import AccountsState
from rag_app.ui.dashboard.admin.view import UNLIMITED, AccountView, field_label


def accounts_panel() -> rx.Component:
    """Search, list, and windows."""
    return rx.fragment(
        _search(),
        rx.cond(AccountsState.accounts, _list(), _none_found()),
        _edit_dialog(),
        _switch_off_dialog(),
    )


def _search() -> rx.Component:
    return rx.el.form(
        text_input(
            name="query",
            id="account-query",
            label="Search accounts",
            type="search",
            hide_label=True,
            placeholder="Name or email",
            default_value=AccountsState.query,
            max_length=200,
            key=AccountsState.query,
        ),
        button("Search", type="submit", variant="secondary", icon="search"),
        on_submit=AccountsState.search,
        class_name="mb-4 grid max-w-lg grid-cols-[minmax(0,1fr)_auto] gap-2",
    )


def _list() -> rx.Component:
    return rx.fragment(
        table(
            headers=["Account", "Plan", "Has", "This month", "Since", ""],
            rows=rx.foreach(AccountsState.accounts, _row),
            caption="Accounts",
        ),
        load_more(has_more=AccountsState.has_more, on_click=AccountsState.show_more),
    )


def _row(account: AccountView) -> rx.Component:
    return row(
        cell(
            rx.el.div(
                rx.el.div(account.name, class_name="font-medium [overflow-wrap:anywhere]"),
                rx.el.div(
                    account.email, class_name="text-sm font-normal text-muted [overflow-wrap:anywhere]"
                ),
                rx.el.div(
                    rx.cond(account.is_admin, badge("Administrator", tone="accent", icon="shield")),
                    rx.cond(account.is_active, rx.fragment(), badge("Switched off", tone="danger")),
                    class_name="mt-1 flex flex-wrap gap-1.5 empty:hidden",
                ),
                class_name="min-w-0",
            ),
        ),
        cell(
            rx.el.div(
                badge(account.plan),
                rx.cond(account.has_own_limits, badge("Own limits", tone="accent")),
                class_name="flex flex-wrap gap-1.5",
            ),
            label="Plan",
        ),
        cell(account.contents, label="Has"),
        cell(account.usage, label="This month"),
        cell(rx.el.span(account.since, class_name="whitespace-nowrap"), label="Since"),
        cell(_menu(account)),
        key=account.id,
    )


def _menu(account: AccountView) -> rx.Component:
    return menu(
        icon("more"),
        menu_item("Plan and own limits", icon="edit", on_click=AccountsState.edit(account.id)),
        rx.cond(
            account.is_active,
            menu_item(
                "Switch off",
                icon="lock",
                is_danger=True,
                on_click=AccountsState.ask_to_switch_off(account.id),
            ),
            menu_item("Switch on", icon="check", on_click=AccountsState.switch_on(account.id)),
        ),
        label=f"More about {account.name}",
    )


def _edit_dialog() -> rx.Component:
    return dialog(
        rx.el.form(
            select(
                name="tier",
                id="account-plan",
                label="Plan",
                required=True,
                options=AccountsState.plans,
                value=AccountsState.chosen_plan,
                on_change=AccountsState.choose_plan,
                hint="With a smaller plan nothing is deleted or hidden; only more of it is refused.",
            ),
            rx.el.fieldset(
                rx.el.legend("Own limits", class_name="mb-1 font-semibold"),
                rx.el.p(
                    f"They stand above the plan. An empty field leaves it to the plan; “{UNLIMITED}” takes "
                    "the limit away.",
                    class_name="mb-4 text-sm text-muted",
                ),
                rx.el.div(*(_field(name) for name in LIMITS), class_name="grid gap-4 sm:grid-cols-2"),
            ),
            rx.cond(AccountsState.problem != "", banner(AccountsState.problem, tone="danger")),
            dialog_actions(
                button("Cancel", variant="secondary", on_click=AccountsState.close),
                button("Save", type="submit", loading=AccountsState.is_saving),
            ),
            key=AccountsState.editing_id,
            on_submit=AccountsState.save,
            no_validate=True,
            class_name="flex flex-col gap-5",
        ),
        open=AccountsState.editing_id > 0,
        title=f"Plan of “{AccountsState.editing_name}”",
        on_close=AccountsState.close,
        wide=True,
    )


def _field(name: str) -> rx.Component:
    return field(
        lambda described: rx.el.input(
            name=name,
            auto_complete="off",
            placeholder="As the plan",
            default_value=AccountsState.values[name],
            **described,
        ),
        id=f"own-{name}",
        label=field_label(LIMITS[name]),
        hint=f"The plan: {AccountsState.of_plan[name]}",
        error=AccountsState.errors[name],
        required=True,  # only so that “optional” does not stand at each: all are
    )


def _switch_off_dialog() -> rx.Component:
    return dialog(
        rx.el.p(
            "They are signed out at once and cannot sign in, and their public chats answer no more. Nothing "
            "is deleted, and you can switch the account on again at any time.",
        ),
        dialog_actions(
            button("Cancel", variant="secondary", on_click=AccountsState.close),
            button("Switch off", variant="danger", on_click=AccountsState.switch_off),
        ),
        open=AccountsState.switching_id > 0,
        title=f"Switch “{AccountsState.switching_name}” off?",
        on_close=AccountsState.close,
    )


def _none_found() -> rx.Component:
    return empty_state(
        icon="search",
        title="No account fits",
        text="Try another part of the name or the email.",
        action=button("Show all", variant="secondary", on_click=AccountsState.show_all),
    )
