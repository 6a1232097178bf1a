"""Write the dataset card: README.md with the YAML header that the Hub and `datasets` read. Pure functions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from tgl.core.schemas import SCHEMAS
from tgl.export.kinds import Kind, Table
from tgl.export.markdown import Markdown, markdown
from tgl.export.sources import Sources, licences
from tgl.provenance.explain import config_keys
from tgl.provenance.manifest import Job, Manifest

_SIZES = ((10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K"), (10**6, "100K<n<1M"),
          (10**7, "1M<n<10M"), (10**8, "10M<n<100M"), (10**9, "100M<n<1B"))  # fmt: skip


@dataclass(frozen=True)
class DataFile:
    """A file of the dataset. The path is relative to its folder; a table without rows has no file (path None)."""

    path: str | None
    config: str
    split: str
    rows: int
    table: Table


@dataclass(frozen=True)
class Setting:
    """A setting of the jobs that made tables. `configs` lists the configurations with this value; empty means all."""

    rule: str
    name: str
    value: str
    configs: list[str]


def card(
    name: str,
    kind: Kind,
    experiment: str,
    *,
    files: Sequence[DataFile],
    counts: Mapping[str, Mapping[str, int]],
    sources: Sources,
    manifest: Manifest,
) -> str:
    """Return the dataset card as Markdown.

    Args:
        name: Name of the dataset.
        kind: Description of its table.
        experiment: Name of the experiment.
        files: Files of the dataset.
        counts: Counts of the stage that made the tables, by configuration.
        sources: Sources of the tables.
        manifest: Manifest of the experiment.
    """
    tables = [file.table for file in files]
    jobs = list({id(table.job): table.job for table in tables}.values())
    own_licences = licences(kind, sources, jobs)
    total = sum(file.rows for file in files)
    return template("card.md.j2").render(
        header=Markdown(
            header(
                name, experiment, files, licence=list(own_licences), languages=sources.languages, total=total
            )
        ),
        name=name,
        kind=kind,
        experiment=experiment,
        files=files,
        total=total,
        columns=[(field.name, type_name(field.type), kind.columns[field.name]) for field in SCHEMAS[name]],
        counts=counts,
        count_names=list(dict.fromkeys(key for found in counts.values() for key in found)),
        settings=settings(tables),
        jobs=Counter((job.rule, code.hash, job.versions) for job in jobs for code in job.code[:1]),
        versions=manifest.versions,
        sources=sources,
        world=sources.world and list(config_keys(sources.world.config.get("config", {}))),
        wikipedias=sorted({dump.wikipedia for dump in sources.dumps if dump.wikipedia}),
        licences=own_licences,
    )


def template(name: str) -> Template:
    """Return a template of a card, which escapes every value for Markdown."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=False,  # HTML escaping is not needed, because `finalize` escapes every value for Markdown.
        finalize=markdown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["own"] = Markdown
    return environment.get_template(name)


def header(
    name: str,
    experiment: str,
    files: Iterable[DataFile],
    *,
    licence: list[str],
    languages: list[str],
    total: int,
) -> str:
    """Return the YAML header of the card.

    It lists each configuration with the files of its splits. The first configuration is the default.

    Args:
        name: Name of the dataset.
        experiment: Name of the experiment.
        files: Files of the dataset.
        licence: Licence identifiers of the Hub, at least one.
        languages: Language codes.
        total: Number of rows.
    """
    splits: dict[str, dict[str, str]] = {}
    for file in files:
        if file.path is not None:
            place = splits.setdefault(file.config, {})
            place[file.split] = f"{Path(file.path).parent.as_posix()}/{file.split}-*.parquet"
    values: dict = {"license": licence if len(licence) > 1 else licence[0]}
    if "other" in licence:
        values["license_name"] = "to-be-stated"
    if languages:
        values["language"] = languages
    values["pretty_name"] = f"Traced Gradient Layers, {experiment}: {name}"
    values["size_categories"] = [size_category(total)]
    values["configs"] = [
        {"config_name": config}
        | ({} if number else {"default": True})
        | {"data_files": [{"split": split, "path": path} for split, path in found.items()]}
        for number, (config, found) in enumerate(splits.items())
    ]
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=110)


def size_category(rows: int) -> str:
    """Return the size category of the Hub for a number of rows."""
    return next((name for limit, name in _SIZES if rows < limit), "n>1B")


def type_name(kind: pa.DataType) -> str:
    """Return a readable name of an Arrow type, such as `list of {target: string, start: int32}`."""
    if pa.types.is_list(kind):
        return f"list of {type_name(kind.value_type)}"
    if pa.types.is_struct(kind):
        return "{" + ", ".join(f"{field.name}: {type_name(field.type)}" for field in kind) + "}"
    return {"double": "float64"}.get(str(kind), str(kind))


def settings(tables: Sequence[Table]) -> list[Setting]:
    """Return the settings that the tables were made with, by rule.

    A setting with several values within a rule appears once for each value.
    """
    by_rule: dict[str, list[Table]] = {}
    for table in tables:
        by_rule.setdefault(table.job.rule, []).append(table)
    found = []
    for rule, members in by_rule.items():
        values: dict[str, dict[str, list[str]]] = {}
        for table in members:
            for key, value in settings_of(table.job).items():
                values.setdefault(key, {}).setdefault(value, []).append(table.config)
        everywhere = len({table.config for table in members})
        for key, given in values.items():
            for value, configs in given.items():
                names = list(dict.fromkeys(configs))
                found.append(Setting(rule, key, value, [] if len(names) == everywhere else names))
    return found


def settings_of(job: Job) -> dict[str, str]:
    """Return the settings of a job by key, with file names instead of absolute paths."""
    found = {}
    for part, values in job.config.items():
        prefix = "" if part == "config" else f"{part.removesuffix('_config')}."
        found.update(line.split("=", 1) for line in config_keys(_without_folders(values), prefix))
    return found


def _without_folders(value: object) -> object:
    """Return a setting with file names instead of absolute paths, which mean nothing on other machines."""
    if isinstance(value, dict):
        return {key: _without_folders(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_without_folders(inner) for inner in value]
    return Path(value).name if isinstance(value, str) and Path(value).is_absolute() else value
