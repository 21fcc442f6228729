"""Knowledge bases as cards, and what their owner should do next."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from rag_app.domain.knowledge_bases import KnowledgeBase
from rag_app.services.knowledge_bases import Provider
from rag_app.ui import routes
from rag_app.ui.wording import counted

MOST_TASKS = 5


@dataclass(frozen=True)
class KbCard:
    """One knowledge base."""

    id: int
    name: str
    description: str
    answered_by: str
    documents: str
    working: str
    failed: str
    conversations: str
    is_public: bool
    documents_href: str
    failed_href: str
    chat_href: str


@dataclass(frozen=True)
class Task:
    """One thing that needs the owner, with where to do it."""

    text: str
    action: str
    href: str
    icon: str
    tone: str


def cards(found: Iterable[KnowledgeBase], providers: Sequence[Provider]) -> list[KbCard]:
    """Show knowledge bases."""
    names = model_names(providers)
    return [_card(kb, names) for kb in found]


def tasks(found: Sequence[KnowledgeBase], providers: Sequence[Provider]) -> list[Task]:
    """What needs the owner, most urgent first; archived knowledge bases need nothing."""
    available = {provider.name for provider in providers if provider.is_available}
    labels = {provider.name: provider.label for provider in providers}
    active = [kb for kb in found if kb.is_active]
    everything = [
        *(_failed(kb) for kb in active if kb.n_failed),
        *(
            _no_key(kb, labels.get(kb.llm_provider, kb.llm_provider))
            for kb in active
            if kb.llm_provider not in available
        ),
        *(_empty(kb) for kb in active if kb.n_documents == 0),
        *(_not_shared(kb) for kb in active if kb.n_ready and not kb.is_public),
    ]
    return everything[:MOST_TASKS]


def calm(found: Iterable[KnowledgeBase]) -> str:
    """What to say when nothing needs the owner."""
    active = [kb for kb in found if kb.is_active]
    if working := sum(kb.n_working for kb in active):
        return f"{counted(working, 'file is', 'files are')} being read. There is nothing for you to do."
    ready = sum(kb.n_ready for kb in active)
    if ready:
        return f"All is well: {counted(ready, 'document is', 'documents are')} ready to be asked."
    return "There is nothing for you to do."


def model_names(providers: Sequence[Provider]) -> Mapping[tuple[str, str], str]:
    """How a provider's model is called, by their names; the built-in one needs no provider's name."""
    return {
        (provider.name, model.id): model.label if provider.is_local else f"{provider.label} {model.label}"
        for provider in providers
        for model in provider.models
    }


def _card(kb: KnowledgeBase, names: Mapping[tuple[str, str], str]) -> KbCard:
    return KbCard(
        id=kb.id,
        name=kb.name,
        description=kb.description,
        answered_by=names.get((kb.llm_provider, kb.llm_model), f"{kb.llm_provider} {kb.llm_model}"),
        documents=counted(kb.n_documents, "document") if kb.n_documents else "No documents yet",
        working=f"{kb.n_working:,} being read" if kb.n_working else "",
        failed=f"{kb.n_failed:,} failed" if kb.n_failed else "",
        conversations=counted(kb.n_conversations, "conversation") if kb.n_conversations else "",
        is_public=kb.is_public,
        documents_href=routes.documents_of(kb.id),
        failed_href=routes.documents_of(kb.id, status="failed"),
        chat_href=routes.chat(kb.id),
    )


def _failed(kb: KnowledgeBase) -> Task:
    text = f"{counted(kb.n_failed, 'file')} of “{kb.name}” could not be read."
    return Task(text, "See why", routes.documents_of(kb.id, status="failed"), "error", "danger")


def _no_key(kb: KnowledgeBase, provider: str) -> Task:
    text = f"“{kb.name}” cannot answer: there is no key for {provider}."
    return Task(text, "Add a key", routes.PROVIDERS, "key", "warn")


def _empty(kb: KnowledgeBase) -> Task:
    text = f"“{kb.name}” is empty, so it cannot answer anything yet."
    return Task(text, "Add documents", routes.documents_of(kb.id), "upload", "accent")


def _not_shared(kb: KnowledgeBase) -> Task:
    text = f"“{kb.name}” is ready. Try it, then share it with others."
    return Task(text, "Try and share", routes.chat(kb.id), "share", "accent")
