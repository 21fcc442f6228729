"""`python -m rag_app doctor providers`, as an operator runs it, against the stand-in."""

import asyncio
import os
import sys

import pytest

from tests.fake_llms import FORMATS, FakeLLMServer

KEY = "sk-very-secret-0123456789"


@pytest.fixture
async def server():
    async with FakeLLMServer(key=KEY) as server:
        yield server


async def doctor(server, *providers: str) -> tuple[int, str]:
    """Run it with keys for these providers; returns exit code and everything it said."""
    settings = {"RAG_LLM_FIRST_TOKEN_TIMEOUT_S": "20"}
    for name in providers:
        settings |= {f"{name.upper()}_API_KEY": KEY, f"{name.upper()}_BASE_URL": server.base_url(name)}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "rag_app", "doctor", "providers",
        env=os.environ | settings, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await process.communicate()
    return process.returncode or 0, said.decode()


async def test_it_shows_what_every_provider_with_a_key_does(server):
    code, said = await doctor(server, *FORMATS)

    assert code == 0, said
    for label in ("OpenAI", "Anthropic", "Google Gemini"):
        lines = [line for line in said.splitlines() if line.startswith(label)]
        assert len(lines) == (4 if label == "Anthropic" else 5)  # which has no embeddings
        assert all("  ok  " in line for line in lines)
    assert "42 read" in said
    assert KEY not in said
    assert "1,536 numbers a text; the right one is nearer" in said
    assert len(server.requests) >= 9


async def test_a_provider_that_does_not_answer_is_said_and_fails_it(server):
    server.fail_with("anthropic", "quota")

    code, said = await doctor(server, "openai", "anthropic")

    assert code == 1
    assert "FAILED  The Anthropic account has no credit left" in said
    assert "Google" not in said
    assert KEY not in said


async def test_without_any_key_nothing_is_verified(server):
    code, said = await doctor(server)

    assert code == 1
    assert "No provider has a key here" in said
    assert server.requests == []
