"""A stand-in for the sign-in of Google or Microsoft: /authorize, /token and /revoke on the loopback."""

import base64
import contextlib
import hashlib
import json
import secrets
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit


@dataclass
class OAuthServer:
    """What it was asked, and what it gave."""

    url: str = ""
    tokens: dict[str, str] = field(default_factory=dict)  # access token → user; shared with the mail server
    user: str = ""
    refuses: bool = False
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    refresh_tokens: set[str] = field(default_factory=set)
    revoked: list[str] = field(default_factory=list)
    asked: list[dict[str, str]] = field(default_factory=list)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.url.rpartition(":")[2])

    def authorize(self, query: dict[str, str]) -> str:
        """Where the browser goes on to."""
        if self.refuses:
            return f"{query['redirect_uri']}?{urlencode({'error': 'access_denied', 'state': query['state']})}"
        code = secrets.token_hex(8)
        self.codes[code] = query
        return f"{query['redirect_uri']}?{urlencode({'code': code, 'state': query['state']})}"

    def token(self, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        """Tokens for a code or a refresh token."""
        self.asked.append(form)
        if form.get("client_secret") != "our secret":
            return 401, {"error": "invalid_client"}
        if form["grant_type"] == "refresh_token":
            if form["refresh_token"] not in self.refresh_tokens:
                return 400, {"error": "invalid_grant"}
            return 200, {"access_token": self._new_token(), "expires_in": 3600}
        asked = self.codes.pop(form["code"], None)
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        if (
            asked is None
            or asked["code_challenge"] != challenge
            or asked["redirect_uri"] != form["redirect_uri"]
        ):
            return 400, {"error": "invalid_grant"}
        refresh_token = secrets.token_hex(16)
        self.refresh_tokens.add(refresh_token)
        return 200, {"access_token": self._new_token(), "expires_in": 3600, "refresh_token": refresh_token}

    def _new_token(self) -> str:
        token = secrets.token_hex(16)
        self.tokens[token] = self.user
        return token


@contextlib.contextmanager
def oauth_server(tokens: dict[str, str], user: str) -> Iterator[OAuthServer]:
    """Start one that gives tokens of a user."""
    there = OAuthServer(tokens=tokens, user=user)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            query = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
            self.send_response(302)
            self.send_header("Location", there.authorize(query))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            form = {name: values[0] for name, values in parse_qs(body).items()}
            status, answer = 200, {}
            if self.path == "/revoke":
                there.revoked.append(form["token"])
                there.refresh_tokens.discard(form["token"])
            else:
                status, answer = there.token(form)
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    there.url = f"http://localhost:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield there
    finally:
        server.shutdown()
        server.server_close()
