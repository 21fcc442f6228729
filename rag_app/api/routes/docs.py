"""Interactive documentation of the API, without anything from other hosts."""

from importlib.util import find_spec
from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import FileResponse, HTMLResponse, Response

from rag_app.errors import NotFound

router = APIRouter(prefix="/api/docs", include_in_schema=False)

# Swagger UI comes in the wheel of fastapi-offline; its files are read, its code is not imported.
FILES = {"swagger-ui-bundle.js": "text/javascript", "swagger-ui.css": "text/css"}

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>API · Simple RAG</title>
<link rel="icon" href="/favicon.svg"><link rel="stylesheet" href="/api/docs/swagger-ui.css">
</head>
<body><main id="swagger-ui"></main>
<script src="/api/docs/swagger-ui-bundle.js"></script><script src="/api/docs/start.js"></script>
</body></html>
"""
START = """SwaggerUIBundle({
  url: "/api/openapi.json", dom_id: "#swagger-ui", deepLinking: true, docExpansion: "list",
  defaultModelsExpandDepth: -1, presets: [SwaggerUIBundle.presets.apis], layout: "BaseLayout",
});
"""


@router.get("")
async def page() -> HTMLResponse:
    """Serve the page."""
    return HTMLResponse(PAGE)


@router.get("/start.js")
async def start() -> Response:
    """Serve what starts the page: a file, because the page's policy allows no inline scripts."""
    return Response(START, media_type="text/javascript")


@router.get("/{name}")
async def file(name: str) -> FileResponse:
    """Serve one of Swagger UI's files."""
    spec = find_spec("fastapi_offline")
    if name not in FILES or spec is None or spec.origin is None:
        raise NotFound("file")
    path = Path(spec.origin).parent / "static" / name
    return FileResponse(path, media_type=FILES[name], headers={"Cache-Control": "public, max-age=86400"})
