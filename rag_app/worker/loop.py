"""Take jobs from the queue and do them until told to stop.

run ─┬─ work    jobs, some at once; when the database goes away: wait, come back
     └─ sweep   what dead workers left behind
"""

import asyncio
import contextlib
import signal
from collections.abc import AsyncGenerator

import structlog

from rag_app import bootstrap, log
from rag_app.bootstrap import Services
from rag_app.db.queue import DEFAULT, SOURCES
from rag_app.services.outages import is_queue_failure
from rag_app.settings import settings
from rag_app.worker.handlers import register

logger = structlog.get_logger()

TO_HAND_BACK_S = 4.0  # then even that is given up: the database is away, and others will find the jobs
POLL_S = 2.0
MAX_PAUSE_S = 30.0


async def run() -> None:
    """Work until SIGTERM or SIGINT; jobs that do not end in time are handed back."""
    config = settings()
    log.configure(json=config.rag_env == "production", level=config.rag_log_level)
    services = bootstrap.services()
    register(services.jobs_queue, services)
    await asyncio.to_thread(services.maintenance.remove_leftovers)
    try:
        async with _until_told_to_stop() as told_to_stop:
            await asyncio.gather(_work(services, told_to_stop), _sweep(services, told_to_stop))
    finally:
        await asyncio.shield(services.close())
    logger.info("worker_stopped")


async def _work(services: Services, told_to_stop: asyncio.Event) -> None:
    """Run the queue's own loop; it ends by itself when it loses the database, and is begun again."""
    pause_s = 1.0
    while not told_to_stop.is_set():
        try:
            async with services.jobs_queue.open_async():
                logger.info("worker_started", concurrency=services.settings.rag_worker_concurrency)
                pause_s = 1.0
                await _work_once(services, told_to_stop)
        except Exception as error:
            if not is_queue_failure(error):
                raise
            logger.warning("queue_failed", error=type(error.__cause__ or error).__name__)
        if not told_to_stop.is_set():
            logger.warning("worker_pauses", pause_s=pause_s)
            await _wait(told_to_stop, pause_s)
            pause_s = min(2 * pause_s, MAX_PAUSE_S)


async def _work_once(services: Services, told_to_stop: asyncio.Event) -> None:
    # Two lines of work: a website that is slow to answer must not keep a file waiting.
    config = services.settings
    async with asyncio.TaskGroup() as both:
        both.create_task(_work_on(services, told_to_stop, DEFAULT, config.rag_worker_concurrency))
        both.create_task(_work_on(services, told_to_stop, SOURCES, config.rag_worker_sources))


async def _work_on(
    services: Services, told_to_stop: asyncio.Event, queue_name: str, concurrency: int
) -> None:
    config = services.settings
    working = asyncio.create_task(
        services.jobs_queue.run_worker_async(
            queues=[queue_name],
            concurrency=concurrency,
            shutdown_graceful_timeout=config.rag_worker_grace_s,
            delete_jobs="successful",
            fetch_job_polling_interval=POLL_S,
            update_heartbeat_interval=config.rag_worker_stalled_after_s / 3,
            stalled_worker_timeout=config.rag_worker_stalled_after_s,
            install_signal_handlers=False,
        )
    )
    stopping = asyncio.create_task(told_to_stop.wait())
    await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    working.cancel()  # asks it to take no more jobs; it ends when those it has are done
    await asyncio.wait({working}, timeout=config.rag_worker_grace_s + TO_HAND_BACK_S)
    if working.done() and not working.cancelled():
        working.result()


async def _sweep(services: Services, told_to_stop: asyncio.Event) -> None:
    # Not a job of the queue: it would wait behind the very jobs it is to free.
    stalled_after_s = services.settings.rag_worker_stalled_after_s
    while not told_to_stop.is_set():
        try:
            await services.ingestion.sweep(stalled_after_s=stalled_after_s)
        except Exception:  # the next round is soon
            logger.warning("sweep_failed", exc_info=True)
        await _wait(told_to_stop, stalled_after_s / 3)


async def _wait(event: asyncio.Event, timeout_s: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(timeout_s):
            await event.wait()


@contextlib.asynccontextmanager
async def _until_told_to_stop() -> AsyncGenerator[asyncio.Event]:
    """An event that the usual signals set."""
    loop, told = asyncio.get_running_loop(), asyncio.Event()
    signals = (signal.SIGTERM, signal.SIGINT)
    for each in signals:
        loop.add_signal_handler(each, told.set)
    try:
        yield told
    finally:
        for each in signals:
            loop.remove_signal_handler(each)
