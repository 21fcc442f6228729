"""Accounts: register, sign in, renew, sign out.

register / log in ──► sign-in (a row) ──► access token (JWT, short) + refresh token (random, rotated)
                                      └─► or a cookie with the same JWT for a browser
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Literal
from uuid import UUID

import structlog
from email_validator import EmailNotValidError, validate_email

from rag_app.crypto import AccessTokens, hash_token, new_token
from rag_app.db.engine import Sessions
from rag_app.db.queries import accounts
from rag_app.domain.accounts import OpenSignIn, SignIn, Tokens, User
from rag_app.errors import InvalidInput, LimitReached, NotAllowed, NotSignedIn
from rag_app.services.passwords import MAX_CHARACTERS, MIN_CHARACTERS, TOO_COMMON, Passwords
from rag_app.services.rate_limits import RateLimits
from rag_app.services.text import clean_line

log = structlog.get_logger()

PROGRAM_ACCESS_S = 3600
PROGRAM_SIGN_IN = timedelta(days=30)
MAX_NAME = 120
REGISTRATIONS_PER_MINUTE = 200  # of one address: a class room or an office may share one
WRONG = "The e-mail address or the password is not right."


@dataclass(frozen=True)
class Caller:
    """Where a request comes from, for limits and for the list of sign-ins."""

    address: str = "unknown"
    user_agent: str = ""


@dataclass(frozen=True)
class AccountService:
    """Who is who."""

    sessions: Sessions
    passwords: Passwords
    access_tokens: AccessTokens
    limits: RateLimits
    browser_hours: int
    registration_open: bool
    new_account_tier: str = "free"

    async def register(self, *, email: str, password: str, name: str, caller: Caller) -> User:
        """Make an account; the very first one becomes super admin.

        Raises:
            InvalidInput: address or password cannot be used; `field` says which.
            Conflict: the address has an account already.
            NotAllowed: registration is closed.
            LimitReached: too many accounts from this address.
        """
        email = normal_email(email)
        check_password(password, email=email)
        name = clean_line(name, max_characters=MAX_NAME) or email.partition("@")[0]
        self.limits.hit("register", caller.address, per_minute=REGISTRATIONS_PER_MINUTE)
        async with self.sessions() as session:
            if not self.registration_open and await accounts.count(session) > 0:
                raise NotAllowed("This installation does not take new accounts. Ask its administrator.")
        password_hash = await self.passwords.hash(password)
        async with self.sessions.begin() as session:
            user = await accounts.insert(
                session, email=email, name=name, password_hash=password_hash, tier=self.new_account_tier
            )
            await accounts.write_audit(session, user_id=user.id, action="registered")
        log.info("account_registered", user_id=user.id, role=user.role)
        return user

    async def authenticate(self, *, email: str, password: str, caller: Caller) -> User:
        """Find the account of an address and password.

        Raises:
            NotSignedIn: they do not belong together; does not say which is wrong.
            LimitReached: too many wrong tries for this account or from this address.
        """
        address = clean_line(email, max_characters=320).lower()
        self._check_tries(address, caller)
        async with self.sessions() as session:
            found = await accounts.password_of(session, email=address)
        user, stored = found if found else (None, None)
        right, outdated = await self.passwords.verify(
            password[:MAX_CHARACTERS], stored, may_begin=partial(self._check_tries, address, caller)
        )
        if user is None or not right or not user.is_active:
            self.limits.count("wrong_password", f"{address}|{caller.address}")
            self.limits.count("wrong_password_account", address)
            self.limits.count("wrong_password_address", caller.address)
            log.info("sign_in_refused", user_id=user.id if user else None)
            raise NotSignedIn(WRONG)
        if outdated:
            new_hash = await self.passwords.hash(password)
            async with self.sessions.begin() as session:
                await accounts.set_password(session, user_id=user.id, password_hash=new_hash)
        return user

    def _check_tries(self, address: str, caller: Caller) -> None:
        # Limits per pair stop guessing; the wider ones stop spreading it over addresses or accounts.
        # None locks the account: its owner elsewhere is let in until the account-wide limit is hit.
        for name, key, allowed in (
            ("wrong_password", f"{address}|{caller.address}", 10),
            ("wrong_password_account", address, 40),
            ("wrong_password_address", caller.address, 40),
        ):
            wait_s = self.limits.wait_s(name, key, allowed=allowed)
            if wait_s:
                raise LimitReached(
                    f"Too many wrong tries. Please wait {wait_s} seconds and try again.", retry_after_s=wait_s
                )

    async def begin_browser_sign_in(self, user: User, *, caller: Caller) -> str:
        """Sign a browser in; returns the token for its cookie."""
        lifetime = timedelta(hours=self.browser_hours)
        sign_in_id = await self._begin(user, "browser", caller, lifetime, None)
        return self.access_tokens.sign(
            sign_in_id=sign_in_id, user_id=user.id, lifetime_s=int(lifetime.total_seconds())
        )

    async def begin_program_sign_in(self, user: User, *, caller: Caller) -> Tokens:
        """Sign a program in."""
        refresh = new_token()
        sign_in_id = await self._begin(user, "program", caller, PROGRAM_SIGN_IN, hash_token(refresh))
        return self._tokens(user, sign_in_id, refresh)

    async def _begin(
        self,
        user: User,
        kind: Literal["browser", "program"],
        caller: Caller,
        lifetime: timedelta,
        refresh_hash: bytes | None,
    ) -> UUID:
        async with self.sessions.begin() as session:
            sign_in_id = await accounts.insert_sign_in(
                session,
                user_id=user.id,
                kind=kind,
                user_agent=clean_line(caller.user_agent, max_characters=300),
                expires_at=datetime.now(UTC) + lifetime,
                refresh_hash=refresh_hash,
            )
            await accounts.write_audit(session, user_id=user.id, action="signed_in", kind=kind)
        log.info("signed_in", user_id=user.id, kind=kind)
        return sign_in_id

    def _tokens(self, user: User, sign_in_id: UUID, refresh: str) -> Tokens:
        access = self.access_tokens.sign(sign_in_id=sign_in_id, user_id=user.id, lifetime_s=PROGRAM_ACCESS_S)
        return Tokens(access, refresh, PROGRAM_ACCESS_S, user)

    async def sign_in(self, token: str | None) -> SignIn:
        """The sign-in an access token stands for, checked against the database.

        Raises:
            NotSignedIn: there is none, or it has ended.
        """
        sign_in_id = self.access_tokens.read(token) if token else None
        if sign_in_id is None:
            raise NotSignedIn
        async with self.sessions.begin() as session:
            found = await accounts.sign_in(session, sign_in_id=sign_in_id)
        if found is None:
            raise NotSignedIn("Your sign-in has ended. Please sign in again.")
        return found

    async def refresh(self, refresh_token: str) -> Tokens:
        """Trade a refresh token for new tokens.

        A token used twice is a sign of theft and ends the sign-in, except within ten seconds, when
        it is two tabs renewing at once: both get the same new one.

        Raises:
            NotSignedIn: the token is unknown, ended or reused.
        """
        reused = False
        async with self.sessions.begin() as session:
            row = await accounts.by_refresh_hash(session, refresh_hash=hash_token(refresh_token))
            if row is None or row.ended_at is not None or not row.is_alive:
                raise NotSignedIn("This sign-in has ended. Please sign in again.")
            if row.is_previous and not row.in_grace:
                reused = True
                await accounts.end_sign_in(session, sign_in_id=row.id)
                await accounts.write_audit(session, user_id=row.user_id, action="refresh_token_reused")
            else:
                found = await accounts.sign_in(session, sign_in_id=row.id)
                if found is None:
                    raise NotSignedIn
                new = self.access_tokens.next_refresh(refresh_token)
                if not row.is_previous:
                    await accounts.rotate_refresh(session, sign_in_id=row.id, refresh_hash=hash_token(new))
        if reused:
            log.warning("refresh_token_reused", user_id=row.user_id)
            raise NotSignedIn("This sign-in has ended. Please sign in again.")
        return self._tokens(found.user, found.id, new)

    async def sign_out(self, sign_in: SignIn) -> None:
        """End a sign-in; every token made for it is void at once."""
        async with self.sessions.begin() as session:
            await accounts.end_sign_in(session, sign_in_id=sign_in.id)
            await accounts.write_audit(session, user_id=sign_in.user.id, action="signed_out")

    async def change_password(self, sign_in: SignIn, *, current: str, new: str) -> int:
        """Set a new password and end the person's other sign-ins; returns how many ended.

        Raises:
            InvalidInput: the current password is wrong or the new one cannot be used.
        """
        async with self.sessions() as session:
            found = await accounts.password_of(session, email=sign_in.user.email)
        caller = Caller(address=f"user {sign_in.user.id}")
        self._check_tries(sign_in.user.email, caller)
        right, _ = await self.passwords.verify(
            current[:MAX_CHARACTERS],
            found[1] if found else None,
            may_begin=partial(self._check_tries, sign_in.user.email, caller),
        )
        if not right:
            self.limits.count("wrong_password", f"{sign_in.user.email}|{caller.address}")
            raise InvalidInput("The current password is not right.", field="current")
        check_password(new, email=sign_in.user.email)
        new_hash = await self.passwords.hash(new)
        async with self.sessions.begin() as session:
            await accounts.set_password(session, user_id=sign_in.user.id, password_hash=new_hash)
            ended = await accounts.end_other_sign_ins(session, user_id=sign_in.user.id, but=sign_in.id)
            await accounts.write_audit(session, user_id=sign_in.user.id, action="password_changed")
        return ended

    async def rename(self, sign_in: SignIn, *, name: str) -> str:
        """Change how the person is called; returns the name as kept."""
        cleaned = clean_line(name, max_characters=MAX_NAME)
        if not cleaned:
            raise InvalidInput("Please enter a name.", field="name")
        async with self.sessions.begin() as session:
            await accounts.rename(session, user_id=sign_in.user.id, name=cleaned)
        return cleaned

    async def sign_ins(self, sign_in: SignIn) -> list[OpenSignIn]:
        """Where the person is signed in, at most 50 places, last seen first."""
        async with self.sessions() as session:
            found = await accounts.open_sign_ins(session, user_id=sign_in.user.id)
        return [OpenSignIn(**row, is_current=row["id"] == sign_in.id) for row in found]

    async def end_other_sign_ins(self, sign_in: SignIn) -> int:
        """Sign the person out everywhere else; returns how many sign-ins ended."""
        async with self.sessions.begin() as session:
            return await accounts.end_other_sign_ins(session, user_id=sign_in.user.id, but=sign_in.id)


def normal_email(email: str) -> str:
    """An address in the form it is stored in.

    Raises:
        InvalidInput: it cannot be an address.
    """
    try:
        checked = validate_email(email.strip(), check_deliverability=False, test_environment=True)
    except EmailNotValidError as error:
        raise InvalidInput("Please enter a valid e-mail address.", field="email") from error
    return checked.normalized.lower()


def check_password(password: str, *, email: str) -> None:
    """Refuse a password that is too short or among the first anybody would try.

    Source: OWASP ASVS 5.0, 6.2.1, 6.2.4, 6.2.9; no rules of composition (6.2.5).
    """
    if len(password) < MIN_CHARACTERS:
        raise InvalidInput(f"Please use at least {MIN_CHARACTERS} characters.", field="password")
    if any("\ud800" <= character <= "\udfff" for character in password):
        raise InvalidInput("This password has characters that no keyboard makes.", field="password")
    if len(password) > MAX_CHARACTERS:
        raise InvalidInput(f"Please use at most {MAX_CHARACTERS} characters.", field="password")
    if password.lower() in TOO_COMMON or password.lower() == email:
        raise InvalidInput("This password is among the first ones anybody would try.", field="password")
