"""Do the same to many documents; what cannot be done with one of them is said, and the others go on."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import structlog

from rag_app.db.engine import Sessions
from rag_app.db.queries import access, documents
from rag_app.domain.bulk import BulkAction, BulkResult, Skipped
from rag_app.domain.knowledge_bases import Document
from rag_app.errors import Conflict, InvalidInput, NotFound
from rag_app.services.documents import DocumentService
from rag_app.services.tags import clean_tags

log = structlog.get_logger()

MAX_AT_ONCE = 200


@dataclass(frozen=True)
class DocumentBulkService:
    """What owners do to the documents they have selected, each in a transaction of its own."""

    sessions: Sessions
    documents: DocumentService

    async def do(
        self,
        kb_id: int,
        action: BulkAction,
        document_ids: Iterable[int],
        *,
        owner_id: int,
        tags: Sequence[str] = (),
    ) -> BulkResult:
        """Do it to all of them, in the order of their ids.

        Raises:
            NotFound: one of them is not in this owner's knowledge base; nothing was done.
            InvalidInput: none or too many are named, or no tags where some are needed; nothing was done.
        """
        wanted = sorted(set(document_ids))
        if not 0 < len(wanted) <= MAX_AT_ONCE:
            raise InvalidInput(f"Please name between 1 and {MAX_AT_ONCE} documents.", field="ids")
        cleaned = clean_tags(tags)
        if action in {"add_tags", "remove_tags"} and not cleaned:
            raise InvalidInput("Please enter at least one tag.", field="tags")
        async with self.sessions() as session:
            scope = await access.owned(session, kb_id=kb_id, owner_id=owner_id)
            found = [await documents.get(session, scope, document_id=each) for each in wanted]
        skipped: list[Skipped] = []
        for document in found:
            try:
                await self._do(action, document, cleaned, owner_id)
            except (Conflict, InvalidInput, NotFound) as error:  # changed meanwhile, or it has not failed
                skipped.append(Skipped(document.id, document.name, str(error)))
        log.info("documents_in_bulk", kb_id=kb_id, action=action, n=len(found), n_skipped=len(skipped))
        return BulkResult(len(found) - len(skipped), tuple(skipped))

    async def _do(self, action: BulkAction, document: Document, tags: list[str], owner_id: int) -> None:
        service, kb_id = self.documents, document.kb_id
        if action == "delete":
            await service.delete(kb_id, document.id, owner_id=owner_id)
        elif action == "reingest":
            await service.reingest(kb_id, document.id, owner_id=owner_id)
        elif action == "retry":
            if document.job is None:
                raise Conflict("Only a failed or cancelled file can be tried again.")
            await service.retry(kb_id, document.job.id, owner_id=owner_id)
        else:
            gone = {tag.lower() for tag in tags}
            kept = [tag for tag in document.tags if action == "add_tags" or tag.lower() not in gone]
            changed = [*kept, *tags] if action == "add_tags" else kept
            await service.set_tags(kb_id, document.id, owner_id=owner_id, tags=changed)
