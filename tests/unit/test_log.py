import json
import logging

import structlog

from rag_app import log


def test_what_is_named_or_looks_like_a_secret_is_masked():
    event = {
        "event": "call",
        "api_key": "abc",
        "password": "abc",
        "note": "with sk-abcdefghij1234 and Bearer abcdefghijklmnop",
        "kb_id": 7,
    }

    masked = dict(log.mask_secrets(None, "info", event))

    assert masked["api_key"] == masked["password"] == "***"
    assert "sk-abc" not in masked["note"]
    assert "abcdefghijklmnop" not in masked["note"]
    assert masked["kb_id"] == 7


def test_logs_are_one_json_object_a_line(capsys):
    before = logging.getLogger().handlers[:]
    try:
        log.configure(json=True)
        structlog.get_logger("tests.json").info("document_ready", document_id=3)
        logging.getLogger("some.library").warning("from a library")
        lines = capsys.readouterr().err.strip().splitlines()
    finally:
        logging.getLogger().handlers[:] = before
        structlog.reset_defaults()

    first, second = (json.loads(line) for line in lines)
    assert (first["event"], first["document_id"], first["level"]) == ("document_ready", 3, "info")
    assert second["event"] == "from a library"


def test_readable_logs_show_no_local_variables(capsys):
    before = logging.getLogger().handlers[:]
    try:
        log.configure(json=False)
        try:
            password = "-".join(["hunter2"] * 2)
            raise ValueError(len(password))
        except ValueError:
            structlog.get_logger("tests.plain").exception("request_failed")
        written = capsys.readouterr().err
    finally:
        logging.getLogger().handlers[:] = before
        structlog.reset_defaults()

    assert "ValueError: 15" in written
    assert "hunter2-hunter2" not in written
