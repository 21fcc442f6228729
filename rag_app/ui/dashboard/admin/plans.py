"""The plans with their limits, and the window in which one is changed."""

import reflex as rx

from rag_app.domain.limits import LIMITS
from rag_app.ui.components import banner, button, card, dialog, dialog_actions, field
from rag_app.ui.dashboard.admin.plans_state import PlansState
from rag_app.ui.dashboard.admin.view import PlanView, field_label


def plans_panel() -> rx.Component:
    """A card for each plan."""
    return rx.fragment(
        rx.el.div(rx.foreach(PlansState.plans, _plan), class_name="grid gap-4 lg:grid-cols-3"),
        _dialog(),
    )


def _plan(plan: PlanView) -> rx.Component:
    return card(
        rx.el.div(
            rx.el.div(
                rx.el.h2(plan.label, class_name="text-lg"),
                rx.el.p(plan.accounts, class_name="text-sm text-muted"),
            ),
            button(
                "Change",
                icon="edit",
                variant="secondary",
                size="sm",
                aria_label=f"Change the plan {plan.label}",
                on_click=PlansState.edit(plan.name),
            ),
            class_name="flex items-start justify-between gap-3",
        ),
        rx.el.dl(
            rx.foreach(
                plan.limits,
                lambda pair: rx.el.div(
                    rx.el.dt(pair[0], class_name="min-w-0 text-sm text-muted"),
                    rx.el.dd(pair[1], class_name="flex-none text-sm tabular-nums"),
                    class_name="flex items-baseline justify-between gap-4 py-2",
                ),
            ),
            class_name="mt-3 divide-y divide-line",
        ),
    )


def _dialog() -> rx.Component:
    return dialog(
        rx.cond(PlansState.is_asking, _question(), _form()),
        open=PlansState.editing != "",
        title=f"Plan “{PlansState.label}”",
        on_close=PlansState.close,
        wide=True,
    )


def _form() -> rx.Component:
    return rx.el.form(
        rx.el.p("An empty field means no limit.", class_name="text-sm text-muted"),
        rx.el.div(*(_field(name) for name in LIMITS), class_name="grid gap-4 sm:grid-cols-2"),
        rx.cond(PlansState.problem != "", banner(PlansState.problem, tone="danger")),
        dialog_actions(
            button("Cancel", variant="secondary", on_click=PlansState.close),
            button("Go on", type="submit"),
        ),
        on_submit=PlansState.ask,
        no_validate=True,
        class_name="flex flex-col gap-5",
    )


def _field(name: str) -> rx.Component:
    return field(
        lambda described: rx.el.input(
            name=name,
            auto_complete="off",
            input_mode="decimal",
            placeholder="No limit",
            default_value=PlansState.values[name],
            **described,
        ),
        id=f"plan-{name}",
        label=field_label(LIMITS[name]),
        error=PlansState.errors[name],
        required=True,  # only so that “optional” does not stand at each: all are
    )


def _question() -> rx.Component:
    return rx.el.div(
        rx.el.p(
            f"This holds at once for everybody with this plan ({PlansState.accounts}). Nothing that is there "
            "is deleted or hidden; only what would go beyond a limit is refused.",
        ),
        rx.el.ul(
            rx.foreach(PlansState.changes, lambda change: rx.el.li(change, class_name="tabular-nums")),
            class_name="list-disc pl-5",
        ),
        dialog_actions(
            button("Back", variant="secondary", on_click=PlansState.back),
            button("Change the plan", loading=PlansState.is_saving, on_click=PlansState.save),
        ),
        class_name="flex flex-col gap-4",
    )
