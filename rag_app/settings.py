"""Settings from the environment or `.env`; everything has a working default.

Only `bootstrap.py` and the start-up code read these; everything else receives the values it needs.
"""

import os
import sys
from functools import lru_cache
from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit

import platformdirs
from dotenv import dotenv_values
from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from rag_app.domain.encryption import parse_keys
from rag_app.domain.private_hosts import parse_private_hosts
from rag_app.errors import InvalidInput

MIN_SECRET_BYTES = 32  # 256 bit, the least RFC 7518 allows for HS256

# Variables with our prefix that are no settings of an owner of an installation.
_INTERNAL = {"RAG_ROLE", "RAG_CHILD_LIMITS", "RAG_PYTHON"}


def default_data_dir() -> Path:
    """Where the operating system keeps a program's data; short, because a socket path must fit in it."""
    if sys.platform == "linux" and os.geteuid() == 0:
        return Path("/var/lib/simple-rag")
    return Path(platformdirs.user_data_dir("simple-rag", appauthor=False))


class Settings(BaseSettings):
    """Every setting of an installation; names in the environment are the upper-case field names."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", env_ignore_empty=True)

    rag_env: Literal["development", "production"] = Field(
        "development", description="`production` refuses weak secrets and logs JSON."
    )
    rag_host: str = Field("127.0.0.1", description="Address to listen on; 0.0.0.0 for every network.")
    rag_port: int = Field(3000, ge=1, le=65535, description="One port for pages, API and websocket.")
    rag_data_dir: Path = Field(
        default_factory=default_data_dir,
        description="Embedded database, original files and models: the one folder to back up.",
    )
    rag_base_url: str | None = Field(
        None, description="Public address of the installation, such as https://rag.example.org."
    )
    rag_secret_key: SecretStr | None = Field(
        None, description="Signs sign-ins, at least 32 bytes; made and kept in the data folder when unset."
    )
    rag_encryption_keys: SecretStr | None = Field(
        None,
        description="Keys that stored secrets are encrypted with, as id:base64key, comma-separated: the "
        "first encrypts, all decrypt; made and kept in the data folder when unset.",
    )
    rag_log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="How much is logged."
    )
    rag_trusted_proxies: str = Field(
        "", description="Addresses of reverse proxies whose X-Forwarded-For is believed, comma-separated."
    )
    rag_allowed_origins: str = Field(
        "", description="Other web origins that may call the API from a browser, comma-separated."
    )
    rag_allowed_private_hosts: str = Field(
        "",
        description="Servers in private networks that owners may name as their own model servers: hosts, "
        "host:port or networks such as 10.0.0.0/8, comma-separated.",
    )
    rag_max_upload_mb: int = Field(100, ge=1, le=2048, description="Largest file, in MB.")
    rag_max_files_per_upload: int = Field(200, ge=1, le=1000, description="Most files in one upload.")
    rag_parse_memory_mb: int = Field(
        2048, ge=256, description="Memory a parsing child process may use, in MB."
    )
    rag_parse_timeout_s: int = Field(
        300, ge=5, description="Time a parsing child process may take, in seconds."
    )
    rag_worker_concurrency: int = Field(2, ge=1, le=64, description="Jobs one worker runs at once.")
    rag_worker_sources: int = Field(
        4, ge=1, le=64, description="Websites and mailboxes one worker reads at once, beside its jobs."
    )
    rag_worker_stalled_after_s: float = Field(
        30, ge=1, description="Silence of a worker, in seconds, after which others take over its jobs."
    )
    rag_worker_grace_s: float = Field(
        8,
        gt=0,
        le=10,
        description="Seconds a stopping worker goes on with its files; then it hands them back.",
    )
    rag_llm_first_token_timeout_s: float = Field(
        30, ge=0.1, description="Time a hosted model may take until its first word, in seconds."
    )
    rag_llm_idle_timeout_s: float = Field(
        30, ge=0.1, description="Time a hosted model may pause between two words, in seconds."
    )
    rag_embedding_threads: int = Field(2, ge=1, le=64, description="Threads of the local model.")
    rag_local_embedder: Literal["local_e5", "local_minilm"] = Field(
        "local_e5", description="Embedding model of new knowledge bases: multilingual, or English and light."
    )
    rag_rerank_url: str | None = Field(
        None, description="Address of a rerank server or provider, with or without `/rerank` at its end."
    )
    rag_rerank_api_key: SecretStr | None = Field(None, description="Key for the rerank server.")
    rag_rerank_model: str = Field("", description="Model the rerank server shall use, where it has several.")
    rag_cross_encoder_repo: str = Field(
        "", description="Repository of a cross-encoder on the model hub, such as owner/name."
    )
    rag_cross_encoder_revision: str = Field("", description="The commit its files are taken from.")
    rag_cross_encoder_file: str = Field("onnx/model.onnx", description="Its ONNX graph in the repository.")
    rag_cross_encoder_sha256: str = Field("", description="SHA-256 the ONNX graph must have.")
    rag_cross_encoder_tokenizer_sha256: str = Field(
        "", description="SHA-256 the repository's tokenizer.json must have."
    )
    rag_hub_embedder_repo: str = Field(
        "", description="Repository of an embedding model on the model hub, offered beside the built-in ones."
    )
    rag_hub_embedder_revision: str = Field("", description="The commit its files are taken from.")
    rag_hub_embedder_file: str = Field("onnx/model.onnx", description="Its ONNX graph in the repository.")
    rag_hub_embedder_sha256: str = Field("", description="SHA-256 the ONNX graph must have.")
    rag_hub_embedder_tokenizer_sha256: str = Field(
        "", description="SHA-256 the repository's tokenizer.json must have."
    )
    rag_hub_embedder_dimensions: int | None = Field(
        None, ge=1, le=4000, description="How many numbers its vectors have."
    )
    rag_hub_embedder_max_tokens: int = Field(
        512, ge=64, le=8192, description="Longest text the model reads, in tokens."
    )
    rag_hub_embedder_pooling: Literal["mean", "cls"] = Field(
        "mean", description="How the model makes one vector of its tokens': their mean, or the first one's."
    )
    rag_hub_embedder_query_prefix: str = Field(
        "", description="Words the model expects before a question, with the space that ends them."
    )
    rag_hub_embedder_document_prefix: str = Field(
        "", description="Words the model expects before a text, with the space that ends them."
    )
    rag_model_hub_url: str = Field("https://huggingface.co", description="The model hub, or a mirror of it.")
    rag_sign_in_hours: int = Field(
        24, ge=1, le=24, description="Hours until a browser's sign-in must be renewed by use."
    )
    rag_registration_open: bool = Field(
        True, description="Whether strangers may register; the first account always may."
    )
    rag_new_account_tier: Literal["free", "pro", "enterprise"] = Field(
        "free", description="Plan of new accounts; the first account always gets `enterprise`."
    )
    rag_requests_per_minute: int = Field(
        10_000,
        ge=10,
        description="API requests one address may make in a minute; an owner's plan may allow fewer.",
    )
    database_url: str | None = Field(
        None, description="Any Postgres 15+ with pgvector 0.8+; unset starts the embedded one."
    )
    openai_api_key: SecretStr | None = Field(None, description="Key for OpenAI.")
    openai_base_url: str | None = Field(None, description="An OpenAI-compatible server instead.")
    anthropic_api_key: SecretStr | None = Field(None, description="Key for Anthropic.")
    anthropic_base_url: str | None = Field(None, description="A proxy in front of Anthropic.")
    gemini_api_key: SecretStr | None = Field(None, description="Key for Google Gemini.")
    gemini_base_url: str | None = Field(None, description="A proxy in front of Gemini.")

    google_oauth_client_id: str | None = Field(
        None, description="Lets owners connect Gmail by signing in with Google: docs/oauth-setup.md."
    )
    google_oauth_client_secret: SecretStr | None = Field(None, description="Belongs to it.")
    google_oauth_base_url: str | None = Field(
        None, description="Another server for that, which answers at /authorize, /token and /revoke."
    )
    microsoft_oauth_client_id: str | None = Field(
        None, description="Lets owners connect Outlook by signing in with Microsoft: docs/oauth-setup.md."
    )
    microsoft_oauth_client_secret: SecretStr | None = Field(None, description="Belongs to it.")
    microsoft_oauth_tenant: str = Field(
        "common",
        pattern=r"[A-Za-z0-9.-]+",
        description="Whose accounts may sign in: `common`, `organizations`, or a directory's id.",
    )
    microsoft_oauth_base_url: str | None = Field(
        None, description="Another server for that, which answers at /authorize and /token."
    )

    @field_validator("rag_data_dir")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @field_validator("rag_base_url")
    @classmethod
    def _web_origin(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path not in {"", "/"}:
            raise ValueError("must look like https://rag.example.org, without a path")
        return value.rstrip("/")

    @field_validator("database_url")
    @classmethod
    def _postgres(cls, value: str | None) -> str | None:
        if value is None:
            return None
        scheme, _, rest = value.partition("://")
        if scheme.split("+")[0] not in {"postgresql", "postgres"} or not rest:
            raise ValueError("must look like postgresql://user:password@host/database")
        return f"postgresql://{rest}"

    @field_validator("rag_secret_key")
    @classmethod
    def _strong(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value().encode()) < MIN_SECRET_BYTES:
            raise ValueError(f"must be at least {MIN_SECRET_BYTES} bytes long")
        return value

    @field_validator("rag_encryption_keys")
    @classmethod
    def _key_ring(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            parse_keys(value.get_secret_value())
        return value

    @field_validator("rag_allowed_private_hosts")
    @classmethod
    def _hosts(cls, value: str) -> str:
        parse_private_hosts(value)
        return value

    @model_validator(mode="after")
    def _production_is_strict(self) -> Self:
        if self.rag_env == "production" and self.rag_secret_key is not None:
            secret = self.rag_secret_key.get_secret_value()
            if len(set(secret)) < 12:  # a repeated word or character is guessable at any length
                raise ValueError("RAG_SECRET_KEY is too simple for production; use `openssl rand -hex 32`")
        return self

    @property
    def base_url(self) -> str:
        """Address people reach the installation at, without a trailing slash."""
        everywhere = {"127.0.0.1", "0.0.0.0", "::", "::1"}  # noqa: S104 (compared, not bound)
        host = "localhost" if self.rag_host in everywhere else self.rag_host
        return self.rag_base_url or f"http://{host}:{self.rag_port}"

    @property
    def is_https(self) -> bool:
        """Whether people reach the installation through https."""
        return self.base_url.startswith("https://")

    @property
    def max_upload_bytes(self) -> int:
        """Largest file, in bytes."""
        return self.rag_max_upload_mb * 1024 * 1024


def read_settings() -> Settings:
    """Read the environment and `.env` once more.

    Raises:
        InvalidInput: a name is misspelt or a value impossible; the message names it.
    """
    known = {name.upper() for name in Settings.model_fields} | _INTERNAL
    given = {name.upper() for name in (*os.environ, *dotenv_values(".env"))}
    unknown = sorted(name for name in given if name.startswith("RAG_") and name not in known)
    if unknown:
        raise InvalidInput(
            f"There is no setting called {unknown[0]}. See .env.example for the names that exist."
        )
    try:
        return Settings()  # pyright: ignore[reportCallIssue]
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]).upper() if first["loc"] else ""
        reason = first["msg"].removeprefix("Value error, ")
        raise InvalidInput(f"{name}: {reason}." if name else f"{reason}.") from error


@lru_cache(maxsize=1)
def settings() -> Settings:
    """The settings of this process."""
    return read_settings()
