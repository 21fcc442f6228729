"""Say what was used and what it cost: owners of their own, super admins of all."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace
from typing import Any

from rag_app.db.engine import Sessions
from rag_app.db.queries import access, conversations, usage_reports
from rag_app.domain.usage_reports import (
    ConversationUsage,
    Grouping,
    RecordedCall,
    Span,
    UsageChoices,
    UsageFilters,
    UsageGroup,
    UsageReport,
    UsageScope,
    Used,
    Viewer,
)
from rag_app.errors import InvalidInput

MAX_GROUPS = 1000
BATCH = 2000  # calls read at once for a file
NO_FILTERS = UsageFilters()


@dataclass(frozen=True)
class UsageReportService:
    """Reports of calls to providers; who may see whose is asked of the database each time."""

    sessions: Sessions

    async def report(
        self, viewer: Viewer, span: Span, *, group_by: Grouping, filters: UsageFilters = NO_FILTERS
    ) -> UsageReport:
        """Add up the calls of some days; days without a call are there as well, with nothing.

        Raises:
            NotFound: the knowledge base is another owner's, or the viewer may not see those of all.
            InvalidInput: grouped by owner, of whom there is only one.
        """
        if group_by == "owner" and not viewer.all_owners:
            raise InvalidInput("These are the calls of one owner only.", field="group_by")
        async with self.sessions() as session:
            scope, filters = await _admit(session, viewer, filters)
            found = await usage_reports.report(
                session, scope, span, filters, group_by=group_by, limit=MAX_GROUPS
            )
        return with_every_day(found) if group_by == "day" else found

    async def choices(self, viewer: Viewer, span: Span) -> UsageChoices:
        """What a report of some days can be narrowed to.

        Raises:
            NotFound: the viewer may not see those of all owners.
        """
        async with self.sessions() as session:
            scope, _ = await _admit(session, viewer, NO_FILTERS)
            return await usage_reports.choices(session, scope, span)

    async def calls(
        self, viewer: Viewer, span: Span, *, filters: UsageFilters = NO_FILTERS
    ) -> AsyncGenerator[list[RecordedCall]]:
        """Every call, oldest first, some at a time; each batch is a transaction and a check of its own.

        Raises:
            NotFound: as for `report`.
        """
        after = None
        while True:
            async with self.sessions() as session:
                scope, admitted = await _admit(session, viewer, filters)
                batch = await usage_reports.calls(session, scope, span, admitted, after=after, limit=BATCH)
            yield batch
            if len(batch) < BATCH:
                return
            after = batch[-1].created_at, batch[-1].id

    async def of_conversation(self, conversation_id: int, *, owner_id: int) -> ConversationUsage:
        """What a conversation with one of an owner's knowledge bases took.

        Raises:
            NotFound: it is held with another owner's, also where the caller is its visitor.
        """
        async with self.sessions() as session:
            scope = await conversations.scope_for_owner(
                session, conversation_id=conversation_id, owner_id=owner_id
            )
            return await usage_reports.of_conversation(session, scope, conversation_id=conversation_id)


async def _admit(session: Any, viewer: Viewer, filters: UsageFilters) -> tuple[UsageScope, UsageFilters]:
    if viewer.all_owners:
        return await usage_reports.across_tenants(session, admin_id=viewer.user_id), filters
    if filters.kb_id is not None:
        await access.owned(session, kb_id=filters.kb_id, owner_id=viewer.user_id)
    return usage_reports.own(viewer.user_id), replace(filters, owner_id=None)


def with_every_day(report: UsageReport) -> UsageReport:
    """A report by day with the days on which nothing was called."""
    known = {group.key: group for group in report.groups}
    days = [day.isoformat() for day in report.span.days]
    groups = tuple(known.get(day) or UsageGroup(day, day, Used()) for day in days)
    return replace(report, groups=groups, n_groups=len(groups))
