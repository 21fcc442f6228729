"""End open answers when the server is told to stop, so that they are kept and it need not be killed."""

import asyncio
import signal
import threading

from rag_app.bootstrap import services


def end_answers_on_signal() -> None:
    """From now on, SIGTERM and SIGINT end open answers; the server's own handlers are called as before.

    An event loop is told of a signal by its wake-up descriptor, whatever function is set for it.
    """
    if threading.current_thread() is not threading.main_thread():
        return  # of a test
    loop, stopping = asyncio.get_running_loop(), services().stopping

    def stop(_number: int, _frame: object) -> None:
        loop.call_soon_threadsafe(stopping.stop)

    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, stop)
