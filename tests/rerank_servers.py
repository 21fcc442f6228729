"""Stand-ins for rerank servers and a model hub: real HTTP on a loopback port, answered by a function."""

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


@dataclass(frozen=True)
class Request:
    """One request as it came; header names in lower case, `body` None without one."""

    path: str
    headers: dict[str, str]
    body: Any


@dataclass(frozen=True)
class Answer:
    """What is sent back; anything but bytes is sent as JSON."""

    body: Any = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


class StandIn:
    """Serves on 127.0.0.1; use it as a context manager."""

    def __init__(self, reply: Callable[[Request], Answer]) -> None:
        self.reply = reply
        self.requests: list[Request] = []

    def __enter__(self) -> Self:
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer(None)

            def do_POST(self) -> None:
                self._answer(json.loads(self.rfile.read(int(self.headers["content-length"]))))

            def _answer(self, body: Any) -> None:
                headers = {name.lower(): value for name, value in self.headers.items()}
                request = Request(self.path, headers, body)
                stand_in.requests.append(request)
                answer = stand_in.reply(request)
                sent = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
                self.send_response(answer.status)
                for name, value in {"content-length": str(len(sent)), **answer.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(sent)

            def log_message(self, *_: object) -> None:
                """Tests read what was asked, not a log."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"


def shared_words(question: str, text: str) -> int:
    """What the stand-ins go by."""
    return len(set(question.lower().split()) & set(text.lower().split()))


def rerank_answer(request: Request) -> Answer:
    """Answer as Cohere does: best first, each with its place in the request."""
    texts = request.body["documents"]
    scores = [shared_words(request.body["query"], text) for text in texts]
    order = sorted(range(len(texts)), key=lambda place: -scores[place])
    return Answer({"results": [{"index": place, "relevance_score": scores[place]} for place in order]})
