import pytest

from rag_app.ui.dashboard.sharing.view import link_view


@pytest.mark.parametrize(
    ("url", "is_local"),
    [
        ("http://localhost:3000/s/abc", True),
        ("http://127.0.0.1:3000/s/abc", True),
        ("https://rag.example.org/s/abc", False),
        ("http://192.168.1.5:3000/s/abc", False),
    ],
)
def test_an_address_that_only_this_computer_can_open_is_said_to_be_one(url, is_local):
    assert link_view(url, "<svg/>").is_local is is_local


def test_the_qr_code_is_a_picture_that_lies_in_its_own_address():
    assert link_view("https://rag.example.org/s/abc", "<svg/>").qr_code.startswith(
        "data:image/svg+xml;base64,"
    )
