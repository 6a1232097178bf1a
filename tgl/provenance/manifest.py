"""Read and write `manifest.json` of an experiment: every job with its outputs, inputs, settings and code.

Paths are relative to the experiment's folder. Inputs outside it that have an absolute path keep that path.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tgl.core.errors import TglError
from tgl.core.files import workflow_folder, write_text
from tgl.core.json_text import read_json

NAME = "manifest.json"
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
FilePath = Annotated[str, Field(min_length=1, max_length=4096)]
Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]
# Seconds since 1970, up to the year 9999, which is the last year that a date can have.
Moment = Annotated[float, Field(ge=0, lt=253402300800, allow_inf_nan=False)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class File(_Part):
    """A file as it was when it was last read. A file with equal size and time is assumed to be unchanged."""

    path: FilePath
    sha256: Sha256
    bytes: int
    mtime_ns: int


class Input(_Part):
    """An input of a job. The hash is that of the file when the job was recorded; it is null if it is not a file."""

    path: FilePath
    sha256: Sha256 | None


class Code(_Part):
    """The hash of some modules and of everything that they import (`tgl.core.code_hash`)."""

    modules: list[str]
    hash: str


class Job(_Part):
    """A finished job and the files that it made."""

    rule: str
    wildcards: dict[str, str]
    outputs: Annotated[list[File], Field(min_length=1)]
    # Files that the rule does not declare, written next to its outputs while the job ran.
    undeclared: list[File] = []
    inputs: list[Input]
    config: dict[str, dict]
    code: list[Code]
    command: str | None
    # A key of Manifest.versions; null if the job ended before anything was recorded.
    versions: str | None
    seconds: Amount | None
    peak_mib: Amount | None
    # Modification time of the newest output, in seconds. It identifies one execution of the job.
    finished: Moment | None
    # The experiment's folder from which the outputs were copied; null if the job made them.
    copied_from: FilePath | None = None

    @property
    def files(self) -> list[File]:
        """All files that the job made."""
        return [*self.outputs, *self.undeclared]

    @property
    def title(self) -> str:
        """The rule with its wildcards, such as `plan plan=full seed=0`."""
        return " ".join([self.rule, *(f"{name}={value}" for name, value in self.wildcards.items())])


class Manifest(_Part):
    """All jobs of an experiment, in order of their first output."""

    format: Literal[1] = 1
    # The Snakemake command of the last run without its targets. It must run in the folder above `results`.
    command: list[str] = []
    # Package versions by their hash, because most jobs share one set of versions.
    versions: dict[str, dict[str, str]] = {}
    # Inputs that no job of the experiment made, as they were last read.
    sources: list[File] = []
    jobs: list[Job] = []

    def makers(self) -> dict[str, Job]:
        """Return the job that made each file."""
        return {file.path: job for job in self.jobs for file in job.files}


def versions_key(versions: dict[str, str]) -> str:
    """Return the key of a set of package versions: 12 hexadecimal digits of its hash."""
    return hashlib.sha256(json.dumps(versions, sort_keys=True).encode()).hexdigest()[:12]


def read_manifest(path: str | Path) -> Manifest:
    """Read a manifest.

    Raises:
        TglError: If the file is missing, is not valid JSON, or has wrong keys or types.
    """
    if not os.path.lexists(path):
        raise TglError(
            f"{path}: no such file. The workflow writes it at the end of a run; if the results are complete, run it "
            "with --forcerun gate."
        )
    raw = read_json(path, advice=_advice(path))
    try:
        return Manifest.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "its top"
        raise TglError(
            f"{path}: not a manifest, {error.error_count()} errors. The first is at {where}: {first['msg']}, "
            f"found {str(first['input'])[:60]!r}. {_advice(path)}"
        ) from None


def _advice(path: str | Path) -> str:
    if workflow_folder(path) is None:
        return "Copy it again from the machine on which the workflow ran."
    return "Delete it, and run the workflow with --forcerun gate to write a new one."


def write_manifest(manifest: Manifest, path: str | Path) -> None:
    """Write a manifest with one job per line. A file with the same content is not written again."""
    path, text = Path(path), _text(manifest)
    if not (path.is_file() and path.read_bytes() == text.encode()):
        write_text(path, text)


def _text(manifest: Manifest) -> str:
    whole = manifest.model_dump(mode="json")
    parts = [f'"format": {whole["format"]}', f'"command": {json.dumps(whole["command"])}']
    parts += [f'"versions": {json.dumps(whole["versions"], sort_keys=True)}']
    for name in ("sources", "jobs"):
        lines = ",\n".join(json.dumps(entry) for entry in whole[name])
        parts.append(f'"{name}": [\n{lines}\n]' if lines else f'"{name}": []')
    return "{\n" + ",\n".join(parts) + "\n}\n"
