"""How somebody would call each event handler of the pages to get at what is another owner's.

Every public handler of every State is callable from every browser, whatever the page shows, so each
needs a line here: what to pass to reach an object of A, in an order in which A could do it all.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rag_app.domain.provider_keys import ProviderStatus
from rag_app.ui.chat.view import Turn
from rag_app.ui.dashboard.admin_models.view import ModelForm
from rag_app.ui.dashboard.document.view import Head
from rag_app.ui.dashboard.email.view import MailboxForm
from rag_app.ui.dashboard.faq.view import EntryForm
from rag_app.ui.dashboard.knowledge_base.view import Summary
from rag_app.ui.dashboard.settings.chunks_view import Reading
from rag_app.ui.dashboard.settings.embedding_view import ModelView, SwitchView
from rag_app.ui.dashboard.settings.providers_view import provider_cards
from rag_app.ui.dashboard.sources.view import EventRow, ItemRow, RunRow
from rag_app.ui.dashboard.usage.view import Narrowed
from rag_app.ui.dashboard.web_sources.view import WebForm
from tests.attacks.conftest import QUESTION, SECRET, Estate


@dataclass(frozen=True)
class Call:
    """One call of a handler.

    `vars` are set before: what the browser could have made the state remember, or worse; `kb_id` is
    what is then chosen above the tabs. `changes` are the tables in which the handler changes rows of
    the caller's own. `is_public`: whoever has the link sees name and description.
    """

    args: Sequence[Any] = ()
    url: str = "/"
    vars: Mapping[str, Any] = field(default_factory=dict)
    kb_id: int = 0
    changes: frozenset[str] = frozenset()
    is_public: bool = False


_ITEM = ItemRow(10**6, "", "", "", "", "", "", "", False)
_RUN = RunRow(10**6, "", "", "", "", "", "")
_EVENT = EventRow(0, "", "", "", "", [])


def call(*args: Any, changes: Sequence[str] = (), **more: Any) -> Call:
    """Short for `Call`, with the arguments in front."""
    return Call(args, changes=frozenset(changes), **more)


def visit(a: Estate, *args: Any, **more: Any) -> Call:
    """A call from the shared chat, made to remember the conversation of A's visitor."""
    turns = [Turn(a.visit_question_id, "What?", answer_id=a.visit_message_id)]
    remembered = {"_slug": a.slug, "conversation_id": a.visit_id, "turns": turns}
    remembered["reason_for"] = a.visit_message_id
    return call(*args, url=f"/s/{a.slug}", vars=remembered, is_public=True, **more)


def preview(a: Estate, *args: Any, **more: Any) -> Call:
    """A call from the preview, made to remember A's own conversation."""
    turns = [Turn(a.question_id, "What?", answer_id=a.message_id)]
    remembered = {"kb_id": a.kb_id, "conversation_id": a.conversation_id, "turns": turns}
    remembered["reason_for"] = a.message_id
    return call(*args, url=f"/chat/{a.kb_id}", vars=remembered, **more)


def answers(a: Estate, *args: Any, **more: Any) -> Call:
    """A call from the settings of the answers, made to remember A's knowledge base."""
    draft = {
        "llm_provider": "local",
        "llm_model": "extractive-1",
        "llm_fallbacks": [],
        "system_prompt": "",
        "temperature": "0.7",
        "max_tokens": "1000",
        "answer_language": "",
    }
    remembered = {
        "kb_id": a.kb_id,
        "models": [("extractive-1", "Quotes")],
        "more_fallbacks": [("local|extractive-1", "Quotes")],
        "_saved": draft,
        "_draft": draft | {"answer_language": "en"},
    }
    return call(*args, url=f"/settings?kb={a.kb_id}", vars=remembered, kb_id=a.kb_id, **more)


def reading(a: Estate, *args: Any, **more: Any) -> Call:
    """A call from the reader of conversations, made to remember one of A's."""
    remembered = {"conversation_id": a.visit_id, "kb_id": a.kb_id}
    return call(*args, url=f"/conversations/{a.visit_id}", vars=remembered, **more)


def documents(a: Estate, *args: Any, **more: Any) -> Call:
    """A call from the list of documents, made to remember A's."""
    remembered = {"summary": Summary(kb_id=a.kb_id), **more.pop("vars", {})}
    return call(*args, url=f"/knowledge?kb={a.kb_id}", vars=remembered, kb_id=a.kb_id, **more)


def documents_selected(a: Estate, *args: Any) -> Call:
    """A call from the selection of documents, made to remember A's."""
    remembered = {"selected": [a.document_id], "_names": {a.document_id: SECRET}}
    return call(*args, url=f"/knowledge?kb={a.kb_id}", vars=remembered, kb_id=a.kb_id)


def faq(a: Estate, *args: Any, **more: Any) -> Call:
    """A call from the FAQ, made to remember A's."""
    remembered = {"kb_id": a.kb_id, **more.pop("vars", {})}
    return call(*args, url=f"/faq?kb={a.kb_id}", vars=remembered, kb_id=a.kb_id, **more)


def unanswered(a: Estate, *args: Any, **more: Any) -> Call:
    """A call from the unanswered questions, made to remember A's."""
    remembered = {"kb_id": a.kb_id, **more.pop("vars", {})}
    return call(*args, url=f"/unanswered?kb={a.kb_id}", vars=remembered, kb_id=a.kb_id, **more)


def making(a: Estate, *args: Any) -> Call:
    """A call from the window that makes an answer an entry, made to remember A's answer and entry."""
    remembered = {"is_open": True, "_kb_id": a.kb_id, "_message_ids": [a.message_id]}
    return call(*args, vars={**remembered, "existing_id": a.entry_id})


def websites(a: Estate, *args: Any, **more: Any) -> Call:
    """A call from the list of websites, made to remember A's."""
    remembered = {"kb_id": a.kb_id, **more.pop("vars", {})}
    return call(*args, url=f"/web-sources?kb={a.kb_id}", vars=remembered, kb_id=a.kb_id, **more)


def website(a: Estate, *args: Any, **more: Any) -> Call:
    """A call from an open website, made to remember A's."""
    remembered = {"_kb_id": a.kb_id, "_source_id": a.web_source_id, **more.pop("vars", {})}
    url = f"/web-sources/source/{a.web_source_id}?kb={a.kb_id}"
    return call(*args, url=url, vars=remembered, kb_id=a.kb_id, **more)


def mailboxes(a: Estate, *args: Any, **more: Any) -> Call:
    """A call from the list of mailboxes, made to remember A's."""
    remembered = {"kb_id": a.kb_id, **more.pop("vars", {})}
    return call(*args, url=f"/email?kb={a.kb_id}", vars=remembered, kb_id=a.kb_id, **more)


def mailbox(a: Estate, *args: Any, **more: Any) -> Call:
    """A call from an open mailbox, made to remember A's."""
    remembered = {"_kb_id": a.kb_id, "_source_id": a.mail_source_id, **more.pop("vars", {})}
    url = f"/email/source/{a.mail_source_id}?kb={a.kb_id}"
    return call(*args, url=url, vars=remembered, kb_id=a.kb_id, **more)


def document(a: Estate, *args: Any, **more: Any) -> Call:
    """A call from an open document, made to remember A's."""
    remembered = {"_kb_id": a.kb_id, "head": Head(id=a.document_id), **more.pop("vars", {})}
    url = f"/knowledge/document/{a.document_id}?kb={a.kb_id}&chunk={a.chunk_id}"
    return call(*args, url=url, vars=remembered, kb_id=a.kb_id, **more)


def of_versions(a: Estate, *args: Any, **remembered: Any) -> Call:
    """A call from the versions of a document, made to remember A's."""
    remembered = {"_kb_id": a.kb_id, "_document_id": a.document_id, "using": 1, **remembered}
    url = f"/knowledge/document/{a.document_id}?kb={a.kb_id}"
    return call(*args, url=url, vars=remembered, kb_id=a.kb_id)


def share(a: Estate, *args: Any) -> Call:
    """A call from the window of the public link, made to remember A's."""
    return call(*args, vars={"kb_id": a.kb_id})


def edit_kb(a: Estate, *args: Any) -> Call:
    """A call from the window of a knowledge base, made to remember A's."""
    models = [("extractive-1", "Fake")]
    remembered = {"is_open": True, "kb_id": a.kb_id, "provider": "local", "model": "extractive-1"}
    return call(*args, vars={**remembered, "models": models})


def searching(a: Estate, *args: Any, **more: Any) -> Call:
    """A call from the search, made to remember A's knowledge base."""
    return call(*args, url=f"/search?kb={a.kb_id}", vars={"_kb_id": a.kb_id, **more.pop("vars", {})}, **more)


def knobs(a: Estate, *args: Any, **more: Any) -> Call:
    """A call from the settings of how a knowledge base is searched, made to remember A's."""
    remembered = {"kb_id": a.kb_id, **more.pop("vars", {})}
    return call(*args, url=f"/settings?kb={a.kb_id}", vars=remembered, kb_id=a.kb_id, **more)


def embedding(a: Estate, *args: Any, **more: Any) -> Call:
    """A call from the card of the embedding model, made to remember A's knowledge base."""
    models = [ModelView("local_minilm", "Light English", "", is_used=False, is_next=False)]
    remembered = {"kb_id": a.kb_id, "models": models, **more.pop("vars", {})}
    return call(*args, url=f"/settings?kb={a.kb_id}", vars=remembered, kb_id=a.kb_id, **more)


def cutting(a: Estate, *args: Any, **more: Any) -> Call:
    """A call from the card of the chunks, made to remember A's knowledge base and document."""
    remembered = {
        "kb_id": a.kb_id,
        "document_id": str(a.document_id),
        "documents": [(str(a.document_id), "Mine")],
        "draft": {"chunk_tokens": "100", "overlap_tokens": "9"},
        **more.pop("vars", {}),
    }
    return call(*args, url=f"/settings?kb={a.kb_id}", vars=remembered, kb_id=a.kb_id, **more)


def usage(a: Estate, *args: Any) -> Call:
    """A call from the Usage page, made to remember all owners and A's knowledge base."""
    remembered = {"all_owners": True, "narrowed": Narrowed(kb=str(a.kb_id)), "group_by": "kb"}
    return call(*args, url="/usage", vars=remembered)


def providers(a: Estate, *args: Any, **more: Any) -> Call:
    """A call from the keys for providers, made to show A's."""
    status = ProviderStatus("openai", "OpenAI", "owner", False, True, last_four="6789")
    remembered = {"cards": provider_cards([status]), **more.pop("vars", {})}
    return call(*args, url="/settings?tab=providers", vars=remembered, **more)


CALLS: dict[str, Callable[[Estate], Call]] = {
    "AccountState.open": lambda a: call(url=f"/knowledge?kb={a.kb_id}"),
    "FeedbackState.show": lambda a: call("Saved.", "success"),
    "FeedbackState.dismiss": lambda a: call(1),
    "SignInState.open": lambda a: call(url="/login?next=//evil.example"),
    "CurrentKbState.load": lambda a: call(url=f"/knowledge?kb={a.kb_id}", vars={"remembered": str(a.kb_id)}),
    "CurrentKbState.choose": lambda a: call(str(a.kb_id)),
    # search
    "SearchState.load": lambda a: call(url=f"/search?kb={a.kb_id}", kb_id=a.kb_id),
    "SearchState.search": lambda a: call({"query": QUESTION, "limit": "20"}, vars={"_kb_id": a.kb_id}),
    "SearchState.tick": lambda a: searching(a, "source", "document"),
    "SearchState.find_documents": lambda a: searching(a, SECRET[:5]),
    "SearchState.add_document": lambda a: searching(a, a.document_id),
    "SearchState.remove_document": lambda a: searching(a, a.document_id),
    "SearchState.choose_first_day": lambda a: searching(a, "2026-01-01"),
    "SearchState.choose_last_day": lambda a: searching(a, "2026-12-31"),
    "SearchState.clear_filters": searching,
    "SearchState.try_knob": lambda a: searching(a, "rerank", False),
    "SearchState.stop_trying": searching,
    "SearchState.keep_settings": lambda a: searching(a, vars={"_tried": {"rerank": False}}),
    # its FAQ
    "FaqState.load": lambda a: call(url=f"/faq?kb={a.kb_id}", kb_id=a.kb_id),
    "FaqState.filter_text": lambda a: faq(a, SECRET[:5]),
    "FaqState.show_all": faq,
    "FaqState.older": faq,
    "FaqState.newer": faq,
    "FaqState.begin": faq,
    "FaqState.edit": lambda a: faq(a, a.entry_id),
    "FaqState.close": faq,
    "FaqState.save": lambda a: faq(
        a,
        {"question": "Mine?", "answer": "Mine"},
        vars={"is_open": True, "form": EntryForm(id=a.entry_id)},
    ),
    "FaqState.open_import": faq,
    "FaqState.close_import": faq,
    "FaqState.imported": lambda a: faq(a, "1 new entry"),
    "MakeFaqState.begin": lambda a: making(a, a.conversation_id, a.message_id),
    "MakeFaqState.close": making,
    "MakeFaqState.save": lambda a: making(a, {"question": "Mine?", "answer": "Mine"}),
    "UnansweredState.load": lambda a: call(url=f"/unanswered?kb={a.kb_id}", kb_id=a.kb_id),
    "UnansweredState.refresh": unanswered,
    "UnansweredState.show_dismissed": lambda a: unanswered(a, True),
    "UnansweredState.answer": lambda a: unanswered(a, a.refused_id),
    "UnansweredState.dismiss": lambda a: unanswered(a, a.refused_id),
    "UnansweredState.bring_back": lambda a: unanswered(a, a.refused_id, vars={"dismissed": True}),
    "UnansweredState.undo": lambda a: unanswered(a, vars={"_message_ids": [a.refused_id]}),
    "FaqState.ask_to_delete": lambda a: faq(a, a.entry_id),
    "FaqState.keep": faq,
    "FaqState.delete": lambda a: faq(a, vars={"deleting_id": a.entry_id}),
    "FaqState.select": lambda a: faq(a, a.entry_id, True),
    "FaqState.select_page": lambda a: faq(a, True),
    "FaqState.clear_selection": faq,
    "FaqState.ask_to_delete_selected": lambda a: faq(a, vars={"selected": [a.entry_id]}),
    "FaqState.keep_selected": faq,
    "FaqState.delete_selected": lambda a: faq(
        a, vars={"selected": [a.entry_id], "is_deleting_selected": True}
    ),
    "FaqState.watch": faq,
    # its websites
    "WebSourcesState.load": websites,
    "WebSourcesState.begin": websites,
    "WebSourcesState.edit": lambda a: websites(a, a.web_source_id),
    "WebSourcesState.submit": lambda a: websites(
        a,
        {"url": "https://mine.example/", "name": "Mine"},
        vars={"is_open": True, "form": WebForm(id=a.web_source_id)},
    ),
    "WebSourcesState.close": websites,
    "WebSourcesState.stop": lambda a: websites(a, a.web_source_id),
    "WebSourcesState.run_now": lambda a: websites(a, a.web_source_id),
    "WebSourcesState.pause": lambda a: websites(a, a.web_source_id),
    "WebSourcesState.resume": lambda a: websites(a, a.web_source_id),
    "WebSourcesState.retry_failed": lambda a: websites(a, a.web_source_id),
    "WebSourcesState.ask_to_delete": lambda a: websites(a, a.web_source_id),
    "WebSourcesState.keep": websites,
    "WebSourcesState.watch": websites,
    "WebSourceState.load": website,
    "WebSourceState.open_tab": lambda a: website(a, "history"),
    "WebSourceState.filter_status": lambda a: website(a, "failed"),
    "WebSourceState.filter_text": lambda a: website(a, SECRET[:5]),
    "WebSourceState.more_items": lambda a: website(a, vars={"items": [_ITEM]}),
    "WebSourceState.more_runs": lambda a: website(a, vars={"runs": [_RUN]}),
    "WebSourceState.open_run": lambda a: website(a, a.web_run_id),
    "WebSourceState.more_events": lambda a: website(a, vars={"run_id": a.web_run_id, "events": [_EVENT]}),
    "WebSourceState.close_run": website,
    "WebSourceState.stop": website,
    "WebSourceState.run_now": website,
    "WebSourceState.retry_failed": website,
    "WebSourceState.watch": website,
    "WebSourcesState.delete": lambda a: websites(a, False, vars={"deleting_id": a.web_source_id}),
    # its mailboxes
    "MailboxesState.load": mailboxes,
    "MailboxesState.begin": lambda a: mailboxes(a, "imap"),
    "MailboxesState.edit": lambda a: mailboxes(a, a.mail_source_id),
    "MailboxesState.use_password": mailboxes,
    "MailboxesState.use_sign_in": mailboxes,
    "MailboxesState.close": mailboxes,
    "MailboxesState.submit": lambda a: mailboxes(
        a,
        {"address": f"{SECRET}@example.com", "host": "mine.example"},
        vars={"is_open": True, "form": MailboxForm(id=a.mail_source_id)},
    ),
    "MailboxesState.test": lambda a: mailboxes(
        a, vars={"is_open": True, "form": MailboxForm(id=a.mail_source_id)}
    ),
    "MailboxesState.sign_in_again": lambda a: mailboxes(
        a, vars={"is_open": True, "form": MailboxForm(id=a.mail_source_id)}
    ),
    "MailboxesState.dismiss_problem": mailboxes,
    "MailboxesState.stop": lambda a: mailboxes(a, a.mail_source_id),
    "MailboxesState.run_now": lambda a: mailboxes(a, a.mail_source_id),
    "MailboxesState.pause": lambda a: mailboxes(a, a.mail_source_id),
    "MailboxesState.resume": lambda a: mailboxes(a, a.mail_source_id),
    "MailboxesState.retry_failed": lambda a: mailboxes(a, a.mail_source_id),
    "MailboxesState.ask_to_delete": lambda a: mailboxes(a, a.mail_source_id),
    "MailboxesState.keep": mailboxes,
    "MailboxesState.watch": mailboxes,
    "MailboxState.load": mailbox,
    "MailboxState.open_tab": lambda a: mailbox(a, "history"),
    "MailboxState.filter_status": lambda a: mailbox(a, "failed"),
    "MailboxState.filter_text": lambda a: mailbox(a, SECRET[:5]),
    "MailboxState.more_items": lambda a: mailbox(a, vars={"items": [_ITEM]}),
    "MailboxState.more_runs": lambda a: mailbox(a, vars={"runs": [_RUN]}),
    "MailboxState.open_run": lambda a: mailbox(a, a.mail_run_id),
    "MailboxState.more_events": lambda a: mailbox(a, vars={"run_id": a.mail_run_id, "events": [_EVENT]}),
    "MailboxState.close_run": mailbox,
    "MailboxState.stop": mailbox,
    "MailboxState.run_now": mailbox,
    "MailboxState.retry_failed": mailbox,
    "MailboxState.watch": mailbox,
    "MailboxesState.delete": lambda a: mailboxes(a, False, vars={"deleting_id": a.mail_source_id}),
    # how it is searched
    "RetrievalSettingsState.load": lambda a: call(url=f"/settings?kb={a.kb_id}", kb_id=a.kb_id),
    "RetrievalSettingsState.change": lambda a: knobs(a, "rerank", False),
    "RetrievalSettingsState.choose": lambda a: knobs(a, "fast"),
    "RetrievalSettingsState.discard": knobs,
    "RetrievalSettingsState.save": lambda a: knobs(a, {"candidates": "77"}),
    "RetrievalSettingsState.undo": lambda a: knobs(a, vars={"_before": {"candidates": 55}}),
    "RetrievalSettingsState.ask_to_reset": knobs,
    "RetrievalSettingsState.keep": knobs,
    "RetrievalSettingsState.use_recommended": knobs,
    # what it cost
    "UsageState.load": usage,
    "UsageState.refresh": usage,
    "UsageState.choose_range": lambda a: usage(a, "90"),
    "UsageState.choose_days": lambda a: usage(a, {"from": "2026-01-01", "to": "2026-12-31"}),
    "UsageState.narrow": lambda a: usage(a, "kb", str(a.kb_id)),
    "UsageState.show_all": usage,
    "UsageState.group": lambda a: usage(a, "kb"),
    "UsageState.show_owners": lambda a: usage(a, True),
    "UsageState.show_more": usage,
    # keys for providers
    "ProvidersState.load": lambda a: call(url="/settings?tab=providers"),
    "ProvidersState.edit": lambda a: providers(a, "openai"),
    "ProvidersState.stop_editing": providers,
    "ProvidersState.save": lambda a: providers(
        a,
        {"api_key": "sk-of-somebody-else", "base_url": "", "model": ""},
        vars={"editing": "openai"},
        changes=["provider_keys", "audit_log"],
    ),
    "ProvidersState.test": lambda a: providers(a, "openai", changes=["provider_keys", "llm_usage"]),
    "ProvidersState.ask_to_remove": lambda a: providers(a, "openai"),
    "ProvidersState.keep": providers,
    "ProvidersState.remove": lambda a: providers(
        a, vars={"removing": "openai"}, changes=["provider_keys", "audit_log"]
    ),
    # the plan and its limits
    "LimitNoticeState.load": lambda a: call(),
    "LimitNoticeState.dismiss": lambda a: call(),
    "PlanState.load": lambda a: call(url=f"/settings?kb={a.kb_id}", kb_id=a.kb_id),
    "PlanState.save_budget": lambda a: call({"budget": "5"}, vars={"kb_id": a.kb_id}, kb_id=a.kb_id),
    # who runs the installation
    "AccountsState.load": lambda a: call(),
    "AccountsState.open_tab": lambda a: call("plans"),
    "AccountsState.search": lambda a: call({"query": a.owner.email}),
    "AccountsState.show_all": lambda a: call(),
    "AccountsState.show_more": lambda a: call(),
    "AccountsState.edit": lambda a: call(a.owner_id),
    "AccountsState.choose_plan": lambda a: call("pro", vars={"plans": [("pro", "Pro")]}),
    "AccountsState.close": lambda a: call(),
    "AccountsState.save": lambda a: call(
        {"documents": "9"}, vars={"editing_id": a.owner_id, "chosen_plan": "pro"}
    ),
    "AccountsState.ask_to_switch_off": lambda a: call(a.owner_id),
    "AccountsState.switch_off": lambda a: call(vars={"switching_id": a.owner_id}),
    "AccountsState.switch_on": lambda a: call(a.owner_id),
    "PlansState.load": lambda a: call(),
    "PlansState.edit": lambda a: call("free"),
    "PlansState.close": lambda a: call(),
    "PlansState.back": lambda a: call(),
    "PlansState.ask": lambda a: call({"documents": "9"}, vars={"editing": "free"}),
    "PlansState.save": lambda a: call(
        vars={"editing": "free", "is_asking": True, "_wanted": {"documents": 0}}
    ),
    # which model embeds it
    "EmbeddingState.load": lambda a: call(url=f"/settings?kb={a.kb_id}", kb_id=a.kb_id),
    "EmbeddingState.ask": lambda a: embedding(a, "local_minilm"),
    "EmbeddingState.keep": embedding,
    "EmbeddingState.watch": lambda a: embedding(a, vars={"switch": SwitchView(is_switching=True)}),
    "EmbeddingState.begin": lambda a: embedding(a, vars={"chosen": "local_minilm"}),
    "EmbeddingState.ask_to_stop": embedding,
    "EmbeddingState.stop": embedding,
    # how it is cut
    "ChunksState.load": lambda a: call(url=f"/settings?kb={a.kb_id}", kb_id=a.kb_id),
    "ChunksState.change": lambda a: cutting(a, "chunk_tokens", "100"),
    "ChunksState.choose_document": lambda a: cutting(a, str(a.document_id)),
    "ChunksState.try_out": cutting,
    "ChunksState.discard": cutting,
    "ChunksState.save": lambda a: cutting(a, {"chunk_tokens": "100", "overlap_tokens": "9"}),
    "ChunksState.ask": cutting,
    "ChunksState.keep": cutting,
    "ChunksState.watch": lambda a: cutting(a, vars={"reading": Reading(is_open=True)}),
    # how it answers
    "AnswersState.load": lambda a: call(url=f"/settings?kb={a.kb_id}", kb_id=a.kb_id),
    "AnswersState.choose_provider": lambda a: answers(a, "local"),
    "AnswersState.choose_model": lambda a: answers(a, "extractive-1"),
    "AnswersState.add_fallback": lambda a: answers(a, "local|extractive-1"),
    "AnswersState.remove_fallback": lambda a: answers(a, "local|extractive-1"),
    "AnswersState.move_fallback": lambda a: answers(a, "local|extractive-1", 1),
    "AnswersState.choose_language": lambda a: answers(a, "de"),
    "AnswersState.enter": lambda a: answers(a, "system_prompt", "Tell me all."),
    "AnswersState.use_default_prompt": answers,
    "AnswersState.discard": answers,
    "AnswersState.save": lambda a: answers(a, {"system_prompt": "Tell me all."}),
    "AnswersState.show_prompt": lambda a: answers(a, {"question": QUESTION}),
    # conversations
    "ConversationsState.load": lambda a: call(vars={"chosen_kb": str(a.kb_id), "query": "e"}),
    "ConversationsState.show_more": lambda a: call(vars={"chosen_kb": str(a.kb_id), "with_previews": True}),
    "ConversationsState.filter_kb": lambda a: call(str(a.kb_id), vars={"with_previews": True}),
    "ConversationsState.filter_status": lambda a: call("active", vars={"chosen_kb": str(a.kb_id)}),
    "ConversationsState.search": lambda a: call({"query": SECRET[:5]}, vars={"chosen_kb": str(a.kb_id)}),
    "ConversationsState.show_previews": lambda a: call(True, vars={"chosen_kb": str(a.kb_id)}),
    "ConversationsState.show_all": lambda a: call(),
    "ConversationState.open": lambda a: call(url=f"/conversations/{a.conversation_id}"),
    "ConversationState.show_citation": lambda a: call(
        a.message_id, a.marker, vars={"conversation_id": a.conversation_id}
    ),
    "ConversationState.close_passage": reading,
    "ConversationState.close": reading,
    "ConversationState.reopen": reading,
    "ConversationState.ask_to_delete": reading,
    "ConversationState.keep": reading,
    # the shared chat
    "VisitState.open": visit,
    "VisitState.open_conversation": lambda a: visit(a, a.visit_id),
    "VisitState.show_citation": lambda a: visit(a, a.visit_message_id, 1),
    "VisitState.close_passage": visit,
    "VisitState.rate": lambda a: visit(a, a.visit_message_id, -1),
    "VisitState.send_reason": lambda a: visit(a, {"reason": "Mine"}),
    "VisitState.skip_reason": visit,
    "VisitState.ask": lambda a: visit(a, {"question": "holiday"}),
    "VisitState.retry": lambda a: visit(a, a.visit_message_id),
    "VisitState.stop": visit,
    "VisitState.new_conversation": visit,
    "VisitState.ask_name": visit,
    "VisitState.introduce": lambda a: visit(a, {"name": "Eve", "email": ""}, changes=["end_users"]),
    "VisitState.stay_unknown": visit,
    # the preview
    "PreviewState.open": preview,
    "PreviewState.open_conversation": lambda a: preview(a, a.conversation_id),
    "PreviewState.show_citation": lambda a: preview(a, a.message_id, a.marker),
    "PreviewState.close_passage": preview,
    "PreviewState.rate": lambda a: preview(a, a.message_id, -1),
    "PreviewState.send_reason": lambda a: preview(a, {"reason": "Mine"}),
    "PreviewState.skip_reason": preview,
    "PreviewState.ask": lambda a: preview(a, {"question": "holiday"}),
    "PreviewState.retry": lambda a: preview(a, a.message_id),
    "PreviewState.stop": preview,
    "PreviewState.new_conversation": preview,
    "ConversationState.delete": reading,
    # documents
    "KnowledgeBaseState.load": documents,
    "KnowledgeBaseState.watch": documents,
    "KnowledgeBaseState.file_uploaded": lambda a: documents(a, "a.txt", True),
    "KnowledgeBaseState.forget_duplicates": documents,
    "KnowledgeBaseState.filter_status": lambda a: documents(a, "ready"),
    "KnowledgeBaseState.filter_tag": lambda a: documents(a, "x", vars={"tags": [("x", "x")]}),
    "KnowledgeBaseState.filter_name": lambda a: documents(a, SECRET[:5]),
    "KnowledgeBaseState.show_all": documents,
    "KnowledgeBaseState.older": documents,
    "KnowledgeBaseState.newer": lambda a: documents(a, vars={"_newer": [0]}),
    "KnowledgeBaseState.retry": lambda a: documents(a, a.job_id),
    "KnowledgeBaseState.retry_all": documents,
    "KnowledgeBaseState.cancel": lambda a: documents(a, a.job_id),
    "SelectionState.clear": documents_selected,
    "SelectionState.select": lambda a: documents_selected(a, a.document_id, True),
    "SelectionState.select_page": lambda a: documents_selected(a, True),
    "SelectionState.ask_to_delete": documents_selected,
    "SelectionState.open_tags": documents_selected,
    "SelectionState.close": documents_selected,
    "SelectionState.save_tags": lambda a: documents_selected(a, {"tags": "Mine", "change": "add"}),
    "SelectionState.read_again": documents_selected,
    "SelectionState.retry": documents_selected,
    # one document
    "AttemptsState.load": lambda a: call(
        url=f"/knowledge/document/{a.document_id}?kb={a.kb_id}", kb_id=a.kb_id
    ),
    "DocumentState.load": document,
    "DocumentState.open_tab": lambda a: document(a, "chunks"),
    "DocumentState.refresh": document,
    "VersionsState.load": lambda a: of_versions(a, using=0),
    "VersionsState.uploaded": lambda a: of_versions(a, "a.txt", True),
    "VersionsState.ask": lambda a: of_versions(a, 1),
    "VersionsState.keep": of_versions,
    "VersionsState.watch": lambda a: of_versions(a, is_busy=True),
    "VersionsState.use": of_versions,
    "DocumentState.earlier": document,
    "DocumentState.later": lambda a: document(a, vars={"tab": "chunks"}),
    "DocumentState.add_tags": lambda a: document(a, {"tags": "Mine"}),
    "DocumentState.remove_tag": lambda a: document(a, "Mine"),
    "DocumentState.switch_chunk": lambda a: document(a, a.chunk_id, False),
    "DocumentState.edit": lambda a: document(a, a.chunk_id),
    "DocumentState.stop_editing": document,
    "DocumentState.save": lambda a: document(a, {"content": "Mine"}, vars={"editing_id": a.chunk_id}),
    "KnowledgeBaseState.read_again": lambda a: documents(a, a.document_id),
    "ChunksState.read_again": cutting,
    "KnowledgeBaseState.ask_to_delete": lambda a: documents(a, a.document_id),
    "KnowledgeBaseState.ask_to_replace": lambda a: documents(a, a.document_id),
    "KnowledgeBaseState.replaced": lambda a: documents(a, "a.txt", True),
    "KnowledgeBaseState.keep": documents,
    "KnowledgeBaseState.delete": lambda a: documents(a, vars={"deleting_id": a.document_id}),
    "SelectionState.delete": lambda a: call(
        url=f"/knowledge?kb={a.kb_id}", kb_id=a.kb_id, vars={"selected": [a.entry_document_id]}
    ),
    # models and prices: of the installation, and for whoever runs it only
    "AdminModelsState.load": lambda a: call(url="/admin/models"),
    "AdminModelsState.add": lambda a: call("openai", "gpt-7", "", url="/admin/models"),
    "AdminModelsState.edit": lambda a: call("openai", "gpt-6-luna", url="/admin/models"),
    "AdminModelsState.choose_kind": lambda a: call("embedding", url="/admin/models"),
    "AdminModelsState.choose_temperature": lambda a: call(False, url="/admin/models"),
    "AdminModelsState.close": lambda a: call(url="/admin/models"),
    "AdminModelsState.save": lambda a: call(
        {"context_tokens": "9", "max_output_tokens": "9", "input": "0"},
        vars={"is_open": True, "form": ModelForm("openai", "gpt-6-luna")},
    ),
    "AdminModelsState.ask_to_remove": lambda a: call("openai", "gpt-6-luna"),
    "AdminModelsState.remove": lambda a: call(vars={"removing": ModelForm("openai", "gpt-6-luna")}),
    "AdminModelsState.look": lambda a: call("openai"),
    # the public link
    "ShareState.open": lambda a: call(a.kb_id),
    "ShareState.switch": lambda a: share(a, True),
    "ShareState.ask_to_renew": share,
    "ShareState.keep": share,
    "ShareState.renew": share,
    "ShareState.end": share,
    "ShareState.close": share,
    # knowledge bases
    "CreateKbState.open_new": lambda a: call(),
    "CreateKbState.open_existing": lambda a: call(a.kb_id),
    "CreateKbState.choose_provider": lambda a: edit_kb(a, "local"),
    "CreateKbState.choose_model": lambda a: edit_kb(a, "extractive-1"),
    "CreateKbState.show_others": edit_kb,
    "CreateKbState.save": lambda a: edit_kb(a, {"name": "Mine", "temperature": "0.5", "max_tokens": "100"}),
    "CreateKbState.close": edit_kb,
    "MyKnowledgeBasesState.load": lambda a: call(),
    "MyKnowledgeBasesState.show_more": lambda a: call(),
    "MyKnowledgeBasesState.archive": lambda a: call(a.kb_id),
    "MyKnowledgeBasesState.bring_back": lambda a: call(a.kb_id),
    "MyKnowledgeBasesState.ask_to_delete": lambda a: call(a.kb_id),
    "MyKnowledgeBasesState.keep": lambda a: call(vars={"deleting_id": a.kb_id}),
    "MyKnowledgeBasesState.delete": lambda a: call("Mine", vars={"deleting_id": a.kb_id}),
    # settings
    "SettingsState.load": lambda a: call(),
    "SettingsState.open_tab": lambda a: call("account"),
    "SettingsState.rename": lambda a: call({"name": "Eve"}, changes=["users"]),
    "SettingsState.change_password": lambda a: call(
        {"current": "wrong guess", "new_password": "another secret", "repeated": "another secret"}
    ),
    "SettingsState.sign_out_elsewhere": lambda a: call(),
}
