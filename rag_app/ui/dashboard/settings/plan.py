"""What the owner's plan allows and how much of it is used; what a knowledge base may spend."""

import reflex as rx

from rag_app.ui.components import badge, banner, button, progress_bar, skeleton, text_input
from rag_app.ui.components.base import Text
from rag_app.ui.dashboard.settings.plan_state import PlanState
from rag_app.ui.dashboard.settings.plan_view import BudgetView, MeterView
from rag_app.ui.dashboard.settings.section import section


def plan_panel() -> rx.Component:
    """Every limit with its meter, and the budget of the chosen knowledge base."""
    return rx.cond(
        PlanState.is_loading,
        _waiting(),
        rx.el.div(
            _plan(),
            rx.cond(PlanState.kb_id > 0, _budget()),
            class_name="flex flex-col gap-6",
        ),
    )


def _plan() -> rx.Component:
    return section(
        "Your plan",
        "All your knowledge bases together. Whoever runs this installation can give you a larger plan.",
        rx.el.p(badge(PlanState.plan, tone="accent"), class_name="mb-4"),
        rx.el.ul(rx.foreach(PlanState.meters, _meter), class_name="flex flex-col gap-5"),
        id="plan",
    )


def _meter(meter: MeterView) -> rx.Component:
    return rx.el.li(
        rx.el.div(
            rx.el.span(meter.label, class_name="min-w-0 font-medium"),
            rx.el.span(meter.amount, class_name="text-sm text-muted tabular-nums"),
            class_name="flex flex-wrap items-baseline justify-between gap-x-4",
        ),
        _bar(meter, meter.label),
        rx.cond(meter.hint != "", rx.el.p(meter.hint, class_name="text-[0.8125rem] text-muted")),
        class_name="flex flex-col gap-1.5",
    )


def _bar(shown: MeterView | BudgetView, label: Text) -> rx.Component:
    close = progress_bar(percent=shown.percent, label=label, class_name="is-close")
    bar = progress_bar(percent=shown.percent, label=label)
    return rx.cond(shown.has_bar, rx.cond(shown.is_close, close, bar))


def _budget() -> rx.Component:
    budget = PlanState.budget
    return section(
        "Monthly budget",
        f"For “{PlanState.kb_name}”. When it is spent, hosted models are not asked any more until the month "
        "ends.",
        rx.el.div(
            rx.el.div(
                rx.el.span("Spent this month", class_name="font-medium"),
                rx.el.span(budget.spent, class_name="text-sm text-muted tabular-nums"),
                class_name="flex flex-wrap items-baseline justify-between gap-x-4",
            ),
            _bar(budget, "Spent this month"),
            rx.el.p(budget.hint, class_name="text-[0.8125rem] text-muted"),
            class_name="flex flex-col gap-1.5",
        ),
        rx.cond(budget.warning != "", banner(budget.warning, tone="warn", class_name="mt-4")),
        rx.el.form(
            text_input(
                name="budget",
                id="monthly-budget",
                label="Budget in US dollars",
                hint="Empty for no budget. 0 stops hosted models at once. Answers that are being written "
                "when it is reached are finished, so a little more may be spent.",
                input_mode="decimal",
                auto_complete="off",
                placeholder="No budget",
                default_value=budget.amount,
                error=PlanState.error,
            ),
            button("Save", type="submit", class_name="self-start"),
            key=f"{PlanState.kb_id}-{PlanState.n_saved}",  # a default only counts when the input is made
            on_submit=PlanState.save_budget,
            no_validate=True,
            class_name="mt-5 flex max-w-md flex-col gap-4",
        ),
        id="monthly-budget-card",
    )


def _waiting() -> rx.Component:
    return rx.el.div(
        *(skeleton(class_name="h-64 w-full rounded-card") for _ in range(2)),
        role="status",
        aria_label="Loading your plan",
        class_name="flex flex-col gap-6",
    )
