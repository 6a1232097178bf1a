"""Cleaning pages in several processes, each page within limits; the order of the pages stays."""

from __future__ import annotations

import contextlib
import queue
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

from tgl.core.errors import TglError
from tgl.snapshots.extract.clean_text import Keep
from tgl.snapshots.extract.cleaning_process import Cleaned, CleaningProcess
from tgl.snapshots.extract.cleaning_worker import Limits

__all__ = ["Cleaned", "CleaningJob", "CleaningProcess", "CleaningResult", "Limits", "clean_all"]

_AHEAD = 16  # wikitexts a process that may wait for their turn; memory holds no more
_MOST_WAITING = 1000  # pages in all, most without a wikitext
Page = TypeVar("Page")


@dataclass(frozen=True, slots=True)
class CleaningJob(Generic[Page]):
    """A page and the wikitext to clean; `wikitext` None means that the page needs no cleaning."""

    page: Page
    wikitext: str | None
    title: str = ""


@dataclass(frozen=True, slots=True)
class CleaningResult(Generic[Page]):
    """The page of a job and what its wikitext became; `cleaned` None means that there was no wikitext."""

    page: Page
    cleaned: Cleaned | None


@dataclass(frozen=True, slots=True)
class _Waiting(Generic[Page]):
    """A page whose turn has not come, and the cleaning of its wikitext."""

    page: Page
    future: Future[Cleaned] | None

    def result(self) -> CleaningResult[Page]:
        return CleaningResult(self.page, None if self.future is None else self.future.result())


def clean_all(
    jobs: Iterable[CleaningJob[Page]],
    keep: Keep,
    limits: Limits,
    *,
    processes: int,
    name: Callable[[Page], str] = str,
) -> Iterator[CleaningResult[Page]]:
    """Clean pages in `processes` processes and yield the result of each job, in the order of the jobs.

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

        def clean(wikitext: str, title: str) -> Cleaned:
            worker = workers.get()
            try:
                return worker.clean(wikitext, title)
            finally:
                workers.put(worker)

        waiting: deque[_Waiting[Page]] = deque()
        texts = 0  # among them

        def first() -> CleaningResult[Page]:
            found = waiting.popleft()
            try:
                return found.result()
            except TglError as error:
                raise TglError(f"{name(found.page)}: {error}") from None

        try:
            for job in jobs:
                future = None if job.wikitext is None else _submitted(threads, clean, job)
                waiting.append(_Waiting(job.page, future))
                texts += future is not None
                while texts > _AHEAD * processes or len(waiting) > _MOST_WAITING:
                    texts -= waiting[0].future is not None
                    yield first()
            while waiting:
                yield first()
        finally:
            for found in waiting:
                if found.future is not None:
                    found.future.cancel()


def _submitted(
    threads: ThreadPoolExecutor, clean: Callable[[str, str], Cleaned], job: CleaningJob
) -> Future[Cleaned]:
    try:
        return threads.submit(clean, job.wikitext, job.title)
    except RuntimeError as error:  # the system gives no more threads
        raise TglError(
            f"a thread to clean pages cannot start ({error}). Raise `ulimit -u`, or use fewer processes."
        ) from None
