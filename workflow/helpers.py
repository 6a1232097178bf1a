"""Helpers of the rules: the typed configuration, code hashes, input files, options."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from snakemake.exceptions import WorkflowError

from tgl.config.check import check
from tgl.config.files import check_folder, data_files, data_path, located, matching_files, wrong_probes
from tgl.core.code_hash import code_hash
from tgl.core.config_check import check_keys
from tgl.core.config_types import Section
from tgl.core.errors import TglError
from tgl.core.layout import Layout
from tgl.core.registered import settings_of
from tgl.models.architecture import ARCHITECTURES
from tgl.plans.names import parse_plan, plan_id
from tgl.plans.policy import POLICIES
from tgl.probes.probe_set import PROBE_SETS
from tgl.snapshots.documents.repository import commit_of
from tgl.snapshots.dumps.streams import page_in_parts, written_name
from tgl.snapshots.settings import COUNTERFACTUAL_FILES
from tgl.snapshots.source import SOURCES
from tgl.train.baseline import BASELINES
from tgl.train.methods import method_folder as method_folder
from tgl.train.methods import split_baseline

code = code_hash


class Experiment:
    """The configuration of this run, with the paths and settings that the rules need."""

    def __init__(self, config: dict, files: Iterable[str | Path] = (), *, check_probes: bool = False) -> None:
        try:
            for file in files:
                check_keys(file)
            self.config = check(config)
            check_folder(self.config.experiment)
            settings_of(SOURCES, self.config.snapshots, self.config.snapshots.source)
        except TglError as error:
            raise WorkflowError(str(error)) from None
        if check_probes and (problems := list(wrong_probes(self.config))):
            raise WorkflowError("\n".join(problems))
        self.layout = Layout(f"results/{self.config.experiment}", self.config.model.name)
        self.dates, self.periods = self.config.snapshots.dates, self.config.periods
        self.shards = list(range(self.config.pages.shards))

    def before(self, date: str) -> str:
        """Return the date before `date`."""
        return self.dates[self.dates.index(date) - 1]

    def previous_pages(self, wildcards) -> list[str]:
        """Return the same shard of the previous date, from which unchanged revisions are copied; none for the first."""
        if wildcards.date == self.dates[0]:
            return []
        return [self.layout.path("pages", date=self.before(wildcards.date), shard=wildcards.shard)]

    def diffs(self, period: str) -> list[str]:
        """Return all shards of the new sentences of a period."""
        old = self.before(period)
        return [self.layout.path("diff", old=old, period=period, shard=shard) for shard in self.shards]

    def plan_names(self) -> dict[str, str]:
        """Return the configured name of each plan by its name in paths."""
        return {plan_id(name): name for name in self.config.plans}

    def plan_file(self, wildcards) -> list[str]:
        """Return the file of a plan written by hand; none for a plan that a policy makes."""
        file = parse_plan(self.plan_names()[wildcards.plan]).file
        return [] if file is None else [file]

    def borrowed_profile(self, wildcards) -> list[str]:
        """Return the profile of another experiment with the same model, for plans named .borrowed; none for others.

        It is that of the other experiment's first period, whose date can differ from the one here.
        """
        if not parse_plan(self.plan_names()[wildcards.plan]).borrowed:
            return []
        other = Layout(self.config.plan.borrow, self.config.model.name)
        own = Path(other.path("profile", seed=wildcards.seed, period=self.periods[0]))
        found = sorted(own.parents[1].glob(f"*/{own.name}"))
        if len(found) > 1:
            raise WorkflowError(
                f"plan.borrow: found the profiles {', '.join(map(str, found))}, expected that of one period. Remove "
                "those that the other experiment no longer makes"
            )
        return [str(found[0] if found else own)]

    def interference(self, wildcards) -> list[str]:
        """Return the table `interference` that a plan depends on; none for most plans."""
        name = parse_plan(self.plan_names()[wildcards.plan])
        if name.file is not None or not POLICIES.get(name.policy).interferes:
            return []
        salient = name.salient or self.config.plan.salient
        place = {"seed": wildcards.seed, "period": self.periods[0], "salient": salient}
        return [self.layout.path("interference", **place)]

    def withhold(self, wildcards, input) -> list[str]:
        """Return the options that exclude the sentences of probes from a text; none without probes."""
        found = options("--withhold", input.withheld)
        return [*found, "--language", self.config.text.language] if found else []

    def data(self, path: str) -> str:
        """Return the path of a data file. Relative paths start at data_root."""
        return data_path(self.config.data_root, path)

    def _matching(self, key: str, pattern: str) -> list[str]:
        """Return the sorted files below data_root that match a pattern; raise WorkflowError if there are none."""
        try:
            return matching_files(self.config.data_root, pattern)
        except TglError as error:
            raise WorkflowError(f"{key}: {error}") from None

    def histories(self) -> dict[str, list[str]]:
        """Return the full histories for source `history` by the file name of the dumps made from them.

        Files with some revisions of one page each are one history, in the order of the revisions.

        Raises:
            WorkflowError: If there are none, or if their names cannot be used.
        """
        pattern = self.config.snapshots.history.pattern
        found: dict[str, list[str]] = {}
        for path in self._matching("snapshots.history.pattern", pattern):
            name = written_name(path)
            if not re.fullmatch(r"[A-Za-z0-9_.-]+", name):
                raise WorkflowError(
                    f"snapshots.history.pattern: found '{path}', expected a name of letters, digits, _ . -. Rename the "
                    "file."
                )
            if name in found and not all(map(page_in_parts, (path, *found[name]))):
                raise WorkflowError(
                    f"snapshots.history.pattern: '{found[name][0]}' and '{path}' both match '{pattern}' and would both "
                    f"become {name}. Narrow the pattern to one of them."
                )
            found.setdefault(name, []).append(path)
        return {name: sorted(paths, key=_first_revision) for name, paths in found.items()}

    def listed_dumps(self, date: str) -> list[str]:
        """Return the dump files of a date for the sources `local` and `history`."""
        if self.config.snapshots.source == "local":
            names = {"date": date, "year": date[:4], "month": date[4:6], "day": date[6:]}
            return self._matching(
                "snapshots.local.pattern", self.config.snapshots.local.pattern.format(**names)
            )
        return [f"{self.layout.path('dump', date=date)}/{name}" for name in self.histories()]

    def source_settings(self) -> Section | None:
        """Return the section of the configured source. Its files are below data_root."""
        name = self.config.snapshots.source
        found = settings_of(SOURCES, self.config.snapshots, name)
        if name == "counterfactual":
            return found.model_copy(
                update={key: self.data(getattr(found, key)) for key in COUNTERFACTUAL_FILES}
            )
        if name == "documents":
            repository = found.repository and self.data(found.repository)
            return found.model_copy(update={"collections": {}, "repository": repository})
        if name == "wikimedia":
            return found.model_copy(update={"sources": found.sources and self.data(found.sources)})
        return found

    def collection(self, wildcards) -> list[str]:
        """Return the option with the collection of a date; none for the newest commit of a repository."""
        own = self.config.snapshots.documents
        place = own.collections.get(wildcards.date)
        is_path = own.dataset is None and own.repository is None
        # As one argument, so that a place that begins with a dash is not taken for an option.
        return [] if place is None else [f"--collection={self.data(place) if is_path else place}"]

    def collection_files(self, wildcards) -> list[str]:
        """Return the files of a date's documents; none for datasets of the hub and repositories."""
        own = self.config.snapshots.documents
        if own.repository is not None:
            return []
        if own.dataset is not None:
            return self.folder_files(own.dataset, deep=True)
        place = Path(self.data(own.collections[wildcards.date]))
        # A folder's own time does not change with its files.
        files = (path for path in place.rglob("*") if path.is_file()) if place.is_dir() else [place]
        return sorted(map(str, files))

    def folder_files(self, name: str | None, *, deep: bool = False) -> list[str]:
        """Return the files of a local model, tokenizer or dataset; none for null and names on the Hugging Face Hub.

        Args:
            name: The folder or name.
            deep: Whether files in folders inside it count.
        """
        if name is None or not Path(name).is_dir():
            return []
        return sorted(str(path) for path in Path(name).glob("**/*" if deep else "*") if path.is_file())

    def model_files(self, name: str | None) -> list[str]:
        """Return the files of a local model; of an adapter also those of its base model, if that is local."""
        found = self.folder_files(name)
        if name is None or not (Path(name) / "adapter_config.json").is_file():
            return found
        from tgl.models.folders import local_base  # The import takes a second.

        base = local_base(Path(name))
        return found if base is None else [*found, *self.folder_files(str(base))]

    def commit(self, wildcards) -> str:
        """Return the commit of a date, "" without a repository. A tag or branch that moved makes its pages again."""
        own = self.config.snapshots.documents
        if own.repository is None:
            return ""
        try:
            return commit_of(self.data(own.repository), wildcards.date, own.collections.get(wildcards.date))
        except TglError as error:
            raise WorkflowError(str(error)) from None

    def counterfactual_files(self) -> list[str]:
        """Return the files that the source `counterfactual` reads."""
        return [getattr(self.source_settings(), key) for key in COUNTERFACTUAL_FILES]

    def dump_sources(self) -> list[str]:
        """Return the configured table of dump sources, if any."""
        if self.config.snapshots.source != "wikimedia" or self.config.snapshots.wikimedia.sources is None:
            return []
        return [self.source_settings().sources]

    def probes(self):
        """Return the section `probes`. Its relative paths start at data_root."""
        return located(self.config.probes, self.config.data_root)

    def probe_files(self) -> list[str]:
        """Return the files that the configured probe sets read, without those that another rule reads for them."""
        section = self.probes()
        direct = [name for name in section.sets if PROBE_SETS.get(name).needs is None]
        return [file for name in direct for file in data_files(section, name)]


def _first_revision(path: str) -> int:
    part = page_in_parts(path)
    return part[1] if part else 0


def options(name: str, values: str | Iterable[str]) -> list[str]:
    """Repeat an option for each value. The arguments must be quoted with `:q`."""
    values = [values] if isinstance(values, str) else values
    return [argument for value in values for argument in (name, value)]


def named(paths: Mapping[object, str]) -> list[str]:
    """Return NAME=PATH for each path."""
    return [f"{name}={path}" for name, path in paths.items()]


def baseline_code(baseline: str) -> str:
    """Return the hash of a baseline's own code, which the training stage imports by name."""
    return code_hash(BASELINES.module(split_baseline(baseline)[0]))


def probe_set_code(sets: Iterable[str]) -> list[str]:
    """Return the code hashes of probe sets, which the stage `probes` imports by name."""
    return [code_hash(PROBE_SETS.module(name)) for name in sets]


def source_code(name: str) -> str:
    """Return the code hash of a source of snapshots."""
    return code_hash(SOURCES.module(name))


def architecture_code(name: str) -> str:
    """Return the code hash of an architecture."""
    return code_hash(ARCHITECTURES.module(name))


def policy_code(plan: str) -> str:
    """Return the hash of a policy's own code, which the plan stage imports by name; "" for a plan written by hand."""
    return "" if plan.startswith("file.") else code_hash(POLICIES.module(parse_plan(plan).policy))
