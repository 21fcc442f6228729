"""Calls to providers, counted and priced."""

import sqlalchemy as sa
from sqlmodel.ext.asyncio.session import AsyncSession

from rag_app.db.statements import run
from rag_app.domain.usage import ProviderCall


async def insert(session: AsyncSession, call: ProviderCall) -> None:
    """Add one call; of a knowledge base or conversation that is gone meanwhile only the name is kept."""
    context = call.context
    await run(
        session,
        sa.text("""
            INSERT INTO llm_usage (user_id, kb_id, kb_name, kind, conversation_id, request_id, provider, model,
              prompt_tokens, cached_tokens, completion_tokens, total_tokens, is_estimated, estimated_cost,
              price_version, outcome, key_source, first_token_ms, total_ms)
            VALUES (:owner_id, (SELECT id FROM knowledge_bases WHERE id = :kb_id AND user_id = :owner_id),
              :kb_name, :kind, (SELECT id FROM conversations WHERE id = :conversation_id AND kb_id = :kb_id),
              CAST(:request_id AS uuid), CAST(:provider AS llm_provider), :model, :prompt_tokens,
              :cached_tokens, :completion_tokens, :prompt_tokens + :completion_tokens, :is_estimated, :cost,
              :price_version, :outcome, :key_source, :first_token_ms, :total_ms)
        """),
        params={
            "owner_id": context.owner_id,
            "kb_id": context.kb_id,
            "kb_name": context.kb_name,
            "kind": context.kind,
            "conversation_id": context.conversation_id,
            "request_id": context.request_id,
            "provider": call.provider,
            "model": call.model,
            "prompt_tokens": call.usage.prompt_tokens,
            "cached_tokens": call.usage.cached_tokens,
            "completion_tokens": call.usage.completion_tokens,
            "is_estimated": call.usage.estimated,
            "cost": call.cost,
            "price_version": call.price_version,
            "outcome": call.outcome,
            "key_source": call.key_source,
            "first_token_ms": call.first_token_ms,
            "total_ms": call.total_ms,
        },
    )
