"""The clients of answering models, made when first asked for and shared by who uses the same key."""

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from types import ModuleType

from rag_app.domain.answers import LLMEvent, ModelInfo, Prompt
from rag_app.domain.models import OfferedModel
from rag_app.errors import PermanentError
from rag_app.rag.llms.contract import LLM, ListsModels
from rag_app.services.provider_keys import ProviderAccess

MOST_CLIENTS = 64  # each may hold a few idle connections, and the key it was made with

_Key = tuple[str, str | None, bytes, bool]


@dataclass
class _Lent:
    """A client that may be let go of while somebody still streams from it; then it is closed after that."""

    make: Callable[[], LLM]
    llm: LLM
    n_streams: int = 0
    is_let_go: bool = False
    is_closed: bool = False

    models: tuple[ModelInfo, ...] = ()

    def __post_init__(self) -> None:
        self.models = self.llm.models

    async def stream(self, prompt: Prompt, *, model: str) -> AsyncGenerator[LLMEvent]:
        if self.is_closed:  # let go of between being asked for and being used
            self.llm, self.is_closed = self.make(), False
        self.n_streams += 1
        try:
            async with aclosing(self.llm.stream(prompt, model=model)) as events:
                async for event in events:
                    yield event
        finally:
            self.n_streams -= 1
            if self.is_let_go:
                await self.close()

    async def close(self) -> None:
        self.is_let_go = True
        if self.n_streams == 0 and not self.is_closed:
            self.is_closed = True
            await self.llm.close()


class _LentLister(_Lent):
    """The same for a client that knows what its provider offers."""

    async def list_models(self) -> tuple[OfferedModel, ...]:
        if self.is_closed:
            self.llm, self.is_closed = self.make(), False
        assert isinstance(self.llm, ListsModels)
        self.n_streams += 1
        try:
            return await self.llm.list_models()
        finally:
            self.n_streams -= 1
            if self.is_let_go:
                await self.close()


@dataclass(frozen=True)
class LLMs:
    """Answering models by provider, address and key; the least recently used go when there are too many."""

    modules: Mapping[str, ModuleType]
    make: Callable[[ProviderAccess], LLM]
    most: int = MOST_CLIENTS
    _made: OrderedDict[_Key, _Lent] = field(default_factory=OrderedDict)
    _fixed: dict[str, LLM] = field(default_factory=dict)
    _closing: set[asyncio.Task[None]] = field(default_factory=set)

    def label(self, provider: str) -> str:
        """A provider's name for people. Raises PermanentError."""
        return self._module(provider).LABEL

    def models(self, provider: str) -> tuple[ModelInfo, ...]:
        """The models a provider's file knows. Raises PermanentError."""
        return self._module(provider).MODELS

    def get(self, access: ProviderAccess) -> LLM:
        """The client that reaches a provider in this way. Raises PermanentError."""
        if access.provider in self._fixed:
            return self._fixed[access.provider]
        key = access.api_key.get_secret_value() if access.api_key else ""
        digest = hashlib.sha256(key.encode()).digest()
        wanted = (access.provider, access.base_url, digest, access.is_guarded)
        if wanted not in self._made:
            self._module(access.provider)
            llm = self.make(access)
            lend = _LentLister if isinstance(llm, ListsModels) else _Lent
            self._made[wanted] = lend(lambda: self.make(access), llm)
            self._let_go_of_the_oldest()
        self._made.move_to_end(wanted)
        return self._made[wanted]

    def fix(self, provider: str, llm: LLM) -> None:
        """Let one client, which stays the caller's, answer for a provider whatever the key."""
        self._fixed[provider] = llm

    async def close(self) -> None:
        """Give back all connections, those of a stream that goes on when it ends."""
        await asyncio.gather(*self._closing)
        for lent in self._made.values():
            await lent.close()
        self._made.clear()

    def _let_go_of_the_oldest(self) -> None:
        while len(self._made) > self.most:
            _, lent = self._made.popitem(last=False)
            task = asyncio.get_running_loop().create_task(lent.close())
            self._closing.add(task)  # a loop keeps tasks only weakly
            task.add_done_callback(self._closing.discard)

    def _module(self, provider: str) -> ModuleType:
        if provider not in self.modules:
            raise PermanentError(f"There is no provider called “{provider}” on this installation.")
        return self.modules[provider]
