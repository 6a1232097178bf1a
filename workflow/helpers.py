"""What the rules share: the typed configuration, slices of it for each stage, input files, stale locks."""

from __future__ import annotations

import fcntl
import glob
import json
import os
import re
import shlex
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

from tgl.codehash import code_hash
from tgl.config import EngineConfig, TrainConfig
from tgl.config_baselines import BaselinesConfig
from tgl.config_check import check
from tgl.config_types import Section
from tgl.errors import TglError
from tgl.plans.names import BASELINE_MODULES
from tgl.plans.names import method_folder as method_folder
from tgl.wiki.streams import written_name

code = code_hash


def set_environment(basedir: str) -> None:
    """Let jobs find this interpreter and this package; a conda environment, when asked for, comes before it."""
    paths = [str(Path(sys.executable).parent), os.environ["PATH"]]
    os.environ["PATH"] = os.pathsep.join(paths)
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [basedir, os.environ.get("PYTHONPATH")]))
    os.environ["TOKENIZERS_PARALLELISM"] = "false"


class Experiment:
    """The configuration of this run, with the paths and slices that rules ask for."""

    def __init__(self, config: dict) -> None:
        try:
            self.config = check(config)
        except TglError as error:
            raise WorkflowError(str(error)) from None
        self.results = f"results/{self.config.experiment}"
        self.dates, self.periods = self.config.snapshots.dates, self.config.periods
        self.shards = list(range(self.config.pages.shards))

    def before(self, date: str) -> str:
        """Return the date before `date`."""
        return self.dates[self.dates.index(date) - 1]

    def previous_pages(self, wildcards) -> list[str]:
        """Return the same shard of the date before, whose equal revisions are copied; none for the first date."""
        if wildcards.date == self.dates[0]:
            return []
        return [f"{self.results}/wiki/{self.before(wildcards.date)}/pages/{wildcards.shard}.parquet"]

    def diffs(self, period: str) -> list[str]:
        """Return all shards of what is new in a period."""
        return [
            f"{self.results}/diff/{self.before(period)}_{period}/{shard}.parquet" for shard in self.shards
        ]

    def withhold(self, wildcards, input) -> str:
        """Return the options that leave the sentences of probes out of a text, none where no probes are given."""
        if not input.withheld:
            return ""
        return f"--withhold {input.withheld} --language {shlex.quote(self.config.text.language)}"

    def data(self, path: str) -> str:
        """Return a data file's path, relative ones starting from data_root."""
        return _without_braces(
            path if self.config.data_root is None else str(Path(self.config.data_root) / path)
        )

    def _pattern(self, pattern: str) -> str:
        """Return a pattern of files below data_root, in whose own name brackets and * stand for themselves."""
        root = self.config.data_root
        return pattern if root is None else str(Path(glob.escape(root)) / pattern)

    def local_dumps(self, date: str) -> list[str]:
        """Return the dump files of a date for source `local`; a date without any is an error."""
        names = {"date": date, "year": date[:4], "month": date[4:6], "day": date[6:]}
        pattern = self._pattern(self.config.snapshots.local.pattern.format(**names))
        found = [_without_braces(path) for path in sorted(glob.glob(pattern))]
        if not found:
            raise WorkflowError(
                f"snapshots.local.pattern: no file matches '{pattern}'. Set data_root to the folder that "
                "holds the dumps: --config data_root=FOLDER"
            )
        return found

    def histories(self) -> dict[str, str]:
        """Return the full histories for source `history` by the name that each date's dump of them gets."""
        pattern = self._pattern(self.config.snapshots.history.pattern)
        found: dict[str, str] = {}
        for path in sorted(glob.glob(pattern)):
            name = written_name(path)
            if not re.fullmatch(r"[A-Za-z0-9_.-]+", name):
                raise WorkflowError(
                    f"snapshots.history.pattern: '{path}' found, a name of letters, digits, _ . - expected; rename it"
                )
            if name in found:
                raise WorkflowError(
                    f"snapshots.history.pattern: '{found[name]}' and '{path}' both match '{pattern}' and would both "
                    f"become {name}; narrow the pattern to one of them"
                )
            found[name] = _without_braces(path)
        if not found:
            raise WorkflowError(
                f"snapshots.history.pattern: no file matches '{pattern}'. Set data_root to the folder that "
                "holds the history: --config data_root=FOLDER"
            )
        return found

    def listed_dumps(self, date: str) -> list[str]:
        """Return the dump files of a date for the sources `local` and `history`."""
        if self.config.snapshots.source == "local":
            return self.local_dumps(date)
        return [f"{self.results}/wiki/{date}/dump/{name}" for name in self.histories()]

    def wikimedia(self):
        """Return the section `snapshots.wikimedia` with its table of sources below data_root."""
        found = self.config.snapshots.wikimedia
        return found.model_copy(update={"sources": found.sources and self.data(found.sources)})

    def dump_sources(self) -> list[str]:
        """Return the configured table of dump sources, if any."""
        return list(filter(None, [self.wikimedia().sources]))

    def probes(self):
        """Return the section `probes` with its files below data_root."""
        section = self.config.probes
        templama, ecbd, wikidata = section.templama, section.ecbd, section.wikidata
        file = templama.file and self.data(templama.file)
        files = {key: path and self.data(path) for key, path in wikidata if key in ("file", "templates")}
        return section.model_copy(
            update={
                "templama": templama.model_copy(update={"file": file}),
                "ecbd": ecbd.model_copy(update={"files": [self.data(path) for path in ecbd.files]}),
                "wikidata": wikidata.model_copy(update=files),
            }
        )

    def probe_files(self) -> list[str]:
        """Return the probe files that the configured sets read."""
        section, files = self.probes(), []
        if "templama" in section.sets:
            files.append(section.templama.file)
        if "ecbd" in section.sets:
            files += section.ecbd.files
        return files


def _without_braces(path: str) -> str:
    """Return a path of an input. Snakemake would take braces in it for wildcards."""
    if "{" in path or "}" in path:
        raise WorkflowError(
            f"'{path}': a brace in the path of an input, which is a wildcard to Snakemake; rename the file or folder"
        )
    return path


def section(value: Section, *, without: tuple[str, ...] = ()) -> str:
    """Return a section as JSON for a stage's --config, without keys that the stage does not depend on."""
    return json.dumps(value.model_dump(mode="json", exclude=set(without)), sort_keys=True)


def engine_section(value: TrainConfig) -> str:
    """Return what is said of the engine as JSON, for the base model, which is trained by it too."""
    return json.dumps(value.model_dump(mode="json", include=set(EngineConfig.model_fields)), sort_keys=True)


def baseline_code(baseline: str) -> str:
    """Return the hash of a baseline's own code, which the stage of training imports by name."""
    return code_hash(f"tgl.train.baselines.{BASELINE_MODULES[baseline]}")


def baseline_section(value: BaselinesConfig, baseline: str) -> str:
    """Return the settings of one baseline alone as JSON, so that another's change reruns nothing."""
    return json.dumps(value.model_dump(mode="json", include={baseline}), sort_keys=True)


_held = []


def clear_stale_locks(experiment: str) -> None:
    """Remove Snakemake's locks of this experiment when no live run holds it.

    Snakemake's lock files outlive a killed run. A lock of the operating system does not: whoever gets it knows
    that every Snakemake lock on this experiment is stale. A second live run does not get it, leaves the locks
    alone and is refused by them; so does a run on a file system without such locks, as some clusters have.
    """
    folder = Path(".snakemake")
    folder.mkdir(exist_ok=True)
    handle = open(folder / f"tgl-{experiment}.lock", "w")  # noqa: SIM115, held until this process ends
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
