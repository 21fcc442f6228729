"""What every kind of source promises (`rag_app/rag/sources/contract.py`), asked of each one that is found."""

import inspect
import json
from typing import Any

import pytest

from rag_app import registry
from rag_app.domain.limits import LIMITS
from rag_app.domain.sources import MAX_KEY, MAX_NAME
from rag_app.errors import InvalidInput, PermanentError
from rag_app.rag import sources
from rag_app.rag.parsers.contract import ParseLimits
from rag_app.rag.sources.contract import SourceParts

NAMES = registry.names(sources)
SETTINGS = (
    "url", "mode", "address", "host", "port", "username", "folders", "include", "max_pages", "provider",
)  # fmt: skip
HOSTILE: list[Any] = [
    None,
    17,
    [],
    {},
    "\x00",
    "x" * 5_000,
    "javascript:alert(1)",
    {"a": [1]},
    True,
    -1,
    "\u202e",
]


def parts() -> SourceParts:
    """Parts that reach nobody."""

    def refuse(*_: Any) -> Any:
        raise PermanentError("Nobody is reached in this test.")

    async def no_address(host: str, port: int) -> list[str]:
        raise OSError

    return SourceParts(
        check_url=refuse,
        transport=refuse,
        addresses=no_address,
        parse_limits=ParseLimits(memory_mb=512, cpu_s=5, wall_s=5),
        user_agent="test",
    )


@pytest.mark.parametrize("name", NAMES)
def test_a_kind_says_what_it_is_called(name):
    module = registry.load(sources, name)
    assert name == module.NAME
    for word in (module.LABEL, module.MANY, module.ITEM, module.ITEMS):
        assert word
        assert word == word.strip()
    assert module.LIMIT is None or module.LIMIT in LIMITS
    assert module.ITEMS_LIMIT is None or module.ITEMS_LIMIT in LIMITS
    assert inspect.getdoc(module)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_at_all_is_refused_in_words(name):
    with pytest.raises(InvalidInput) as refused:
        registry.load(sources, name).check_config({})
    assert str(refused.value).endswith((".", "?"))


@pytest.mark.parametrize("value", HOSTILE, ids=lambda value: repr(value)[:20])
@pytest.mark.parametrize("name", NAMES)
def test_whatever_is_sent_is_refused_or_made_safe(name, value):
    module = registry.load(sources, name)
    try:
        config = module.check_config(dict.fromkeys(SETTINGS, value))
    except InvalidInput:
        return
    assert json.loads(json.dumps(config)) == config
    assert 0 < len(module.title(config)) <= MAX_NAME
    assert 0 < len(module.identity(config)) <= MAX_KEY


@pytest.mark.parametrize("name", NAMES)
def test_a_secret_is_never_part_of_a_configuration(name):
    module = registry.load(sources, name)
    for given in ({"url": "https://a.example"}, {"address": "ada@a.example", "host": "imap.a.example"}):
        try:
            config = module.check_config(
                {**given, "password": "hunter2-hunter2", "secret": "hunter2-hunter2"}
            )
        except InvalidInput:
            continue
        assert "hunter2" not in json.dumps(config)
        return
    pytest.fail(f"Say in this test what a configuration of {name} looks like.")
