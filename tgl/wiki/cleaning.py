"""Cleaning pages in several processes, each page within limits; the order of the pages stays."""

from __future__ import annotations

import contextlib
import queue
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from tgl.errors import TglError
from tgl.wiki.clean_text import Keep
from tgl.wiki.cleaning_process import Cleaned, CleaningProcess
from tgl.wiki.cleaning_worker import Limits

__all__ = ["Cleaned", "CleaningProcess", "Limits", "clean_all"]

_AHEAD = 16  # wikitexts a process that may wait for their turn; memory holds no more
_MOST_WAITING = 1000  # pages in all, most without a wikitext
Page = TypeVar("Page")


def clean_all(
    pages: Iterable[tuple[Page, str | None]],
    keep: Keep,
    limits: Limits,
    processes: int,
    name: Callable[[Page], str] = str,
) -> Iterator[tuple[Page, Cleaned | None]]:
    """Yield each (page, wikitext) as (page, Cleaned), in order, cleaned by `processes` processes; None stays None.

    name: what errors call a page. Raises TglError as `CleaningProcess.clean`. Close the iterator to end the processes
    before its end.
    """
    with contextlib.ExitStack() as stack:
        workers: queue.SimpleQueue[CleaningProcess] = queue.SimpleQueue()
        started = [stack.enter_context(CleaningProcess(keep, limits)) for _ in range(processes)]
        threads = stack.enter_context(ThreadPoolExecutor(processes))
        for worker in started:
            workers.put(worker)
            stack.callback(worker.stop)  # before the threads are waited for

        def job(wikitext: str) -> Cleaned:
            worker = workers.get()
            try:
                return worker.clean(wikitext)
            finally:
                workers.put(worker)

        waiting: deque[tuple[Page, Future[Cleaned] | None]] = deque()
        texts = 0  # among them

        def first() -> tuple[Page, Cleaned | None]:
            page, future = waiting.popleft()
            try:
                return page, future and future.result()
            except TglError as error:
                raise TglError(f"{name(page)}: {error}") from None

        try:
            for page, wikitext in pages:
                waiting.append((page, None if wikitext is None else _submitted(threads, job, wikitext)))
                texts += wikitext is not None
                while texts > _AHEAD * processes or len(waiting) > _MOST_WAITING:
                    texts -= waiting[0][1] is not None
                    yield first()
            while waiting:
                yield first()
        finally:
            for _, future in waiting:
                if future is not None:
                    future.cancel()


def _submitted(threads: ThreadPoolExecutor, job: Callable[[str], Cleaned], wikitext: str) -> Future[Cleaned]:
    try:
        return threads.submit(job, wikitext)
    except RuntimeError as error:  # the system gives no more threads
        raise TglError(
            f"a thread to clean pages cannot start ({error}). Raise `ulimit -u`, or use fewer processes."
        ) from None
