"""The parts pages are made of. Import from here: `from rag_app.ui.components import button, card`.

Everything takes fixed values or state vars, names its arguments, and passes unknown ones on to the
element (`class_name`, `id`, `aria_…`). Colours are tokens for light and dark (`bg-surface`,
`text-muted`, `border-line`, `text-accent`, `bg-danger-soft`, …: `assets/app.css`); layout is Tailwind.

    press       button icon_button link_button link · copy_button
    ask         text_input password_input textarea select slider checkbox switch · field (any control)
                native_form hidden (sent by the browser itself) · drop_zone (files, to our own API)
    show        card badge banner stat avatar kbd tooltip icon · code_block copy_field
    count       bar_chart (drawn from what `chart` makes of numbers)
    list        table row cell · load_more · empty_state
    arrange     page_header section_header · tabs · reveal (what a link leads to)
    over        dialog dialog_actions confirm_dialog · menu menu_item menu_label menu_line
    wait        progress_bar spinner skeleton

Windows are opened by a bool of a state and ask to be closed through `on_close`. Messages in the
corner come from handlers: `return notify("Saved.")` of `rag_app.ui.feedback`. A page inside the
dashboard is `shell(…)` of `rag_app.ui.shell`. Icons: the ids in `assets/icons.svg`.
"""

from rag_app.ui.components.button import button, icon_button, link, link_button
from rag_app.ui.components.chart import bar_chart
from rag_app.ui.components.connection import connection_lost
from rag_app.ui.components.copy import code_block, copy_button, copy_field
from rag_app.ui.components.dialog import confirm_dialog, dialog, dialog_actions
from rag_app.ui.components.drop_zone import drop_zone
from rag_app.ui.components.field import (
    checkbox,
    field,
    password_input,
    select,
    slider,
    switch,
    text_input,
    textarea,
)
from rag_app.ui.components.form import hidden, native_form
from rag_app.ui.components.icon import icon
from rag_app.ui.components.menu import menu, menu_item, menu_label, menu_line
from rag_app.ui.components.page import empty_state, load_more, page_header, section_header
from rag_app.ui.components.progress import progress_bar, skeleton, spinner
from rag_app.ui.components.reveal import reveal
from rag_app.ui.components.surface import avatar, badge, banner, card, kbd, stat, tooltip
from rag_app.ui.components.table import cell, row, table
from rag_app.ui.components.tabs import tabs

__all__ = [
    "avatar",
    "badge",
    "banner",
    "bar_chart",
    "button",
    "card",
    "cell",
    "checkbox",
    "code_block",
    "confirm_dialog",
    "connection_lost",
    "copy_button",
    "copy_field",
    "dialog",
    "dialog_actions",
    "drop_zone",
    "empty_state",
    "field",
    "hidden",
    "icon",
    "icon_button",
    "kbd",
    "link",
    "link_button",
    "load_more",
    "menu",
    "menu_item",
    "menu_label",
    "menu_line",
    "native_form",
    "page_header",
    "password_input",
    "progress_bar",
    "reveal",
    "row",
    "section_header",
    "select",
    "skeleton",
    "slider",
    "spinner",
    "stat",
    "switch",
    "table",
    "tabs",
    "text_input",
    "textarea",
    "tooltip",
]
