"""One passage that was found: what it says, why it is here, and every score behind that."""

import reflex as rx

from rag_app.ui.components import card, link
from rag_app.ui.components.base import Text
from rag_app.ui.dashboard.semantic_search.view import FoundPassage, TermView


def found_passage(passage: FoundPassage) -> rx.Component:
    return rx.el.li(
        card(
            _head(passage),
            rx.el.p(passage.why, class_name="text-[0.9375rem]"),
            rx.el.div(
                rx.el.div(rx.html(passage.html), dir="auto", class_name="found-text"),
                class_name="found-box",
            ),
            rx.cond(passage.copies != "", rx.el.p(passage.copies, class_name="text-sm text-muted")),
            _details(passage),
            class_name="flex flex-col gap-3",
        ),
        key=passage.href,
    )


def _head(passage: FoundPassage) -> rx.Component:
    return rx.el.div(
        rx.el.div(
            rx.el.span(passage.number, class_name="cite", aria_hidden="true"),
            rx.el.div(
                rx.el.h2(
                    link(passage.document, href=passage.href),
                    class_name="text-base [overflow-wrap:anywhere]",
                ),
                rx.cond(passage.place != "", rx.el.p(passage.place, class_name="text-sm text-muted")),
                rx.cond(
                    passage.url != "",
                    link(passage.url, href=passage.url, new_tab=True, class_name="text-sm break-all"),
                ),
                class_name="min-w-0",
            ),
            class_name="flex min-w-0 flex-[1_1_16rem] items-baseline gap-2.5",
        ),
        rx.el.div(
            rx.el.span(
                "Likely answers your question: ",
                rx.el.strong(
                    rx.cond(passage.likelihood > 0, f"{passage.likelihood} %", "under 1 %"),
                    class_name="font-semibold text-ink tabular-nums",
                ),
                class_name="text-sm text-muted",
            ),
            _bar(passage.likelihood),
            class_name="flex flex-col gap-1.5",
        ),
        class_name="flex flex-wrap items-start justify-between gap-x-6 gap-y-2",
    )


def _details(passage: FoundPassage) -> rx.Component:
    return rx.el.details(
        rx.el.summary("Show the details", class_name="disclosure-line"),
        rx.el.dl(
            _score("By meaning", passage.meaning, passage.meaning_bar),
            _score("By words", passage.words, passage.words_bar),
            _score("Together", passage.fused, passage.fused_bar),
            _score("Read again", passage.rerank, passage.rerank_bar),
            class_name="scores",
        ),
        rx.cond(passage.terms, _terms(passage)),
        rx.cond(passage.before != "", _around("Text before it", passage.before)),
        rx.cond(passage.after != "", _around("Text after it", passage.after)),
    )


def _score(name: str, text: Text, percent: int) -> rx.Component:
    return rx.el.div(
        rx.el.dt(name, class_name="font-[550] text-ink"),
        rx.el.dd(rx.el.span(text), _bar(percent)),
    )


def _terms(passage: FoundPassage) -> rx.Component:
    return rx.el.div(
        rx.el.h3("Your words in it, by how much each counts", class_name="text-sm font-[550]"),
        rx.el.ul(rx.foreach(passage.terms, _term), class_name="terms"),
        class_name="mt-4 flex flex-col gap-1.5",
    )


def _term(term: TermView) -> rx.Component:
    return rx.el.li(
        rx.el.span(
            term.term,
            rx.cond(term.note != "", rx.el.span(f" ({term.note})", class_name="text-muted")),
            class_name="[overflow-wrap:anywhere]",
        ),
        _bar(term.percent),
        rx.el.span(f"{term.percent} %", class_name="text-right text-muted tabular-nums"),
    )


def _around(title: str, text: Text) -> rx.Component:
    return rx.el.div(
        rx.el.h3(title, class_name="text-sm font-[550]"),
        rx.el.div(
            rx.el.div(text, dir="auto", class_name="found-text text-muted"), class_name="found-box mt-1"
        ),
        class_name="mt-4",
    )


def _bar(percent: int) -> rx.Component:
    return rx.el.span(
        rx.el.span(style={"width": f"{percent}%"}, class_name="bar-fill"),
        aria_hidden="true",
        class_name="bar",
    )
