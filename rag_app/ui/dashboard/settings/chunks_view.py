"""Chunks of two sizes side by side, in words."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from rag_app.domain.chunk_sizes import ChunkPreview, ChunkSettings, CutText
from rag_app.domain.knobs import KNOBS
from rag_app.domain.knowledge_bases import BatchProgress, Document, StoredChunk
from rag_app.ui.wording import counted, listed, remaining

SHOWN = 10  # chunks of each size
NAMES = ("chunk_tokens", "overlap_tokens")


@dataclass(frozen=True)
class CutChunk:
    """One chunk; `repeated` is what it has in common with the one before."""

    title: str
    place: str
    repeated: str
    text: str


@dataclass(frozen=True)
class Side:
    """A document cut to one size; `more` says how many chunks are not shown."""

    title: str = ""
    facts: str = ""
    more: str = ""
    chunks: tuple[CutChunk, ...] = ()


@dataclass(frozen=True)
class PreviewView:
    """Both sizes; `note` where only the beginning of a document was cut."""

    note: str = ""
    before: Side = Side()
    after: Side = Side()
    is_same: bool = True


@dataclass(frozen=True)
class CutView:
    """How documents are cut, and what is to be done about those that were cut otherwise."""

    most_tokens: int = 0
    n_otherwise: int = 0
    otherwise: str = ""
    question: str = ""


@dataclass(frozen=True)
class Reading:
    """How far the documents are that are being read again."""

    is_open: bool = False
    percent: int = 0
    text: str = ""


def hints(most_tokens: int) -> dict[str, str]:
    """What each of the two numbers does, with its bounds."""
    size, overlap = (KNOBS[name] for name in NAMES)
    return {
        size.name: f"{size.description} From {size.least:,} to {most_tokens:,}; "
        f"recommended: {size.default:,}.",
        overlap.name: f"{overlap.description} Recommended: {overlap.default:,}.",
    }


def document_options(found: Iterable[Document]) -> list[tuple[str, str]]:
    """The documents that can be looked at."""
    return [(str(document.id), document.name) for document in found if document.ready_at is not None]


def cut_view(found: ChunkSettings) -> CutView:
    """Say how many documents still have chunks of another size."""
    n, n_all = found.n_otherwise, found.n_documents
    if n == 0:
        return CutView(found.most_tokens)
    some = f"{n:,} of {counted(n_all, 'document')} still {'has' if n == 1 else 'have'}"
    which = "Your document still has" if n_all == 1 else some
    return CutView(
        found.most_tokens,
        n,
        otherwise=f"New files are cut like this at once. {which} chunks of another size.",
        question=("It is read from its original file again" if n == 1 else f"{n:,} documents are read again")
        + ", in the background. The chunks there are now answer questions until the new ones are ready. "
        "What you changed in chunks by hand is lost. A hosted embedding model charges for the new chunks; "
        "the built-in one costs nothing.",
    )


def preview_view(preview: ChunkPreview) -> PreviewView:
    """Show a document cut as now and as it would be."""
    note = ""
    if preview.is_excerpt:
        note = (
            f"This is a long document: its first {preview.n_characters:,} characters are cut here, "
            "for both sizes."
        )
    return PreviewView(
        note=note,
        before=_side("As it is set now", preview.before),
        after=_side("With the new size", preview.after),
        is_same=preview.before.size == preview.after.size,
    )


def reading(progress: BatchProgress) -> Reading:
    """Say how far the files are that are read together."""
    if progress.total == 0:
        return Reading()
    done = f"{progress.done:,} of {counted(progress.total, 'file')} done"
    failed = f"{progress.failed:,} failed" if progress.failed else ""
    return Reading(True, progress.percentage, listed([done, failed, remaining(progress.remaining_s)]))


def number(text: object) -> int | str:
    """What was typed as a whole number, or as it is where it is none."""
    typed = str(text).strip()[:20]
    return int(typed) if typed.isascii() and typed.isdigit() else typed


def numbers(draft: Mapping[str, str]) -> dict[str, int | str]:
    """Both numbers."""
    return {name: number(draft[name]) for name in NAMES}


def _side(title: str, text: CutText) -> Side:
    average = round(text.n_tokens / text.n_chunks) if text.n_chunks else 0
    shown = [
        _chunk(chunk, n_repeated)
        for chunk, n_repeated in zip(text.chunks[:SHOWN], text.n_repeated[:SHOWN], strict=True)
    ]
    n_more = text.n_chunks - len(shown)
    return Side(
        title=title,
        facts=listed(
            [
                counted(text.n_chunks, "chunk"),
                f"{counted(average, 'token')} on average",
                f"at most {text.size.tokens:,}",
                f"up to {text.size.overlap_tokens:,} repeated"
                if text.size.overlap_tokens
                else "none repeated",
            ]
        ),
        more=f"and {counted(n_more, 'more chunk')}" if n_more else "",
        chunks=tuple(shown),
    )


def _chunk(chunk: StoredChunk, n_repeated: int) -> CutChunk:
    pages = ""
    if chunk.page_first is not None:
        is_one = chunk.page_last in {None, chunk.page_first}
        pages = f"Page {chunk.page_first}" if is_one else f"Pages {chunk.page_first}–{chunk.page_last}"
    return CutChunk(
        title=f"{chunk.position + 1:,}. {counted(chunk.n_tokens, 'token')}",
        place=listed([pages, chunk.heading]),
        repeated=chunk.content[:n_repeated],
        text=chunk.content[n_repeated:],
    )
