"""Which commands make the files of an experiment again that are missing, changed or stale."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tgl.files import workflow_folder
from tgl.provenance.manifest import NAME, Job, Manifest


@dataclass(frozen=True)
class Problem:
    """One thing that is not as the manifest says; errors make the results doubtful, warnings may not."""

    kind: str
    text: str
    is_error: bool = True
    # The job whose files must be made again, None where that would not help.
    job: Job | None = None

    def __str__(self) -> str:
        return f"{'' if self.is_error else 'warning, '}{self.kind}: {self.text}"


def advice(folder: Path, manifest: Manifest, problems: Sequence[Problem]) -> list[str]:
    """Return lines with the commands to copy that mend the errors among `problems`; none where there are none.

    Missing and changed files are made again by their jobs alone. What is stale is made again with all that rests on it.
    """
    broken = _firsts(problem.job for problem in problems if problem.kind in ("missing", "changed"))
    stale = _firsts(problem.job for problem in problems if problem.kind == "stale" and problem.job)
    if not broken and not stale:
        return []
    root = workflow_folder(folder / NAME)
    if root is None:
        return [
            f"{folder}: no workflow made these results here; copy them again, or verify them where they were made"
        ]
    start = "" if root == Path.cwd() else f"cd {shlex.quote(str(root))} && "
    # Without a recorded call, of a manifest of an earlier version, the experiment's --configfile must be added.
    start += shlex.join(manifest.command or ["snakemake"])
    below = Path(os.path.abspath(folder)).relative_to(root)
    lines = []
    if broken:
        lines.append("to make missing and changed files again, run")
        lines.append(f"  {start} --force -- {shlex.join(str(below / path) for path in broken)}")
    if stale:
        lines.append(
            "to make stale files again, and what rests on them, run (delete those it does not make any more)"
        )
        lines.append(f"  {start} --forcerun {shlex.join(str(below / path) for path in stale)}")
    return lines


def _firsts(jobs: Iterable[Job | None]) -> list[str]:
    """Return the first output of each job, once."""
    return list(dict.fromkeys(job.outputs[0].path for job in jobs if job is not None))
