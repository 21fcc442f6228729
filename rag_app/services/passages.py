"""What is shown of the candidates: how likely each answers, and why it ranks where it does."""

from collections import defaultdict
from collections.abc import Sequence

from rag_app.db.queries.search import FoundChunk
from rag_app.domain.retrieval import MatchedTerm, Passage, PassageScores
from rag_app.rag import fusion
from rag_app.rag.bm25 import WordRanking
from rag_app.rag.calibration import Signals, calibrated, coverages
from rag_app.rag.words import WrittenWords
from rag_app.services.candidates import Candidate

JUDGED = 20  # candidates the scores were calibrated with


def valued(candidates: list[Candidate]) -> list[Candidate]:
    """The candidates in the order they are in, with values as if a reranker agreed with it."""
    head, tail = candidates[:JUDGED], candidates[JUDGED:]
    values = fusion.blend([one.fused.fused for one in head]).tolist()
    values += values[-1:] * len(tail)
    return [one._replace(value=value) for one, value in zip(candidates, values, strict=True)]


def scored(question: str, candidates: Sequence[Candidate], *, embedding_model: str) -> list[Candidate]:
    """The candidates with how likely each answers; those beyond the first twenty as likely as the last."""
    head = candidates[:JUDGED]
    covered = coverages(question, [f"{one.chunk.heading}\n{one.chunk.content}" for one in head])
    signals = [
        Signals(one.value, one.fused.similarity, share) for one, share in zip(head, covered, strict=True)
    ]
    scores = calibrated(signals, embedding_model=embedding_model)
    scores += scores[-1:] * (len(candidates) - len(scores))
    return [one._replace(score=score) for one, score in zip(candidates, scores, strict=True)]


def passage_of(candidate: Candidate, explained: "Explained") -> Passage:
    """A candidate as a passage."""
    chunk, fused = candidate.chunk, candidate.fused
    return Passage(
        chunk_id=chunk.chunk_id,
        document_id=chunk.document_id,
        document_name=chunk.document_name,
        document_version=chunk.document_version,
        source=chunk.source,
        page=chunk.page,
        page_last=chunk.page_last,
        heading=chunk.heading,
        content=chunk.content,
        score=candidate.score,
        n_duplicates=candidate.n_copies,
        url=chunk.url,
        scores=PassageScores(
            rank_by_meaning=fused.rank_by_meaning,
            rank_by_words=fused.rank_by_words,
            similarity=None if fused.similarity is None else round(fused.similarity, 4),
            bm25=None if fused.bm25 is None else round(fused.bm25, 3),
            fused=fused.fused,
            rank_fused=candidate.rank_fused,
            rerank=candidate.rerank,
            matched=explained.matched(chunk),
        ),
    )


class Explained:
    """Says which words of a question a chunk has, as the question wrote them."""

    def __init__(self, words: WordRanking, question: str) -> None:
        self._words = words
        self._place = {ordinal: at for at, ordinal in enumerate(words.ordinals.tolist())}
        self._asked = WrittenWords(question)

    def matched(self, chunk: FoundChunk) -> tuple[MatchedTerm, ...]:
        """The words, the most telling first, each once; a corrected one as the chunk spells it."""
        at = self._place.get(chunk.ordinal)
        if at is None:
            return ()
        parts = self._words.parts[:, at].tolist()
        total = sum(parts)
        shares: defaultdict[tuple[str, str], float] = defaultdict(float)  # two stems may be of one word
        written: WrittenWords | None = None
        for term, part in zip(self._words.terms, parts, strict=True):
            if part <= 0:
                continue
            word, asked = self._asked.behind(term.corrected_from or term.text), ""
            if term.corrected_from:
                written = written or WrittenWords(chunk.content)
                word, asked = written.beginning_with(term.text), word
            shares[word, asked] += part / total
        found = [MatchedTerm(word, round(share, 4), asked) for (word, asked), share in shares.items()]
        return tuple(sorted(found, key=lambda one: (-one.share, one.term)))
