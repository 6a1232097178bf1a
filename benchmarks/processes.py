"""What a command takes, measured from a small process: a large one would hand its own peak of memory down."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import dataclass


@dataclass(frozen=True)
class Cost:
    """What a command took: seconds by the clock and of all processors, and MiB of its largest process."""

    seconds: float
    processor_seconds: float
    memory: float


def cost(*arguments: object) -> Cost:
    """Run a command, which must succeed and whose output is dropped, and return what it took."""
    code = (
        "import resource, subprocess, sys; null = subprocess.DEVNULL; "
        "subprocess.run(sys.argv[1:], check=True, stdout=null, stderr=null); "
        "used = resource.getrusage(resource.RUSAGE_CHILDREN); print(used.ru_utime + used.ru_stime, used.ru_maxrss)"
    )
    start = time.perf_counter()
    command = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    processor, memory = map(float, done.stdout.split())
    return Cost(time.perf_counter() - start, processor, memory / 1024)
