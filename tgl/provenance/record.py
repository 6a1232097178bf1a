"""Record the jobs of a run, as the workflow declares them, in the manifest of the experiment."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from tgl.core.errors import TglError
from tgl.core.files import write_text
from tgl.core.json_text import read_json
from tgl.provenance.files import Hashes, artifact_files
from tgl.provenance.manifest import (
    NAME,
    Code,
    File,
    Input,
    Job,
    Manifest,
    read_manifest,
    versions_key,
    write_manifest,
)

# Runs that began and have not written the manifest yet, relative to the experiment's folder.
RUNS = "state/unfinished-runs.json"
Versions = dict[str, str] | None


@dataclass(frozen=True)
class Declared:
    """A job as the workflow declares it now. Paths are relative to the experiment's folder.

    The states are:

    - `ran`: the job ran in this run.
    - `waiting`: the job must run, but has not run yet.
    - `done`: the job did not have to run, and its outputs were made as declared here.
    - `unsure`: the job did not have to run, but its outputs were made with other parameters.
    """

    rule: str
    wildcards: dict[str, str]
    outputs: Sequence[str]
    inputs: Sequence[str]
    config: dict[str, dict]
    code: list[Code]
    command: str | None
    seconds: float | None
    peak_mib: float | None
    # The time at which the job ended, and the modification time of its newest output then. In seconds; None if unknown.
    ended: float | None
    finished: float | None
    state: Literal["ran", "waiting", "done", "unsure"]
    # The folder of another experiment from which the job copied its outputs.
    copied_from: str | None = None


@dataclass(frozen=True)
class Run:
    """A run of the workflow: its start (seconds), and the package versions of its jobs (None if unknown)."""

    began: float
    versions: Versions


_Runs = TypeAdapter(list[Run])


def note_run(folder: str | Path, versions: Versions, say: Callable[[str], None]) -> None:
    """Record the start of a run. If it is killed, the next run still knows the package versions of its jobs.

    Args:
        folder: Folder of the experiment.
        versions: Package versions; None if unknown.
        say: Function that logs a line.
    """
    runs = [*_noted_runs(Path(folder), say), Run(time.time(), versions)]
    write_text(Path(folder) / RUNS, json.dumps([vars(run) for run in runs]))


def update_manifest(
    folder: str | Path,
    declared: Sequence[Declared],
    versions: Versions,
    *,
    say: Callable[[str], None],
    command: Sequence[str] = (),
    whole: bool = True,
) -> None:
    """Update the manifest of an experiment after a run, and keep the records of earlier runs.

    A manifest that cannot be read is renamed to `manifest.json.damaged`.

    Args:
        folder: Folder of the experiment.
        declared: Jobs that the workflow declares.
        versions: Package versions of the jobs; None if unknown.
        say: Function that logs a line.
        command: Snakemake command of the run without targets.
        whole: Whether the run had no targets. Only then are missing files that no job declares dropped.
    """
    folder = Path(folder)
    path, old = folder / NAME, Manifest()
    if path.exists():
        try:
            old = read_manifest(path)
        except TglError as error:
            os.replace(path, f"{path}.damaged")
            say(f"{error} The file was renamed to {path}.damaged; the records of earlier runs are lost")
    files = [file for job in old.jobs for file in job.files]
    hashes = Hashes(folder, [*old.sources, *files])
    runs = [*_noted_runs(folder, say), Run(time.time(), versions)]
    manifest, dropped = merge(old, declared, hashes, found=artifact_files(folder), runs=runs, whole=whole)
    write_manifest(manifest.model_copy(update={"command": list(command) or old.command}), path)
    (folder / RUNS).unlink(missing_ok=True)
    if dropped:
        more = f" and {len(dropped) - 1} more" if len(dropped) > 1 else ""
        say(f"{path}: dropped {dropped[0]}{more}: missing, and no job of this run declares it")
    num_files = sum(len(job.files) for job in manifest.jobs)
    say(f"{path}: {len(manifest.jobs)} jobs, {num_files} files")


def merge(
    old: Manifest,
    declared: Sequence[Declared],
    hashes: Callable[[str], File | None],
    *,
    found: Mapping[str, float],
    runs: Sequence[Run],
    whole: bool = True,
) -> tuple[Manifest, list[str]]:
    """Merge the jobs of a run into a manifest.

    A job that did not run keeps its record, even if its files changed since. `verify` reports such changes.

    Args:
        old: Manifest before the run.
        declared: Jobs that the workflow declares.
        hashes: Function that returns the current state of a file, or None if it is missing.
        found: Every artifact in the folder with its modification time.
        runs: Unfinished runs, then this run.
        whole: Whether the run had no targets. Only such a run drops files.

    Returns:
        The new manifest, and the paths that were dropped from it.
    """
    kept, fresh = _sorted_out(old, declared, hashes)
    paths = {path for one in declared for path in one.outputs}
    taken = {file.path for job in kept for file in job.outputs} | {
        path for one, _ in fresh for path in one.outputs
    }
    dropped = []
    for job in old.jobs:
        # These files belong to a job that this run does not declare, or that no longer declares some of its outputs.
        left = [file for file in job.outputs if file.path not in taken]
        stay = [file for file in left if file.path in found or file.path in paths or not whole]
        dropped += [file.path for file in left if file not in stay]
        if stay:
            undeclared = [file for file in job.undeclared if file.path in found or not whole]
            kept.append(job.model_copy(update={"outputs": stay, "undeclared": undeclared}))
    taken |= {file.path for job in kept for file in job.outputs}
    kept = [
        job.model_copy(update={"undeclared": [file for file in job.undeclared if file.path not in taken]})
        for job in kept
    ]
    taken |= {file.path for job in kept for file in job.undeclared}
    undeclared = _undeclared(
        [one for one, _ in fresh], {path: at for path, at in found.items() if path not in taken}
    )
    table = dict(old.versions)
    for number, (one, outputs) in enumerate(fresh):
        versions = _versions(one, runs)
        if versions is not None:
            table[versions_key(versions)] = versions
        more = [file for file in map(hashes, undeclared[number]) if file is not None]
        kept.append(_job(one, outputs, more, versions=versions, hashes=hashes))
    return _manifest(kept, table, old.sources, hashes=hashes), dropped


def _sorted_out(
    old: Manifest, declared: Sequence[Declared], hashes: Callable[[str], File | None]
) -> tuple[list[Job], list[tuple[Declared, list[File]]]]:
    """Return the records to keep, and the jobs that need a new record, with their outputs."""
    before = {file.path: job for job in old.jobs for file in job.outputs}
    kept, fresh = [], []
    for one in declared:
        last = before.get(one.outputs[0])
        if last is not None and {file.path for file in last.outputs} != set(one.outputs):
            last = None
        same = one.state != "ran" and last is not None and one.finished in (None, last.finished)
        outputs = [] if same or one.state == "waiting" else [hashes(path) for path in one.outputs]
        if not outputs or None in outputs:
            kept += [last] if last else []
        elif one.state != "ran" and last is not None and _hashes(outputs) == _hashes(last.outputs):
            # The files have the same bytes and another time, because they were touched or copied.
            kept.append(last.model_copy(update={"outputs": outputs, "finished": one.finished}))
        elif one.state == "unsure":
            kept += [last] if last else []
        else:
            fresh.append((one, outputs))
    return kept, fresh


def _hashes(files: Sequence[File]) -> dict[str, str]:
    return {file.path: file.sha256 for file in files}


def _undeclared(jobs: Sequence[Declared], loose: Mapping[str, float]) -> list[list[str]]:
    """Return, for each job, the undeclared files written in or below a folder of its outputs while it ran.

    If several jobs qualify, the job with the nearest folder gets the file.
    """
    folders: dict[PurePosixPath, set[int]] = {}
    for number, one in enumerate(jobs):
        for path in one.outputs:
            folders.setdefault(PurePosixPath(path).parent, set()).add(number)
    found: list[list[str]] = [[] for _ in jobs]
    for path, written in sorted(loose.items()):
        for folder in PurePosixPath(path).parents:
            makers = [number for number in sorted(folders.get(folder, ())) if _running(jobs[number], written)]
            if makers:
                found[makers[0]].append(path)
                break
    return found


def _running(job: Declared, moment: float) -> bool:
    if job.ended is None or job.seconds is None:
        return False
    # One second of tolerance for file systems that do not store fractions of seconds.
    return job.ended - job.seconds - 1 <= moment <= job.ended + 1


def _versions(job: Declared, runs: Sequence[Run]) -> Versions:
    """Return the package versions of a job: those of this run, or of the unfinished run in which it ended."""
    if job.state == "ran":
        return runs[-1].versions
    began = [run for run in runs if job.finished is not None and run.began <= job.finished]
    return began[-1].versions if began else None


def _job(
    one: Declared,
    outputs: list[File],
    undeclared: list[File],
    *,
    versions: Versions,
    hashes: Callable[[str], File | None],
) -> Job:
    read = [(path, hashes(path)) for path in dict.fromkeys(one.inputs)]
    return Job(
        rule=one.rule,
        wildcards=one.wildcards,
        outputs=outputs,
        undeclared=undeclared,
        inputs=[Input(path=path, sha256=file and file.sha256) for path, file in read],
        config=one.config,
        code=one.code,
        command=one.command,
        versions=None if versions is None else versions_key(versions),
        seconds=one.seconds,
        peak_mib=one.peak_mib,
        finished=one.finished,
        copied_from=one.copied_from,
    )


def _manifest(
    jobs: list[Job], table: dict, sources: Sequence[File], *, hashes: Callable[[str], File | None]
) -> Manifest:
    """Return the manifest with the jobs in order and with the versions and sources that they use."""
    jobs = sorted(jobs, key=lambda job: job.outputs[0].path)
    made = {file.path for job in jobs for file in job.files}
    read = sorted({file.path for job in jobs for file in job.inputs if file.sha256} - made)
    known = {file.path: file for file in sources}
    now = [hashes(path) or known.get(path) for path in read]
    used = sorted({job.versions for job in jobs} - {None})
    return Manifest(
        versions={key: table[key] for key in used}, sources=[file for file in now if file], jobs=jobs
    )


def _noted_runs(folder: Path, say: Callable[[str], None]) -> list[Run]:
    """Return the runs that have not written the manifest. A damaged list is logged and gives no runs."""
    if not (folder / RUNS).exists():
        return []
    try:
        return _Runs.validate_python(read_json(folder / RUNS, list))
    except (TglError, ValidationError) as error:
        say(
            f"{folder / RUNS}: {str(error).splitlines()[0]}. The package versions of unfinished runs are unknown"
        )
        return []
