"""Suggest commands that repair missing, changed or stale files of an experiment."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tgl.core.files import workflow_folder
from tgl.provenance.manifest import NAME, Job, Manifest


@dataclass(frozen=True)
class Problem:
    """A difference between the folder and the manifest. Errors make the results unreliable; warnings may not."""

    kind: str
    text: str
    is_error: bool = True
    # The job whose files must be made again; None if that would not help.
    job: Job | None = None

    def __str__(self) -> str:
        return f"{'' if self.is_error else 'warning, '}{self.kind}: {self.text}"


def advice(folder: Path, manifest: Manifest, problems: Sequence[Problem]) -> list[str]:
    """Return lines with commands that repair the errors among the problems.

    Missing and changed files are made again by their jobs only. Stale files are made again with everything that depends
    on them.

    Args:
        folder: Folder of the experiment.
        manifest: Its manifest.
        problems: Problems that `verify` found.

    Returns:
        The lines; empty if there is nothing to repair.
    """
    broken = _firsts(problem.job for problem in problems if problem.kind in ("missing", "changed"))
    stale = _firsts(problem.job for problem in problems if problem.kind == "stale" and problem.job)
    if not broken and not stale:
        return []
    root = workflow_folder(folder / NAME)
    if root is None:
        return [
            f"{folder}: the workflow did not make these results here. Copy them again, or verify them on the machine "
            "that made them."
        ]
    start = "" if root == Path.cwd() else f"cd {shlex.quote(str(root))} && "
    # Manifests of earlier versions have no recorded command. Users must then add the experiment's --configfile.
    start += shlex.join(manifest.command or ["snakemake"])
    below = Path(os.path.abspath(folder)).relative_to(root)
    lines = []
    if broken:
        lines.append("to make missing and changed files again, run")
        lines.append(f"  {start} --force -- {shlex.join(str(below / path) for path in broken)}")
    if stale:
        lines.append(
            "to make stale files and everything that depends on them again, run (delete files that it no longer makes)"
        )
        lines.append(f"  {start} --forcerun {shlex.join(str(below / path) for path in stale)}")
    return lines


def _firsts(jobs: Iterable[Job | None]) -> list[str]:
    """Return the first output of each job, once."""
    return list(dict.fromkeys(job.outputs[0].path for job in jobs if job is not None))
