"""Remove the locks that killed runs of Snakemake have left."""

from __future__ import annotations

import fcntl
from pathlib import Path

_held = []


def clear_stale_locks(experiment: str) -> None:
    """Remove Snakemake's locks of this experiment if no live run holds it.

    Snakemake's lock files remain after a run was killed, but a lock of the operating system does not. So a run that
    gets the lock of the operating system knows that all Snakemake locks of this experiment are stale. A second live run
    does not get it, keeps the Snakemake locks and stops because of them. The same holds for file systems without such
    locks, which some clusters use.
    """
    folder = Path(".snakemake")
    folder.mkdir(exist_ok=True)
    handle = open(folder / f"tgl-{experiment}.lock", "w")  # noqa: SIM115, the lock is held until this process ends
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        handle.close()
        return
    _held.append(handle)
    prefix = f"results/{experiment}/"
    for lock in (folder / "locks").glob("*.lock"):
        if any(line.startswith(prefix) for line in lock.read_text().splitlines()):
            lock.unlink(missing_ok=True)
