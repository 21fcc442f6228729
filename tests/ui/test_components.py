"""Components: each can be drawn from fixed values, and what belongs together is tied together."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import reflex as rx

from rag_app.ui import components as ui
from rag_app.ui import routes, shell
from rag_app.ui.components.chart import ChartView
from rag_app.ui.components.icon import names as icon_names
from rag_app.ui.dashboard.conversations.page import conversations_page
from rag_app.ui.dashboard.conversations.reader import conversation_page
from rag_app.ui.dashboard.preview.page import preview_page
from rag_app.ui.dashboard.semantic_search.page import search_page
from rag_app.ui.dashboard.settings.page import settings_page
from rag_app.ui.dashboard.usage.page import usage_page
from rag_app.ui.feedback import notices
from rag_app.ui.landing.page import landing_page
from rag_app.ui.public import not_found_page
from rag_app.ui.shared_chat.page import shared_chat_page
from rag_app.ui.sign_in.page import login_page, register_page

ROOT = Path(__file__).resolve().parents[2]


def nothing() -> None:
    """Stands for a handler."""


EXAMPLES: dict[str, rx.Component] = {
    "avatar": ui.avatar(name="Ada"),
    "badge": ui.badge("Ready", tone="success", icon="check"),
    "banner": ui.banner("Lost", tone="danger", action=ui.button("Retry")),
    "bar_chart": ui.bar_chart(
        rx.Var.create(ChartView()), title="Cost", value="$1", lower="Known", upper="Guessed"
    ),
    "button": ui.button("Save", variant="danger", size="lg", icon="check", loading=True),
    "card": ui.card("Text"),
    "cell": ui.cell("12", label="Chunks", is_number=True),
    "checkbox": ui.checkbox(name="keep", label="Keep", hint="All of it"),
    "code_block": ui.code_block("curl"),
    "confirm_dialog": ui.confirm_dialog(
        open=True, title="Delete?", text="All.", name="Handbook", on_confirm=[], on_close=[]
    ),
    "connection_lost": ui.connection_lost(),
    "copy_button": ui.copy_button(text="abc", icon_only=True),
    "copy_field": ui.copy_field(label="Link", value="https://x", id="link"),
    "dialog": ui.dialog("Text", open=False, title="Edit", on_close=[]),
    "dialog_actions": ui.dialog_actions(ui.button("Save")),
    "drop_zone": ui.drop_zone(url="/upload", hint="PDF"),
    "empty_state": ui.empty_state(icon="inbox", title="Nothing yet", text="Add one", action=ui.button("Add")),
    "field": ui.field(lambda described: rx.el.input(**described), id="x", label="X"),
    "hidden": ui.hidden(name="next", value="/"),
    "icon": ui.icon("search"),
    "icon_button": ui.icon_button("trash", label="Delete"),
    "kbd": ui.kbd("Ctrl", "K"),
    "link": ui.link("Docs", href="https://x", new_tab=True),
    "link_button": ui.link_button("Docs", href="/api/docs", leaves_app=True),
    "load_more": ui.load_more(has_more=True, on_click=[]),
    "menu": ui.menu(ui.icon("more"), ui.menu_item("Rename"), label="More"),
    "menu_item": ui.menu_item("Dark", icon="moon", checked=True),
    "menu_label": ui.menu_label("Appearance"),
    "menu_line": ui.menu_line(),
    "native_form": ui.native_form(action="/auth/login"),
    "page_header": ui.page_header(title="Files", text="All", actions=ui.button("Add")),
    "password_input": ui.password_input(is_new=True, min_length=8, hint="Long"),
    "progress_bar": ui.progress_bar(percent=40, label="Indexing"),
    "reveal": ui.reveal("Passage"),
    "row": ui.row(ui.cell("a")),
    "section_header": ui.section_header(title="Files"),
    "select": ui.select(name="kb", label="Knowledge base", options=[("1", "Handbook")]),
    "skeleton": ui.skeleton(),
    "slider": ui.slider(name="k", label="Passages", min=1, max=50, default_value=8, shown="8"),
    "spinner": ui.spinner(label="Loading"),
    "stat": ui.stat(label="Documents", value="3", hint="today"),
    "switch": ui.switch(name="shared", label="Shared", default_checked=True),
    "table": ui.table(headers=["Name", "Size", ""], rows=rx.fragment(), caption="Files", numbers=["Size"]),
    "tabs": ui.tabs(
        value=rx.Var("tab", _var_type=str),
        on_change=lambda _: [],
        items=[("a", "A", rx.el.p("a"))],
        label="Knowledge",
    ),
    "text_input": ui.text_input(name="email", label="Email", hint="Yours", error="Wrong", required=True),
    "textarea": ui.textarea(name="about", label="About"),
    "tooltip": ui.tooltip(ui.icon_button("help", label="Help", aria_describedby="t"), text="Why", id="t"),
}

PAGES = {
    "landing": landing_page,
    "login": login_page,
    "register": register_page,
    "not found": not_found_page,
    "shared chat": shared_chat_page,
    "chat preview": preview_page,
    "conversations": conversations_page,
    "conversation": conversation_page,
    "search": search_page,
    "settings": settings_page,
    "usage": usage_page,
    "dashboard": lambda: shell.shell("Text", active=routes.SETTINGS, user_name="Ada"),
}


def drawn(component: rx.Component) -> str:
    return json.dumps(component.render(), default=str)


def elements(node: Any) -> list[dict[str, Any]]:
    """Every element of a drawn component, outermost first."""
    if isinstance(node, list):
        return [found for child in node for found in elements(child)]
    if not isinstance(node, dict):
        return []
    own = [node] if "props" in node else []
    inner = [node.get(key) for key in ("children", "true_value", "false_value")]
    return own + [found for child in inner for found in elements(child)]


def prop(element: dict[str, Any], name: str) -> str | None:
    for text in element["props"]:
        key, _, value = text.partition(":")
        if key.strip('"') == name:
            return value.strip('"')
    return None


def test_every_exported_component_has_an_example():
    assert set(EXAMPLES) == set(ui.__all__)


@pytest.mark.parametrize("name", EXAMPLES)
def test_component_can_be_drawn(name):
    assert drawn(EXAMPLES[name])


@pytest.mark.parametrize("name", PAGES)
def test_page_has_one_main_region_and_at_most_one_first_heading(name):
    names = [element.get("name") for element in elements(PAGES[name]().render())]

    assert names.count('"main"') == 1
    assert names.count('"h1"') <= 1


@pytest.mark.parametrize(
    "name",
    ["text_input", "textarea", "select", "slider", "checkbox", "switch", "password_input", "copy_field"],
)
def test_label_belongs_to_its_input(name):
    found = elements(EXAMPLES[name].render())
    label = next(element for element in found if element["name"] == '"label"')
    controls = {'"input"', '"textarea"', '"select"', "PasswordInput"}
    control = next(element for element in found if element["name"] in controls)

    assert prop(label, "htmlFor") == prop(control, "id")


@pytest.mark.parametrize("name", ["text_input", "textarea", "select", "password_input", "slider", "checkbox"])
def test_input_is_described_by_texts_that_exist(name):
    found = elements(EXAMPLES[name].render())
    described = next(ids for element in found if (ids := prop(element, "aria-describedby")))

    assert set(described.split()) <= {prop(element, "id") for element in found}


def test_field_with_an_error_says_so_to_screen_readers():
    found = elements(EXAMPLES["text_input"].render())

    assert [prop(element, "aria-invalid") for element in found if element["name"] == '"input"'] == ["true"]
    assert any(prop(element, "role") == "alert" for element in found)


def test_loading_button_cannot_be_pressed():
    button = elements(EXAMPLES["button"].render())[0]

    assert (prop(button, "disabled"), prop(button, "aria-busy")) == ("true", "true")


def test_icon_button_has_a_name():
    assert prop(elements(EXAMPLES["icon_button"].render())[0], "aria-label") == "Delete"


def test_link_to_another_site_cannot_reach_back():
    assert "noopener" in drawn(EXAMPLES["link"])


def test_a_link_to_a_file_leaves_the_page_as_it_is():
    for link in (
        ui.link_button("Export", href="/x", is_file=True),
        ui.menu_item("Export", href="/x", is_file=True),
    ):
        assert prop(elements(link.render())[0], "download") == ""


def test_native_form_is_left_to_the_browser():
    form = elements(EXAMPLES["native_form"].render())[0]

    assert (prop(form, "action"), prop(form, "method")) == ("/auth/login", "post")
    assert prop(form, "onSubmit") is None


def test_active_tab_is_marked():
    found = elements(PAGES["dashboard"]().render())
    active = {element_href(element) for element in found if prop(element, "aria-current") == "page"}

    assert active == {routes.SETTINGS}


def element_href(element: dict[str, Any]) -> str | None:
    return prop(element, "to") or prop(element, "href")


def test_every_icon_used_exists():
    sources = [*(ROOT / "rag_app" / "ui").rglob("*.py"), *(ROOT / "assets" / "ui").glob("*.js")]
    used = {
        name
        for path in sources
        for name in re.findall(
            r"""icons\.svg#([\w-]+)|\bicon\("([\w-]+)"|icon="([\w-]+)\"""", path.read_text()
        )
    }

    assert {name for names in used for name in names if name} <= icon_names()


def test_every_own_element_has_its_script():
    tags = {EXAMPLES[name].__class__ for name in ("dialog", "drop_zone", "copy_button", "menu", "reveal")} | {
        type(notices())
    }

    for tag in tags:
        path = ROOT / "assets" / str(tag.library).removeprefix("$/public/")
        assert f"export function {tag.tag}(" in path.read_text()


def contrast(first: str, second: str) -> float:
    """Contrast of two colours. Source: WCAG 2.2, https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio"""
    lighter, darker = sorted((luminance(first), luminance(second)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("mode", [":root", ".dark"])
def test_text_contrasts_with_what_it_lies_on(mode):
    style = (ROOT / "assets" / "app.css").read_text()
    block = style[style.index(f"{mode} {{") :].partition("}")[0]
    token = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block))
    texts = ["ink", "muted", "accent", "accent-strong", "success", "warn", "danger"]
    pairs = [(text, ground) for text in texts for ground in ("page", "surface", "raised")]
    pairs += [(tone, f"{tone}-soft") for tone in ("accent", "success", "warn", "danger")]
    pairs += [("on-accent", "accent"), ("on-accent", "accent-strong"), ("on-danger", "danger-strong")]

    too_faint = [pair for pair in pairs if contrast(token[pair[0]], token[pair[1]]) < 4.5]

    assert too_faint == []
