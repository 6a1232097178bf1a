"""Compare an experiment with its manifest: hash every file again, and compare every input with the recorded hash."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tgl.core.code_hash import code_hash
from tgl.core.errors import TglError
from tgl.core.files import sha256_file
from tgl.provenance.files import artifact_files
from tgl.provenance.manifest import NAME, File, Job, Manifest, read_manifest
from tgl.provenance.record import RUNS
from tgl.provenance.repair import Problem, advice
from tgl.provenance.versions import installed_versions


@dataclass(frozen=True)
class Verified:
    """Result of a verification.

    Attributes:
        problems: Errors, then warnings, in order of the manifest.
        advice: Lines that describe how to repair the errors.
        num_jobs: Number of jobs in the manifest.
        num_files: Number of files that they made.
    """

    problems: list[Problem]
    advice: list[str]
    num_jobs: int
    num_files: int

    @property
    def num_errors(self) -> int:
        """Number of errors."""
        return sum(problem.is_error for problem in self.problems)

    def __str__(self) -> str:
        num_warnings = len(self.problems) - self.num_errors
        return (
            f"verified {self.num_files} files of {self.num_jobs} jobs; "
            f"errors: {self.num_errors}, warnings: {num_warnings}"
        )


def verify(folder: str | Path) -> Verified:
    """Compare an experiment's folder with its manifest.

    Raises:
        TglError: If the manifest is missing, damaged or empty.
    """
    folder = Path(folder)
    manifest = read_manifest(folder / NAME)
    if not manifest.jobs:
        raise TglError(
            f"{folder / NAME}: has no jobs, so nothing can be verified; expected the manifest of a run. Run the "
            "workflow again, or copy the manifest from the machine on which it ran."
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
        text = (
            "a run is in progress or was killed; the next run, or one with --forcerun gate, records its files"
        )
        problems.append(Problem("unfinished", text, False))
    problems.sort(key=lambda problem: not problem.is_error)
    return Verified(problems, advice(folder, manifest, problems), len(manifest.jobs), len(made))


def changed_files(manifest: Manifest, now: Mapping[str, str | None]) -> Iterator[Problem]:
    """Yield a problem for each file that is missing or whose content changed since it was made."""
    for job in manifest.jobs:
        for file in job.files:
            what = f"{file.path} ({job.title})"
            if now[file.path] is None:
                yield Problem("missing", f"{what} does not exist", job=job)
            elif now[file.path] != file.sha256:
                found = f"sha256 {file.sha256} expected, {now[file.path]} found"
                yield Problem("changed", f"{what}: {found}", job=job)


def stale_jobs(
    manifest: Manifest, made: Mapping[str, File], now: Mapping[str, str | None]
) -> Iterator[Problem]:
    """Yield a problem for each job whose inputs differ from those that it read.

    An input that was changed after the job read it is reported by `changed_files`, not here.
    """
    for job in manifest.jobs:
        gone = all(now[file.path] is None for file in job.outputs)
        for read in job.inputs if not gone else ():
            if read.sha256 is None or read.sha256 == now[read.path]:
                continue
            if read.path not in made and now[read.path] is None:
                yield Problem(
                    "source", f"{read.path}, read by {job.title}, is missing and cannot be compared", False
                )
            elif now[read.path] is not None and not (
                read.path in made and made[read.path].sha256 == read.sha256
            ):
                yield Problem(
                    "stale",
                    f"{_outputs(job)} ({job.title}) was made from {read.path} with sha256 {read.sha256}, which is now "
                    f"{now[read.path]}",
                    job=job,
                )


def unexplained_files(manifest: Manifest, found: Mapping[str, float]) -> Iterator[Problem]:
    """Yield a problem for each file in the experiment's folder that no job made."""
    for path in sorted(found.keys() - manifest.makers().keys()):
        yield Problem("unexplained", f"{path}: no job of the manifest made it", False)


def other_code(manifest: Manifest) -> Iterator[Problem]:
    """Yield one problem for each stage whose code differs from the recorded code."""
    counts = Counter((job.rule, tuple(code.modules), code.hash) for job in manifest.jobs for code in job.code)
    for (rule, modules, recorded), count in sorted(counts.items()):
        found = _hash_now(modules)
        if found != recorded:
            yield Problem(
                "made by other code",
                f"{count} jobs of rule {rule}: {', '.join(modules)} was {recorded} and is now {found}",
                False,
            )


def other_versions(manifest: Manifest, installed: Mapping[str, str]) -> Iterator[Problem]:
    """Yield one problem for each used package version that differs from the installed one."""
    counts: Counter[tuple[str, str]] = Counter()
    for job in manifest.jobs:
        used = manifest.versions.get(job.versions or "", {})
        # A package without a record was not installed. A job without any record gives no information.
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
    except (ImportError, OSError, SyntaxError):  # also of a package that is no longer installed
        return "gone"
