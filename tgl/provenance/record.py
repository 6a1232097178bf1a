"""From the jobs of a run, as the workflow declares them, to the manifest of their experiment."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from tgl.errors import TglError
from tgl.files import write_text
from tgl.json_text import read_json
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

# Below the experiment's folder: runs that began and have not written the manifest yet.
RUNS = "state/unfinished-runs.json"
Versions = dict[str, str] | None


@dataclass(frozen=True)
class Declared:
    """A job as the workflow declares it now; paths relative to the experiment's folder.

    state: `ran` in this run; `waiting`: it must run and has not; `done`: it had nothing to do, and what it was made
    by is what is declared here; `unsure`: it had nothing to do, but was made by something else.
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
    # When the job ended, and the modification time of its newest output at that time; seconds, None: not known.
    ended: float | None
    finished: float | None
    state: Literal["ran", "waiting", "done", "unsure"]


@dataclass(frozen=True)
class Run:
    """A run of the workflow: when it began (seconds), and the versions its jobs had, None: not known."""

    began: float
    versions: Versions


_Runs = TypeAdapter(list[Run])


def note_run(folder: str | Path, versions: Versions, say: Callable[[str], None]) -> None:
    """Note that a run begins: when it is killed, the next one can still say which versions its jobs had."""
    runs = [*_noted_runs(Path(folder), say), Run(time.time(), versions)]
    write_text(Path(folder) / RUNS, json.dumps([vars(run) for run in runs]))


def update_manifest(
    folder: str | Path,
    declared: Sequence[Declared],
    versions: Versions,
    say: Callable[[str], None],
    *,
    command: Sequence[str] = (),
    whole: bool = True,
) -> None:
    """Write what is known after a run into the manifest of an experiment, keeping what it knew before.

    command: the run's call of Snakemake without targets. whole: the run had no targets of its own, so that what it
    does not declare and what is gone is dropped. A manifest that cannot be read becomes `manifest.json.damaged`.
    """
    folder = Path(folder)
    path, old = folder / NAME, Manifest()
    if path.exists():
        try:
            old = read_manifest(path)
        except TglError as error:
            os.replace(path, f"{path}.damaged")
            say(
                f"{error} It is set aside as {path}.damaged; how jobs of earlier runs were made is not known any more"
            )
    files = [file for job in old.jobs for file in job.files]
    hashes = Hashes(folder, [*old.sources, *files])
    runs = [*_noted_runs(folder, say), Run(time.time(), versions)]
    manifest, dropped = merge(old, declared, hashes, artifact_files(folder), runs, whole=whole)
    write_manifest(manifest.model_copy(update={"command": list(command) or old.command}), path)
    (folder / RUNS).unlink(missing_ok=True)
    if dropped:
        more = f" and {len(dropped) - 1} more" if len(dropped) > 1 else ""
        say(f"{path}: dropped {dropped[0]}{more}: gone, and no job of this run declares it")
    num_files = sum(len(job.files) for job in manifest.jobs)
    say(f"{path}: {len(manifest.jobs)} jobs, {num_files} files")


def merge(
    old: Manifest,
    declared: Sequence[Declared],
    hashes: Callable[[str], File | None],
    found: Mapping[str, float],
    runs: Sequence[Run],
    *,
    whole: bool = True,
) -> tuple[Manifest, list[str]]:
    """Return the manifest after a run, and the paths that were dropped from it; only a `whole` run drops any.

    found: every artifact in the folder with its modification time; runs: this one last.
    A job that did not run keeps its record, even when its files were changed since: that is for `verify` to say.
    """
    kept, fresh = _sorted_out(old, declared, hashes)
    paths = {path for one in declared for path in one.outputs}
    taken = {file.path for job in kept for file in job.outputs} | {
        path for one, _ in fresh for path in one.outputs
    }
    dropped = []
    for job in old.jobs:
        # Files of a job that this run does not know, or now without some of its outputs.
        left = [file for file in job.outputs if file.path not in taken]
        stay = [file for file in left if file.path in found or file.path in paths or not whole]
        dropped += [file.path for file in left if file not in stay]
        if stay:
            beside = [file for file in job.beside if file.path in found or not whole]
            kept.append(job.model_copy(update={"outputs": stay, "beside": beside}))
    taken |= {file.path for job in kept for file in job.outputs}
    kept = [
        job.model_copy(update={"beside": [file for file in job.beside if file.path not in taken]})
        for job in kept
    ]
    taken |= {file.path for job in kept for file in job.beside}
    beside = _beside([one for one, _ in fresh], {path: at for path, at in found.items() if path not in taken})
    table = dict(old.versions)
    for number, (one, outputs) in enumerate(fresh):
        versions = _versions(one, runs)
        if versions is not None:
            table[versions_key(versions)] = versions
        more = [file for file in map(hashes, beside[number]) if file is not None]
        kept.append(_job(one, outputs, more, versions, hashes))
    return _manifest(kept, table, old.sources, hashes), dropped


def _sorted_out(
    old: Manifest, declared: Sequence[Declared], hashes: Callable[[str], File | None]
) -> tuple[list[Job], list[tuple[Declared, list[File]]]]:
    """Return the records that stay, and the jobs to record anew with their outputs."""
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
            # The same bytes with another time: touched, or copied.
            kept.append(last.model_copy(update={"outputs": outputs, "finished": one.finished}))
        elif one.state == "unsure":
            kept += [last] if last else []
        else:
            fresh.append((one, outputs))
    return kept, fresh


def _hashes(files: Sequence[File]) -> dict[str, str]:
    return {file.path: file.sha256 for file in files}


def _beside(jobs: Sequence[Declared], loose: Mapping[str, float]) -> list[list[str]]:
    """Return, for each job, the undeclared files written at or below a folder of its outputs while it ran.

    Of several such jobs the one whose folder is nearest has it.
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
    # A second for file systems that keep no fractions.
    return job.ended - job.seconds - 1 <= moment <= job.ended + 1


def _versions(job: Declared, runs: Sequence[Run]) -> Versions:
    """Return the versions a job had: those of this run, or of the unfinished one that it ended in."""
    if job.state == "ran":
        return runs[-1].versions
    began = [run for run in runs if job.finished is not None and run.began <= job.finished]
    return began[-1].versions if began else None


def _job(
    one: Declared,
    outputs: list[File],
    beside: list[File],
    versions: Versions,
    hashes: Callable[[str], File | None],
) -> Job:
    read = [(path, hashes(path)) for path in dict.fromkeys(one.inputs)]
    return Job(
        rule=one.rule,
        wildcards=one.wildcards,
        outputs=outputs,
        beside=beside,
        inputs=[Input(path=path, sha256=file and file.sha256) for path, file in read],
        config=one.config,
        code=one.code,
        command=one.command,
        versions=None if versions is None else versions_key(versions),
        seconds=one.seconds,
        peak_mib=one.peak_mib,
        finished=one.finished,
    )


def _manifest(
    jobs: list[Job], table: dict, sources: Sequence[File], hashes: Callable[[str], File | None]
) -> Manifest:
    """Return the manifest of the jobs: in order, with the versions and sources that they use."""
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
    """Return the runs that have not written the manifest; none, with a line that says so, where the list is damaged."""
    if not (folder / RUNS).exists():
        return []
    try:
        return _Runs.validate_python(read_json(folder / RUNS, list))
    except (TglError, ValidationError) as error:
        say(
            f"{folder / RUNS}: {str(error).splitlines()[0]}. The versions used by unfinished runs are not known"
        )
        return []
