"""The shapes of requests and answers; see docs/api.md."""

from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any, Generic, Literal, Self, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr

from rag_app.api.usage_shapes import ConversationUsageOut
from rag_app.domain.accounts import Tokens, User
from rag_app.domain.conversations import Conversation, Message
from rag_app.domain.embedding_models import EmbeddingSwitch
from rag_app.domain.knobs import Knob
from rag_app.domain.knowledge_bases import (
    Document,
    Facets,
    Job,
    KnowledgeBase,
    ShareLink,
    StoredChunk,
    StoredPage,
)
from rag_app.domain.provider_keys import ProviderStatus
from rag_app.domain.rag_config import PRESET_WORDS, PRESETS, PresetName, RagConfig, preset_of
from rag_app.domain.retrieval import Filters, Passage, Retrieval, StepName
from rag_app.services.prompt_previews import PromptPreview


def _storable(text: str) -> str:
    if "\x00" in text:
        raise ValueError("must not contain NUL characters")
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("must not contain lone surrogates")
    return text


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


Text = Annotated[str, AfterValidator(_storable)]
Moment = Annotated[datetime, AfterValidator(_aware)]
T = TypeVar("T")
Provider = Literal["openai", "anthropic", "gemini", "local"]


class Body(BaseModel):
    """A request's body; what we do not know is refused rather than ignored."""

    model_config = ConfigDict(extra="forbid")


class RegisterBody(Body):
    email: Text = Field(max_length=320)
    password: SecretStr = Field(max_length=4096)
    name: Text = Field("", max_length=300)


class LoginBody(Body):
    email: Text = Field(max_length=320)
    password: SecretStr = Field(max_length=4096)


class RefreshBody(Body):
    refresh_token: Text = Field(min_length=1, max_length=200)


class ChangePasswordBody(Body):
    current_password: SecretStr = Field(max_length=4096)
    new_password: SecretStr = Field(max_length=4096)


class UserOut(BaseModel):
    id: int
    email: str
    name: str
    role: str
    subscription_tier: str
    created_at: datetime

    @classmethod
    def of(cls, user: User) -> Self:
        return cls(
            id=user.id,
            email=user.email,
            name=user.name,
            role=user.role,
            subscription_tier=user.subscription_tier,
            created_at=user.created_at,
        )


class TokensOut(BaseModel):
    access_token: str
    refresh_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105
    expires_in: int = Field(description="Seconds until the access token must be renewed.")
    user: UserOut

    @classmethod
    def of(cls, tokens: Tokens) -> Self:
        return cls(
            access_token=tokens.access_token,
            refresh_token=tokens.refresh_token,
            expires_in=tokens.expires_in_s,
            user=UserOut.of(tokens.user),
        )


class ProviderKeyBody(Body):
    api_key: SecretStr | None = Field(None, max_length=2000)
    base_url: Text | None = Field(
        None, max_length=2000, description="An OpenAI-compatible server of your own, such as …/v1."
    )


class ProviderTestBody(Body):
    model: Text | None = Field(None, max_length=200, description="Which model to ask; else a known one.")


class ProviderKeyOut(BaseModel):
    provider: Provider
    label: str
    source: Literal["owner", "installation", "none"] = Field(description="Whose key calls are made with.")
    has_installation_key: bool
    takes_base_url: bool
    last_four: str = Field(description="Of your key; empty for a very short one.")
    base_url: str
    checked_at: datetime | None = Field(description="When your key was tested.")
    problem: str = Field(description="What that test found; empty when all was well.")

    @classmethod
    def of(cls, status: ProviderStatus) -> Self:
        return cls.model_validate(asdict(status))


class CreateKnowledgeBaseBody(Body):
    name: Text = Field(max_length=1000)
    description: Text | None = Field(None, max_length=10_000)
    llm_provider: Provider | None = Field(None, description="The first available one when left out.")
    llm_model: Text | None = Field(None, max_length=200, description="The provider's default when left out.")


class ModelChoiceBody(Body):
    provider: Provider
    model: Text = Field("", max_length=200, description="The provider's default when left out.")


class UpdateKnowledgeBaseBody(Body):
    name: Text | None = Field(None, max_length=1000)
    description: Text | None = Field(None, max_length=10_000)
    llm_provider: Provider | None = None
    llm_model: Text | None = Field(None, max_length=200)
    system_prompt: Text | None = Field(None, max_length=20_000)
    temperature: float | None = Field(None, ge=0, le=2, allow_inf_nan=False)
    max_tokens: int | None = Field(None, ge=16, le=32_000)
    llm_fallbacks: list[ModelChoiceBody] | None = Field(
        None, max_length=10, description="Who answers where the model cannot, in this order."
    )
    answer_language: Text | None = Field(
        None, max_length=20, description="Of every answer, such as `de`; empty for that of the question."
    )
    is_active: bool | None = None
    monthly_budget_usd: float | None = Field(
        None,
        ge=0,
        le=1_000_000,
        allow_inf_nan=False,
        description="What hosted models may cost a month; null for no budget.",
    )

    def changes(self) -> dict[str, Any]:
        """What was sent; null for a description, prompt or budget empties it, else it means no change."""
        sent = self.model_dump(exclude_unset=True)
        emptied = {"description": "", "system_prompt": "", "monthly_budget_usd": None}
        return {
            name: emptied[name] if value is None and name in emptied else value
            for name, value in sent.items()
            if value is not None or name in emptied
        }


class PromptPreviewBody(Body):
    question: Text = Field(max_length=20_000)
    changes: UpdateKnowledgeBaseBody | None = Field(None, description="Settings to try that are not saved.")


class PromptPreviewOut(BaseModel):
    provider: str
    model: str
    system: str
    user: str
    n_passages: int = Field(description="Passages in the prompt.")
    n_left_out: int = Field(description="Passages that were found and do not fit into the model's context.")
    n_tokens: int = Field(description="About how many tokens the model reads.")
    context_tokens: int | None
    max_tokens: int
    temperature: float | None = Field(description="Null where the model takes none.")
    is_curated: bool = Field(description="Whether the FAQ answers this itself; then no model is asked.")

    @classmethod
    def of(cls, preview: PromptPreview) -> Self:
        model: dict[str, Any] = {
            "provider": preview.model.provider,
            "model": preview.model.id,
            "context_tokens": preview.model.context_tokens,
        }
        return cls(**asdict(preview) | model)


class ModelChoiceOut(BaseModel):
    provider: str
    model: str


class KnowledgeBaseOut(BaseModel):
    id: int
    name: str
    description: str
    llm_provider: str
    llm_model: str
    system_prompt: str | None
    temperature: float
    max_tokens: int
    llm_fallbacks: list[ModelChoiceOut]
    answer_language: str
    embedding_model: str
    is_public: bool
    share_url: str | None
    is_active: bool
    monthly_budget_usd: float | None
    n_documents: int
    n_ready: int
    n_failed: int
    n_working: int
    n_chunks: int
    n_conversations: int
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, kb: KnowledgeBase, *, share_url: str | None) -> Self:
        values = asdict(kb)
        values.pop("owner_id")
        values.pop("share_slug")
        values.pop("rag_config")
        return cls(**values, share_url=share_url)


class RagConfigOut(RagConfig):
    preset: PresetName | None = Field(description="The preset these settings are; null when set by hand.")

    @classmethod
    def of(cls, config: RagConfig) -> Self:
        return cls(**config.model_dump(), preset=preset_of(config))


class EmbeddingModelBody(Body):
    model: Text = Field(max_length=100, description="A name from `choices`.")


class EmbeddingChoiceOut(BaseModel):
    name: str
    label: str
    dimensions: int
    is_hosted: bool = Field(description="Whether texts are sent to a provider, which charges for it.")
    price_per_million: float | None = Field(description="US dollars; null where it is not known.")
    estimated_cost_usd: float | None = Field(description="About what a switch would cost now, likewise.")


class EmbeddingModelOut(BaseModel):
    model: str = Field(description="The model in use.")
    next_model: str | None = Field(description="The model being prepared; null when there is none.")
    n_done: int = Field(description="Chunks that have a vector of the next model.")
    n_total: int = Field(description="Chunks there are.")
    percentage: int
    problem: str = Field(description="Why the switch waits or was given up; empty where all is well.")
    n_tokens: int = Field(description="About how many tokens all chunks have.")
    choices: list[EmbeddingChoiceOut]

    @classmethod
    def of(cls, switch: EmbeddingSwitch) -> Self:
        shown = asdict(switch)
        for choice, out in zip(switch.choices, shown["choices"], strict=True):
            out["estimated_cost_usd"] = switch.estimated_cost(choice)
        return cls(**shown, percentage=switch.percentage)


class KnobOut(BaseModel):
    name: str
    title: str
    description: str
    kind: Literal["switch", "whole number", "number", "choice"]
    default: bool | int | float | str
    least: float | None
    most: float | None
    options: list[str]

    @classmethod
    def of(cls, knob: Knob) -> Self:
        return cls(**asdict(knob))


class PresetOut(BaseModel):
    name: PresetName
    description: str
    values: RagConfig

    @classmethod
    def of(cls, name: PresetName) -> Self:
        return cls(name=name, description=PRESET_WORDS[name], values=PRESETS[name])


class PresetsOut(BaseModel):
    presets: list[PresetOut]
    knobs: list[KnobOut]


class JobOut(BaseModel):
    id: int
    kb_id: int
    document_id: int | None
    file_name: str
    file_size_bytes: int
    file_type: str
    status: Literal["pending", "processing", "completed", "failed", "cancelled"]
    stage: str
    progress_percentage: int
    chunks_total: int
    chunks_processed: int
    attempt: int
    error_message: str | None
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    version: int | None = Field(None, description="The version of the file that is read, if a new one.")
    is_duplicate: bool = Field(False, description="The same bytes were there already; nothing was added.")

    @classmethod
    def of(cls, job: Job, *, is_duplicate: bool = False) -> Self:
        return cls(**asdict(job), is_duplicate=is_duplicate)


class RefusedFile(BaseModel):
    file_name: str
    reason: str


class UploadOut(BaseModel):
    items: list[JobOut] = Field(description="One job for each file that was taken.")
    jobs: list[JobOut] = Field(description="The same list, under the name of what it holds.")
    refused: list[RefusedFile]


class DocumentOut(BaseModel):
    id: int
    kb_id: int
    name: str
    source: str
    media_type: str
    size_bytes: int
    sha256: str
    status: str
    error_message: str | None
    n_pages: int
    n_chunks: int
    n_tokens: int
    language: str
    used_ocr: bool
    tags: list[str]
    version: int = Field(description="Of its file; a replaced one counts up.")
    created_at: datetime
    ready_at: datetime | None
    job: JobOut | None

    @classmethod
    def of(cls, document: Document) -> Self:
        values = asdict(document)
        values["job"] = JobOut.of(document.job) if document.job else None
        return cls(**values)


class ChangeDocumentBody(Body):
    tags: list[Annotated[Text, Field(max_length=1000)]] = Field(
        max_length=200, description="In the place of those there are; [] takes all away."
    )


class FacetOut(BaseModel):
    value: str
    n_documents: int


class FacetsOut(BaseModel):
    sources: list[FacetOut]
    tags: list[FacetOut]
    languages: list[FacetOut]

    @classmethod
    def of(cls, facets: Facets) -> Self:
        def shown(pairs: Iterable[tuple[str, int]]) -> list[FacetOut]:
            return [FacetOut(value=value, n_documents=n) for value, n in pairs]

        return cls(sources=shown(facets.sources), tags=shown(facets.tags), languages=shown(facets.languages))


class PageOut(BaseModel):
    position: int
    number: int | None
    text: str


class ChunkOut(BaseModel):
    id: int
    document_id: int
    position: int
    content: str
    heading: str
    page_first: int | None
    page_last: int | None
    char_start: int
    char_end: int
    n_tokens: int
    enabled: bool
    edited: bool

    @classmethod
    def of(cls, chunk: StoredChunk) -> Self:
        return cls(**asdict(chunk))


class DocumentContentsOut(DocumentOut):
    pages: list[PageOut]
    chunks: list[ChunkOut]

    @classmethod
    def with_contents(
        cls, document: Document, pages: list[StoredPage], chunks: list[StoredChunk]
    ) -> "DocumentContentsOut":
        base = DocumentOut.of(document).model_dump()
        return cls(
            **base,
            pages=[PageOut(**asdict(page)) for page in pages],
            chunks=[ChunkOut.of(chunk) for chunk in chunks],
        )


class ChangeChunkBody(Body):
    content: Text | None = Field(None, max_length=50_000)
    enabled: bool | None = None


ShortText = Annotated[Text, Field(max_length=100)]


class FiltersBody(Body):
    document_ids: list[Annotated[int, Field(ge=1, le=2**63 - 1)]] = Field([], max_length=500)
    sources: list[ShortText] = Field([], max_length=50)
    tags: list[ShortText] = Field([], max_length=50, description="A document passes with any of them.")
    languages: list[ShortText] = Field([], max_length=50, description="Such as “english”.")
    added_from: Moment | None = Field(None, description="UTC unless it says otherwise.")
    added_before: Moment | None = None

    def filters(self) -> Filters:
        """The same as a search wants it."""
        return Filters(
            document_ids=tuple(self.document_ids),
            sources=tuple(self.sources),
            tags=tuple(self.tags),
            languages=tuple(self.languages),
            added_from=self.added_from,
            added_before=self.added_before,
        )


class SearchBody(Body):
    query: Text = Field(max_length=10_000)
    limit: int = Field(10, ge=1, le=50)
    filters: FiltersBody = Field(default_factory=FiltersBody)
    config: dict[str, Any] = Field(
        default_factory=dict,
        max_length=50,
        description="Knobs of `rag-config` to try in this search only; nothing is kept.",
        examples=[{"rerank": False, "meaning_weight": 0.8}],
    )


class MatchedTermOut(BaseModel):
    term: str
    share: float = Field(description="Its part of the passage's word score, 0 to 1.")
    corrected_from: str = Field(description="How the question spells it, if not so.")


class ScoresOut(BaseModel):
    rank_by_meaning: int | None
    rank_by_words: int | None
    similarity: float | None = Field(description="Cosine of question and passage.")
    bm25: float | None
    fused: float = Field(description="Weighted sum of both rankings, 0 to 1.")
    rank_fused: int = Field(description="The place before reranking.")
    rerank: float | None = Field(description="The score of the reranker, 0 to 1; null if not reranked.")
    matched: list[MatchedTermOut] = Field(description="The words of the question that the passage has.")


class PassageOut(BaseModel):
    chunk_id: int
    document_id: int
    document_name: str
    source: str
    page: int | None
    page_last: int | None
    heading: str
    content: str
    score: float = Field(description="Estimates the probability that the passage answers.")
    scores: ScoresOut
    before: str = Field(description="Text before it in its section, read along with it for an answer.")
    after: str
    n_duplicates: int = Field(description="Passages left out because they say the same.")
    document_version: int
    url: str = Field(description="Where its document can be seen outside; empty for files.")

    @classmethod
    def of(cls, passage: Passage) -> Self:
        return cls(**asdict(passage))


class StepOut(BaseModel):
    name: StepName
    duration_ms: float
    was_done: bool
    note: str


class SearchOut(BaseModel):
    results: list[PassageOut]
    timings_ms: dict[str, float]
    steps: list[StepOut]
    n_below_threshold: int = Field(description="Passages left out for scoring under the least score.")
    queries: list[str] = Field(description="What was searched for besides the question.")

    @classmethod
    def of(cls, found: Retrieval) -> Self:
        return cls(
            results=[PassageOut.of(p) for p in found.passages],
            timings_ms=found.timings_ms,
            steps=[StepOut(**asdict(step)) for step in found.steps],
            n_below_threshold=found.n_below_threshold,
            queries=list(found.queries),
        )


class ShareLinkOut(BaseModel):
    id: int
    kb_id: int
    slug: str
    url: str
    is_active: bool
    created_at: datetime

    @classmethod
    def of(cls, link: ShareLink, *, url: str) -> Self:
        return cls(**asdict(link), url=url)


class CreateShareLinkBody(Body):
    renew: bool = Field(True, description="False keeps the link there is.")


class CreateConversationBody(Body):
    kb_id: int | None = None
    share_slug: Text | None = Field(None, max_length=200)


class ConversationOut(BaseModel):
    id: int
    kb_id: int
    kb_name: str
    title: str
    status: str
    is_preview: bool
    visitor_name: str | None
    visitor_email: str | None
    n_messages: int
    n_negative: int
    created_at: datetime
    updated_at: datetime
    visitor_token: str | None = Field(
        None, description="For programs without cookies: send it as X-Visitor-Token. Shown once."
    )

    @classmethod
    def of(cls, conversation: Conversation, *, visitor_token: str | None = None) -> Self:
        return cls(**asdict(conversation), visitor_token=visitor_token)


class UpdateConversationBody(Body):
    status: Literal["active", "closed"]


class AskBody(Body):
    content: Text = Field(max_length=20_000)
    stream: bool = False


class CitationOut(BaseModel):
    marker: int
    chunk_id: int
    document_id: int
    document_name: str
    page: int | None
    quote: str
    heading: str
    document_version: int = Field(description="The version it was read from; 0 for older answers.")
    url: str


class UsageOut(BaseModel):
    prompt_tokens: int
    completion_tokens: int
    estimated: bool


class GroundingOut(BaseModel):
    n_sentences: int
    n_supported: int


class CuratedOut(BaseModel):
    entry_id: int
    question: str
    match: float = Field(description="How near the question came to the entry's, from 0 to 1.")


class InsteadOfOut(BaseModel):
    provider: str
    model: str
    kind: str
    words: str


class MessageOut(BaseModel):
    id: int
    conversation_id: int
    sender: Literal["user", "assistant"]
    content: str
    status: str
    citations: list[CitationOut]
    provider: str | None
    model: str | None
    instead_of: InsteadOfOut | None = Field(description="Who should have answered, and why they did not.")
    usage: UsageOut | None
    grounding: GroundingOut | None
    answerable: bool | None
    timings_ms: dict[str, float] | None
    feedback: int | None
    feedback_reason: str | None
    reason: str | None = Field(description="Why an answer is not complete.")
    outcome: str | None = Field(
        None, description="`answered`, `refused` or `uncited`; null while an answer is not complete."
    )
    searched: str | None = Field(
        None, description="What was searched for, where a follow-up was completed first."
    )
    faq_entry_id: int | None = Field(
        None, description="The entry of the FAQ that was made from this answer; for the owner only."
    )
    curated: CuratedOut | None = Field(
        None, description="The entry of the FAQ whose answer this is, word for word."
    )
    created_at: datetime

    @classmethod
    def of(cls, message: Message) -> Self:
        details = message.metadata
        return cls(
            id=message.id,
            conversation_id=message.conversation_id,
            sender=message.sender,
            content=message.content,
            curated=details.get("curated"),
            status=message.status,
            citations=[CitationOut(**asdict(citation)) for citation in message.citations],
            provider=details.get("provider"),
            model=details.get("model"),
            instead_of=details.get("instead_of"),
            usage=details.get("usage"),
            grounding=details.get("grounding"),
            answerable=details.get("answerable"),
            timings_ms=details.get("timings_ms"),
            feedback=message.feedback,
            feedback_reason=message.feedback_reason,
            reason=details.get("reason"),
            outcome=details.get("outcome"),
            searched=details.get("searched"),
            faq_entry_id=message.faq_entry_id,
            created_at=message.created_at,
        )


class ConversationWithMessagesOut(ConversationOut):
    messages: list[MessageOut]
    usage: ConversationUsageOut | None = Field(
        None, description="What it cost, for the owner of the knowledge base; null for its visitor."
    )


class FeedbackBody(Body):
    feedback: Literal[1, -1] | None
    reason: Text | None = Field(None, max_length=2000)


class VisitorBody(Body):
    name: Text = Field("", max_length=300)
    email: Text = Field("", max_length=320)


class ListOut(BaseModel, Generic[T]):
    items: list[T]
    next_cursor: str | None = Field(
        None, description="Send it as `cursor` for the next page; null at the end."
    )
