"""The log-in page: what it was told, and where it leads."""

from urllib.parse import quote

import pytest

from rag_app.ui import routes
from rag_app.ui.sign_in.state import MAX_SHOWN, Flash, read_flash


def test_message_and_email_are_read_from_the_cookie():
    cookie = quote('{"message": "Wrong password — try again.", "email": "ada@example.org"}')

    assert read_flash(f"other=1; rag_flash={cookie}") == Flash(
        "Wrong password — try again.", "ada@example.org"
    )


@pytest.mark.parametrize(
    "cookies",
    [
        pytest.param(None, id="no header"),
        pytest.param("", id="empty"),
        pytest.param("session=abc", id="another cookie"),
        pytest.param("rag_flash=%7Bbroken", id="no JSON"),
        pytest.param("rag_flash=%FF%FE", id="no text"),
        pytest.param("rag_flash=[1,2]", id="no object"),
        pytest.param("rag_flash=" + quote('{"message": 5, "email": null}'), id="no strings"),
        pytest.param("rag_flash=" + quote("[" * 100_000), id="nested beyond reason"),
        pytest.param(";;;=;\x00", id="no cookies"),
    ],
)
def test_cookie_without_sense_says_nothing(cookies):
    assert read_flash(cookies) == Flash()


def test_message_is_cut_to_a_sentence_or_two():
    cookie = quote('{"message": "' + "x" * 5000 + '"}')

    assert len(read_flash(f"rag_flash={cookie}").message) == MAX_SHOWN


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/settings?tab=keys", "/settings?tab=keys"),
        (None, ""),
        ("", ""),
        ("settings", ""),
        ("https://evil.example", ""),
        ("//evil.example", ""),
        ("/\\evil.example", ""),
        ("/a\r\nSet-Cookie: x", ""),
        ("/\t/evil.example", ""),
    ],
)
def test_only_paths_of_this_site_are_followed(path, expected):
    assert routes.local_path(path) == expected
