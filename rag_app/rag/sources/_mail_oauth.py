"""Sign-in with Google or Microsoft for reading mail: OAuth 2.0 with PKCE (RFC 6749, RFC 7636, RFC 9700)."""

import base64
import hashlib
import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import httpx2

from rag_app.errors import PermanentError, TransientError

EARLY_S = 300  # a token is renewed so long before it ends
ANSWER_S = 15.0
MAX_ANSWER_CHARS = 20_000

GRANT_ENDED = "The permission to read this mailbox has ended or was taken back. Connect the mailbox again."
NO_ANSWER = "The provider's sign-in does not answer just now. It is tried again later."
NO_REFRESH = (
    "The provider gave no lasting permission. Remove this app in your account there, and connect again."
)


@dataclass(frozen=True)
class OAuthProvider:
    """Where a provider's sign-in is, and who we are there."""

    client_id: str
    client_secret: str
    authorize_url: str
    token_url: str
    scope: str
    revoke_url: str = ""
    more: tuple[tuple[str, str], ...] = ()  # parameters of the first step


def google(client_id: str, client_secret: str, base_url: str | None = None) -> OAuthProvider:
    """Google's sign-in. Only “offline” and “consent” give a lasting permission each time."""
    own = base_url.rstrip("/") if base_url else None
    return OAuthProvider(
        client_id,
        client_secret,
        authorize_url=f"{own}/authorize" if own else "https://accounts.google.com/o/oauth2/v2/auth",
        token_url=f"{own}/token" if own else "https://oauth2.googleapis.com/token",
        revoke_url=f"{own}/revoke" if own else "https://oauth2.googleapis.com/revoke",
        scope="https://mail.google.com/",
        more=(("access_type", "offline"), ("prompt", "consent")),
    )


def microsoft(
    client_id: str, client_secret: str, tenant: str = "common", base_url: str | None = None
) -> OAuthProvider:
    """Microsoft's sign-in, which lets no program give a permission back; people do in their account."""
    own = base_url.rstrip("/") if base_url else f"https://login.microsoftonline.com/{tenant}/oauth2/v2.0"
    return OAuthProvider(
        client_id,
        client_secret,
        authorize_url=f"{own}/authorize",
        token_url=f"{own}/token",
        scope="https://outlook.office.com/IMAP.AccessAsUser.All offline_access",
    )


@dataclass(frozen=True)
class Grant:
    """A permission to read a mailbox; `expires_at` is when the access token ends, in seconds since 1970."""

    refresh_token: str
    access_token: str = ""
    expires_at: float = 0

    @property
    def is_fresh(self) -> bool:
        """Whether the access token can still be used."""
        return bool(self.access_token) and time.time() + EARLY_S < self.expires_at

    def as_secret(self) -> str:
        """How it is stored, encrypted."""
        return json.dumps(
            {
                "refresh_token": self.refresh_token,
                "access_token": self.access_token,
                "expires_at": self.expires_at,
            }
        )


def grant_of(secret: Mapping[str, Any]) -> Grant | None:
    """The grant that a secret holds; None for passwords."""
    if not secret.get("refresh_token"):
        return None
    expires_at = float(secret.get("expires_at") or 0)
    return Grant(str(secret["refresh_token"]), str(secret.get("access_token") or ""), expires_at)


def new_verifier() -> str:
    """The secret half of PKCE."""
    return secrets.token_urlsafe(48)


def authorize_url(
    provider: OAuthProvider, *, redirect_uri: str, state: str, verifier: str, address: str = ""
) -> str:
    """Where a person is sent to give the permission."""
    digest = hashlib.sha256(verifier.encode()).digest()
    parameters = {
        "response_type": "code",
        "client_id": provider.client_id,
        "redirect_uri": redirect_uri,
        "scope": provider.scope,
        "state": state,
        "code_challenge": base64.urlsafe_b64encode(digest).decode().rstrip("="),
        "code_challenge_method": "S256",
        **dict(provider.more),
    }
    if address:
        parameters["login_hint"] = address
    return str(httpx2.URL(provider.authorize_url, params=parameters))


async def redeem(
    provider: OAuthProvider,
    transport: httpx2.AsyncBaseTransport,
    *,
    code: str,
    redirect_uri: str,
    verifier: str,
) -> Grant:
    """Turn the code of the last step into a grant. Raises PermanentError, TransientError."""
    answer = await _ask(
        provider,
        transport,
        {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": verifier,
        },
    )
    grant = _granted(answer, Grant(""))
    if not grant.refresh_token:
        raise PermanentError(NO_REFRESH)
    return grant


async def refresh(provider: OAuthProvider, transport: httpx2.AsyncBaseTransport, grant: Grant) -> Grant:
    """A fresh access token; the refresh token changes where the provider says so."""
    answer = await _ask(
        provider, transport, {"grant_type": "refresh_token", "refresh_token": grant.refresh_token}
    )
    return _granted(answer, grant)


async def revoke(provider: OAuthProvider, transport: httpx2.AsyncBaseTransport, grant: Grant) -> bool:
    """Give a permission back (RFC 7009), where the provider lets programs do that."""
    if not provider.revoke_url:
        return False
    try:
        async with httpx2.AsyncClient(transport=transport, trust_env=False, timeout=ANSWER_S) as client:
            response = await client.post(provider.revoke_url, data={"token": grant.refresh_token})
            return response.status_code == 200
    except (httpx2.HTTPError, PermanentError):
        return False


async def _ask(
    provider: OAuthProvider, transport: httpx2.AsyncBaseTransport, form: Mapping[str, str]
) -> dict[str, Any]:
    data = {**form, "client_id": provider.client_id}
    if provider.client_secret:
        data["client_secret"] = provider.client_secret
    try:
        async with httpx2.AsyncClient(transport=transport, trust_env=False, timeout=ANSWER_S) as client:
            response = await client.post(
                provider.token_url, data=data, headers={"Accept": "application/json"}
            )
            answer = json.loads(response.text[:MAX_ANSWER_CHARS])
    except httpx2.HTTPError:
        raise TransientError(NO_ANSWER) from None
    except ValueError:
        raise TransientError(NO_ANSWER) from None
    if response.status_code in {400, 401, 403}:  # the description may repeat what was sent
        raise PermanentError(_refusal(answer), kind="auth")
    if response.status_code != 200 or not isinstance(answer, dict) or not answer.get("access_token"):
        raise TransientError(NO_ANSWER)
    return answer


def _refusal(answer: object) -> str:
    problem = answer.get("error") if isinstance(answer, dict) else None
    if problem in {"invalid_client", "unauthorized_client"}:
        return "The provider does not know this installation. Its operator has to check client id and secret."
    return GRANT_ENDED


def _granted(answer: Mapping[str, Any], before: Grant) -> Grant:
    try:
        seconds = float(answer.get("expires_in") or 0)
    except (TypeError, ValueError):
        seconds = 0
    return replace(
        before,
        access_token=str(answer["access_token"]),
        expires_at=time.time() + (seconds or 3600),
        refresh_token=str(answer.get("refresh_token") or before.refresh_token),
    )
