"""Share a knowledge base, from any page of the dashboard.

    share_button(kb_id=kb.id, name=kb.name)

The button brings its window along, which opens for its own knowledge base only. Where something else
opens it, such as a menu's line, use `on_click=ShareState.open(kb.id)` and put `share_dialog(…)` beside it.
"""

import reflex as rx

from rag_app.ui.components import (
    banner,
    button,
    copy_field,
    dialog,
    link_button,
    switch,
)
from rag_app.ui.components.base import Press, Text
from rag_app.ui.components.button import Size, Variant
from rag_app.ui.dashboard.sharing.state import ShareState


def share_button(
    *,
    kb_id: int | rx.Var[int],
    name: Text = "",
    variant: Variant = "secondary",
    size: Size = "md",
    label: str = "Share",
) -> rx.Component:
    """Show a button that opens the window in which a knowledge base is made public."""
    return rx.fragment(
        button(label, icon="share", variant=variant, size=size, on_click=ShareState.open(kb_id)),
        share_dialog(kb_id=kb_id, name=name),
    )


def share_dialog(*, kb_id: int | rx.Var[int], name: Text = "") -> rx.Component:
    """Show the window while it is open for this knowledge base."""
    return dialog(
        _content(),
        open=ShareState.kb_id == kb_id,
        title="Share this chat",
        description=name,
        on_close=ShareState.close,
    )


def _content() -> rx.Component:
    return rx.el.div(
        switch(
            name="public",
            id="share-public",
            label="Anyone with the link can chat",
            hint="Visitors need no account. They see answers and the passages behind them, no other part of "
            "your documents.",
            checked=ShareState.link.url != "",
            on_change=ShareState.switch,
        ),
        rx.cond(ShareState.link.url != "", _link()),
        class_name="flex flex-col gap-4",
    )


def _link() -> rx.Component:
    return rx.fragment(
        copy_field(label="Link", value=ShareState.link.url, id="share-link"),
        rx.cond(
            ShareState.link.is_local,
            banner(
                "This address works on this computer only. To share with others, start Simple RAG with "
                "RAG_HOST=0.0.0.0 and RAG_BASE_URL set to the address they can reach.",
            ),
        ),
        rx.el.div(
            rx.el.img(
                src=ShareState.link.qr_code,
                alt="QR code of the link",
                class_name="size-40 rounded-control border border-line",
            ),
            rx.el.div(
                rx.el.p("Point a phone at the code to open the chat.", class_name="text-sm text-muted"),
                link_button(
                    "Open the chat",
                    href=ShareState.link.url,
                    icon="external",
                    variant="secondary",
                    leaves_app=True,
                    target="_blank",
                    rel="noopener",
                ),
                button("New link", icon="refresh", variant="ghost", on_click=ShareState.ask_to_renew),
                class_name="flex min-w-40 flex-1 flex-col items-start gap-2",
            ),
            class_name="flex flex-wrap items-center gap-5",
        ),
        rx.match(
            ShareState.asking,
            ("renew", _confirm("The old link stops working at once, wherever it was sent.", "Make a new link",
                               ShareState.renew)),
            ("end", _confirm("The link stops working at once, also for chats that are open now.",
                             "Stop sharing", ShareState.end)),
            rx.fragment(),
        ),
    )  # fmt: skip


def _confirm(text: str, label: str, on_click: Press) -> rx.Component:
    return banner(
        text,
        tone="warn",
        action=rx.el.div(
            button("Keep it", variant="ghost", size="sm", on_click=ShareState.keep),
            button(label, variant="danger", size="sm", on_click=on_click),
            class_name="flex flex-wrap gap-2",
        ),
    )
