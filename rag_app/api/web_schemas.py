"""Shapes of websites in requests and answers."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from rag_app.api.schemas import Text
from rag_app.api.source_schemas import SourceOut
from rag_app.domain.sources import Schedule, Source

SETTINGS = ("url", "mode", "max_depth", "max_pages", "include", "exclude", "delay_s")
MODE = "`page`: one page; `sitemap`: the pages a sitemap lists; `crawl`: what links lead to on the same site."
PATTERNS = "`*` stands for anything: `/docs/*`, `*.pdf`. Without it, an address and all below it are meant."


class WebSettings(BaseModel):
    """What is read of a website; what is left out stays, or is as is usual."""

    model_config = ConfigDict(extra="forbid")

    url: Text | None = Field(None, max_length=2_000, description="Where it begins.")
    mode: Text | None = Field(None, description=MODE)
    max_depth: int | None = Field(None, description="How many links from the first page; only for `crawl`.")
    max_pages: int | None = Field(None, description="The plan of the owner may allow fewer.")
    include: list[Text] | None = Field(None, description=f"Only these are read. {PATTERNS}", max_length=200)
    exclude: list[Text] | None = Field(None, description=f"These are not. {PATTERNS}", max_length=200)
    delay_s: float | None = Field(
        None, description="Pause between two pages, in seconds; longer where robots.txt asks for it."
    )

    def raw(self) -> dict[str, Any]:
        """The settings that were given."""
        given = self.model_dump(include=set(SETTINGS))
        return {name: value for name, value in given.items() if value is not None}


class WebSourceBody(WebSettings):
    """A new website, or what shall be different about one."""

    name: Text | None = Field(None, max_length=300, description="Empty for its address.")
    scrape_frequency_hours: int | None = Field(None, description="How often it is read by itself.")
    is_scheduled: bool | None = Field(None, description="False to read it only when asked.")
    grace_hours: int | None = Field(None, description="Until what has vanished is removed.")

    def schedule(self, there: Schedule) -> Schedule:
        """A schedule with what was given in the place of what was there."""

        def either(given: int | None, kept: int) -> int:
            return kept if given is None else given

        return Schedule(
            either(self.scrape_frequency_hours, there.frequency_hours),
            there.is_scheduled if self.is_scheduled is None else self.is_scheduled,
            either(self.grace_hours, there.grace_hours),
        )


class WebCheckBody(WebSettings):
    """A website to try out."""

    source_id: int | None = Field(None, ge=1, le=2**31 - 1, description="One that is there already.")


class WebSourceOut(SourceOut):
    """A website."""

    url: str
    mode: str = Field(description=MODE)
    max_depth: int
    max_pages: int
    include: list[str]
    exclude: list[str]
    delay_s: float
    scrape_frequency_hours: int = Field(description="The same as `frequency_hours`.")

    @classmethod
    def settings_of(cls, source: Source) -> dict[str, object]:
        """Settings, with the frequency by the name it has for websites."""
        return super().settings_of(source) | {"scrape_frequency_hours": source.frequency_hours}


def schedule_of(source: Source) -> Schedule:
    """A source's schedule."""
    return Schedule(source.frequency_hours, source.is_scheduled, source.grace_hours)
