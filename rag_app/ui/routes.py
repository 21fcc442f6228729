"""Addresses of the pages, and of what FastAPI answers for them."""

HOME = "/"
LOGIN = "/login"
REGISTER = "/register"

KNOWLEDGE_BASES = "/knowledge-bases"
CONVERSATIONS = "/conversations"
SEARCH = "/search"
KNOWLEDGE_BASE = "/knowledge"
FAQ = "/faq"
UNANSWERED = "/unanswered"
WEB_SOURCES = "/web-sources"
EMAIL = "/email"
MAILBOX = f"{EMAIL}/source/[source]"
DOCUMENT = "/knowledge/document/[doc]"
USAGE = "/usage"
SETTINGS = "/settings"
PROVIDERS = f"{SETTINGS}?tab=providers"
ADMIN_MODELS = "/admin/models"
ADMIN = "/admin"  # accounts and plans, for who runs the installation
CHAT = "/chat"  # /chat/7: an owner tries knowledge base 7
SHARED_CHAT = "/s"  # /s/<slug>: anyone with the link

# Answered by FastAPI, so links need `leaves_app=True` and forms `native_form`.
AUTH_LOGIN = "/auth/login"
AUTH_REGISTER = "/auth/register"
AUTH_LOGOUT = "/auth/logout"
API_DOCS = "/api/docs"


def conversation(conversation_id: int) -> str:
    """A conversation, to read."""
    return f"{CONVERSATIONS}/{conversation_id}"


def documents_of(kb_id: int, *, status: str = "") -> str:
    """The documents of a knowledge base, all or those of one status."""
    return f"{KNOWLEDGE_BASE}?kb={kb_id}" + (f"&status={status}" if status else "")


def document(
    document_id: int,
    *,
    kb_id: int,
    chunk_id: int | None = None,
    quoted: tuple[int, int] | None = None,
    found_chunk_id: int | None = None,
    version: int = 0,
) -> str:
    """A document, opened at a chunk if one is named: one that was cited, or one that a search found.

    Args:
        quoted: where in the cited chunk the quote begins and ends, in characters. Not the quote itself:
            addresses end up in the logs of others.
        version: the one that was cited, so that the page can say what became of it.
    """
    address = f"{DOCUMENT.replace('[doc]', str(document_id))}?kb={kb_id}"
    if found_chunk_id is not None:
        return f"{address}&found={found_chunk_id}"
    if chunk_id is None:
        return address
    cited = f"{address}&chunk={chunk_id}" + ("&quoted={}-{}".format(*quoted) if quoted else "")
    return f"{cited}&version={version}" if version else cited


def original(document_id: int, *, kb_id: int) -> str:
    """The file as it was uploaded; answered by FastAPI."""
    return f"/api/knowledge-bases/{kb_id}/documents/{document_id}/original"


def versions(document_id: int, *, kb_id: int) -> str:
    """Where another file for a document is sent to; answered by FastAPI."""
    return f"/api/knowledge-bases/{kb_id}/documents/{document_id}/versions"


def version_original(document_id: int, number: int, *, kb_id: int) -> str:
    """The file of one version as it was uploaded; answered by FastAPI."""
    return f"{versions(document_id, kb_id=kb_id)}/{number}/original"


def names(kb_id: int) -> str:
    """Says which file names are there already; answered by FastAPI."""
    return f"/api/knowledge-bases/{kb_id}/knowledge/names"


def upload(kb_id: int) -> str:
    """Where files are sent to; answered by FastAPI."""
    return f"/api/knowledge-bases/{kb_id}/knowledge/upload"


def faq_entry(entry_id: int, *, kb_id: int) -> str:
    """The FAQ, opened at one entry."""
    return f"{FAQ}?kb={kb_id}&entry={entry_id}"


def faq_import(kb_id: int) -> str:
    """Where tables of FAQ entries are sent to; answered by FastAPI."""
    return f"/api/knowledge-bases/{kb_id}/knowledge/import"


def faq_export(kb_id: int) -> str:
    """All FAQ entries as a table; answered by FastAPI."""
    return f"/api/knowledge-bases/{kb_id}/knowledge/export"


def chat(kb_id: int) -> str:
    """The owner's own chat with a knowledge base."""
    return f"/chat/{kb_id}"


def local_path(path: str | None) -> str:
    """Return the path if it leads somewhere on this site, else nothing.

    `//host`, `/\\host` and addresses with a scheme lead away: a link to our log-in page could
    otherwise send people on to a copy of it.
    """
    if not path or not path.startswith("/") or path.startswith(("//", "/\\")):
        return ""
    return path if path.isprintable() else ""
