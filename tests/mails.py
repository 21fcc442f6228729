"""Mails for tests, good ones and broken ones."""

from collections.abc import Mapping


def mail(
    sender: str = "Ada <ada@example.org>",
    subject: str = "Leave",
    body: str | None = "Some words.",
    *,
    message_id: str = "<1@example.org>",
    more: Mapping[str, str] | None = None,
    date: str = "Tue, 12 May 2026 14:05:00 +0200",
) -> bytes:
    """A simple mail; without a body it ends where one may be added."""
    headers = {
        "From": sender,
        "To": "team@example.org",
        "Subject": subject,
        "Date": date,
        "Message-ID": message_id,
        "MIME-Version": "1.0",
        "Content-Type": "text/plain; charset=utf-8",
        "Content-Transfer-Encoding": "8bit",
        **(more or {}),
    }
    lines = [f"{name}: {value}" for name, value in headers.items() if value]
    return ("\r\n".join(lines) + "\r\n\r\n" + (body or "").replace("\n", "\r\n")).encode()


def der_signed(content: bytes, *, indefinite: bool = False) -> bytes:
    """Content wrapped as S/MIME's opaque signatures wrap it, as DER or as BER writes streams."""

    def element(tag: int, *parts: bytes) -> bytes:
        value = b"".join(parts)
        if indefinite and tag & 0x20:
            return bytes([tag, 0x80]) + value + b"\0\0"
        length = len(value)
        n_bytes = (length.bit_length() + 7) // 8
        head = bytes([length]) if length < 0x80 else bytes([0x80 | n_bytes]) + length.to_bytes(n_bytes, "big")
        return bytes([tag]) + head + value

    half = len(content) // 2
    octets = (
        element(0x24, element(0x04, content[:half]), element(0x04, content[half:]))
        if indefinite
        else element(0x04, content)
    )
    data = element(0x06, bytes.fromhex("2a864886f70d010701"))
    signed = element(
        0x30, element(0x02, b"\1"), element(0x31), element(0x30, data, element(0xA0, octets)), element(0x31)
    )
    return element(0x30, element(0x06, bytes.fromhex("2a864886f70d010702")), element(0xA0, signed))
