"""What was used and what it cost: an owner's own, and for super admins everybody's."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query
from fastapi.responses import StreamingResponse

from rag_app.api import csv_files
from rag_app.api.auth import SignedIn
from rag_app.api.schemas import Provider, Text
from rag_app.api.usage_shapes import CALL_HEADER, GROUP_HEADER, UsageReportOut, call_rows, group_rows
from rag_app.bootstrap import services
from rag_app.domain.usage import CallKind
from rag_app.domain.usage_reports import Grouping, RecordedCall, Span, UsageFilters, Viewer

router = APIRouter(prefix="/api", tags=["usage"])

DAYS = 30  # reported on where no first day is named
CsvRows = Literal["call", "day", "kb", "provider", "model", "kind", "owner"]
OwnGrouping = Literal["day", "kb", "provider", "model", "kind"]
Id = Annotated[int | None, Query(ge=1, le=2**31 - 1)]


@dataclass(frozen=True)
class Asked:
    """Which calls a report is about."""

    span: Span
    filters: UsageFilters


async def asked(
    first: Annotated[
        date | None, Query(alias="from", description="UTC; 30 days in all when left out.")
    ] = None,
    last: Annotated[date | None, Query(alias="to", description="UTC, included; today when left out.")] = None,
    kb_id: Id = None,
    deleted_kb: Annotated[
        Text | None, Query(max_length=1000, description="The name of a knowledge base that was deleted.")
    ] = None,
    provider: Provider | None = None,
    model: Annotated[Text | None, Query(max_length=200)] = None,
    kind: CallKind | None = None,
) -> Asked:
    """The filters that all reports take. Raises InvalidInput."""
    last = last or datetime.now(UTC).date()
    if first is None:
        first = date.fromordinal(max(1, last.toordinal() - DAYS + 1))
    return Asked(Span(first, last), UsageFilters(kb_id, deleted_kb, provider, model, kind))


AnyAsked = Annotated[Asked, Depends(asked)]


@router.get("/usage")
async def report(sign_in: SignedIn, what: AnyAsked, group_by: OwnGrouping = "day") -> UsageReportOut:
    """Your calls to models, added up. Days without a call are listed as well."""
    return await _report(Viewer(sign_in.user.id), what, group_by)


@router.get("/usage.csv")
async def report_as_csv(sign_in: SignedIn, what: AnyAsked, group_by: CsvRows = "call") -> StreamingResponse:
    """The same as a file, or with `group_by=call` every single call."""
    return await _csv(Viewer(sign_in.user.id), what, group_by)


@router.get("/admin/usage")
async def report_of_all(
    sign_in: SignedIn, what: AnyAsked, group_by: Grouping = "day", owner_id: Id = None
) -> UsageReportOut:
    """The calls of all owners, for super admins."""
    return await _report(Viewer(sign_in.user.id, all_owners=True), _of(owner_id, what), group_by)


@router.get("/admin/usage.csv")
async def report_of_all_as_csv(
    sign_in: SignedIn, what: AnyAsked, group_by: CsvRows = "call", owner_id: Id = None
) -> StreamingResponse:
    """The same as a file, for super admins."""
    return await _csv(Viewer(sign_in.user.id, all_owners=True), _of(owner_id, what), group_by)


def _of(owner_id: int | None, what: Asked) -> Asked:
    return replace(what, filters=replace(what.filters, owner_id=owner_id))


async def _report(viewer: Viewer, what: Asked, group_by: Grouping) -> UsageReportOut:
    found = await services().usage_reports.report(viewer, what.span, group_by=group_by, filters=what.filters)
    return UsageReportOut.of(found)


async def _csv(viewer: Viewer, what: Asked, group_by: CsvRows) -> StreamingResponse:
    if group_by == "call":
        batches = services().usage_reports.calls(viewer, what.span, filters=what.filters)
        # The first is read here, so that a refusal is answered as one and not inside a file.
        text = _lines_of_calls(await anext(batches), batches, viewer)
    else:
        found = await services().usage_reports.report(
            viewer, what.span, group_by=group_by, filters=what.filters
        )
        text = _one(csv_files.lines([GROUP_HEADER, *group_rows(found.groups)]))
    name = f"usage-{what.span.first}-to-{what.span.last}-by-{group_by}.csv"
    headers = {
        "Content-Disposition": f'attachment; filename="{name}"',
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
    }
    return StreamingResponse(text, media_type="text/csv", headers=headers)


async def _lines_of_calls(
    first: list[RecordedCall], batches: AsyncGenerator[list[RecordedCall]], viewer: Viewer
) -> AsyncIterator[str]:
    async with aclosing(batches):
        yield csv_files.lines([CALL_HEADER, *call_rows(first, with_owner=viewer.all_owners)])
        async for batch in batches:
            yield csv_files.lines(call_rows(batch, with_owner=viewer.all_owners))


async def _one(text: str) -> AsyncIterator[str]:
    yield text
