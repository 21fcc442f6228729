"""Take jobs from the queue and do them until told to stop."""

import asyncio

import structlog

from rag_app import bootstrap, log
from rag_app.settings import settings
from rag_app.worker.handlers import register

logger = structlog.get_logger()

GRACE_S = 8.0  # then running jobs are handed back to the queue


async def run() -> None:
    """Work until SIGTERM or SIGINT; jobs that do not end in time are handed back."""
    config = settings()
    log.configure(json=config.rag_env == "production", level=config.rag_log_level)
    services = bootstrap.services()
    app = services.jobs_queue
    register(app, services)
    async with app.open_async():
        await services.ingestion.queue_forgotten()
        logger.info("worker_started", concurrency=config.rag_worker_concurrency)
        try:
            await app.run_worker_async(
                concurrency=config.rag_worker_concurrency,
                shutdown_graceful_timeout=GRACE_S,
                delete_jobs="successful",
                fetch_job_polling_interval=2.0,
            )
        finally:
            await asyncio.shield(services.close())
    logger.info("worker_stopped")
