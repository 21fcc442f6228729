"""How a knowledge base is searched."""

from typing import Annotated, Any

from fastapi import APIRouter, Body

from rag_app.api.auth import SignedIn
from rag_app.api.idempotency import IdempotentRoute
from rag_app.api.routes.knowledge_bases import KbId
from rag_app.api.schemas import KnobOut, PresetOut, PresetsOut, RagConfigOut
from rag_app.bootstrap import services
from rag_app.domain.knobs import KNOBS
from rag_app.domain.rag_config import PRESETS, RagConfig
from rag_app.errors import InvalidInput

router = APIRouter(prefix="/api/knowledge-bases", tags=["retrieval settings"], route_class=IdempotentRoute)

# Described by its schema, but judged by the service: it has a sentence for each knob.
Changes = Annotated[
    dict[str, Any],
    Body(
        max_length=100,
        json_schema_extra={
            "properties": {
                **RagConfig.model_json_schema()["properties"],
                "preset": {"enum": list(PRESETS), "description": "All knobs as this preset has them."},
            },
            "additionalProperties": False,
        },
        examples=[{"preset": "thorough"}, {"rerank": False, "semantic_search_threshold": 0.3}],
    ),
]


@router.get("/rag-config/presets")
async def presets(sign_in: SignedIn) -> PresetsOut:
    """The presets, and every knob with its bounds, its default and what it does."""
    return PresetsOut(
        presets=[PresetOut.of(name) for name in PRESETS], knobs=[KnobOut.of(knob) for knob in KNOBS.values()]
    )


@router.get("/{kb_id}/rag-config")
async def get(kb_id: KbId, sign_in: SignedIn) -> RagConfigOut:
    """How a knowledge base is searched."""
    return RagConfigOut.of(await services().knowledge_bases.rag_config(kb_id, owner_id=sign_in.user.id))


@router.put("/{kb_id}/rag-config")
async def change(kb_id: KbId, body: Changes, sign_in: SignedIn) -> RagConfigOut:
    """Set the knobs that are sent and leave the rest, or set them all with `preset`."""
    knowledge_bases, owner_id = services().knowledge_bases, sign_in.user.id
    if "preset" not in body:
        return RagConfigOut.of(await knowledge_bases.set_rag_config(kb_id, owner_id=owner_id, changes=body))
    if len(body) > 1:
        raise InvalidInput("Send either `preset` or single knobs, not both.", field="preset")
    return RagConfigOut.of(await knowledge_bases.use_preset(kb_id, str(body["preset"]), owner_id=owner_id))


@router.delete("/{kb_id}/rag-config")
async def reset(kb_id: KbId, sign_in: SignedIn) -> RagConfigOut:
    """Set every knob as recommended."""
    return RagConfigOut.of(await services().knowledge_bases.reset_rag_config(kb_id, owner_id=sign_in.user.id))
