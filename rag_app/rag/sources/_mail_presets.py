"""Where the mail of well-known providers is, and where other mail servers usually are."""

from dataclasses import dataclass
from typing import Literal

Security = Literal["tls", "starttls", "none"]
IMAPS_PORT, IMAP_PORT = 993, 143


@dataclass(frozen=True)
class Server:
    """How a mailbox is reached."""

    host: str
    port: int = IMAPS_PORT
    security: Security = "tls"


GMAIL = Server("imap.gmail.com")
OUTLOOK = Server("outlook.office365.com")
PROVIDERS = {"gmail": GMAIL, "outlook": OUTLOOK}

_ICLOUD = Server("imap.mail.me.com")
_YAHOO = Server("imap.mail.yahoo.com")
_AOL = Server("imap.aol.com")
_GMX, _WEB = Server("imap.gmx.net"), Server("imap.web.de")
_BY_DOMAIN: dict[str, Server] = {
    **dict.fromkeys(("gmail.com", "googlemail.com"), GMAIL),
    **dict.fromkeys(
        ("outlook.com", "outlook.de", "outlook.fr", "hotmail.com", "hotmail.de", "hotmail.fr",
         "hotmail.co.uk", "live.com", "live.de", "live.nl", "msn.com"),
        OUTLOOK,
    ),
    **dict.fromkeys(("icloud.com", "me.com", "mac.com"), _ICLOUD),
    **dict.fromkeys(("yahoo.com", "yahoo.de", "yahoo.fr", "yahoo.co.uk", "ymail.com"), _YAHOO),
    "aol.com": _AOL,
    **dict.fromkeys(("gmx.de", "gmx.net", "gmx.at", "gmx.ch"), _GMX),
    "gmx.com": Server("imap.gmx.com"),
    "web.de": _WEB,
    "t-online.de": Server("secureimap.t-online.de"),
    "freenet.de": Server("mx.freenet.de"),
    "posteo.de": Server("posteo.de"),
    "mailbox.org": Server("imap.mailbox.org"),
    "fastmail.com": Server("imap.fastmail.com"),
    "zoho.com": Server("imap.zoho.com"),
    "mail.ru": Server("imap.mail.ru"),
    "yandex.com": Server("imap.yandex.com"),
    "orange.fr": Server("imap.orange.fr"),
    "free.fr": Server("imap.free.fr"),
    "libero.it": Server("imapmail.libero.it"),
    "wp.pl": Server("imap.wp.pl"),
    "o2.pl": Server("poczta.o2.pl"),
}  # fmt: skip
# These answer a correct password with “wrong password” until an app password is made.
NEED_APP_PASSWORDS = {
    GMAIL.host: "Gmail needs an app password",
    _ICLOUD.host: "iCloud needs an app-specific password",
    _YAHOO.host: "Yahoo needs an app password",
    _AOL.host: "AOL needs an app password",
    "imap.fastmail.com": "Fastmail needs an app password",
    "imap.yandex.com": "Yandex needs an app password",
    "imap.mail.ru": "Mail.ru needs a password for external applications",
}
# These refuse programs until IMAP is switched on in their settings.
NEED_SWITCH = frozenset(
    (_GMX.host, "imap.gmx.com", _WEB.host, "imap.mail.ru", "imap.yandex.com", "poczta.o2.pl")
)


def domain_of(address: str) -> str:
    """What follows the “@”."""
    return address.rpartition("@")[2].lower().strip(". ")


def known_server(address: str) -> Server | None:
    """The server of a well-known provider's address."""
    return _BY_DOMAIN.get(domain_of(address))


def likely_servers(address: str) -> tuple[Server, ...]:
    """Where a domain's mail may be, the best guess first."""
    domain = domain_of(address)
    hosts = (f"imap.{domain}", f"mail.{domain}", domain)
    secure = tuple(Server(host) for host in hosts)
    return (*secure, *(Server(host, IMAP_PORT, "starttls") for host in hosts[:2]))
