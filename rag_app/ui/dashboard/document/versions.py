"""The tab with the files a document has had."""

import reflex as rx

from rag_app.ui.components import badge, button, dialog, dialog_actions, drop_zone, link_button
from rag_app.ui.dashboard.document.versions_state import VersionsState
from rag_app.ui.dashboard.document.versions_view import VersionView


def versions_tab() -> rx.Component:
    """Replace the file, look at the earlier ones, go back to one."""
    return rx.el.div(
        rx.el.p(
            "A corrected file takes the place of this one: links, tags and what was switched off stay, and "
            "the present text serves until the new one is read. Answers of before keep what they quoted.",
            class_name="max-w-[75ch] text-sm text-muted",
        ),
        drop_zone(
            url=VersionsState.upload_url,
            title="Drop the new version here or choose it",
            single=True,
            disabled=VersionsState.is_busy,
            on_uploaded=VersionsState.uploaded,
        ),
        rx.el.ul(rx.foreach(VersionsState.versions, _version), class_name="flex flex-col gap-3"),
        dialog(
            rx.el.p(
                "Its file is read again. The present text serves until that is done, and stays if it fails."
            ),
            dialog_actions(
                button("Cancel", variant="secondary", on_click=VersionsState.keep),
                button("Use this version", icon="history", on_click=VersionsState.use),
            ),
            open=VersionsState.using > 0,
            title=f"Go back to version {VersionsState.using}?",
            on_close=VersionsState.keep,
        ),
        class_name="flex flex-col gap-4",
    )


def _version(version: VersionView) -> rx.Component:
    return rx.el.li(
        rx.el.div(
            rx.el.div(
                rx.el.h2(version.title, class_name="font-semibold"),
                badge(version.state, tone=version.tone),
                class_name="flex flex-wrap items-center gap-x-3 gap-y-1",
            ),
            rx.el.p(version.facts, class_name="break-words text-sm text-muted"),
            rx.cond(version.problem != "", rx.el.p(version.problem, class_name="mt-1 text-sm text-danger")),
            class_name="min-w-0 flex-[1_1_16rem]",
        ),
        rx.el.div(
            rx.cond(
                version.can_use,
                button(
                    version.use_words,
                    variant="secondary",
                    size="sm",
                    on_click=VersionsState.ask(version.number),
                ),
            ),
            link_button(
                "Download",
                href=version.href,
                icon="download",
                variant="secondary",
                size="sm",
                is_file=True,
                aria_label=f"Download {version.title}",
            ),
            class_name="flex flex-wrap gap-2",
        ),
        key=version.number,
        class_name="card flex flex-wrap items-center gap-x-4 gap-y-3 p-4",
    )
