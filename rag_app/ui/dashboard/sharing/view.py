"""A public link as its window shows it."""

import base64
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True)
class LinkView:
    """Address and QR code; both empty while the knowledge base is private."""

    url: str = ""
    qr_code: str = ""
    is_local: bool = False  # nobody but this computer can open it


def link_view(url: str, svg: str) -> LinkView:
    """The QR code as a picture that lies in its own address, for pages may load no others."""
    encoded = base64.b64encode(svg.encode()).decode()
    is_local = urlsplit(url).hostname in {"localhost", "127.0.0.1", "::1"}
    return LinkView(url, f"data:image/svg+xml;base64,{encoded}", is_local)
