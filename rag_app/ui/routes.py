"""Addresses of the pages, and of what FastAPI answers for them."""

HOME = "/"
LOGIN = "/login"
REGISTER = "/register"

KNOWLEDGE_BASES = "/knowledge-bases"
CONVERSATIONS = "/conversations"
SEARCH = "/search"
KNOWLEDGE_BASE = "/knowledge"
SETTINGS = "/settings"
CHAT = "/chat"  # /chat/7: an owner tries knowledge base 7
SHARED_CHAT = "/s"  # /s/<slug>: anyone with the link

# Answered by FastAPI, so links need `leaves_app=True` and forms `native_form`.
AUTH_LOGIN = "/auth/login"
AUTH_REGISTER = "/auth/register"
AUTH_LOGOUT = "/auth/logout"
API_DOCS = "/api/docs"


def local_path(path: str | None) -> str:
    """Return the path if it leads somewhere on this site, else nothing.

    `//host`, `/\\host` and addresses with a scheme lead away: a link to our log-in page could
    otherwise send people on to a copy of it.
    """
    if not path or not path.startswith("/") or path.startswith(("//", "/\\")):
        return ""
    return path if path.isprintable() else ""
