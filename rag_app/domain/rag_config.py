"""How a knowledge base is read and searched: every knob, its bounds, its default and what it does in words.

The defaults were chosen from measurements (docs/performance.md); the explanations are what the API's
documentation and the Settings tab show.
"""

from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

Fusion = Literal["weighted", "rrf"]
Reranker = Literal["local_late", "http_rerank", "llm_judge", "hub_cross_encoder"]
PresetName = Literal["fast", "balanced", "thorough"]


class RagConfig(BaseModel):
    """The retrieval settings of one knowledge base."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    semantic_search_threshold: float = Field(
        default=0.0,
        ge=0,
        le=1,
        title="Least score",
        description="Passages that score less are left out. The score estimates how likely a passage answers "
        "the question, from 0 to 1, and means the same with and without reranking. Raise it to answer less "
        "often but more surely; 0 leaves nothing out.",
    )
    semantic_search_max_results: int = Field(
        default=8,
        ge=1,
        le=30,
        title="Passages for an answer",
        description="How many passages the chat reads to answer one question. More can find rarer facts, "
        "but cost more and can distract.",
    )
    fusion: Fusion = Field(
        default="weighted",
        title="How the two rankings are joined",
        description="“weighted” adds up how well a passage matches by meaning and by words; “rrf” "
        "(reciprocal rank fusion) looks at the places in both rankings only. Weighted was better on all but "
        "one of our question sets.",
    )
    meaning_weight: float = Field(
        default=0.5,
        ge=0,
        le=1,
        title="Meaning or words",
        description="0 looks for the words of the question only, 1 for its meaning only. Documents full of "
        "names, numbers and codes profit from words, everyday questions from meaning.",
    )
    candidates: int = Field(
        default=100,
        ge=20,
        le=300,
        title="Candidates",
        description="How many passages each of the two rankings brings. More finds a little more and takes "
        "longer.",
    )
    rerank: bool = Field(
        default=True,
        title="Rerank",
        description="Read the best candidates a second time, more closely, and put them in a better order.",
    )
    reranker: Reranker = Field(
        default="local_late",
        title="Reranker",
        description="Who puts them in order: the built-in one compares the question's words with each "
        "passage's in context. A rerank service or a cross-encoder can be chosen once whoever runs this "
        "installation has set it up; the judge asks your answering model, where that is a language model, "
        "which costs a call for each question.",
    )
    rerank_depth: int = Field(
        default=20,
        ge=2,
        le=50,
        title="How many are reranked",
        description="How many of the best candidates are read a second time.",
    )
    rerank_budget_ms: int = Field(
        default=1000,
        ge=50,
        le=10_000,
        title="Time for reranking, in milliseconds",
        description="If reranking takes longer, the order from before it is used, and the search says so.",
    )
    rewrite_follow_ups: bool = Field(
        default=True,
        title="Complete follow-up questions",
        description="“And for part-timers?” is searched together with what it follows.",
    )
    multi_query: bool = Field(
        default=False,
        title="Ask in several ways",
        description="Questions that ask two things are searched part by part as well, and a language model, "
        "if one answers here, words the question in other ways. Finds more, takes longer.",
    )
    spelling: bool = Field(
        default=True,
        title="Forgive typing errors",
        description="A word that no document has is also searched as the words most like it.",
    )
    remove_near_duplicates: bool = Field(
        default=True,
        title="Leave out copies",
        description="Of passages that say the same almost word for word only the best is kept.",
    )
    max_per_document: int = Field(
        default=0,
        ge=0,
        le=20,
        title="Passages of one document",
        description="At most so many passages of one document, as long as others have something to say; "
        "0 sets no limit.",
    )
    neighbours: int = Field(
        default=0,
        ge=0,
        le=3,
        title="Text around a passage",
        description="So many pieces before and after each passage, from the same section, are read along "
        "with it when an answer is written.",
    )

    match_faq: bool = Field(
        default=True,
        title="Answer from the FAQ",
        description="A question that asks the same as an entry of the FAQ gets the entry’s answer at once, "
        "word for word and marked as curated, without asking a model.",
    )
    faq_threshold: float = Field(
        default=0.8,
        ge=0.5,
        le=1,
        title="How near a question must come to the FAQ",
        description="From 0.5 to 1, where 1 allows other punctuation only. Lower it to use the FAQ’s answers "
        "more often; too low, and an answer is given to a question that only looks alike.",
    )

    # A paragraph or two. Measured on XQuAD and SQuAD: 256 cuts through more of what belongs together.
    chunk_tokens: int = Field(
        default=384,
        ge=64,
        le=2000,
        title="Size of a chunk, in tokens",
        description="Documents are cut into chunks of at most this size: what a question is matched with "
        "and what an answer cites. Smaller ones are more exact, larger ones keep more together. The "
        "embedding model sets a limit, too. A token is about three quarters of an English word.",
    )
    overlap_tokens: int = Field(
        default=32,
        ge=0,
        le=999,
        title="Repeated from the chunk before, in tokens",
        description="Where a section does not fit into one chunk, the last whole sentences of a chunk stand "
        "again in the next, up to this size, so that nothing is torn apart. Less than half of a chunk; 0 "
        "repeats nothing.",
    )

    def changed(self, changes: dict[str, Any]) -> Self:
        """A copy with some values replaced; raises pydantic's ValidationError for what is out of bounds."""
        return type(self).model_validate(self.model_dump() | changes)


# How documents are cut: no preset sets these, for a change means reading documents again.
READING_KNOBS = frozenset({"chunk_tokens", "overlap_tokens"})


def searched_like(config: RagConfig, other: RagConfig) -> RagConfig:
    """A configuration searched like another one, with documents cut as before."""
    return other.changed({name: getattr(config, name) for name in READING_KNOBS})


PRESETS: dict[PresetName, RagConfig] = {
    "fast": RagConfig(candidates=50, rerank=False, spelling=False, semantic_search_max_results=5),
    "balanced": RagConfig(),
    "thorough": RagConfig(
        candidates=200,
        rerank_depth=50,
        rerank_budget_ms=4000,
        multi_query=True,
        neighbours=1,
        semantic_search_max_results=12,
    ),
}
PRESET_WORDS: dict[PresetName, str] = {
    "fast": "One quick look by meaning and words, without reranking. For large numbers of questions.",
    "balanced": "What measured best for its cost: both rankings, then the best twenty read again.",
    "thorough": "Looks further, words the question in several ways and reads around each passage. Takes "
    "several times as long.",
}


def preset_of(config: RagConfig) -> PresetName | None:
    """The preset a configuration is, None when it was changed by hand."""
    return next((name for name, each in PRESETS.items() if searched_like(config, each) == config), None)
