"""Public links: switch on, renew, switch off; what a stranger may see of a knowledge base."""

import io
from dataclasses import dataclass
from typing import Any

import segno
import structlog

from rag_app.db.engine import Sessions
from rag_app.db.queries import access, accounts, conversations, documents, knowledge_bases
from rag_app.domain.conversations import Citation
from rag_app.domain.knowledge_bases import Document, KbScope, ShareLink, StoredChunk
from rag_app.errors import InvalidInput, NotFound
from rag_app.services.askers import Asker, admit

log = structlog.get_logger()


@dataclass(frozen=True)
class SharedKnowledgeBase:
    """What a stranger sees: no owner, no documents, no counts."""

    name: str
    description: str


@dataclass(frozen=True)
class CitedPassage:
    """A passage that an answer cites, with the chunks around it in its document.

    Where the document was read again since, only what was quoted is shown: `is_outdated`. Its file may have
    become another one, too: then `version` is not that of the citation.
    """

    citation: Citation
    before: str
    content: str
    after: str
    heading: str
    page_last: int | None
    version: int = 1
    is_outdated: bool = False
    chunk_id: int = 0  # where it stands now; 0 for nowhere


@dataclass(frozen=True)
class SharingService:
    """Makes knowledge bases public, and hides them again."""

    sessions: Sessions
    base_url: str

    def url(self, slug: str) -> str:
        """The address of a shared chat."""
        return f"{self.base_url}/s/{slug}"

    def qr_code(self, slug: str) -> str:
        """The address as a QR code: SVG text, dark on light in every theme, so that cameras can read it."""
        out = io.BytesIO()
        code = segno.make(self.url(slug), error="m")
        code.save(
            out, kind="svg", scale=6, border=3, dark="#111827", light="#ffffff", xmldecl=False, nl=False
        )
        return out.getvalue().decode()

    async def link(self, kb_id: int, *, owner_id: int) -> ShareLink | None:
        """The public link, None when the knowledge base is private. Raises NotFound."""
        async with self.sessions() as session:
            scope = await access.owned(session, kb_id=kb_id, owner_id=owner_id)
            return await knowledge_bases.active_link(session, scope)

    async def share(self, kb_id: int, *, owner_id: int, renew: bool = False) -> ShareLink:
        """Make a knowledge base public; with `renew` under a new address, the old one dies at once.

        Raises:
            NotFound: it is not this owner's.
            InvalidInput: it is archived.
        """
        async with self.sessions.begin() as session:
            scope = await access.owned(session, kb_id=kb_id, owner_id=owner_id)
            await knowledge_bases.lock(session, scope)  # two clicks at once make one link
            if not (await knowledge_bases.get(session, scope)).is_active:
                raise InvalidInput("This knowledge base is archived. Bring it back before sharing it.")
            link = await knowledge_bases.active_link(session, scope)
            if link is None or renew:
                link = await knowledge_bases.replace_link(session, scope)
                await accounts.write_audit(
                    session, user_id=owner_id, kb_id=kb_id, action="link_renewed" if renew else "link_made"
                )
        log.info("kb_shared", kb_id=kb_id, link_id=link.id)
        return link

    async def unshare(self, kb_id: int, *, owner_id: int) -> None:
        """Make a knowledge base private; its address dies at once. Raises NotFound."""
        async with self.sessions.begin() as session:
            scope = await access.owned(session, kb_id=kb_id, owner_id=owner_id)
            await knowledge_bases.end_link(session, scope)
            await accounts.write_audit(session, user_id=owner_id, kb_id=kb_id, action="link_ended")

    async def shared(self, slug: str) -> SharedKnowledgeBase:
        """What a stranger sees of a shared knowledge base. Raises NotFound."""
        async with self.sessions() as session:
            scope, _ = await access.shared(session, slug=slug)
            kb = await knowledge_bases.get(session, scope, counted=False)
        return SharedKnowledgeBase(kb.name, kb.description)

    async def cited_passage(
        self, conversation_id: int, message_id: int, marker: int, *, asker: Asker
    ) -> CitedPassage:
        """The passage behind a citation of an answer the asker may read, and what stands around it.

        Raises:
            NotFound: not this asker's answer, no such marker, or the document is gone.
        """
        async with self.sessions() as session:
            scope, asker = await admit(session, conversation_id=conversation_id, asker=asker)
            message = await conversations.message(
                session, scope, conversation_id=conversation_id, message_id=message_id
            )
            citation = next((c for c in message.citations if c.marker == marker), None)
            if citation is None:
                raise NotFound("citation")
            document = await documents.get(session, scope, document_id=citation.document_id)
            chunk = await _chunk_of(session, scope, citation, document)
            if chunk is None:
                return _quoted_only(citation, document)
            if not asker.is_owner and not chunk.enabled:  # its owner took it out of the chat
                raise NotFound("passage")
            siblings = await documents.chunks(session, scope, document_id=chunk.document_id)
        return CitedPassage(
            citation=citation,
            before=_neighbour(siblings, chunk.position - 1),
            content=chunk.content,
            after=_neighbour(siblings, chunk.position + 1),
            heading=chunk.heading,
            page_last=chunk.page_last,
            version=document.version,
            chunk_id=chunk.id,
        )


async def _chunk_of(
    session: Any, scope: KbScope, citation: Citation, document: Document
) -> StoredChunk | None:
    """The chunk that was cited or, where its document was read again, the one that has the quote now.

    Never one of another version: what looks alike there may say something else.
    """
    try:
        return await documents.chunk(session, scope, chunk_id=citation.chunk_id)
    except NotFound:
        if citation.document_version not in {0, document.version} or not citation.quote.strip():
            return None
    return await documents.chunk_with_text(
        session, scope, document_id=document.id, text=citation.quote.strip()
    )


def _quoted_only(citation: Citation, document: Document) -> CitedPassage:
    """What an answer quoted, where that stands nowhere any more."""
    return CitedPassage(
        citation=citation,
        before="",
        content=citation.quote,
        after="",
        heading=citation.heading,
        page_last=citation.page,
        version=document.version,
        is_outdated=True,
    )


def _neighbour(siblings: list[StoredChunk], position: int) -> str:
    return next((c.content for c in siblings if c.position == position and c.enabled), "")
