"""Describe the tables and their columns, and find the tables of an experiment to export."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict

from tgl.core.layout import place
from tgl.provenance.manifest import File, Job, Manifest


class Kind(BaseModel):
    """Description of a table of `tgl.core.schemas.SCHEMAS`. `text` is None for tables of measured numbers."""

    model_config = ConfigDict(extra="forbid")

    exported: bool = False
    text: Literal["world", "pages", "probes"] | None = None
    # The column whose values are the splits of the dataset. With None, all rows belong to the split `train`.
    split_by: str | None = None
    about: str
    columns: dict[str, str]
    limits: list[str] = []


@dataclass(frozen=True, eq=False)
class Table:
    """A table in the manifest: its file, the job that made it, and its configuration and shard in the dataset."""

    file: File
    job: Job
    config: str
    shard: int


def read_kinds() -> dict[str, Kind]:
    """Return the description of every table by its name in the schemas."""
    text = Path(__file__).with_name("tables.yaml").read_text(encoding="utf-8")
    return {name: Kind.model_validate(value) for name, value in yaml.safe_load(text).items()}


def tables_of(name: str, manifest: Manifest) -> list[Table]:
    """Return the tables of one kind, sorted by configuration and shard."""
    return sorted(_tables(name, manifest), key=lambda table: (table.config, table.shard))


def _tables(name: str, manifest: Manifest) -> Iterator[Table]:
    for job in manifest.jobs:
        for file in job.files:
            if found := place(name, file.path):
                yield Table(file, job, *found)
