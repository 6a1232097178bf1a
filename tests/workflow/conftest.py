"""Runs of the real Snakefile in folders of their own."""

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.paths import REPOSITORY

# The quick preset, smaller still: what is tested here is the workflow, not the experiment.
TINY = """
experiment: tiny
snapshots: {synthetic: {pages: 200}}
tokens: {vocab_size: 420}
model: {name: gpt2-2x16, layers: 2, hidden_size: 16, heads: 2, pretrain: {steps: 12, keep: [0, 6]}}
profile: {examples: 4, bootstrap: 100}
train: {steps: 6, checkpoint_steps: 2}
"""


class Workflow:
    """The Snakefile with the quick preset (and more settings) in a working directory of its own.

    project: the checkout whose Snakefile and package are run. packages: folders with installed packages next to it.
    """

    def __init__(
        self,
        directory: Path,
        settings: str = "",
        preset: str = "quick",
        *,
        project: Path = REPOSITORY,
        packages: Sequence[Path] = (),
    ) -> None:
        self.directory, self.project, self.packages = directory, project, packages
        directory.mkdir(parents=True, exist_ok=True)
        self.extra = directory / "settings.yaml"
        if not self.extra.exists() or self.extra.read_text() != (settings or "{}"):
            self.extra.write_text(settings or "{}")
        self.preset = REPOSITORY / "workflow" / "presets" / f"{preset}.yaml"

    def command(self, *arguments: str) -> list[str]:
        return [
            sys.executable, "-m", "snakemake", "--snakefile", str(self.project / "Snakefile"),
            "--directory", str(self.directory),
            "--configfile", str(self.preset), str(self.extra), "--cores", "2", *arguments,
        ]  # fmt: skip

    def environment(self) -> dict[str, str]:
        """Return the environment of a fresh shell in which the project and the packages are installed."""
        added = [*self.packages] if self.project == REPOSITORY else [self.project, *self.packages]
        path = filter(None, [*map(str, added), os.environ.get("PYTHONPATH")])
        return environment() | ({"PYTHONPATH": os.pathsep.join(path)} if added else {})

    def start(self, *arguments: str, **options) -> subprocess.Popen:
        """Start a run in a process group of its own, as a shell does."""
        log = open(self.directory / "snakemake.log", "a")  # noqa: SIM115, the run writes on
        return subprocess.Popen(
            self.command(*arguments),
            stdout=log,
            stderr=log,
            start_new_session=True,
            env=self.environment(),
            **options,
        )

    def run(self, *arguments: str, fails: bool = False) -> str:
        """Run to the end and return what was printed; check that it succeeded, or failed when `fails`."""
        done = subprocess.run(
            self.command(*arguments),
            capture_output=True,
            text=True,
            env=self.environment(),
            timeout=900,
        )
        assert (done.returncode != 0) == fails, done.stdout + done.stderr
        return done.stdout + done.stderr

    def planned(self, *arguments: str) -> set[str]:
        """Return the names of the rules that would run now."""
        return rules_in(self.run(*arguments, "--dry-run", "--quiet", "host"))

    @property
    def results(self) -> Path:
        (folder,) = (self.directory / "results").iterdir()
        return folder


def rules_in(output: str) -> set[str]:
    """Return the names of the rules that would run, from what a dry run printed."""
    if "Nothing to be done" in output:
        return set()
    table = output[output.index("Job stats:") :].split("total")[0].splitlines()[3:]
    return {line.split()[0] for line in table if line.strip()} - {"all"}


def environment() -> dict[str, str]:
    """Return the environment of a fresh shell: without what a test with DeepSpeed left in this process."""
    left = {"RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"}
    return {key: value for key, value in os.environ.items() if key not in left} | {"OMP_NUM_THREADS": "1"}


def data_files(results: Path) -> dict[str, bytes]:
    """Return the bytes of every table, plan, checkpoint, CSV and page under an experiment's folder."""
    kinds = {".parquet", ".csv", ".json", ".html", ".svg", ".safetensors", ".bz2", ".txt"}
    left_out = ("logs", "benchmarks", "manifest.json")  # they say how long things took
    return {
        str(path.relative_to(results)): path.read_bytes()
        for path in sorted(results.rglob("*"))
        if path.is_file() and path.suffix in kinds and path.relative_to(results).parts[0] not in left_out
    }


def copy_of(finished: Workflow, directory: Path, settings: str = TINY, **options) -> Workflow:
    """Return a copy of a finished run, with what Snakemake remembers of it, to go on from; options: of `Workflow`."""
    # Another process may be looking at the run, and Snakemake's own files come and go.
    shutil.copytree(finished.directory, directory, ignore=shutil.ignore_patterns("log", "locks", "tmp*"))
    return Workflow(directory, settings, **options)


@pytest.fixture(scope="session")
def finished_tiny(tmp_path_factory, worker_id) -> Workflow:
    """A finished run of the tiny settings, one for all processes of pytest; tests must not run anything in it."""
    root = tmp_path_factory.getbasetemp()
    root = root if worker_id == "master" else root.parent
    with open(root / "tiny.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        workflow = Workflow(root / "tiny", TINY)
        if not (root / "tiny.finished").exists():
            workflow.run()
            (root / "tiny.finished").touch()
    return workflow
