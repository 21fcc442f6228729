"""What the documents of a knowledge base can be told apart by."""

import sqlalchemy as sa
from sqlmodel.ext.asyncio.session import AsyncSession

from rag_app.db.statements import run
from rag_app.domain.knowledge_bases import Facets, KbScope

MOST = 200  # of each kind; a list that is longer helps nobody to choose


async def of_documents(session: AsyncSession, scope: KbScope) -> Facets:
    """Sources, tags and languages of what can be searched, the most frequent first."""
    found = await run(
        session,
        sa.text("""
            WITH ready AS (
              SELECT source, language, tags FROM documents WHERE kb_id = :kb_id AND ready_at IS NOT NULL),
            counted AS (
              SELECT 'source' AS kind, source AS value, count(*) AS n FROM ready GROUP BY source
              UNION ALL
              SELECT 'language', language, count(*) FROM ready GROUP BY language
              UNION ALL
              SELECT 'tag', mode() WITHIN GROUP (ORDER BY tag), count(*)
              FROM ready, unnest(tags) AS tag GROUP BY lower(tag)),
            ranked AS (
              SELECT *, row_number() OVER (PARTITION BY kind ORDER BY n DESC, value) AS place FROM counted)
            SELECT kind, value, n FROM ranked WHERE place <= :most ORDER BY kind, place
        """),
        params={"kb_id": scope.kb_id, "most": MOST},
    )
    rows = found.all()

    def of(kind: str) -> tuple[tuple[str, int], ...]:
        return tuple((row.value, row.n) for row in rows if row.kind == kind)

    return Facets(of("source"), of("tag"), of("language"))
