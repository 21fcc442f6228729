"""What the product does, shown rather than told."""

import reflex as rx

from rag_app.ui import routes
from rag_app.ui.components import badge, card, code_block, icon, link_button
from rag_app.ui.public import public_frame

TITLE = "Simple RAG: chat with your documents, with sources you can check"
DESCRIPTION = (
    "Upload documents, ask questions in plain words and get answers that cite the passages they come "
    "from. Self-hosted, with share links and a REST API."
)

STEPS = [
    (
        "upload",
        "Add your documents",
        "PDF, Word, slides, tables, web pages and plain text, by drag and drop or through the API.",
    ),
    (
        "chat",
        "Ask in plain words",
        "Each answer is built from passages found by meaning and by words, and cites every one it uses.",
    ),
    (
        "share",
        "Share the chat",
        "Send a link to colleagues or customers. They chat without an account and see only this one "
        "knowledge base.",
    ),
]

REASONS = [
    (
        "quote",
        "Every claim can be checked",
        "Numbered citations lead to the document, the page and the very words an answer rests on.",
    ),
    (
        "help",
        "It says when it does not know",
        "If your documents hold no answer, you are told so instead of being given an invented one.",
    ),
    (
        "lock",
        "Your data stays yours",
        "It runs on your own machine. Knowledge bases are kept apart from each other in every query.",
    ),
    (
        "key",
        "Works without an API key",
        "A built-in model answers by quoting. Add a key for OpenAI, Anthropic or Gemini when you want more.",
    ),
]

EXAMPLE = """curl -X POST "$HOST/api/knowledge-bases/1/knowledge/search" \\
  -H "Authorization: Bearer $TOKEN" \\
  -H "Content-Type: application/json" \\
  -d '{"query": "How much leave do I have?", "limit": 5}'"""


def landing_page() -> rx.Component:
    """The start page."""
    return public_frame(
        _hero(),
        _steps(),
        _reasons(),
        _api(),
        actions=rx.el.div(
            link_button("Log in", href=routes.LOGIN, variant="ghost"),
            link_button("Create account", href=routes.REGISTER, class_name="max-sm:hidden"),
            class_name="flex gap-2",
        ),
    )


def _hero() -> rx.Component:
    return rx.el.section(
        rx.el.div(
            rx.el.h1(
                "Answers from your documents, with the sources to prove it",
                class_name="text-[2.125rem] leading-[1.1] sm:text-5xl",
            ),
            rx.el.p(
                "Turn files into a chat your team and your customers can trust. "
                "Every answer cites the passages it comes from, on your own server.",
                class_name="max-w-[52ch] text-lg text-muted",
            ),
            rx.el.div(
                link_button("Create account", href=routes.REGISTER, size="lg"),
                link_button("Log in", href=routes.LOGIN, variant="secondary", size="lg"),
                class_name="mt-2 flex flex-wrap gap-3",
            ),
            class_name="flex flex-col items-start gap-5",
        ),
        _example_chat(),
        class_name=(
            "mx-auto grid w-full max-w-6xl items-center gap-10 px-4 py-14 sm:px-6 "
            "lg:grid-cols-[1.1fr_1fr] lg:py-24"
        ),
    )


def _example_chat() -> rx.Component:
    """An answer as the chat shows it."""
    return rx.el.figure(
        card(
            rx.el.p(
                "How many days of parental leave can I take?",
                class_name=(
                    "ml-auto w-fit max-w-[85%] rounded-2xl rounded-br-md bg-accent px-4 py-2.5 text-on-accent"
                ),
            ),
            rx.el.div(
                rx.el.p(
                    "You can take up to 60 days in your child's first two years",
                    _marker("1"),
                    ", in at most three parts",
                    _marker("2"),
                    ". Please give notice seven weeks ahead",
                    _marker("1"),
                    ".",
                ),
                class_name="max-w-[92%] leading-relaxed",
            ),
            rx.el.div(
                _source(
                    "1", "Employee handbook.pdf", "page 14", "…up to sixty days within two years of birth…"
                ),
                _source(
                    "2",
                    "Leave policy.docx",
                    "Section 3.2",
                    "…may be divided into no more than three periods…",
                ),
                class_name="grid gap-2",
            ),
            class_name="flex flex-col gap-4 p-5 shadow-overlay sm:p-6",
        ),
        rx.el.figcaption("An example conversation", class_name="sr-only"),
    )


def _marker(number: str) -> rx.Component:
    return rx.el.span(
        number,
        class_name=(
            "mx-0.5 inline-grid size-5 place-items-center rounded-md bg-accent-soft align-[0.1em] text-xs "
            "font-semibold text-accent"
        ),
    )


def _source(number: str, name: str, place: str, quote: str) -> rx.Component:
    return rx.el.div(
        _marker(number),
        rx.el.div(
            rx.el.p(
                rx.el.span(name, class_name="font-medium"),
                rx.el.span(f" · {place}", class_name="text-muted"),
            ),
            rx.el.p(quote, class_name="text-muted"),
            class_name="min-w-0",
        ),
        class_name="flex gap-2 rounded-control border border-line px-3 py-2.5 text-sm",
    )


def _steps() -> rx.Component:
    return rx.el.section(
        rx.el.div(
            rx.el.h2("Three steps to a chat that knows your documents", class_name="text-2xl sm:text-3xl"),
            rx.el.ol(
                *(_step(number, *step) for number, step in enumerate(STEPS, start=1)),
                class_name="grid gap-8 md:grid-cols-3",
            ),
            class_name="mx-auto flex max-w-6xl flex-col gap-10 px-4 py-16 sm:px-6",
        ),
        class_name="border-y border-line bg-surface",
    )


def _step(number: int, icon_name: str, title: str, text: str) -> rx.Component:
    return rx.el.li(
        rx.el.div(
            rx.el.span(
                icon(icon_name, class_name="text-xl"),
                class_name="grid size-11 place-items-center rounded-xl bg-accent-soft text-accent",
            ),
            rx.el.span(f"Step {number}", class_name="text-sm font-medium text-muted"),
            class_name="flex items-center gap-3",
        ),
        rx.el.h3(title, class_name="text-lg"),
        rx.el.p(text, class_name="text-muted"),
        class_name="flex flex-col gap-3",
    )


def _reasons() -> rx.Component:
    return rx.el.section(
        rx.el.h2("Why people can trust it", class_name="text-2xl sm:text-3xl"),
        rx.el.div(
            *(_reason(*reason) for reason in REASONS),
            class_name="grid gap-4 sm:grid-cols-2",
        ),
        class_name="mx-auto flex w-full max-w-6xl flex-col gap-8 px-4 py-16 sm:px-6",
    )


def _reason(icon_name: str, title: str, text: str) -> rx.Component:
    return card(
        icon(icon_name, class_name="mt-0.5 text-xl text-accent"),
        rx.el.div(
            rx.el.h3(title, class_name="text-base"),
            rx.el.p(text, class_name="mt-1 text-muted"),
        ),
        class_name="flex gap-4",
    )


def _api() -> rx.Component:
    return rx.el.section(
        rx.el.div(
            rx.el.div(
                badge("REST API", tone="accent"),
                rx.el.h2("Everything you can click, you can also call", class_name="text-2xl sm:text-3xl"),
                rx.el.p(
                    "Upload, search and chat from your own software. Answers stream, lists are paged, and "
                    "errors are sentences people understand.",
                    class_name="text-muted",
                ),
                link_button(
                    "Read the API reference",
                    href=routes.API_DOCS,
                    variant="secondary",
                    icon="code",
                    leaves_app=True,
                ),
                class_name="flex flex-col items-start gap-4",
            ),
            code_block(EXAMPLE, label="Example of a search request"),
            class_name=(
                "mx-auto grid max-w-6xl items-center gap-8 px-4 py-16 *:min-w-0 sm:px-6 lg:grid-cols-2"
            ),
        ),
        class_name="border-t border-line bg-surface",
    )
