"""Your own keys for the providers of answering models."""

from fastapi import APIRouter, Response

from rag_app.api.auth import SignedIn
from rag_app.api.idempotency import IdempotentRoute
from rag_app.api.schemas import ListOut, Provider, ProviderKeyBody, ProviderKeyOut, ProviderTestBody
from rag_app.bootstrap import services

router = APIRouter(prefix="/api/provider-keys", tags=["provider keys"], route_class=IdempotentRoute)


@router.get("")
async def list_all(sign_in: SignedIn) -> ListOut[ProviderKeyOut]:
    """How you reach each provider: with your own key, the installation's, or not at all."""
    found = await services().provider_keys.list_of(sign_in.user.id)
    return ListOut(items=[ProviderKeyOut.of(status) for status in found], next_cursor=None)


@router.put("/{provider}")
async def save(provider: Provider, body: ProviderKeyBody, sign_in: SignedIn) -> ProviderKeyOut:
    """Keep a key in place of the one there was; it is encrypted, and never shown again.

    With `base_url`, calls go to that OpenAI-compatible server instead; it may do without a key.
    """
    key = body.api_key.get_secret_value() if body.api_key else None
    saved = await services().provider_keys.save(
        provider, owner_id=sign_in.user.id, api_key=key, base_url=body.base_url
    )
    return ProviderKeyOut.of(saved)


@router.delete("/{provider}", status_code=204)
async def remove(provider: Provider, sign_in: SignedIn) -> Response:
    """Forget your key; the installation's is used from then on, where there is one."""
    await services().provider_keys.remove(provider, owner_id=sign_in.user.id)
    return Response(status_code=204)


@router.post("/{provider}/test")
async def test(provider: Provider, sign_in: SignedIn, body: ProviderTestBody | None = None) -> ProviderKeyOut:
    """Make the smallest real call with your key; `problem` then says what went wrong, if anything."""
    checked = await services().provider_checks.check(
        provider, owner_id=sign_in.user.id, model=body.model if body else None
    )
    return ProviderKeyOut.of(checked)
