"""Files from people who wish us ill: their names, their sizes, the forms they come in."""

from urllib.parse import unquote

import pytest

from rag_app.api.app import layers
from rag_app.api.middleware import MAX_BODY_BYTES
from rag_app.settings import Settings
from tests.attacks.test_tenants import changed

MB = 2**20
BOUNDARY = "limit-of-parts"
HEADERS = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}


@pytest.fixture
def config(database, tmp_path) -> Settings:
    """An installation that takes small files only."""
    return Settings(  # type: ignore[call-arg]
        database_url=database, rag_data_dir=tmp_path, rag_max_upload_mb=1, _env_file=None
    )


@pytest.fixture
async def inbox(owner):
    """Where an owner's files go."""
    return f"/api/knowledge-bases/{(await owner.create_kb())['id']}/knowledge/upload"


def one_file(content: bytes, *, name: str = "a.txt", end: bool = True) -> bytes:
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n\r\n'
    return head.encode() + content + (f"\r\n--{BOUNDARY}--\r\n".encode() if end else b"")


def files_below(folder):
    return {
        path
        for path in folder.rglob("*")
        if path.is_file() and path.name not in {"secret.key", "encryption.keys"}
    }


class Body:
    """A body that notes how far it was read."""

    def __init__(self, *blocks: bytes) -> None:
        self.blocks = blocks
        self.n_read = 0

    async def __aiter__(self):
        for block in self.blocks:
            self.n_read += 1
            yield block


# ---------------------------------------------------------------- names

NAMES = {
    "../../etc/passwd": "passwd",
    "..\\..\\windows\\system32\\x.txt": "x.txt",
    "/etc/cron.d/evil": "evil",
    "C:\\evil.txt": "evil.txt",
    "....//....//x.txt": "x.txt",
    ".htaccess": "htaccess",
    "..": "unnamed",
    "": "unnamed",
    "   ": "unnamed",
    "a\u202etxt.exe": "atxt.exe",
    "a\u200b\u200e\u00ad.txt": "a.txt",
    "\u3164\u2800.txt": "txt",
    "\U000e0061a.txt": "a.txt",
    '"><script>alert(1)</script>.txt': "script>.txt",
    "%2e%2e%2fx.txt": "%2e%2e%2fx.txt",
    "x" * 300 + ".pdf": "x" * 150 + "…" + "x" * 41 + ".pdf",
    "aux.txt;rm -rf $HOME": "aux.txt;rm -rf $HOME",
    "日本語.txt": "日本語.txt",
}


async def test_names_are_cleaned_and_never_become_paths(owner, inbox, tmp_path):
    outside = set(tmp_path.parent.iterdir())
    shown = {}

    for number, name in enumerate(NAMES):
        sent = [("files", (name or " ", f"text {number}".encode()))]
        response = await owner.http.post(inbox, files=sent)
        assert response.status_code == 202, (name, response.text)
        shown[name] = response.json()["jobs"][0]["file_name"]

    assert shown == NAMES
    assert all(len(path.name) == 64 for path in files_below(tmp_path / "files"))  # hashes, not names
    assert set(tmp_path.parent.iterdir()) == outside


async def test_names_are_read_as_browsers_write_them(owner, inbox):
    for raw, expected in (
        (b"a\tb.txt", "a b.txt"),
        ("Übersicht 日本語.txt".encode(), "Übersicht 日本語.txt"),
        (b"a\xff\xfe.txt", "a��.txt"),
        (b"a\xed\xa0\x80.txt", "a���.txt"),
    ):
        body = one_file(raw).replace(b"a.txt", raw)
        response = await owner.http.post(inbox, content=body, headers=HEADERS)
        assert response.json()["jobs"][0]["file_name"] == expected


async def test_nul_in_a_name_is_not_stored(owner, inbox):
    response = await owner.http.post(
        inbox, content=one_file(b"x").replace(b"a.txt", b"a\x00.txt"), headers=HEADERS
    )

    assert response.status_code == 422 or "\x00" not in response.json()["jobs"][0]["file_name"]


# ---------------------------------------------------------------- sizes


async def test_file_that_is_too_large_is_refused_while_it_comes(owner, inbox, rows, tmp_path):
    before = await rows()
    body = Body(one_file(b"", end=False), *[b"x" * MB] * 50)

    response = await owner.http.post(inbox, content=body, headers=HEADERS)

    assert response.status_code in {413, 422}
    assert changed(before, await rows()) == set()
    assert files_below(tmp_path / "files") == set()


@pytest.mark.parametrize("length", ["right", "missing", "too small", "huge", "-1", "1e3", "²", "0x10", ""])
async def test_length_is_not_believed(owner, inbox, rows, tmp_path, length):
    before = await rows()
    content = one_file(b"x" * (MB + 1))
    told = {"right": str(len(content)), "too small": "10", "huge": str(2**60)}.get(length, length)
    headers = HEADERS | ({} if length == "missing" else {"Content-Length": told})

    response = await owner.http.post(
        inbox,
        content=Body(content),
        headers={name: value.encode("latin-1") for name, value in headers.items()},
    )

    assert response.status_code in {400, 413, 422}
    assert changed(before, await rows()) == set()
    assert files_below(tmp_path / "files") == set()


async def test_too_large_file_does_not_keep_the_others_out(owner, inbox):
    sent = [("files", (f"{n}.txt", b"x" * (MB + 1) if n == 1 else f"text {n}".encode())) for n in range(4)]

    response = await owner.http.post(inbox, files=sent)

    assert response.status_code == 202
    assert [job["file_name"] for job in response.json()["jobs"]] == ["0.txt", "2.txt", "3.txt"]
    assert [refused["file_name"] for refused in response.json()["refused"]] == ["1.txt"]


async def test_stranger_is_refused_before_the_first_byte_is_read(client, inbox, other, rows):
    before = await rows()
    for http, status in ((client, 401), (other.http, 404)):
        for more in ({}, {"Idempotency-Key": "1"}):
            body = Body(one_file(b"", end=False), *[b"x" * MB] * 5)
            response = await http.post(inbox, content=body, headers=HEADERS | more)
            assert (response.status_code, body.n_read) == (status, 0)
    assert changed(before, await rows()) == set()


async def test_upload_route_takes_no_other_large_bodies(client, owner, inbox):
    for kind in ("application/json", "application/octet-stream", "text/plain", "multipart/mixed; boundary=x"):
        for http in (client, owner.http):
            body = Body(*[b" " * MB] * 50)
            headers = {"Content-Type": kind, "Idempotency-Key": "1"}
            response = await http.post(inbox, content=body, headers=headers)
            assert response.status_code in {401, 413, 422}
            assert body.n_read <= 3


# ---------------------------------------------------------------- forms


async def test_ten_thousand_parts_are_too_many(owner, inbox):
    part = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="x"\r\n\r\ny\r\n'.encode()
    ended = f"--{BOUNDARY}--\r\n".encode()

    response = await owner.http.post(inbox, content=part * 10_000 + ended, headers=HEADERS)

    assert response.status_code == 422


async def test_ten_thousand_files_are_too_many(owner, inbox, services):
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="files"; filename="a.txt"\r\n\r\nsame\r\n'
    ended = f"--{BOUNDARY}--\r\n"

    response = await owner.http.post(inbox, content=(head * 10_000 + ended).encode(), headers=HEADERS)

    assert response.status_code == 422


MALFORMED = {
    "1 MB header": f'--{BOUNDARY}\r\nX-Long: {"y" * MB}\r\n\r\nz\r\n--{BOUNDARY}--\r\n'.encode(),
    "1 MB name of a header": f"--{BOUNDARY}\r\n{'y' * MB}: x\r\n\r\nz\r\n--{BOUNDARY}--\r\n".encode(),
    "10,000 headers": f"--{BOUNDARY}\r\n{'X-Y: z' + chr(13) + chr(10)}".encode() * 10_000,
    "1 MB file name": one_file(b"x", name="y" * MB),
    "without end": one_file(b"some text", end=False),
    "end of another boundary": one_file(b"text", end=False) + b"\r\n--other--\r\n",
    "no part": f"--{BOUNDARY}--\r\n".encode(),
    "nothing": b"",
    "text": b"just some text",
    "newlines": b"\r\n" * 10_000,
    "boundaries": f"--{BOUNDARY}\r\n".encode() * 1000,
    "header without end": one_file(b"text")[:70],
    "field and no file": one_file(b"text").replace(b'; filename="a.txt"', b""),
}  # fmt: skip


async def test_malformed_forms_are_refused_and_leave_nothing(owner, inbox, rows, tmp_path):
    before, wrong = await rows(), []

    for name, body in MALFORMED.items():
        response = await owner.http.post(inbox, content=body, headers=HEADERS)
        if not 400 <= response.status_code < 500:
            wrong.append(f"{name}: {response.status_code}")

    assert wrong == []
    assert changed(before, await rows()) == set()
    assert files_below(tmp_path / "files") == set()


KINDS = [
    "multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=" + "x" * 5000,
    "multipart/form-data; boundary=\u00e9", "multipart/form-data; boundary*=UTF-8''x", "text/plain",
    "application/x-www-form-urlencoded", "", ";", "multipart/form-data; charset=x; boundary=\"\"",
    "multipart/mixed; boundary=x",
]  # fmt: skip


async def test_other_kinds_of_body_are_refused(owner, inbox):
    for kind in KINDS:
        response = await owner.http.post(
            inbox, content=one_file(b"text"), headers={"Content-Type": kind.encode("latin-1")}
        )
        assert response.status_code in {400, 415, 422}, kind


# ---------------------------------------------------------------- coming back


async def test_uploaded_page_comes_back_as_a_download_that_cannot_run(owner, inbox):
    for name in ("evil.html", "evil.svg", "evil.txt", 'x"\r\nX-Evil: 1\r\n.html'):
        content = f"<script>alert({len(name)})</script>".encode()
        sent = await owner.http.post(inbox, files=[("files", (name, content))])
        document_id = sent.json()["jobs"][0]["document_id"]
        base = inbox.removesuffix("/knowledge/upload")

        response = await owner.http.get(f"{base}/documents/{document_id}/original")

        assert response.content == content
        assert response.headers["content-type"] == "application/octet-stream"
        assert response.headers["content-disposition"].startswith("attachment; filename*=UTF-8''")
        assert "x-evil" not in response.headers
        assert response.headers["x-content-type-options"] == "nosniff"
        assert "sandbox" in response.headers["content-security-policy"]
        assert not set(unquote(response.headers["content-disposition"])) & set("\r\n/\\")


async def test_exported_conversation_is_a_download(estate):
    for kind in ("markdown", "json"):
        path = f"/api/chat/conversations/{estate.conversation_id}/export"
        response = await estate.owner.http.get(path, params={"kind": kind})
        assert response.headers["content-disposition"].startswith("attachment")
        assert response.headers["x-content-type-options"] == "nosniff"


# ---------------------------------------------------------------- what the framework would take


@pytest.mark.parametrize(
    "path",
    ["/_upload", "/_upload/", "/_upload/x", "/_upload/../x", "//_upload", "/_all_routes", "/auth-codespace"],
)
async def test_uploads_of_the_framework_are_closed_whatever_is_below(services, config, path):
    reached = []

    async def takes_everything(scope, receive, send):
        reached.append(scope["path"])

    closed = takes_everything
    for layer in layers(config):
        closed = layer(closed)
    for method in ("GET", "POST", "HEAD", "PUT", "OPTIONS", "DELETE"):
        sent = []

        async def send(message, sent=sent):
            sent.append(message)

        async def receive():
            return {"type": "http.request", "body": b"x" * 100, "more_body": False}

        scope = {
            "type": "http", "method": method, "path": path, "raw_path": path.encode(), "query_string": b"",
            "headers": [], "client": ("127.0.0.1", 1), "scheme": "http", "root_path": "",
        }  # fmt: skip
        await closed(scope, receive, send)
        assert sent[0]["status"] == 404
    assert reached == []


async def test_pages_get_no_longer_bodies_than_the_api(client):
    body = Body(*[b" " * (MAX_BODY_BYTES // 2)] * 20)

    response = await client.post(
        "/auth/login", content=body, headers={"Content-Type": "application/x-www-form-urlencoded"}
    )

    assert response.status_code == 413
    assert body.n_read <= 4
