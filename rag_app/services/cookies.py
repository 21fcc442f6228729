"""Names of our cookies. `__Host-` ties one to this host and to https; browsers refuse it on plain http."""


def sign_in_cookie(*, is_https: bool) -> str:
    """The cookie that carries a browser's access token."""
    return "__Host-rag_sign_in" if is_https else "rag_sign_in"


def visitor_cookie(*, is_https: bool) -> str:
    """The cookie a visitor of shared chats is known by."""
    return "__Host-rag_visitor" if is_https else "rag_visitor"


def is_visitor_token(token: str | None) -> bool:
    """Whether a cookie's value can be one of our visitors' tokens."""
    return token is not None and 32 <= len(token) <= 128  # ours have 43 characters
