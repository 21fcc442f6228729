"""What the worker does with each kind of job; every handler may run twice and must not mind."""

import procrastinate
import structlog
from procrastinate import JobContext, RetryStrategy

from rag_app.bootstrap import Services
from rag_app.db.queue import INGEST
from rag_app.errors import TransientError

log = structlog.get_logger()

MAX_TRIES = 4
STALLED_AFTER_S = 30  # a worker gives a sign of life every 10 s


def register(app: procrastinate.App, services: Services) -> None:
    """Tell the queue what to call."""

    @app.task(
        name=INGEST,
        pass_context=True,
        retry=RetryStrategy(max_attempts=MAX_TRIES, exponential_wait=3, retry_exceptions={TransientError}),
    )
    async def ingest_document(context: JobContext, job_id: int) -> None:
        is_last_try = context.job.attempts >= MAX_TRIES
        await services.ingestion.ingest(job_id, is_last_try=is_last_try)

    @app.periodic(cron="*/10 * * * * *")
    @app.task(name="retry_stalled_jobs", queueing_lock="retry_stalled_jobs", pass_context=False)
    async def retry_stalled_jobs(timestamp: int) -> None:
        stalled = await app.job_manager.get_stalled_jobs(seconds_since_heartbeat=STALLED_AFTER_S)
        for job in stalled:
            log.warning("stalled_job_found", task=job.task_name, queue_job_id=job.id)
            await app.job_manager.retry_job(job)

    @app.periodic(cron="* * * * *")
    @app.task(name="queue_forgotten_jobs", queueing_lock="queue_forgotten_jobs")
    async def queue_forgotten_jobs(timestamp: int) -> None:
        await services.ingestion.queue_forgotten()

    @app.periodic(cron="17 * * * *")
    @app.task(name="clean_up", queueing_lock="clean_up")
    async def clean_up(timestamp: int) -> None:
        await services.maintenance.clean_up()
