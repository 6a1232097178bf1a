"""The program of a process that cleans one page at a time, within limits (`cleaning_process` starts it).

It reads pages from standard input and answers on standard output, one line of JSON each. The parser is C code that no
signal handler interrupts, so a page that takes too much CPU time ends the process (SIGPROF). Too much memory, a text
that the parser refuses and an unexpected error are reported by the process itself.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import resource
import signal
import sys
from dataclasses import dataclass

from tgl.snapshots.extract.clean_text import Article, Keep

READY = b'"ready"\n'
# What a process must be able to allocate once it has started; 24 MiB are in use by then.
_HEADROOM_MB = 64
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Limits:
    """What the parser may take for a page: seconds of CPU time, and memory of the whole process in MiB."""

    seconds: float = 10
    memory: int = 2048


def encoded(article: Article, given_up: str = "") -> bytes:
    """Return a line of JSON with what the table `pages` holds of an article."""
    # Written out, since _asdict takes twice as long.
    links = [{"target": link.target, "start": link.start, "end": link.end} for link in article.links]
    sections = [
        {"title": found.title, "level": found.level, "start": found.start} for found in article.sections
    ]
    row = {"text": article.text, "links": links, "sections": sections, "given_up": given_up}
    return json.dumps(row).encode("ascii") + b"\n"


def _serve(settings: dict) -> None:
    """Answer each line of standard input, a page's title and wikitext, by a line: its article, or why there is none."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # its parent decides what Ctrl-C ends
    _end_with(settings["parent"])
    from tgl.snapshots.extract.wikitext import clean  # the parent needs no parser

    keep, limits = Keep(**settings["keep"]), Limits(**settings["limits"])
    _limit_memory(limits.memory)
    signal.signal(signal.SIGPROF, signal.SIG_DFL)  # ends the process, whatever it is doing
    gc.disable()  # a page makes a hundred thousand tokens, and no cycles among them
    answer = READY
    while True:
        sys.stdout.buffer.write(answer)
        sys.stdout.flush()
        try:
            line = sys.stdin.buffer.readline()
            if not line:
                return
            signal.setitimer(signal.ITIMER_PROF, limits.seconds)
            title, wikitext = json.loads(line)
            answer = encoded(clean(wikitext, keep, title))
        except MemoryError:
            answer = b'"memory"\n'
        except (ValueError, RecursionError):
            answer = b'"parser"\n'
        except Exception:  # an error of the rules on one page must not make a whole wiki impossible
            answer = b'"crashed"\n'
        signal.setitimer(signal.ITIMER_PROF, 0)


def _end_with(parent: int) -> None:
    """Let the kernel kill this process when its parent dies, so that no orphan goes on parsing (Linux)."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before
        raise SystemExit("the process that started it is gone")


def _limit_memory(megabytes: int) -> None:
    """Set the limit, and refuse one that leaves no room for any page."""
    most = resource.getrlimit(resource.RLIMIT_AS)[1]
    if most != resource.RLIM_INFINITY and most < megabytes << 20:
        raise SystemExit(f"`ulimit -v` allows {most >> 20} MiB, pages.page_memory_mb is {megabytes}")
    resource.setrlimit(resource.RLIMIT_AS, (megabytes << 20, megabytes << 20))
    try:
        bytearray(_HEADROOM_MB << 20)
    except MemoryError:
        raise SystemExit(
            f"pages.page_memory_mb is {megabytes}, which leaves less than {_HEADROOM_MB} MiB for a page"
        ) from None


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):
        _serve(json.loads(sys.argv[1]))
