"""What takes long because it is large is not cut off by the limit for what people wait for."""

import sqlalchemy as sa

from rag_app.db.queries import access, documents
from rag_app.domain.chunk_sizes import ChunkSize
from rag_app.domain.documents import Page, ParsedDocument


async def test_storing_a_large_document_has_no_time_limit(owner, services):
    kb = await owner.create_kb()
    [job] = await owner.upload(kb["id"], ("book.txt", b"One very long book."))
    parsed = ParsedDocument(pages=(Page(None, "One very long book."),), media_type="text/plain")

    async with services.documents.sessions.begin() as session:
        before = (await session.exec(sa.text("SHOW statement_timeout"))).scalar_one()
        scope = await access.owned(session, kb_id=kb["id"], owner_id=owner.user["id"])
        await documents.swap_contents(
            session,
            scope,
            document_id=job["document_id"],
            parsed=parsed,
            language="english",
            model_id=1,
            new_chunks=[],
            size=ChunkSize(384, 32),
        )
        during = (await session.exec(sa.text("SHOW statement_timeout"))).scalar_one()
    async with services.documents.sessions() as session:
        after = (await session.exec(sa.text("SHOW statement_timeout"))).scalar_one()

    assert (before, during, after) == ("1min", "0", "1min")
