"""Shapes of mailboxes. The password goes in and never comes out."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, Field, SecretStr, StringConstraints

from rag_app.api.source_schemas import CheckOut, SourceOut
from rag_app.domain.sources import Schedule, Source
from rag_app.services.mailboxes import Connection

Text = Annotated[str, StringConstraints(max_length=320)]
Texts = Annotated[list[Text], Field(max_length=50)]
OWN_FIELDS = frozenset((
    "provider", "address", "host", "port", "security", "username", "folders", "months_to_sync", "from_filter",
    "to_filter", "subject_filter", "on_deleted", "mask_personal_data", "with_attachments",
))  # fmt: skip


class MailboxChange(BaseModel, extra="forbid"):
    """Settings of a mailbox; what is not sent stays as it is."""

    name: Annotated[str, StringConstraints(max_length=255)] | None = None
    provider: Literal["gmail", "outlook", "imap"] | None = None
    address: Text | None = Field(None, description="The e-mail address.")
    host: Text | None = Field(None, description="The mail server; found by itself for most addresses.")
    port: int | None = Field(None, ge=1, le=65535, description="993 for `tls`, 143 for `starttls`.")
    security: Literal["tls", "starttls", "none"] | None = Field(
        None, description="`none` only for servers the operator lists."
    )
    username: Text | None = Field(None, description="Where it is not the address.")
    password: SecretStr | None = Field(
        None, max_length=1000, description="Password or app password; encrypted, never shown again."
    )
    folders: Texts | None = Field(None, description="Folders to read, as the server calls them.")
    months_to_sync: int | None = Field(None, ge=1, le=240, description="How far back the first reading goes.")
    from_filter: Texts | None = Field(None, description="Only mails whose sender holds one of these.")
    to_filter: Texts | None = Field(None, description="Only mails whose recipients hold one of these.")
    subject_filter: Texts | None = Field(None, description="Only mails whose subject holds one of these.")
    on_deleted: Literal["keep", "remove"] | None = Field(
        None, description="What becomes of mails that are deleted or moved away on the server."
    )
    mask_personal_data: bool | None = Field(
        None, description="Mask e-mail addresses and telephone numbers in what is kept for search."
    )
    with_attachments: bool | None = None
    sync_frequency_hours: int | None = Field(None, ge=1, le=8760)
    auto_sync_enabled: bool | None = None

    def settings(self) -> dict[str, Any]:
        """What is sent of the mailbox's own settings."""
        return self.model_dump(include=set(OWN_FIELDS), exclude_none=True)

    @property
    def secret(self) -> str | None:
        """The password, where one is sent."""
        return self.password.get_secret_value() if self.password is not None else None

    def schedule(self, before: Schedule) -> Schedule:
        """When it is read by itself, from now on."""
        return Schedule(
            before.frequency_hours if self.sync_frequency_hours is None else self.sync_frequency_hours,
            before.is_scheduled if self.auto_sync_enabled is None else self.auto_sync_enabled,
            before.grace_hours,
        )


class MailboxBody(MailboxChange):
    """A mailbox to connect; `address` is needed, the rest has usual values."""


class MailboxCheckBody(MailboxChange):
    """Settings to try; with `mailbox_id` what is not sent is that mailbox's, its password as well."""

    mailbox_id: int | None = Field(None, ge=1, le=2**31 - 1)


class MailboxOut(SourceOut):
    """A mailbox."""

    provider: str
    address: str
    host: str
    port: int
    security: str
    username: str
    folders: list[str]
    months_to_sync: int
    from_filter: list[str]
    to_filter: list[str]
    subject_filter: list[str]
    on_deleted: str
    mask_personal_data: bool
    with_attachments: bool
    sync_frequency_hours: int
    auto_sync_enabled: bool
    has_password: bool = Field(description="Whether a password or a provider's permission is stored.")

    @classmethod
    def settings_of(cls, source: Source) -> dict[str, Any]:
        return {name: source.config.get(name) for name in OWN_FIELDS} | {
            "sync_frequency_hours": source.frequency_hours,
            "auto_sync_enabled": source.is_scheduled,
            "has_password": source.has_secret,
        }


class MailboxCheckOut(CheckOut):
    """What came of trying a connection; `details` are the folders."""

    host: str | None = None
    port: int | None = None
    security: str | None = None

    @classmethod
    def of_connection(cls, connection: Connection) -> Self:
        server = connection.server
        check = connection.check
        return cls(
            is_ok=check.is_ok,
            message=check.message,
            details=list(check.details),
            host=server.host if server else None,
            port=server.port if server else None,
            security=server.security if server else None,
        )


class AuthorizeOut(BaseModel):
    """Where a person gives the permission."""

    url: str = Field(description="To be opened in a browser that is signed in here, within ten minutes.")
