"""What a plan allows and how much of it is used; for the super admin, plans of all owners."""

from typing import Annotated

from fastapi import APIRouter, Path, Query

from rag_app.api.auth import SignedIn
from rag_app.api.limit_schemas import ChangeOwnerBody, OwnerOut, PlanOut, TierBody, TierOut
from rag_app.api.paging import Cursor, Limit, before_id, next_cursor
from rag_app.api.schemas import ListOut
from rag_app.bootstrap import services

router = APIRouter(prefix="/api", tags=["plans and limits"])

OwnerId = Annotated[int, Path(ge=1, le=2**31 - 1)]
TierName = Annotated[str, Path(max_length=50, pattern="^[a-z_]+$")]


@router.get("/limits")
async def own_limits(sign_in: SignedIn) -> PlanOut:
    """Your plan: every limit, how much of it is used, when it begins anew; budgets of knowledge bases."""
    return PlanOut.of(await services().quotas.plan(sign_in.user.id))


@router.get("/admin/owners")
async def list_owners(
    sign_in: SignedIn,
    cursor: Cursor = None,
    limit: Limit = 50,
    query: Annotated[str | None, Query(max_length=200)] = None,
) -> ListOut[OwnerOut]:
    """Accounts with their plans and what they use, newest first; only for the super admin."""
    found = await services().admin.owners(sign_in.user.id, query=query, before=before_id(cursor), limit=limit)
    return ListOut(items=[OwnerOut.of(each) for each in found], next_cursor=next_cursor(found, limit))


@router.get("/admin/owners/{owner_id}")
async def get_owner(owner_id: OwnerId, sign_in: SignedIn) -> OwnerOut:
    """One account; only for the super admin."""
    return OwnerOut.of(await services().admin.owner(sign_in.user.id, owner_id))


@router.put("/admin/owners/{owner_id}")
async def change_owner(owner_id: OwnerId, body: ChangeOwnerBody, sign_in: SignedIn) -> OwnerOut:
    """Change plan, own limits or state of an account, and leave what is not sent."""
    changes = body.model_dump(exclude_unset=True)
    return OwnerOut.of(await services().admin.change_owner(sign_in.user.id, owner_id, changes))


@router.get("/admin/tiers")
async def list_tiers(sign_in: SignedIn) -> ListOut[TierOut]:
    """The plans there are; only for the super admin."""
    found = await services().admin.tiers(sign_in.user.id)
    return ListOut(items=[TierOut.of(tier) for tier in found])


@router.get("/admin/tiers/{tier}")
async def get_tier(tier: TierName, sign_in: SignedIn) -> TierOut:
    """One plan; only for the super admin."""
    return TierOut.of(await services().admin.tier(sign_in.user.id, tier))


@router.put("/admin/tiers/{tier}")
async def change_tier(tier: TierName, body: TierBody, sign_in: SignedIn) -> TierOut:
    """Give a plan these limits and no others; they hold at once for everybody who has it."""
    return TierOut.of(await services().admin.change_tier(sign_in.user.id, tier, body.limits))
