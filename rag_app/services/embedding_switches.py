"""Give a knowledge base another embedding model while the old one goes on serving.

switch ── embed every chunk anew, batch by batch ── index ── search by the new one ── delete the old vectors
             │        ├ finished batches are kept: after a crash it goes on where it was
             │        └ documents that become ready meanwhile are caught up with
             └ cancelled, or the model cannot be used: the new vectors go, nothing else has changed
"""

from dataclasses import dataclass

import procrastinate
import structlog

from rag_app.db import queue
from rag_app.db.engine import Sessions
from rag_app.db.queries import (
    access,
    accounts,
    documents,
    embedding_switch,
    knowledge_bases,
    vector_index,
    word_index,
)
from rag_app.db.queries.embedding_switch import SwitchRow
from rag_app.db.queries.search import vector_literal
from rag_app.domain.embedding_models import EmbeddingChoice, EmbeddingSwitch, StoredModel
from rag_app.domain.knowledge_bases import KbScope
from rag_app.errors import Conflict, InvalidInput, LimitReached, PermanentError, TransientError
from rag_app.services.embedders import Embedders, embed

log = structlog.get_logger()

BATCH = 32
DELETED_AT_ONCE = 2_000


@dataclass(frozen=True)
class EmbeddingSwitchService:
    """Owners switch, the worker works; `choices` are the models of this machine."""

    sessions: Sessions
    embedders: Embedders
    jobs_queue: procrastinate.App
    choices: tuple[EmbeddingChoice, ...]

    async def get(self, kb_id: int, *, owner_id: int) -> EmbeddingSwitch:
        """The model of an owner's knowledge base and its switch. Raises NotFound."""
        async with self.sessions() as session:
            scope = await access.owned(session, kb_id=kb_id, owner_id=owner_id)
            found = await embedding_switch.get(session, scope)
        return await self._shown(found, owner_id)

    async def begin(self, kb_id: int, *, owner_id: int, model: str) -> EmbeddingSwitch:
        """Begin to switch to another model.

        Raises:
            NotFound: it is not this owner's.
            InvalidInput: there is no such model, or it is the one in use.
            Conflict: a switch is under way.
        """
        names = [choice.name for choice in await self._choices(owner_id)]
        if model not in names:
            raise InvalidInput(f"Please choose one of {', '.join(names)}.", field="model")
        async with self.sessions.begin() as session:
            scope = await access.owned(session, kb_id=kb_id, owner_id=owner_id, hold=True)
            await word_index.lock(session, scope)
            now = await embedding_switch.get(session, scope)
            if now.next_model is not None:
                raise Conflict("Another model is being prepared. Stop that first.")
            if now.model.name == model:
                raise InvalidInput("This model is in use already.", field="model")
            stored = await embedding_switch.model(session, name=model)
            if stored is None:
                raise Conflict("This model was set up a moment ago. It can be chosen after the next start.")
            await embedding_switch.begin(session, scope, model_id=stored.id)
            await queue.add_embedding_switch(self.jobs_queue, session, kb_id=kb_id)
            await accounts.write_audit(
                session, user_id=owner_id, kb_id=kb_id, action="embedding_switch_begun", model=model
            )
            begun = await embedding_switch.get(session, scope)
        log.info("embedding_switch_begun", kb_id=kb_id, model=model)
        return await self._shown(begun, owner_id)

    async def cancel(self, kb_id: int, *, owner_id: int) -> EmbeddingSwitch:
        """Stop a switch; the model in use stays. Raises NotFound."""
        async with self.sessions.begin() as session:
            scope = await access.owned(session, kb_id=kb_id, owner_id=owner_id, hold=True)
            await word_index.lock(session, scope)
            await embedding_switch.begin(session, scope, model_id=None)
            await queue.add_embedding_switch(self.jobs_queue, session, kb_id=kb_id)  # deletes what was made
            await accounts.write_audit(
                session, user_id=owner_id, kb_id=kb_id, action="embedding_switch_cancelled"
            )
            stopped = await embedding_switch.get(session, scope)
        return await self._shown(stopped, owner_id)

    async def work(self, kb_id: int) -> None:
        """Do what a switch needs, to its end; run again, it goes on where it was.

        Raises:
            TransientError: trying again may help; until then the owner is told what is missing.
        """
        async with self.sessions.begin() as session:
            scope = await access.for_job(session, kb_id=kb_id)
        if scope is None:
            return
        next_model = await self._next_model(scope)
        while next_model is not None and not await self._is_switched(scope, next_model):
            next_model = await self._next_model(scope)
        await self._delete_others(scope)

    async def _is_switched(self, scope: KbScope, model: StoredModel) -> bool:
        """Prepare a model; False where it is not in use after that, and another one may be asked for."""
        try:
            await self._embed_all(scope, model)
            await self._index_all(scope, model)
            is_switched = await self._finish(scope, model)
        except TransientError as error:
            await self._note(scope, model, str(error), goes_on=True)
            raise
        except LimitReached as error:  # what is paid is kept: it goes on when the limit is lifted or resets
            await self._note(scope, model, str(error), goes_on=True)
            raise TransientError(str(error)) from error
        except PermanentError as error:
            log.warning("embedding_switch_failed", kb_id=scope.kb_id, reason=str(error))
            await self._note(scope, model, str(error), goes_on=False)
            return False
        if is_switched:
            log.info("embedding_switch_finished", kb_id=scope.kb_id, model=model.name)
        return is_switched

    async def _note(self, scope: KbScope, model: StoredModel, problem: str, *, goes_on: bool) -> None:
        """Keep for the owner why a switch does not get on, and end one that cannot."""
        async with self.sessions.begin() as session:
            if await access.for_job(session, kb_id=scope.kb_id) is None:
                return
            await word_index.lock(session, scope)
            if (await embedding_switch.get(session, scope)).next_model != model:
                return  # it was stopped, or begun with another model, meanwhile
            if goes_on:
                await embedding_switch.set_problem(session, scope, problem=problem)
            else:
                await embedding_switch.begin(session, scope, model_id=None, problem=problem)

    async def resume(self) -> None:
        """Queue the switches that are under way: the second wall, should their jobs have been lost."""
        async with self.sessions.begin() as session:
            for kb_id in await embedding_switch.under_way(session):
                await queue.add_embedding_switch(self.jobs_queue, session, kb_id=kb_id, unless_running=True)

    async def _embed_all(self, scope: KbScope, model: StoredModel) -> None:
        async with self.sessions() as session:
            kb = await knowledge_bases.get(session, scope, counted=False)
        embedder = await self.embedders.of(kb, model.name)
        after = -1
        while True:
            async with self.sessions() as session:
                await access.enter(session, scope)
                batch = await embedding_switch.missing(
                    session, scope, model_id=model.id, after=after, limit=BATCH
                )
            if not batch or await self._next_model(scope) != model:
                return
            vectors, codes = await embed(embedder, [chunk.text for chunk in batch])
            rows = {
                (chunk.ordinal, chunk.content_hash): (vector_literal(vector), code)
                for chunk, vector, code in zip(batch, vectors, codes, strict=True)
            }
            await self._keep(scope, model, rows)
            after = batch[-1].ordinal

    async def _keep(
        self, scope: KbScope, model: StoredModel, rows: dict[tuple[int, bytes], tuple[str, bytes | None]]
    ) -> None:
        """Store vectors of the chunks that are still there."""
        async with self.sessions.begin() as session:
            if await access.for_job(session, kb_id=scope.kb_id) is None:
                return
            await word_index.lock(session, scope)  # so that no chunk moves or goes meanwhile
            now = await embedding_switch.get(session, scope)
            if now.next_model != model:
                return
            if now.problem:
                await embedding_switch.set_problem(session, scope, problem="")
            there = await embedding_switch.still_missing(
                session, scope, model_id=model.id, ordinals=[ordinal for ordinal, _ in rows]
            )
            await documents.add_vectors(
                session,
                scope,
                model_id=model.id,
                vectors=[
                    (chunk[0], *_row(rows[chunk], enabled))
                    for chunk, enabled in there.items()
                    if chunk in rows  # not if it was given other text meanwhile
                ],
            )

    async def _index_all(self, scope: KbScope, model: StoredModel) -> None:
        """Put the new vectors of a large knowledge base into the index before anybody searches them."""
        async with self.sessions() as session:
            await access.enter(session, scope)
            n_waiting = await vector_index.n_waiting(session, scope, model_id=model.id)
        if n_waiting < vector_index.INDEX_FROM:
            return
        n_added = -1
        while n_added:
            async with self.sessions.begin() as session:
                await access.enter(session, scope)
                n_added = await vector_index.add(session, scope, model_id=model.id, limit=BATCH * 16)

    async def _finish(self, scope: KbScope, model: StoredModel) -> bool:
        """Search by the new model, unless chunks have come or changed meanwhile."""
        async with self.sessions.begin() as session:
            if await access.for_job(session, kb_id=scope.kb_id) is None:
                return True
            await word_index.lock(session, scope)
            if (await embedding_switch.get(session, scope)).next_model != model:
                return False
            if await embedding_switch.missing(session, scope, model_id=model.id, after=-1, limit=1):
                return False
            is_indexed = await vector_index.is_any_indexed(session, scope, model_id=model.id)
            await embedding_switch.finish(session, scope, model_id=model.id, is_indexed=is_indexed)
            return True

    async def _delete_others(self, scope: KbScope) -> None:
        n_deleted = -1
        while n_deleted:
            async with self.sessions.begin() as session:
                if await access.for_job(session, kb_id=scope.kb_id) is None:
                    return
                await word_index.lock(session, scope)  # documents are deleted and read again under it
                now = await embedding_switch.get(session, scope)
                serving = [model.id for model in (now.model, now.next_model) if model is not None]
                n_deleted = await embedding_switch.delete_others(
                    session, scope, keep=serving, limit=DELETED_AT_ONCE
                )

    async def _next_model(self, scope: KbScope) -> StoredModel | None:
        async with self.sessions() as session:
            if await access.for_job(session, kb_id=scope.kb_id) is None:
                return None
            return (await embedding_switch.get(session, scope)).next_model

    async def _choices(self, owner_id: int) -> tuple[EmbeddingChoice, ...]:
        return (*self.choices, *await self.embedders.hosted_choices(owner_id))

    async def _shown(self, row: SwitchRow, owner_id: int) -> EmbeddingSwitch:
        next_model = row.next_model.name if row.next_model else None
        choices = await self._choices(owner_id)
        return EmbeddingSwitch(
            row.model.name, next_model, row.n_done, row.n_total, choices, row.problem, row.n_tokens
        )


def _row(made: tuple[str, bytes | None], enabled: bool) -> tuple[str, bool, bytes | None]:
    vector, codes = made
    return vector, enabled, codes
