"""What the dashboard says about knowledge bases, documents and batches."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from rag_app.domain.knowledge_bases import BatchProgress, Document, Job, KnowledgeBase, PagePart
from rag_app.domain.models import Model, Price
from rag_app.domain.sizes import size
from rag_app.services.knowledge_bases import Provider
from rag_app.ui import wording
from rag_app.ui.dashboard.create_kb.view import model_options, provider_options
from rag_app.ui.dashboard.document.view import Block, blocks, text_parts, with_quote
from rag_app.ui.dashboard.knowledge_base.page import knowledge_base_page
from rag_app.ui.dashboard.knowledge_base.view import Batch, batch, finished, row, summary
from rag_app.ui.dashboard.my_knowledge_bases.page import my_knowledge_bases_page
from rag_app.ui.dashboard.my_knowledge_bases.view import MOST_TASKS, calm, cards, tasks
from rag_app.ui.dashboard.settings.view import device

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)

FREE, CHEAP = (Price(Decimal(0)),), (Price(Decimal("0.1"), Decimal("0.5")),)
QUOTES, GPT = (
    Model("local", "extractive-1", "Quotes", prices=FREE),
    Model("openai", "gpt", "GPT", prices=CHEAP),
)
LOCAL = Provider("local", "Built-in", (QUOTES,), is_available=True, is_local=True)
OPENAI = Provider("openai", "OpenAI", (GPT,), is_available=False, is_local=False)

KB = KnowledgeBase(
    id=7, owner_id=1, name="Handbook", description="", llm_provider="local", llm_model="extractive-1",
    system_prompt=None, temperature=0.7, max_tokens=1000, is_public=False, share_slug=None, is_active=True,
    embedding_model="local_e5", embedding_model_id=1, created_at=NOW, updated_at=NOW,
)  # fmt: skip

JOB = Job(
    id=3, kb_id=7, document_id=5, file_name="leave.pdf", file_size_bytes=2048, file_type="pdf",
    status="processing", stage="embedding", progress_percentage=40, chunks_total=9, chunks_processed=3,
    attempt=1, error_message=None, created_at=NOW, started_at=NOW, completed_at=None,
)  # fmt: skip

DOCUMENT = Document(
    id=5, kb_id=7, name="leave.pdf", source="upload", media_type="application/pdf", size_bytes=2048,
    sha256="", status="embedding", error_message=None, n_pages=0, n_chunks=0, n_tokens=0, language="en",
    used_ocr=False, created_at=NOW, ready_at=None, job=JOB,
)  # fmt: skip


def shown(*, job=None, **changes):
    return row(replace(DOCUMENT, job=replace(JOB, **job) if job is not None else JOB, **changes), now=NOW)


@pytest.mark.parametrize(
    ("job", "document", "state", "detail"),
    [
        pytest.param({"status": "pending", "started_at": None}, {}, "Received", "its turn", id="received"),
        pytest.param({"status": "pending"}, {}, "Waiting", "by itself", id="put back"),
        pytest.param({"stage": "parsing"}, {}, "Parsing", "Reading its text", id="parsing"),
        pytest.param({}, {}, "Embedding", "3 of 9 chunks", id="embedding"),
        pytest.param(
            {"stage": "parsing"}, {"status": "ready", "ready_at": NOW}, "Parsing", "Ready before", id="again"
        ),
        pytest.param(
            {"status": "completed"},
            {"status": "ready", "ready_at": NOW, "n_chunks": 9},
            "Ready", "9 chunks", id="ready",
        ),
        pytest.param({"status": "cancelled"}, {"status": "cancelled"}, "Cancelled", "Not", id="cancelled"),
        pytest.param({"status": "failed"}, {"status": "failed"}, "Failed", "", id="failed"),
    ],
)  # fmt: skip
def test_state_of_a_document_in_words(job, document, state, detail):
    found = shown(job=job, **document)

    assert found.state == state
    assert detail in found.detail


def test_failed_document_says_why_and_can_be_retried():
    found = shown(job={"status": "failed"}, status="failed", error_message="It is protected.")

    assert (found.problem, found.can_retry, found.is_working) == ("It is protected.", True, False)


def test_failure_to_read_again_leaves_the_document_usable():
    found = shown(job={"status": "failed"}, status="ready", ready_at=NOW, error_message="Gone.")

    assert (found.state, found.is_ready, found.can_retry) == ("Ready", True, True)
    assert "the earlier text is still used" in found.problem


def test_document_without_a_job_offers_no_retry():
    assert row(replace(DOCUMENT, job=None, status="failed"), now=NOW).can_retry is False


def test_batch_in_words():
    found = batch(BatchProgress(total=30, done=12, failed=1, percentage=41, remaining_s=120))

    assert found.text == "12 of 30 files done · 1 failed · about 2 minutes left"
    assert "25 percent" in found.announced


def test_no_batch_is_not_shown():
    assert batch(BatchProgress()) == Batch()


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ({"n_documents": 3, "n_ready": 3}, "3 documents"),
        ({"n_documents": 3, "n_ready": 2, "n_failed": 1}, "3 documents · 2 ready · 1 failed"),
        ({"n_documents": 3, "n_entries": 3, "n_ready": 5, "n_failed": 1}, "3 documents · 1 failed"),
    ],
)
def test_entries_of_the_faq_are_not_counted_as_ready_documents(counts, words):
    assert summary(replace(KB, **counts)).text == words


def test_end_of_a_batch_is_said_once():
    assert finished(Batch(), summary(KB)) == ""
    assert finished(Batch(is_open=True), summary(KB)) == "All files are ready to be asked."
    assert "1 file" in finished(Batch(is_open=True), summary(replace(KB, n_failed=1)))


@pytest.mark.parametrize(
    ("changes", "actions"),
    [
        pytest.param({}, ["Add documents"], id="empty"),
        pytest.param({"n_documents": 2, "n_working": 2}, [], id="being read"),
        pytest.param(
            {"n_documents": 2, "n_ready": 1, "n_failed": 1}, ["See why", "Try and share"], id="failed"
        ),
        pytest.param({"n_documents": 1, "n_ready": 1, "is_public": True}, [], id="all is well"),
        pytest.param(
            {"n_documents": 1, "n_ready": 1, "is_public": True, "llm_provider": "openai"},
            ["Add a key"],
            id="its provider has no key",
        ),
        pytest.param({"is_active": False, "n_failed": 3}, [], id="archived"),
    ],
)
def test_what_needs_the_owner(changes, actions):
    assert [task.action for task in tasks([replace(KB, **changes)], [LOCAL, OPENAI])] == actions


def test_tasks_are_few():
    assert len(tasks([KB] * 20, [LOCAL])) == MOST_TASKS


def test_calm_words_count_what_is_ready():
    assert calm([replace(KB, n_documents=1, n_ready=1)]) == "All is well: 1 document is ready to be asked."
    assert calm([replace(KB, n_working=2)]).startswith("2 files are being read.")


def test_card_counts_in_words():
    [card] = cards([replace(KB, n_documents=1, n_failed=1, n_conversations=3)], [LOCAL])

    assert (card.documents, card.failed, card.conversations) == ("1 document", "1 failed", "3 conversations")
    assert card.answered_by == "Quotes"


def test_model_that_is_used_stays_possible():
    assert model_options([OPENAI], "openai", chosen="gpt-next") == [
        ("gpt", "GPT — $0.10 in, $0.50 out"),
        ("gpt-next", "gpt-next — price unknown"),
    ]
    assert [option.is_disabled for option in provider_options([LOCAL, OPENAI], chosen="openai")] == [
        False,
        False,
    ]


def test_text_is_laid_out_by_its_marks():
    assert blocks("\n# Leave\nOne **day**.\nTwo.\n\n| a | b |\n| 1 | 2 |\n## Travel") == [
        Block("heading", "Leave"),
        Block("text", "One day.\nTwo."),
        Block("table", "| a | b |\n| 1 | 2 |"),
        Block("heading", "Travel"),
    ]
    assert blocks("  \n ") == []


def test_a_quote_is_marked_in_every_block_it_touches():
    shown = with_quote(blocks("# Leave\nOne **day**. Two.\n| a | b |\nThree."), "Two.\n| a | b |\nThr")

    assert [(block.before, block.quote, block.after) for block in shown] == [
        ("", "", ""),
        ("One day. ", "Two.", ""),
        ("", "| a | b |", ""),
        ("", "Thr", "ee."),
    ]


def test_long_page_says_where_it_goes_on():
    found = text_parts([PagePart(0, 1, 0, "a"), PagePart(0, 1, 1, "b"), PagePart(1, None, 0, "")])

    assert [part.title for part in found] == ["Page 1", "Page 1, continued", "Text, continued"]


@pytest.mark.parametrize(
    ("user_agent", "is_program", "expected"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64) Chrome/150.0 Safari/537.36", False, "Chrome on Linux"),
        ("Mozilla/5.0 (Windows NT 10.0) Chrome/150.0 Safari/537.36 Edg/150.0", False, "Edge on Windows"),
        ("Mozilla/5.0 (iPhone; like Mac OS X) Safari/604.1", False, "Safari on iPhone"),
        ("curl/8.5", True, "Program (curl)"),
        ("", False, "Browser"),
        ("", True, "Program"),
    ],
)  # fmt: skip
def test_device_in_two_words(user_agent, is_program, expected):
    assert device(user_agent, is_program=is_program) == expected


@pytest.mark.parametrize(
    ("n_bytes", "expected"),
    [
        (0, "0 bytes"), (1, "1 byte"), (1023, "1,023 bytes"), (1024, "1.0 kB"), (10 * 1024, "10 kB"),
        (100 * 2**20, "100 MB"), (1023.9 * 1024, "1.0 MB"), (3 * 2**40, "3072 GB"),
    ],
)  # fmt: skip
def test_size(n_bytes, expected):
    assert size(int(n_bytes)) == expected


@pytest.mark.parametrize(
    ("passed", "expected"),
    [
        (timedelta(seconds=-5), "just now"),
        (timedelta(seconds=61), "1 minute ago"),
        (timedelta(hours=5), "5 hours ago"),
        (timedelta(days=2), "2 days ago"),
        (timedelta(days=40), "25 March 2026"),
    ],
)
def test_ago(passed, expected):
    assert wording.ago(NOW - passed, now=NOW) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (None, ""),
        (3, "a few seconds left"),
        (33, "about 30 seconds left"),
        (59, "about 1 minute left"),
        (700, "about 12 minutes left"),
        (7200, "about 2 hours left"),
    ],
)
def test_remaining(seconds, expected):
    assert wording.remaining(seconds) == expected


@pytest.mark.parametrize(
    ("page", "row_key"),
    [
        (knowledge_base_page, 'key:document_rx_state_?.["id"]'),
        (my_knowledge_bases_page, 'key:kb_rx_state_?.["id"]'),
    ],
    ids=["documents", "knowledge bases"],
)
def test_rows_are_known_by_what_they_show(page, row_key):
    """A menu that is open would else pass to the row that takes its place."""
    assert row_key in str(page())
