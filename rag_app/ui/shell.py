"""The frame around every page of the dashboard.

    def documents_page() -> rx.Component:
        return shell(
            page_header(title="Documents"),
            …,
            active=routes.KNOWLEDGE_BASE,
            user_name=AccountState.name,
            user_email=AccountState.email,
            switcher=kb_switcher,
        )

Wide screens have the tabs at the left, phones behind a button at the top.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import reflex as rx
from reflex.style import LiteralColorMode, color_mode, set_color_mode

from rag_app.ui import routes
from rag_app.ui.components import avatar, icon, menu, menu_item, menu_label, menu_line, native_form
from rag_app.ui.components.base import SCRIPTS, Child, Flag, Text

MAIN = "main"

# Makes what chooses among knowledge bases, for the id its control shall have.
Switcher: TypeAlias = Callable[[str], rx.Component]


@dataclass(frozen=True)
class Tab:
    """One entry of the navigation."""

    label: str
    icon: str
    href: str


# The tabs whose pages exist, in order.
TABS = [
    Tab("My Knowledge Bases", "library", routes.KNOWLEDGE_BASES),
    Tab("Conversations", "chat", routes.CONVERSATIONS),
    Tab("Semantic Search", "search", routes.SEARCH),
    Tab("Knowledge Base", "book", routes.KNOWLEDGE_BASE),
    Tab("Email Integration", "mail", routes.EMAIL),
    Tab("Web Sources", "globe", routes.WEB_SOURCES),
    Tab("Usage", "chart", routes.USAGE),
    Tab("Settings", "settings", routes.SETTINGS),
]

# Only whoever runs the installation sees these; the pages ask for themselves who is looking.
ADMIN_TABS = [
    Tab("Accounts and plans", "users", routes.ADMIN),
    Tab("Models", "coins", routes.ADMIN_MODELS),
]


class Drawer(rx.Component):
    """The navigation of phones; `assets/ui/dialog.js`."""

    library = f"{SCRIPTS}/dialog.js"
    tag = "Drawer"

    label: rx.Var[str]


def shell(
    *children: Child,
    active: str,
    user_name: Text = "",
    user_email: Text = "",
    switcher: Switcher | None = None,
    is_admin: Flag = False,
    wide: bool = False,
) -> rx.Component:
    """Put a page into the dashboard's frame.

    Args:
        active: the address of the tab this page belongs to.
        switcher: chooses among knowledge bases; stands above the tabs, of phones and of wide screens.
        is_admin: shows what only whoever runs the installation may open.
        wide: lets the page use the whole width, for chats beside their sources.
    """
    width = "" if wide else "mx-auto max-w-5xl"
    return rx.el.div(
        skip_link(),
        _top_bar(active, user_name, user_email, switcher, is_admin),
        rx.el.aside(
            _navigation(active, user_name, user_email, switcher, is_admin, id="kb-beside"),
            class_name="sticky top-0 hidden h-dvh border-r border-line bg-surface lg:block",
        ),
        rx.el.main(
            rx.el.div(*children, class_name=f"px-4 py-6 sm:px-8 sm:py-8 {width}".rstrip()),
            id=MAIN,
            tab_index=-1,
            class_name="min-w-0 outline-none",
        ),
        class_name="min-h-dvh lg:grid lg:grid-cols-[17rem_minmax(0,1fr)]",
    )


def logo(*, href: str = routes.HOME) -> rx.Component:
    """Show name and sign, leading home."""
    return rx.el.a(
        rx.el.img(src="/favicon.svg", alt="", class_name="size-7"),
        rx.el.span("Simple RAG", class_name="whitespace-nowrap font-semibold tracking-tight"),
        href=href,
        class_name="flex min-h-10 items-center gap-2.5 rounded-control",
    )


def skip_link() -> rx.Component:
    """Let keyboards jump over the navigation."""
    return rx.el.a("Skip to content", href=f"#{MAIN}", reload_document=True, class_name="skip-link")


def theme_items() -> list[rx.Component]:
    """Offer light, dark, or what the system says."""
    return [
        menu_label("Appearance"),
        _theme_item("Light", "sun", "light"),
        _theme_item("Dark", "moon", "dark"),
        _theme_item("As the system", "monitor", "system"),
    ]


def _top_bar(active: str, name: Text, email: Text, switcher: Switcher | None, is_admin: Flag) -> rx.Component:
    return rx.el.div(
        Drawer.create(
            _navigation(active, name, email, switcher, is_admin, id="kb-drawer"), label="navigation"
        ),
        logo(href=routes.KNOWLEDGE_BASES),
        class_name=(
            "sticky top-0 z-30 flex items-center gap-1 border-b border-line bg-surface px-2 py-1.5 lg:hidden"
        ),
    )


def _navigation(
    active: str, name: Text, email: Text, switcher: Switcher | None, is_admin: Flag, *, id: str
) -> rx.Component:
    return rx.el.div(
        rx.el.div(logo(href=routes.KNOWLEDGE_BASES), class_name="px-2"),
        switcher(id) if switcher is not None else rx.fragment(),
        rx.el.nav(
            rx.el.ul(
                *(rx.el.li(_tab(tab, tab.href == active)) for tab in TABS),
                class_name="flex flex-col gap-0.5",
            ),
            aria_label="Main",
        ),
        rx.cond(is_admin, _admin_navigation(active)),
        rx.el.div(_user_menu(name, email), class_name="mt-auto"),
        class_name="flex h-full flex-col gap-5 p-3",
    )


def _admin_navigation(active: str) -> rx.Component:
    return rx.el.nav(
        rx.el.p("Administration", class_name="px-3 pb-1 text-[0.8125rem] text-muted"),
        rx.el.ul(
            *(rx.el.li(_tab(tab, tab.href == active)) for tab in ADMIN_TABS),
            class_name="flex flex-col gap-0.5",
        ),
        aria_label="Administration",
    )


def _tab(tab: Tab, is_active: bool) -> rx.Component:
    current: dict[str, Any] = {"aria-current": "page"} if is_active else {}
    return rx.el.a(icon(tab.icon), tab.label, href=tab.href, class_name="nav-item", custom_attrs=current)


def _user_menu(name: Text, email: Text) -> rx.Component:
    return menu(
        rx.el.span(
            avatar(name=name),
            rx.el.span(
                rx.el.span(name, class_name="block truncate text-[0.9375rem] font-medium"),
                rx.el.span(email, class_name="block truncate text-[0.8125rem] text-muted"),
                class_name="min-w-0 flex-1 text-left",
            ),
            icon("up", class_name="text-muted"),
            class_name="flex w-full items-center gap-3",
        ),
        *theme_items(),
        menu_line(),
        native_form(
            menu_item("Log out", icon="logout", type="submit"),
            action=routes.AUTH_LOGOUT,
            class_name="contents",
        ),
        label="",
        trigger_class="w-full rounded-control p-2 hover:bg-raised",
        align="start",
    )


def _theme_item(label: str, icon_name: str, mode: LiteralColorMode) -> rx.Component:
    return menu_item(label, icon=icon_name, checked=color_mode == mode, on_click=set_color_mode(mode))
