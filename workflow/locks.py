"""Remove the locks that killed runs of Snakemake have left, and let one run of an experiment live at a time."""

from __future__ import annotations

import errno
import fcntl
import time
from pathlib import Path

from snakemake.exceptions import WorkflowError

_WAIT_SECONDS = 10.0
_held = {}


def clear_stale_locks(experiment: str) -> None:
    """Remove Snakemake's locks of this experiment if no live run holds it.

    Snakemake's lock files remain after a run was killed, but a lock of the operating system does not. So a run that
    gets the lock of the operating system knows that all Snakemake locks of this experiment are stale.
    """
    live = experiment in _held
    if _taken(experiment) is not True:
        return
    prefix = f"results/{experiment}/"
    for lock in Path(".snakemake", "locks").glob("*.lock"):
        # Another experiment can read files of this one, so that they are among its inputs too.
        lines = [line for line in lock.read_text().splitlines() if line.startswith("results/")]
        if 2 * sum(line.startswith(prefix) for line in lines) > len(lines):
            lock.unlink(missing_ok=True)
    if not live:  # The process may be one that only lists jobs. Those that run jobs call `hold`.
        _held.pop(experiment).close()


def hold(experiment: str, *, seconds: float = _WAIT_SECONDS) -> None:
    """Hold the experiment until this process ends. To be called when jobs are about to start.

    Snakemake's own locks do not suffice: every run that ends removes those of all runs in the folder.

    Args:
        experiment: Its name.
        seconds: How long to wait, because a run that starts holds the experiment for a moment.

    Raises:
        WorkflowError: Another live run holds it.
    """
    end = time.monotonic() + seconds
    while _taken(experiment) is False:
        if time.monotonic() > end:
            raise WorkflowError(
                f"results/{experiment}: another run of this experiment is live in this folder. Wait until it has "
                "ended, or set another experiment"
            )
        time.sleep(0.2)


def _taken(experiment: str) -> bool | None:
    """Return whether this process holds the experiment; None on a file system without such locks, as on clusters."""
    if experiment in _held:
        return True
    folder = Path(".snakemake")
    folder.mkdir(exist_ok=True)
    handle = open(folder / f"tgl-{experiment}.lock", "w")  # noqa: SIM115, the lock is held until this process ends
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        handle.close()
        return False if error.errno in (errno.EWOULDBLOCK, errno.EACCES) else None
    _held[experiment] = handle
    return True
