"""Is the installation well?"""

from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from rag_app.bootstrap import services

router = APIRouter(tags=["health"])


@router.get("/health")
async def health() -> JSONResponse:
    """Readiness: 200 when requests can be served, 503 when not, with what each dependency said."""
    is_ready, report = await services().health.check()
    return JSONResponse(report, status_code=200 if is_ready else 503)


@router.get("/health/live")
async def live() -> dict[str, Any]:
    """Liveness: the process answers."""
    return {"status": "alive"}
