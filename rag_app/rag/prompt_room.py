"""Make a prompt fit into a model: what does not, goes, least needed first.

    context of the model
    ├── room for the answer       max_tokens, at most what the model writes, at most half of the context
    ├── rules, question           always
    ├── passages                  the best first; the last ones go, the very first is cut
    └── conversation so far       the newest first; goes before any passage does

Tokens are estimated: only a provider can count them, and only after the fact.
"""

from collections.abc import Sequence
from dataclasses import replace

from rag_app.domain.answers import PriorTurn, Prompt
from rag_app.domain.models import Model
from rag_app.domain.retrieval import Passage
from rag_app.rag.prompts import passage_block, user_text

BYTES_PER_TOKEN = 3  # rather too few: what is cut too early costs less than what a provider refuses
TOKENS_PER_MESSAGE = 8  # roles and marks around each


def estimated_tokens(*texts: str) -> int:
    """About how many tokens texts take; rather too many."""
    return sum(-(-len(text.encode()) // BYTES_PER_TOKEN) for text in texts)


def prompt_tokens(prompt: Prompt) -> int:
    """About how many tokens a model reads."""
    return _fixed(prompt, prompt.user) + sum(map(_turn_tokens, prompt.history))


def fitted(prompt: Prompt, model: Model) -> Prompt:
    """The prompt as a model can take it; `passages` are those that are really sent.

    Without a known context nothing is left out.
    """
    prompt = replace(
        prompt,
        max_tokens=_answer_tokens(prompt.max_tokens, model),
        temperature=prompt.temperature if model.takes_temperature else None,
    )
    if model.context_tokens is None:
        return prompt
    room = model.context_tokens - prompt.max_tokens
    if prompt_tokens(prompt) > room:
        prompt = _with_fewer_passages(prompt, room)
        left = room - _fixed(prompt, prompt.user)
        prompt = replace(prompt, history=_newest(prompt.history, left))
    return prompt


def _answer_tokens(wanted: int, model: Model) -> int:
    most = [limit for limit in (model.max_output_tokens, (model.context_tokens or 0) // 2) if limit]
    return min(wanted, *most) if most else wanted


def _with_fewer_passages(prompt: Prompt, room: int) -> Prompt:
    typed = prompt.asked or prompt.question
    if not prompt.passages or prompt.user != user_text(typed, prompt.question, prompt.passages):
        return prompt  # another kind of prompt: only who wrote it knows what can go
    left = room - _fixed(prompt, user_text(typed, prompt.question, ()))
    passages = _best(prompt.passages, left)
    return replace(prompt, passages=passages, user=user_text(typed, prompt.question, passages))


def _best(passages: Sequence[Passage], room: int) -> tuple[Passage, ...]:
    kept: list[Passage] = []
    for number, passage in enumerate(passages, start=1):
        size = _block_tokens(number, passage)
        if size > room:
            break
        kept.append(passage)
        room -= size
    return tuple(kept) if kept else _beginning(passages[0], room)


def _beginning(passage: Passage, room: int) -> tuple[Passage, ...]:
    """As much of a passage as fits, without its neighbours; nothing where not even its frame does."""
    frame = replace(passage, content="", before="", after="")
    n_bytes = (room - _block_tokens(1, frame)) * BYTES_PER_TOKEN
    cut = passage.content.encode()[: max(n_bytes, 0)].decode(errors="ignore")
    return (replace(frame, content=cut),) if cut.strip() else ()


def _newest(history: Sequence[PriorTurn], room: int) -> tuple[PriorTurn, ...]:
    kept: list[PriorTurn] = []
    for turn in reversed(history):
        room -= _turn_tokens(turn)
        if room < 0:
            break
        kept.insert(0, turn)
    return tuple(kept)


def _fixed(prompt: Prompt, user: str) -> int:
    return estimated_tokens(prompt.system, user) + 2 * TOKENS_PER_MESSAGE


def _block_tokens(number: int, passage: Passage) -> int:
    return estimated_tokens(passage_block(number, passage) + "\n")


def _turn_tokens(turn: PriorTurn) -> int:
    return estimated_tokens(turn.question, turn.answer) + 2 * TOKENS_PER_MESSAGE
