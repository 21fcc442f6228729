"""What the worker does with each kind of job; every handler may run twice and must not mind."""

import asyncio
import math

import procrastinate
from procrastinate import BaseRetryStrategy, JobContext, RetryDecision
from procrastinate.jobs import Job

from rag_app.bootstrap import Services
from rag_app.db.queue import INGEST, READ_SOURCE, SOURCES, SWITCH_EMBEDDINGS
from rag_app.errors import TransientError

MAX_TRIES = 4  # of one job; crashes of the worker are counted apart
MAX_WAIT_S = 300
MAX_ASKED_S = 3600  # what others may ask for; longer waits are the schedule's
MAX_ASKED_S = 3600
AHEAD = 100  # priority of what must not wait behind a thousand files


class Retries(BaseRetryStrategy):
    """Try again after 3, 9, 27 … seconds; at once where the worker was told to stop."""

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision | None:
        """When to try again; None for never."""
        if isinstance(exception, asyncio.CancelledError):
            return RetryDecision(retry_in={"seconds": 0})
        return RetryDecision(retry_in={"seconds": pause_s(job)})


class PatientRetries(Retries):
    """The same, but not before whoever was asked too often said to come back."""

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision | None:
        """When to try again; None for never."""
        if not isinstance(exception, TransientError) or exception.retry_after_s is None:
            return super().get_retry_decision(exception=exception, job=job)
        wait_s = max(pause_s(job), min(exception.retry_after_s, MAX_ASKED_S))
        return RetryDecision(retry_in={"seconds": math.ceil(wait_s)})


def pause_s(job: Job) -> int:
    """How long a job waits after an attempt that failed."""
    return min(3 ** (job.attempts + 1), MAX_WAIT_S)


def register(app: procrastinate.App, services: Services) -> None:
    """Tell the queue what to call."""

    @app.task(name=INGEST, pass_context=True, retry=Retries())
    async def ingest_document(context: JobContext, job_id: int, n_crashes: int = 0) -> None:
        is_last_try = context.job.attempts >= MAX_TRIES
        await services.ingestion.ingest(
            job_id, n_crashes=n_crashes, is_last_try=is_last_try, retry_in_s=pause_s(context.job)
        )

    @app.periodic(cron="* * * * *")
    @app.task(name="tend_indexes", queueing_lock="tend_indexes", lock="tend_indexes", priority=AHEAD)
    async def tend_indexes(timestamp: int) -> None:
        await services.indexes.tend()
        await services.embedding_switches.resume()
        await services.unanswered.tend()

    @app.task(name=SWITCH_EMBEDDINGS, retry=Retries())
    async def switch_embeddings(kb_id: int) -> None:
        await services.embedding_switches.work(kb_id)

    @app.periodic(cron="* * * * *")
    @app.task(name="tend_sources", queueing_lock="tend_sources", lock="tend_sources", priority=AHEAD)
    async def tend_sources(timestamp: int) -> None:
        await services.source_runs.tend()

    @app.task(name=READ_SOURCE, pass_context=True, retry=PatientRetries(), queue=SOURCES)
    async def read_source(context: JobContext, run_id: int, n_crashes: int = 0) -> None:
        await services.source_runs.work(run_id, is_last_try=context.job.attempts >= MAX_TRIES)

    @app.periodic(cron="17 * * * *")
    @app.task(name="clean_up", queueing_lock="clean_up", priority=AHEAD)
    async def clean_up(timestamp: int) -> None:
        await services.maintenance.clean_up()
