"""Addresses and telephone numbers are masked; what only looks like them stays."""

import pytest

from rag_app.rag.sources._mail_masking import EMAIL_MARK, PHONE_MARK, mask


@pytest.mark.parametrize(
    "text",
    [
        "+49 (0)30 1234-567",
        "+1 555 123 4567",
        "+44 20 7946 0958",
        "0049 30 1234567",
        "030/1234567",
        "(089) 12 34 56 78",
        "0171 2345678",
        "01 23 45 67 89",
        "020 7946 0958",
        "01712345678",
        "(555) 123-4567",
        "555-123-4567",
        "1-555-123-4567",
    ],
)
def test_telephone_numbers(text):
    assert mask(f"Call {text}, please.") == f"Call {PHONE_MARK}, please."


@pytest.mark.parametrize("label", ["Tel.: ", "Phone ", "Mobil: ", "☎ ", "Fax (direct): ", "Durchwahl "])
def test_short_numbers_behind_a_word_for_them(label):
    assert mask(f"{label}7654321") == f"{label}{PHONE_MARK}"


@pytest.mark.parametrize(
    "text",
    [
        "IBAN DE89 3704 0044 0532 0130 00",
        "GB29NWBK60161331926819",
        "NL91 ABNA 0417 1643 00",
        "order 4500123456",
        "Order no. 0301234567",
        "Bestellnummer 0171 2345678",
        "invoice #0123-456789",
        "2026-11-23",
        "23.11.2026 10:30",
        "from 2024 to 2026",
        "192.168.100.200",
        "1,234,567.00 EUR",
        "12 345 678 EUR",
        "ISBN 978-3-16-148410-0",
        "version 10.20.30.40",
        "https://x.example/0301234567",
        "ERR-030-1234567",
        "serial 0012345678",
        "room 030 12",
        "0.123456789",
    ],
)
def test_other_numbers_stay(text):
    assert mask(text) == text


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("ada@example.org", EMAIL_MARK),
        ("a.b+c@mail.example.co.uk.", f"{EMAIL_MARK}."),
        ("Ada <ada@example.org>, bob@x.de", f"Ada <{EMAIL_MARK}>, {EMAIL_MARK}"),
        ("mailto:ada@example.org", EMAIL_MARK),
        ("jürgen@müller.example", EMAIL_MARK),
        ("price @ 5 and @ada", "price @ 5 and @ada"),
    ],
)
def test_addresses(text, masked):
    assert mask(text) == masked


def test_a_label_of_the_line_before_does_not_count():
    assert mask("Tel.\n7654321") == "Tel.\n7654321"


def test_long_runs_take_no_long_time():
    assert len(mask("1 " * 200_000)) == 400_000
    assert mask("a" * 200_000 + "@" * 1_000)
