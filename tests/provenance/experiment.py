"""A small experiment by hand: files in a folder, and the jobs that are said to have made them."""

import dataclasses
import itertools
import os
from pathlib import Path

from tgl.provenance.files import relative_to
from tgl.provenance.manifest import NAME, Code, Manifest, read_manifest
from tgl.provenance.record import Declared, update_manifest
from tgl.provenance.versions import installed_versions


class Experiment:
    """The folder of an experiment; every file written gets a later time than the one before."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = itertools.count(1_700_000_000, 10)
        self.said: list[str] = []

    def write(self, path: str, text: str) -> None:
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        now = next(self.clock)
        os.utime(target, (now, now))

    def declared(
        self, rule: str, outputs: list[str], inputs: list[str] = (), state="ran", **more
    ) -> Declared:
        """Return the job that has just made its outputs: it began five seconds before the last of them."""
        times = [(self.folder / path).stat().st_mtime for path in outputs if (self.folder / path).is_file()]
        finished = max(times) if len(times) == len(outputs) else None
        values = {
            "wildcards": {},
            "config": {"config": {"steps": 4, "pretrain": {"keep": [0, 2]}}},
            "code": [],
            "command": f"python -m tgl {rule} > results/x/logs/{rule}.log",
            "seconds": 5.0,
            "peak_mib": 200.0,
            "ended": finished,
            "finished": finished,
        }
        inputs = [relative_to(self.folder, path) for path in inputs]
        return Declared(rule=rule, outputs=outputs, inputs=inputs, state=state, **values | more)

    def update(self, *jobs: Declared, versions: dict | None = None) -> Manifest:
        update_manifest(self.folder, jobs, versions or installed_versions(), say=self.said.append)
        return self.manifest

    @property
    def manifest(self) -> Manifest:
        return read_manifest(self.folder / NAME)

    @property
    def manifest_text(self) -> str:
        return (self.folder / NAME).read_text()


def two_jobs(folder: Path) -> tuple[Experiment, list[Declared]]:
    """An experiment of a base model and a plan made from it and from a list outside, recorded."""
    experiment = Experiment(folder / "results" / "x")
    source = folder / "data" / "list.json"
    source.parent.mkdir(parents=True)
    source.write_text("[1]")
    experiment.write("models/base/model.safetensors", "weights")
    experiment.write("models/base/config.json", "{}")
    base = ["models/base/model.safetensors", "models/base/config.json"]
    jobs = [experiment.declared("base", base, wildcards={"seed": "0"})]
    experiment.write("plan/full.json", "plan")
    read = [experiment.folder / base[0], source]
    code = [Code(modules=["tgl.core.files"], hash="0123456789ab")]
    jobs.append(experiment.declared("plan", ["plan/full.json"], read, code=code))
    experiment.update(*jobs)
    return experiment, jobs


def done(*jobs, **more):
    """Return jobs that had nothing to do in this run."""
    return [dataclasses.replace(job, state="done", **more) for job in jobs]


def versions_of(manifest, rule):
    (job,) = [job for job in manifest.jobs if job.rule == rule]
    return manifest.versions.get(job.versions)
