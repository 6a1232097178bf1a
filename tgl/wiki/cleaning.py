"""Cleaning pages beside each other, each within limits: a page that hangs the parser or makes it grow is given up.

The parser is C code that no signal handler interrupts; so it runs in processes that may be killed. A page that takes
too much is cleaned simply instead (tgl.wiki.simple), and said to be.
"""

from __future__ import annotations

import contextlib
import gc
import json
import queue
import resource
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import TypeVar

from tgl.wiki.clean_text import Article, Keep
from tgl.wiki.simple import clean_simply

_AHEAD = 16  # wikitexts a process that may wait for their turn; memory holds no more
_MOST_WAITING = 1000  # pages in all, most without a wikitext
Page = TypeVar("Page")


@dataclass(frozen=True)
class Limits:
    """What the parser may take for a page: seconds of CPU time, and memory of the whole process in MiB."""

    seconds: float = 10
    memory: int = 2048


@dataclass(frozen=True)
class Cleaned:
    """A line of JSON with an article, and why it was cleaned simply: time, memory, parser; "" where it was not."""

    row: bytes
    given_up: str = ""


def clean_all(
    pages: Iterable[tuple[Page, str | None]],
    keep: Keep,
    limits: Limits,
    processes: int,
) -> Iterator[tuple[Page, Cleaned | None]]:
    """Yield each (page, wikitext) as (page, Cleaned), in order, cleaned by `processes` processes; None stays None."""
    with contextlib.ExitStack() as stack:
        workers: queue.SimpleQueue[CleaningProcess] = queue.SimpleQueue()
        for _ in range(processes):
            workers.put(stack.enter_context(CleaningProcess(keep, limits)))
        threads = stack.enter_context(ThreadPoolExecutor(processes))

        def job(wikitext: str) -> Cleaned:
            worker = workers.get()
            try:
                return worker.clean(wikitext)
            finally:
                workers.put(worker)

        waiting: deque[tuple[Page, Future[Cleaned] | None]] = deque()
        texts = 0  # among them
        try:
            for page, wikitext in pages:
                waiting.append((page, None if wikitext is None else threads.submit(job, wikitext)))
                texts += wikitext is not None
                while texts > _AHEAD * processes or len(waiting) > _MOST_WAITING:
                    page, future = waiting.popleft()
                    texts -= future is not None
                    yield page, future and future.result()
            while waiting:
                page, future = waiting.popleft()
                yield page, future and future.result()
        finally:
            for _, future in waiting:
                if future is not None:
                    future.cancel()


class CleaningProcess:
    """A process that cleans a page at a time; started again after it was killed."""

    def __init__(self, keep: Keep, limits: Limits) -> None:
        self.settings = json.dumps(
            {
                "keep": {
                    name: value if isinstance(value, bool) else sorted(value)
                    for name, value in asdict(keep).items()
                },
                "limits": asdict(limits),
            }
        )

    def __enter__(self) -> CleaningProcess:
        self._start()
        return self

    def _start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tgl.wiki.cleaning", self.settings],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def __exit__(self, *error) -> None:
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()

    def clean(self, wikitext: str) -> Cleaned:
        """Return the page's article, cleaned simply where the parser took too much."""
        try:
            self.process.stdin.write(json.dumps(wikitext).encode("ascii") + b"\n")
            self.process.stdin.flush()
            answer = self.process.stdout.readline()
        except BrokenPipeError:
            answer = b""
        if not answer:  # killed
            reason = "time" if self.process.wait() == -signal.SIGPROF else "memory"
            self.__exit__()
            self._start()
        elif answer.startswith(b"{"):
            return Cleaned(answer)
        else:
            reason = json.loads(answer)
        return Cleaned(_encoded(clean_simply(wikitext), reason), reason)


def _encoded(article: Article, given_up: str = "") -> bytes:
    """Return a line of JSON with what the table `pages` holds of an article."""
    # Written out, since _asdict takes twice as long.
    links = [{"target": target, "start": start, "end": end} for target, start, end in article.links]
    sections = [{"title": title, "level": level, "start": start} for title, level, start in article.sections]
    row = {"text": article.text, "links": links, "sections": sections, "given_up": given_up}
    return json.dumps(row).encode("ascii") + b"\n"


def _serve(settings: dict) -> None:
    """Answer each line of standard input, a page's wikitext, by a line: its article, or why there is none."""
    from tgl.wiki.wikitext import clean  # the parent needs no parser

    keep, limits = Keep(**settings["keep"]), Limits(**settings["limits"])
    memory = limits.memory << 20
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    signal.signal(signal.SIGPROF, signal.SIG_DFL)  # ends the process, whatever it is doing
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # its parent sees to that
    gc.disable()  # a page makes a hundred thousand tokens, and no cycles among them
    for line in sys.stdin.buffer:
        signal.setitimer(signal.ITIMER_PROF, limits.seconds)
        try:
            answer = _encoded(clean(json.loads(line), keep))
        except MemoryError:
            answer = b'"memory"\n'
        except (ValueError, RecursionError):
            answer = b'"parser"\n'
        signal.setitimer(signal.ITIMER_PROF, 0)
        sys.stdout.buffer.write(answer)
        sys.stdout.flush()


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):
        _serve(json.loads(sys.argv[1]))
