"""The tables that are exported: what they and their columns mean, and where the workflow writes them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict

from tgl.provenance.manifest import File, Job, Manifest

_SHARD = "shard"


class Kind(BaseModel):
    """A table of `tgl.schemas.SCHEMAS`; path, None: it is not exported; text, None: it holds measured numbers."""

    model_config = ConfigDict(extra="forbid", ignored_types=(cached_property,))

    path: str | None = None
    text: Literal["world", "pages", "probes"] | None = None
    # The column whose values are the splits of the dataset; None: all rows are the split `train`.
    split_by: str | None = None
    about: str
    columns: dict[str, str]
    limits: list[str] = []

    @cached_property
    def _pattern(self) -> re.Pattern:
        pieces = re.split(r"\{(\w+)\}", self.path or "")
        named = [
            f"(?P<{piece}>[^/]+)" if number % 2 else re.escape(piece) for number, piece in enumerate(pieces)
        ]
        return re.compile("".join(named))

    def place(self, path: str) -> tuple[str, int] | None:
        """Return (configuration, shard) of a table at a path below the experiment's folder; None for other files."""
        match = self._pattern.fullmatch(path) if self.path else None
        if match is None or not match.groupdict().get(_SHARD, "0").isdecimal():
            return None
        names = [value for name, value in match.groupdict().items() if name != _SHARD]
        return "--".join(names) or "default", int(match.groupdict().get(_SHARD, 0))


@dataclass(frozen=True, eq=False)
class Table:
    """A table that the manifest knows: its file, the job that made it, its place in the dataset."""

    file: File
    job: Job
    config: str
    shard: int


def read_kinds() -> dict[str, Kind]:
    """Return every table by its name in the schemas."""
    text = Path(__file__).with_name("tables.yaml").read_text(encoding="utf-8")
    return {name: Kind.model_validate(value) for name, value in yaml.safe_load(text).items()}


def tables_of(kind: Kind, manifest: Manifest) -> list[Table]:
    """Return the tables of one kind, by configuration and shard."""
    return sorted(_tables(kind, manifest), key=lambda table: (table.config, table.shard))


def _tables(kind: Kind, manifest: Manifest) -> Iterator[Table]:
    for job in manifest.jobs:
        for file in job.files:
            if place := kind.place(file.path):
                yield Table(file, job, *place)
