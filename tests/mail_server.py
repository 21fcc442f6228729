"""A real mail server for tests: Dovecot on the loopback, with passwords, OAuth tokens and certificates.

Mails are put into its folders as files (Maildir), which is quicker than sending them.
"""

import contextlib
import json
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.database import short_folder

HOST = "mail.example.test"  # what the certificate is for
OTHER_HOST = "imap.example.test"
USER, PASSWORD = "ada@example.test", "correct-horse-battery"
OTHER_USER, OTHER_PASSWORD = "üser@example.test", "pässwörd, long"
STARTED_WITHIN_S = 60

CONFIG = """
base_dir = {run}
state_dir = {run}
log_path = {folder}/log
info_log_path = {folder}/log
protocols = imap
listen = 127.0.0.1
{users}
mail_location = maildir:{folder}/mail/%u
mailbox_list_index = no
auth_mechanisms = plain login xoauth2
auth_username_chars =
auth_failure_delay = 0
auth_verbose = yes
disable_plaintext_auth = no
ssl = yes
ssl_cert = <{folder}/server.pem
ssl_key = <{folder}/server.key
imap_logout_format = bodies=%{{fetch_body_count}} bytes=%{{fetch_body_bytes}} headers=%{{fetch_hdr_count}}
mail_max_userip_connections = 50
service imap-login {{
  {chroot}
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = {tls_port}
    ssl = yes
  }}
}}
service anvil {{
  {chroot}
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service stats {{
  {chroot}
}}
namespace inbox {{
  inbox = yes
  separator = /
  mailbox Sent {{
    auto = create
    special_use = \\Sent
  }}
  mailbox Trash {{
    auto = create
    special_use = \\Trash
  }}
}}
passdb {{
  driver = oauth2
  mechanisms = xoauth2
  args = {folder}/oauth2.conf
}}
passdb {{
  driver = passwd-file
  mechanisms = plain login
  args = scheme=PLAIN {folder}/passwords
}}
passdb {{
  driver = static
  mechanisms = plain login
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={folder}/mail/%u allow_all_users=yes
}}
"""
OAUTH2 = """
introspection_mode = post
introspection_url = http://127.0.0.1:{port}/introspect
username_attribute = username
active_attribute = active
active_value = true
"""


class Introspection(BaseHTTPRequestHandler):
    """Says whose a token is, as a provider's server would."""

    tokens: ClassVar[dict[str, str]] = {}

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        token = parse_qs(body).get("token", [""])[0]
        user = self.tokens.get(token)
        answer = json.dumps({"active": user is not None, "username": user or ""}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: Any) -> None:
        return


@dataclass
class MailServer:
    """A running Dovecot."""

    folder: Path
    port: int
    tls_port: int
    uid: int
    gid: int
    authority: Path  # the certificate that signed the server's
    tokens: dict[str, str] = field(default_factory=dict)
    n_put: int = 0

    def mail_folder(self, user: str = USER, name: str = "INBOX") -> Path:
        """Where a folder's mails are."""
        return self.folder / "mail" / user / ("" if name == "INBOX" else f".{name.replace('/', '.')}")

    def put(
        self, *mails: bytes, user: str = USER, folder: str = "INBOX", at: datetime | None = None
    ) -> list[Path]:
        """Put mails into a folder, received at a time (now, unless given)."""
        place = self.mail_folder(user, folder)
        for name in ("cur", "new", "tmp"):
            (place / name).mkdir(parents=True, exist_ok=True)
        put = []
        for mail in mails:
            self.n_put += 1
            path = place / "cur" / f"{int(time.time())}.M{self.n_put:06}.test:2,S"
            path.write_bytes(mail)
            when = (at or datetime.now(UTC)).timestamp()
            os.utime(path, (when, when))
            put.append(path)
        self.hand_over(user)
        return put

    def hand_over(self, user: str) -> None:
        """Let the server's user have the files."""
        if os.geteuid() == 0:
            for path in [self.folder / "mail", *(self.folder / "mail" / user).rglob("*")]:
                os.chown(path, self.uid, self.gid)
            os.chown(self.folder / "mail" / user, self.uid, self.gid)

    def number_anew(self, user: str = USER, folder: str = "INBOX") -> None:
        """Change a folder's UIDVALIDITY, as servers do after a restored backup."""
        place = self.mail_folder(user, folder)
        for path in [*place.glob("dovecot.index*"), *place.glob("dovecot-uidlist*")]:
            path.unlink()
        lines = [f"3 V{int(time.time()) + 1000 + self.n_put} N{100_000} G{'0' * 32}"]
        lines += [
            f"{90_000 + at} :{path.name.partition(':')[0]}"
            for at, path in enumerate(sorted((place / "cur").iterdir()))
        ]
        (place / "dovecot-uidlist").write_text("\n".join(lines) + "\n")
        self.hand_over(user)

    def sign_outs(self) -> list[dict[str, int]]:
        """What each connection that has ended fetched: bodies, their bytes, headers."""
        ends = time.monotonic() + STARTED_WITHIN_S
        while (log := self._log()).count("imap-login: Info: Login:") != log.count(" bodies="):
            assert time.monotonic() < ends, "somebody stays connected"
            time.sleep(0.02)
        found = re.findall(r"bodies=(\d+) bytes=(\d+) headers=(\d+)", log)
        return [dict(zip(("bodies", "bytes", "headers"), map(int, each), strict=True)) for each in found]

    def _log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")


@contextlib.contextmanager
def dovecot() -> Iterator[MailServer]:
    """Start a mail server; stop it and remove its files afterwards."""
    program = shutil.which("dovecot") or shutil.which("dovecot", path="/usr/sbin")
    assert program, "These tests need Dovecot. Install the Debian package dovecot-imapd."
    folder = short_folder()
    introspection = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (Introspection,), {"tokens": {}}))
    threading.Thread(target=introspection.serve_forever, daemon=True).start()
    port, tls_port = free_ports(2)
    user = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
    name = user.pw_name
    is_root = os.geteuid() == 0
    folder.chmod(0o755)
    (folder / "mail").mkdir()
    (folder / "run").mkdir()
    authority = write_certificates(folder)
    (folder / "passwords").write_text(f"{OTHER_USER}:{OTHER_PASSWORD}\n", encoding="utf-8")
    (folder / "passwords").chmod(0o644)
    (folder / "oauth2.conf").write_text(OAUTH2.format(port=introspection.server_address[1]))
    (folder / "dovecot.conf").write_text(
        CONFIG.format(
            run=folder / "run",
            folder=folder,
            password=PASSWORD,
            port=port,
            tls_port=tls_port,
            uid=user.pw_uid,
            gid=user.pw_gid,
            users="" if is_root else f"default_login_user = {name}\ndefault_internal_user = {name}",
            chroot="" if is_root else "chroot =",
        )
    )
    server = MailServer(
        folder,
        port,
        tls_port,
        user.pw_uid,
        user.pw_gid,
        authority,
        introspection.RequestHandlerClass.tokens,  # type: ignore[attr-defined]
    )
    server.hand_over(USER) if (folder / "mail" / USER).exists() else None
    process = subprocess.Popen([program, "-F", "-c", str(folder / "dovecot.conf")], stderr=subprocess.DEVNULL)
    try:
        if is_root:
            os.chown(folder / "mail", user.pw_uid, user.pw_gid)
        wait_for(port, process, folder)
        yield server
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
        introspection.shutdown()
        introspection.server_close()
        shutil.rmtree(folder, ignore_errors=True)


def wait_for(port: int, process: subprocess.Popen[bytes], folder: Path) -> None:
    """Wait for the server's greeting."""
    ends = time.monotonic() + STARTED_WITHIN_S
    while time.monotonic() < ends:
        assert process.poll() is None, (
            f"Dovecot ended: {(folder / 'log').read_text(errors='replace')[-2000:]}"
        )
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5) as there:
            if there.recv(64).startswith(b"* OK"):
                return
        time.sleep(0.1)
    raise AssertionError("Dovecot did not start.")


def free_ports(n: int) -> list[int]:
    """Ports nobody listens at."""
    taken = [socket.create_server(("127.0.0.1", 0)) for _ in range(n)]
    ports = [each.getsockname()[1] for each in taken]
    for each in taken:
        each.close()
    return ports


def write_certificates(folder: Path) -> Path:
    """Make an authority and a certificate of the server; returns the authority's."""
    authority_key, server_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    authority_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Authority of the tests")])
    authority = _certificate(authority_name, authority_name, authority_key, authority_key, is_authority=True)
    server_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    server = _certificate(server_name, authority_name, server_key, authority_key, names=(HOST, "localhost"))
    (folder / "authority.pem").write_bytes(authority.public_bytes(serialization.Encoding.PEM))
    (folder / "server.pem").write_bytes(server.public_bytes(serialization.Encoding.PEM))
    (folder / "server.key").write_bytes(
        server_key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return folder / "authority.pem"


def _certificate(
    subject: x509.Name,
    issuer: x509.Name,
    key: Any,
    signer: Any,
    *,
    is_authority: bool = False,
    names: Iterable[str] = (),
) -> x509.Certificate:
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=2))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
        )
    )
    if is_authority:
        usage = dict.fromkeys(
            ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment",
             "key_agreement", "crl_sign", "encipher_only", "decipher_only"), False
        )  # fmt: skip
        builder = builder.add_extension(x509.KeyUsage(key_cert_sign=True, **usage), critical=True)
    else:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False
        ).add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    return builder.sign(signer, hashes.SHA256())
