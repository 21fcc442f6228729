"""What only the super admin may do; the database is asked each time whether the caller is one.

To everybody else none of it exists.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import structlog

from rag_app.db.engine import Sessions
from rag_app.db.queries import access, accounts, admin
from rag_app.domain.limits import OwnerUsage, Tier, check_limits, period_start
from rag_app.errors import Conflict, InvalidInput, NotFound
from rag_app.services.limits import LimitService
from rag_app.services.text import clean_line

log = structlog.get_logger()


@dataclass(frozen=True)
class AdminService:
    """Accounts and plans of an installation."""

    sessions: Sessions
    quotas: LimitService

    async def check(self, admin_id: int) -> None:
        """Refuse everybody but the super admin. Raises NotFound."""
        async with self.sessions() as session:
            await _check(session, admin_id)

    async def owners(
        self, admin_id: int, *, query: str | None = None, before: int | None = None, limit: int = 50
    ) -> list[OwnerUsage]:
        """Accounts with what they have and use, newest first. Raises NotFound."""
        words = clean_line(query, max_characters=200) or None if query else None
        async with self.sessions() as session:
            await _check(session, admin_id)
            return await admin.owners(session, month=self._month(), query=words, before=before, limit=limit)

    async def owner(self, admin_id: int, owner_id: int) -> OwnerUsage:
        """One account. Raises NotFound."""
        async with self.sessions() as session:
            await _check(session, admin_id)
            return await self._owner(session, owner_id)

    async def change_owner(self, admin_id: int, owner_id: int, changes: Mapping[str, Any]) -> OwnerUsage:
        """Change `tier`, `overrides` (all of them) or `is_active` of an account, and leave the rest.

        A smaller plan takes nothing away: what is there stays, and only more of it is refused.

        Raises:
            NotFound: the caller is no super admin, or there is no such account.
            InvalidInput: there is no such plan, or a limit is impossible.
            Conflict: an administrator would switch off their own account.
        """
        async with self.sessions.begin() as session:
            await _check(session, admin_id)
            before = await admin.lock_owner(session, user_id=owner_id)
            after = before | await self._checked(session, changes)
            if owner_id == admin_id and not after["is_active"]:
                raise Conflict("You cannot switch off your own account.", field="is_active")
            await admin.set_owner(session, user_id=owner_id, **after)
            await accounts.write_audit(
                session,
                user_id=admin_id,
                action="account_changed",
                account_id=owner_id,
                before={name: before[name] for name in before if before[name] != after[name]},
                after={name: after[name] for name in after if before[name] != after[name]},
            )
            changed = await self._owner(session, owner_id)
        log.info("account_changed", user_id=owner_id, by=admin_id, fields=sorted(changes))
        return changed

    async def tiers(self, admin_id: int) -> list[Tier]:
        """The plans there are, smallest first. Raises NotFound."""
        async with self.sessions() as session:
            await _check(session, admin_id)
            return await admin.tiers(session)

    async def tier(self, admin_id: int, name: str) -> Tier:
        """One plan. Raises NotFound."""
        async with self.sessions() as session:
            await _check(session, admin_id)
            return await _tier(session, name)

    async def change_tier(self, admin_id: int, name: str, limits: Mapping[str, Any]) -> Tier:
        """Give a plan these limits and no others; they hold at once for everybody who has it.

        Raises:
            NotFound: the caller is no super admin, or there is no such plan.
            InvalidInput: a limit is not known or impossible.
        """
        checked = check_limits(limits)
        async with self.sessions.begin() as session:
            await _check(session, admin_id)
            before = await admin.lock_tier(session, name=name)
            await admin.set_tier(session, name=name, limits=checked)
            await accounts.write_audit(
                session, user_id=admin_id, action="plan_changed", plan=name, before=before, after=checked
            )
            changed = await _tier(session, name)
        log.info("plan_changed", plan=name, by=admin_id)
        return changed

    async def _checked(self, session: Any, changes: Mapping[str, Any]) -> dict[str, Any]:
        checked: dict[str, Any] = {}
        if changes.get("tier") is not None:
            names = [tier.name for tier in await admin.tiers(session)]
            if changes["tier"] not in names:
                raise InvalidInput(f"Please choose one of {', '.join(names)}.", field="tier")
            checked["tier"] = changes["tier"]
        if changes.get("overrides") is not None:
            checked["overrides"] = check_limits(changes["overrides"])
        if changes.get("is_active") is not None:
            checked["is_active"] = changes["is_active"]
        return checked

    async def _owner(self, session: Any, owner_id: int) -> OwnerUsage:
        found = await admin.owners(session, month=self._month(), only=owner_id, limit=1)
        if not found:
            raise NotFound("account")
        return found[0]

    def _month(self) -> date:
        return period_start("month", self.quotas.now())


async def _check(session: Any, admin_id: int) -> None:
    if not await access.is_admin(session, user_id=admin_id):
        raise NotFound("page")


async def _tier(session: Any, name: str) -> Tier:
    for tier in await admin.tiers(session):
        if tier.name == name:
            return tier
    raise NotFound("plan")
