"""`manifest.json` of an experiment: every job with the files it made, what they were made from, and how.

Paths are relative to the experiment's folder, except for inputs that were named by an absolute path outside it.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tgl.errors import TglError
from tgl.files import workflow_folder, write_text
from tgl.json_text import read_json

NAME = "manifest.json"
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
FilePath = Annotated[str, Field(min_length=1, max_length=4096)]
Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]
# Seconds since 1970, up to the year 9999, the last one that a date can be printed of.
Moment = Annotated[float, Field(ge=0, lt=253402300800, allow_inf_nan=False)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class File(_Part):
    """A file as it was when it was last read; a later one of equal size and time is taken to be the same."""

    path: FilePath
    sha256: Sha256
    bytes: int
    mtime_ns: int


class Input(_Part):
    """What a job read; the hash is that of the file when the job was recorded, null for what is no file."""

    path: FilePath
    sha256: Sha256 | None


class Code(_Part):
    """The hash of some modules and of all that they import (`tgl.codehash`)."""

    modules: list[str]
    hash: str


class Job(_Part):
    """A job that ended, and the files it made."""

    rule: str
    wildcards: dict[str, str]
    outputs: Annotated[list[File], Field(min_length=1)]
    # Files the rule does not declare, written next to its outputs while the job ran.
    beside: list[File] = []
    inputs: list[Input]
    config: dict[str, dict]
    code: list[Code]
    command: str | None
    # A key of Manifest.versions; null where the job ended before anything was recorded.
    versions: str | None
    seconds: Amount | None
    peak_mib: Amount | None
    # Modification time of the newest output, in seconds: tells one execution of the job from another.
    finished: Moment | None

    @property
    def files(self) -> list[File]:
        """Everything the job made."""
        return [*self.outputs, *self.beside]

    @property
    def title(self) -> str:
        """The rule with its wildcards, as `plan plan=full seed=0`."""
        return " ".join([self.rule, *(f"{name}={value}" for name, value in self.wildcards.items())])


class Manifest(_Part):
    """All jobs of an experiment, in order of their first output."""

    format: Literal[1] = 1
    # The call of Snakemake of the last run, without its targets: to be made again in the folder above `results`.
    command: list[str] = []
    # Package versions, by a hash of them: most jobs share one set.
    versions: dict[str, dict[str, str]] = {}
    # Inputs that no job made, as they were last read.
    sources: list[File] = []
    jobs: list[Job] = []

    def makers(self) -> dict[str, Job]:
        """Return the job that made each file."""
        return {file.path: job for job in self.jobs for file in job.files}


def versions_key(versions: dict[str, str]) -> str:
    """Return 12 hexadecimal digits for a set of package versions."""
    return hashlib.sha256(json.dumps(versions, sort_keys=True).encode()).hexdigest()[:12]


def read_manifest(path: str | Path) -> Manifest:
    """Read a manifest. Raises TglError when it is missing, is no JSON, or holds other keys or types."""
    if not os.path.lexists(path):
        raise TglError(
            f"{path}: no such file; a run of the workflow writes it at its end, for results that are complete one "
            "with --forcerun gate"
        )
    raw = read_json(path, advice=_advice(path))
    try:
        return Manifest.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "its top"
        raise TglError(
            f"{path}: not a manifest, {error.error_count()} errors, the first at {where}: {first['msg']}, "
            f"found {str(first['input'])[:60]!r}. {_advice(path)}"
        ) from None


def _advice(path: str | Path) -> str:
    if workflow_folder(path) is None:
        return "Copy it again from where the workflow ran."
    return "Delete it, and run the workflow with --forcerun gate to write another."


def write_manifest(manifest: Manifest, path: str | Path) -> None:
    """Write a manifest, one job a line. A file that holds the same already is left alone."""
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
