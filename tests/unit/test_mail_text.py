"""What one mail becomes: its words, its attachments, and a reason for everything that is not read."""

import email.policy
from email.message import EmailMessage

import pytest

from rag_app.rag.sources import _mail_text
from rag_app.rag.sources._mail_calendar import calendar_to_text
from rag_app.rag.sources._mail_headers import read_headers
from rag_app.rag.sources._mail_html import html_to_text
from rag_app.rag.sources._mail_text import Mail, Options, read_mail
from tests.mails import der_signed, mail

NESTED = b"--b%d\r\nContent-Type: multipart/mixed; boundary=b%d\r\n\r\n"
QUOTED = "> How many days of leave do we get?\n> Ada\n"


def read(raw: bytes, **options: bool) -> Mail:
    return read_mail(raw, Options(**options))


def test_heading_says_who_wrote_it_when_and_what_about():
    found = read(mail("Grace Hopper <grace@example.org>", "Leave in 2026", "It is 25 days."))

    assert found.text.split("\n")[0] == "# Leave in 2026 (Grace Hopper, 12 May 2026)"
    assert "From: Grace Hopper <grace@example.org>" in found.text
    assert "Date: 12 May 2026, 12:05 UTC" in found.text
    assert found.text.endswith("It is 25 days.")


def test_quoted_text_and_signature_are_left_out():
    long_answer = "The new rule gives everybody twenty-five days. " * 20
    found = read(mail(body=f"{long_answer}\n\n-- \nGrace\nACME\n\nOn 1 May 2026, Ada wrote:\n{QUOTED}"))

    assert "twenty-five days" in found.text
    assert "How many days" not in found.text
    assert "ACME" not in found.text


def test_short_answer_keeps_the_question_it_answers():
    found = read(mail(body=f"25 days.\n\nOn 1 May 2026 at 10:00, Ada wrote:\n\n{QUOTED}>> older\n"))

    assert "25 days.\n\nIn answer to: How many days of leave do we get?" in found.text
    assert "older" not in found.text


def test_answers_between_quoted_lines_stay():
    body = "Hi,\n\nOn 1 May, Ada wrote:\n> First?\nBlue is right.\n> Second?\nRed is right.\n"
    found = read(mail(body=body))

    assert "Blue is right.\nRed is right." in found.text


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(
            "Das geht.\n\nVon: Ada <ada@x.de>\nGesendet: 11. Mai 2026\nAn: Jo\nBetreff: F\n\nGeht das?\n",
            id="Outlook, German",
        ),
        pytest.param("Das geht.\n\n-----Original Message-----\nFrom: Ada\n\nGeht das?\n", id="original"),
        pytest.param("Das geht.\n\nAm 11.05.2026 schrieb Ada <a@x.de>:\n> Geht das?\n", id="Thunderbird"),
        pytest.param("Das geht.\n\nLe lun. 11 mai 2026, Ada <a@x.fr> a écrit :\n> Geht das?\n", id="French"),
    ],
)  # fmt: skip
def test_quotes_of_other_programs(body):
    text = read(mail(body=body)).text

    assert "Das geht.\n\nIn answer to: " in text
    assert text.count("Geht das?") == 1


def test_lists_and_words_that_look_like_a_greeting_stay():
    body = (
        "Please bring:\n\n- a laptop\n- a charger\n\nThanks, everybody, for coming.\n" + "More of it.\n" * 200
    )
    text = read(mail(body=body)).text

    assert "- a charger" in text
    assert text.count("More of it.") == 200


def test_forwarded_text_is_kept_whole():
    body = "FYI\n\n------- Forwarded message ------\nFrom: Ada <ada@x.de>\nSubject: R\n\nThe rule is new.\n"
    assert "The rule is new." in read(mail(subject="Fwd: Rule", body=body)).text


def test_html_becomes_text_with_its_table():
    html = (
        "<html><head><style>p {color: red}</style><title>T</title></head><body><p>Prices&nbsp;are:</p>"
        "<table><tr><td><table><tr><th>Plan</th><th>Price</th></tr><tr><td>Pro</td><td>30 EUR</td></tr>"
        "</table></td></tr></table><img src='https://tracker.example/p.gif'><script>alert(1)</script>"
        "<div style='display:none'>hidden words</div><p>See <a href='https://x.example/y'>here</a>.</p>"
        "<div class='gmail_quote'>On 1 May Ada wrote:<blockquote>old words</blockquote></div></body></html>"
    )
    message = EmailMessage()
    message["From"], message["Subject"] = "a@example.org", "Prices"
    message.set_content("Prices are: see the HTML version.")
    message.add_alternative(html, subtype="html")
    text = read(message.as_bytes()).text

    assert "| Plan | Price |\n| --- | --- |\n| Pro | 30 EUR |" in text
    assert "here (https://x.example/y)" in text
    for unwanted in ("tracker", "alert", "hidden words", "color", "see the HTML"):
        assert unwanted not in text


def test_plain_version_is_taken_where_it_says_the_same():
    message = EmailMessage()
    message["From"] = "a@example.org"
    message.set_content("The plain words.")
    message.add_alternative("<p>The <b>plain</b> words.</p>", subtype="html")
    assert read(message.as_bytes()).text.count("plain words") == 1


def test_deeply_nested_html_ends():
    assert "end" in html_to_text("<div>" * 50_000 + "end")


@pytest.mark.parametrize(
    ("headers", "sender", "subject"),
    [
        pytest.param(b'From: "Smith, J" <js@x.org>\r\nSubject: a', "Smith, J <js@x.org>", "a", id="comma"),
        pytest.param(b"From: =?utf-8?q?M=C3=BC=2C?= <m@x.de>\r\nSubject: a", "Mü, <m@x.de>", "a", id="coded"),
        pytest.param(b"From: a@x.de\r\nSubject: =?nonsense-8?b?w7w=?= x", "a@x.de", "ü x", id="charset"),
        pytest.param(b"From: a@x.de\r\nSubject: Gr\xfc\xdfe", "a@x.de", "Grüße", id="other bytes"),
        pytest.param(b"From: J\xc3\xbc <a@x.de>\r\nSubject: \xe2\x82\xac", "Jü <a@x.de>", "€", id="UTF-8"),
        pytest.param(b"From: a@x.de\r\nSubject: =?utf-8?b?w7w", "a@x.de", "=?utf-8?b?w7w", id="half"),
        pytest.param(b"From: \r\nSubject: ", "", "(no subject)", id="empty"),
    ],
)  # fmt: skip
def test_headers_as_people_send_them(headers, sender, subject):
    found = read_headers(headers + b"\r\n\r\n")
    assert (found.sender, found.subject) == (sender, subject)


@pytest.mark.parametrize("date", [b"", b"Date: nonsense\r\n", b"Date: Tue, 99 Foo 99999 99:99:99\r\n"])
def test_missing_date_is_no_problem(date):
    found = read(b"From: a@x.de\r\n" + date + b"Subject: S\r\n\r\nSome words.")
    assert found.text.startswith("# S (a@x.de)\n")


def test_key_is_the_same_wherever_a_mail_is_and_not_shared_by_two():
    one = mail("a@x.de", "S", message_id="<1@x>")
    assert read_headers(one).key == read_headers(one + b"more").key
    assert read_headers(one).key != read_headers(mail("b@x.de", "S", message_id="<1@x>")).key
    without = read_headers(b"From: a@x.de\r\nSubject: S\r\n\r\n")
    other = read_headers(b"From: a@x.de\r\nSubject: T\r\n\r\n")
    assert without.key != other.key


def test_thread_is_the_first_mail_of_a_conversation():
    headers = read_headers(mail(more={"References": "<first@x> <second@x>", "In-Reply-To": "<second@x>"}))
    assert headers.thread == "first@x"
    assert read_headers(mail(more={"In-Reply-To": "<second@x>"})).thread == "second@x"


def test_unknown_charset_of_a_body():
    raw = b"From: a@x.de\r\nContent-Type: text/plain; charset=klingon-8\r\n\r\nGr\xc3\xbc\xc3\x9fe"
    assert "Grüße" in read(raw).text


def attachments(found: Mail) -> dict[str, str]:
    return {each.name: each.reason for each in found.attachments}


def test_attachments_are_named_safely_and_those_not_read_say_why():
    message = EmailMessage()
    message["From"] = "a@example.org"
    message.set_content("See the files.")
    for name, content in {
        "../../etc/passwd.pdf": b"%PDF-1.4",
        "C:\\x\\plan.xlsx": b"PK\x03\x04",
        "empty.pdf": b"",
        "all.zip": b"PK\x03\x04",
        "program.exe": b"MZ",
        "winmail.dat": b"\x78\x9f\x3e\x22",
    }.items():
        message.add_attachment(content, maintype="application", subtype="octet-stream", filename=name)
    for name in ("logo.png", "banner.png"):
        message.add_attachment(b"\x89PNG", maintype="image", subtype="png", filename=name)
    found = read(message.as_bytes())

    assert attachments(found) == {
        "passwd.pdf": "",
        "plan.xlsx": "",
        "empty.pdf": _mail_text.ZERO_BYTES,
        "all.zip": _mail_text.NO_ARCHIVE,
        "program.exe": _mail_text.NOT_READ,
        "winmail.dat": _mail_text.TNEF,
        "logo.png and 1 more": _mail_text.PICTURES,
    }
    assert "Attachments: passwd.pdf, plan.xlsx" in found.text


def test_attachments_can_be_left_out():
    message = EmailMessage()
    message["From"] = "a@example.org"
    message.set_content("See the file.")
    message.add_attachment(b"%PDF", maintype="application", subtype="pdf", filename="a.pdf")
    assert read(message.as_bytes(), with_attachments=False).attachments == ()


def test_attachment_that_was_cut_off_is_too_large():
    message = EmailMessage()
    message["From"] = "a@example.org"
    message.set_content("The words before it.")
    message.add_attachment(b"x" * 300_000, maintype="application", subtype="pdf", filename="huge.pdf")
    found = read_mail(message.as_bytes()[:100_000], Options(), is_cut=True)

    assert "The words before it." in found.text
    assert attachments(found) == {"huge.pdf": _mail_text.TOO_LARGE}


def test_invitation_is_read_as_text():
    calendar = (
        "BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\nSUMMARY:Quarterly review\\, part 2\r\n"
        "DTSTART;TZID=Europe/Berlin:20260512T140000\r\nDTEND:20260512T150000Z\r\nLOCATION:Room 4\r\n"
        "ORGANIZER;CN=Ada:mailto:ada@example.org\r\nDESCRIPTION:Bring the long\r\n  numbers\r\n"
        "BEGIN:VALARM\r\nDESCRIPTION:alarm\r\nEND:VALARM\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    )
    message = EmailMessage()
    message["From"], message["Subject"] = "ada@example.org", "Invitation"
    message.set_content("You are invited.")
    message.add_alternative(calendar, subtype="calendar")
    text = read(message.as_bytes()).text

    assert (
        "Event: Quarterly review, part 2\nBegins: 2026-05-12 14:00 Europe/Berlin\nEnds: 2026-05-12 15:00 UTC"
        in text
    )
    assert "Invited by: Ada <ada@example.org>" in text
    assert "Bring the long numbers" in text
    assert "alarm" not in calendar_to_text(calendar)


def test_encrypted_mail_says_so():
    raw = b"From: a@x.de\r\nContent-Type: application/pkcs7-mime; smime-type=enveloped-data\r\n\r\nxx"
    assert read(raw).reason == _mail_text.ENCRYPTED
    pgp = (
        b"From: a@x.de\r\nContent-Type: multipart/encrypted; boundary=b\r\n\r\n"
        b"--b\r\nContent-Type: application/octet-stream\r\n\r\nxx\r\n--b--\r\n"
    )
    assert read(pgp).reason == _mail_text.ENCRYPTED


@pytest.mark.parametrize("indefinite", [False, True])
def test_signed_mail_is_read(indefinite):
    inner = b"Content-Type: text/plain\r\n\r\nThe signed words.\r\n"
    raw = mail(more={"Content-Type": "application/pkcs7-mime; smime-type=signed-data"}, body=None)
    assert "The signed words." in read(raw + der_signed(inner, indefinite=indefinite)).text


def test_detached_signature_is_no_attachment():
    raw = (
        b"From: a@x.de\r\nContent-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n"
        b"Content-Type: text/plain\r\n\r\nSigned words.\r\n--b\r\n"
        b"Content-Type: application/pkcs7-signature; name=smime.p7s\r\n\r\nxx\r\n--b--\r\n"
    )
    found = read(raw)
    assert "Signed words." in found.text
    assert found.attachments == ()


def test_mail_inside_of_a_mail_is_read_with_its_attachments():
    inner = EmailMessage(policy=email.policy.default)
    inner["From"], inner["Subject"] = "Grace <grace@example.org>", "The old rule"
    inner.set_content("It was twenty days.")
    inner.add_attachment(b"%PDF", maintype="application", subtype="pdf", filename="rule.pdf")
    outer = EmailMessage()
    outer["From"], outer["Subject"] = "ada@example.org", "See below"
    outer.set_content("As we said.")
    outer.add_attachment(inner)
    found = read(outer.as_bytes())

    assert "## Forwarded: The old rule (Grace)" in found.text
    assert "It was twenty days." in found.text
    assert attachments(found) == {"rule.pdf": ""}


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        pytest.param(b"", _mail_text.EMPTY, id="zero bytes"),
        pytest.param(b"\r\n\r\n", _mail_text.EMPTY, id="only blank lines"),
        pytest.param(b"From: a@x.de\r\nSubject: S\r\n\r\n  \r\n", _mail_text.NO_TEXT, id="no words"),
        pytest.param(b"\x80\xff\xfe\x00\x01garbage" * 200, _mail_text.NO_MAIL, id="garbage"),
        pytest.param(
            b"From: a@x.de\r\nContent-Type: multipart/mixed; boundary=b0\r\n\r\n"
            + b"".join(NESTED % (n, n + 1) for n in range(3000)),
            _mail_text.TOO_DEEP,
            id="parts in parts",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_read_says_why(raw, reason):
    assert read(raw).reason == reason


def test_header_bombs_are_cut():
    raw = (
        b"From: a@x.de\r\nX-A: "
        + b"a" * 2_000_000
        + b"\r\nTo: "
        + b"x@y.de, " * 200_000
        + b"\r\n\r\nThe words."
    )
    found = read(raw)
    assert "The words." in found.text
    assert len(found.text) < 5_000


def test_masked_mail_has_no_address_left():
    found = read(
        mail("Grace <grace@example.org>", "Call +49 30 1234567", "Or write to bob@example.org."), mask=True
    )
    assert "@example.org" not in found.text
    assert "1234567" not in found.text + found.subject


def test_nothing_is_fetched(monkeypatch):
    """Not even the address of a picture's host is asked for."""
    monkeypatch.setattr("socket.getaddrinfo", lambda *_: pytest.fail("looked up a name"))
    html_to_text('<img src="http://tracker.example/x"><link rel=stylesheet href="http://tracker.example/c">')
