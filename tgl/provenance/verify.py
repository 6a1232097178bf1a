"""Check an experiment against its manifest: every file read again, every input compared with what was read then."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tgl.codehash import code_hash
from tgl.errors import TglError
from tgl.files import sha256_file
from tgl.provenance.files import artifact_files
from tgl.provenance.manifest import NAME, File, Job, Manifest, read_manifest
from tgl.provenance.mend import Problem, advice
from tgl.provenance.record import RUNS
from tgl.provenance.versions import installed_versions


@dataclass(frozen=True)
class Verified:
    """What was found: errors first, each in order of the manifest; advice: what to do about them, line by line."""

    problems: list[Problem]
    advice: list[str]
    num_jobs: int
    num_files: int

    @property
    def num_errors(self) -> int:
        """Problems that are errors."""
        return sum(problem.is_error for problem in self.problems)

    def __str__(self) -> str:
        num_warnings = len(self.problems) - self.num_errors
        return (
            f"verified {self.num_files} files of {self.num_jobs} jobs; "
            f"errors: {self.num_errors}, warnings: {num_warnings}"
        )


def verify(folder: str | Path) -> Verified:
    """Compare an experiment's folder with its manifest. Raises TglError for one that is missing, damaged or empty."""
    folder = Path(folder)
    manifest = read_manifest(folder / NAME)
    if not manifest.jobs:
        raise TglError(
            f"{folder / NAME}: holds no job, so nothing can be verified; expected the manifest of a run. Run the "
            "workflow again, or copy the manifest from where it ran"
        )
    made = {file.path: file for job in manifest.jobs for file in job.files}
    read = {file.path for job in manifest.jobs for file in job.inputs if file.sha256}
    paths = sorted(made.keys() | read)
    now = {path: sha256_file(folder / path) if (folder / path).is_file() else None for path in paths}
    problems = [
        *changed_files(manifest, now),
        *stale_jobs(manifest, made, now),
        *unexplained_files(manifest, artifact_files(folder)),
        *other_code(manifest),
        *other_versions(manifest, installed_versions()),
    ]
    if (folder / RUNS).exists():
        text = "a run goes on, or was killed; the next one, or one with --forcerun gate, records what it made"
        problems.append(Problem("unfinished", text, False))
    problems.sort(key=lambda problem: not problem.is_error)
    return Verified(problems, advice(folder, manifest, problems), len(manifest.jobs), len(made))


def changed_files(manifest: Manifest, now: Mapping[str, str | None]) -> Iterator[Problem]:
    """Yield files that are gone or have other bytes than when they were made."""
    for job in manifest.jobs:
        for file in job.files:
            what = f"{file.path} ({job.title})"
            if now[file.path] is None:
                yield Problem("missing", f"{what} is not there", job=job)
            elif now[file.path] != file.sha256:
                found = f"sha256 {file.sha256} expected, {now[file.path]} found"
                yield Problem("changed", f"{what}: {found}", job=job)


def stale_jobs(
    manifest: Manifest, made: Mapping[str, File], now: Mapping[str, str | None]
) -> Iterator[Problem]:
    """Yield inputs that are others now than those a job read.

    An input that was changed after it was made, and read before, is a problem of that file alone.
    """
    for job in manifest.jobs:
        gone = all(now[file.path] is None for file in job.outputs)
        for read in job.inputs if not gone else ():
            if read.sha256 is None or read.sha256 == now[read.path]:
                continue
            if read.path not in made and now[read.path] is None:
                yield Problem("source", f"{read.path}, read by {job.title}, is not there to compare", False)
            elif now[read.path] is not None and not (
                read.path in made and made[read.path].sha256 == read.sha256
            ):
                yield Problem(
                    "stale",
                    f"{_outputs(job)} ({job.title}) made from {read.path} with sha256 {read.sha256}, it has "
                    f"{now[read.path]} now",
                    job=job,
                )


def unexplained_files(manifest: Manifest, found: Mapping[str, float]) -> Iterator[Problem]:
    """Yield files in the experiment's folder that no job made."""
    for path in sorted(found.keys() - manifest.makers().keys()):
        yield Problem("unexplained", f"{path}: no job of the manifest made it", False)


def other_code(manifest: Manifest) -> Iterator[Problem]:
    """Yield stages whose code is another now, once each."""
    counts = Counter((job.rule, tuple(code.modules), code.hash) for job in manifest.jobs for code in job.code)
    for (rule, modules, recorded), count in sorted(counts.items()):
        found = _hash_now(modules)
        if found != recorded:
            yield Problem(
                "made by other code",
                f"{count} jobs of rule {rule}: {', '.join(modules)} was {recorded}, is {found} now",
                False,
            )


def other_versions(manifest: Manifest, installed: Mapping[str, str]) -> Iterator[Problem]:
    """Yield packages of which another version is installed now, once for each that was used."""
    counts: Counter[tuple[str, str]] = Counter()
    for job in manifest.jobs:
        used = manifest.versions.get(job.versions or "", {})
        # What was not recorded then was not installed; a job without any record says nothing.
        counts.update((name, used.get(name, "none")) for name in (used.keys() | installed if used else ()))
    for (name, used), count in sorted(counts.items()):
        found = installed.get(name, "none")
        if found != used:
            yield Problem(
                "other version", f"{name} {used} was used by {count} jobs, {found} is installed", False
            )


def _outputs(job: Job) -> str:
    more = f" and {len(job.outputs) - 1} more" if len(job.outputs) > 1 else ""
    return f"{job.outputs[0].path}{more}"


def _hash_now(modules: tuple[str, ...]) -> str:
    try:
        return code_hash(*modules)
    except OSError:
        return "gone"
