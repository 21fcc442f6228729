"""Messages in the corner."""

import pytest
import reflex as rx
from structlog.testing import capture_logs

from rag_app.errors import Conflict, NotSignedIn
from rag_app.ui import routes
from rag_app.ui.feedback import MOST_SHOWN, FeedbackState, notify, show_error


@pytest.fixture
async def state() -> FeedbackState:
    root = rx.State(_reflex_internal_init=True)  # ty: ignore[unknown-argument]
    return await root.get_state(FeedbackState)


def show(state: FeedbackState, text: str) -> None:
    FeedbackState.show.fn(state, text, "success")


async def test_message_is_shown_and_can_be_dismissed(state):
    show(state, "Saved.")
    assert [notice.text for notice in state.notices] == ["Saved."]

    FeedbackState.dismiss.fn(state, state.notices[0].id)
    assert state.notices == []


async def test_same_message_is_shown_once(state):
    for text in ("Saved.", "Deleted.", "Saved."):
        show(state, text)

    assert [notice.text for notice in state.notices] == ["Deleted.", "Saved."]


async def test_oldest_message_makes_room(state):
    for number in range(MOST_SHOWN + 2):
        show(state, f"Message {number}")

    assert state.notices[0].text == "Message 2"
    assert len(state.notices) == MOST_SHOWN


def test_our_errors_are_shown_in_their_own_words():
    assert "There is one already." in str(show_error(Conflict("There is one already.")).args)


def test_foreign_errors_are_logged_and_their_text_is_kept_from_the_page():
    with capture_logs() as logs:
        shown = show_error(ValueError("password=hunter2"))

    assert "hunter2" not in str(shown.args)
    assert [entry["event"] for entry in logs] == ["handler_failed"]


def test_signed_out_visitors_are_led_to_the_log_in_page():
    assert routes.LOGIN in str(show_error(NotSignedIn()).args)


def test_notify_calls_the_state_rather_than_a_script():
    assert notify("Saved.").handler.fn.__name__ == "show"
