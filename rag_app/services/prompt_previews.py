"""Show what a model would read for a question, without asking it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rag_app.db.engine import Sessions
from rag_app.db.queries import access, knowledge_bases
from rag_app.domain.models import Model
from rag_app.rag.prompt_room import fitted, prompt_tokens
from rag_app.rag.prompts import build_prompt
from rag_app.services.knowledge_bases import KnowledgeBaseService
from rag_app.services.models import ModelCatalogue
from rag_app.services.retrieval import RetrievalService, check_question


@dataclass(frozen=True)
class PromptPreview:
    """A finished prompt: `n_left_out` passages were found and did not fit into the model's context.

    `n_tokens` is an estimate. `temperature` is None where the model takes none.
    """

    model: Model
    system: str
    user: str
    n_passages: int
    n_left_out: int
    n_tokens: int
    max_tokens: int
    temperature: float | None


@dataclass(frozen=True)
class PromptPreviewService:
    """Puts prompts together as a chat does, up to the point where the model would be asked."""

    sessions: Sessions
    kept: KnowledgeBaseService
    retrieval: RetrievalService
    catalogue: ModelCatalogue

    async def preview(
        self, kb_id: int, question: str, *, owner_id: int, changes: Mapping[str, Any] | None = None
    ) -> PromptPreview:
        """The prompt for the first question of a conversation; `changes` are settings not saved yet.

        Raises:
            NotFound: it is not this owner's.
            InvalidInput: no question, one that is too long, or a change that cannot be made.
        """
        question = check_question(question)
        async with self.sessions() as session:
            scope = await access.owned(session, kb_id=kb_id, owner_id=owner_id)
            kb = await knowledge_bases.get(session, scope, counted=False)
        kb = self.kept.with_changes(kb, changes or {})
        found = await self.retrieval.retrieve(scope, kb, question)
        prompt = build_prompt(
            question,
            found.passages,
            history=(),
            standalone_question=question,
            system_prompt=kb.system_prompt,
            max_tokens=kb.max_tokens,
            temperature=kb.temperature,
            language=kb.answer_language,
        )
        model = self.catalogue.find(kb.llm_provider, kb.llm_model)
        sent = fitted(prompt, model)
        return PromptPreview(
            model=model,
            system=sent.system,
            user=sent.user,
            n_passages=len(sent.passages),
            n_left_out=len(found.passages) - len(sent.passages),
            n_tokens=prompt_tokens(sent),
            max_tokens=sent.max_tokens,
            temperature=sent.temperature,
        )
