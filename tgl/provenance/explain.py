"""Describe how an artifact was made: its job, and the chain of inputs back to the sources."""

from __future__ import annotations

import json
import os
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from tgl.core.errors import TglError, nearest
from tgl.core.terminal import one_line
from tgl.provenance.files import relative_to
from tgl.provenance.manifest import NAME, Input, Job, Manifest, read_manifest

WIDTH = 110
MOST_NAMES = 3


def explain(artifact: str | Path) -> str:
    """Describe as text how an artifact was made.

    Args:
        artifact: Path of a file of an experiment.

    Raises:
        TglError: If no folder above the file has a manifest, or if the file is not in the manifest.
    """
    folder = manifest_folder(artifact)
    manifest = read_manifest(folder / NAME)
    path = relative_to(folder, os.path.abspath(artifact))
    makers = manifest.makers()
    if path not in makers:
        inside = [name for name in makers if name.startswith(f"{path}/")]
        hint = f" (a folder? pass a file, such as {inside[0]})" if inside else nearest(path, makers)
        raise TglError(
            f"{folder / NAME}: has no file '{path}'{hint}. `tgl verify` lists files that are not in the manifest."
        )
    job = makers[path]
    gone = "" if (folder / path).exists() else " (missing now)"
    undeclared = (
        "" if path in {file.path for file in job.outputs} else " (not declared; written while this job ran)"
    )
    lines = [path + gone + undeclared, *_about(job, manifest), "made from", *_Chain(makers).lines(job)]
    return "\n".join(map(one_line, lines))


def manifest_folder(artifact: str | Path) -> Path:
    """Return the nearest folder above an artifact that has a manifest.

    Raises:
        TglError: If there is none.
    """
    for folder in Path(os.path.abspath(artifact)).parents:
        if (folder / NAME).is_file():
            return folder
    raise TglError(
        f"{artifact}: found no {NAME} in a folder above it. Pass a file of an experiment that the workflow ran, such "
        "as results/default/report/gate.txt."
    )


def _about(job: Job, manifest: Manifest) -> Iterator[str]:
    yield from _entry("rule", job.title)
    if job.finished is not None:
        yield from _entry(
            "finished", datetime.fromtimestamp(job.finished, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        )
    if job.copied_from is not None:
        yield from _entry("copied from", f"{job.copied_from}: the same inputs, code, settings and versions")
    yield from _entry("cost", _cost(job))
    for code in job.code:
        yield from _entry("code", f"{code.hash} ({', '.join(code.modules)} and what it imports)")
    versions = manifest.versions.get(job.versions or "", {})
    listed = ", ".join(f"{name} {version}" for name, version in versions.items())
    yield from _entry("versions", listed or "not recorded")
    for name, value in job.config.items():
        yield from _entry(name.replace("_", " "), ", ".join(config_keys(value)) or "no keys")
    if job.command:
        # The command is not wrapped, so that users can copy it.
        yield f"  {'command':<15} {job.command}"


def _entry(name: str, text: str) -> list[str]:
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=f"  {name:<15} ",
        subsequent_indent=" " * 18,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _cost(job: Job) -> str:
    seconds = "time not recorded" if job.seconds is None else f"{job.seconds:.1f} s"
    peak = "memory not recorded" if job.peak_mib is None else f"peak {job.peak_mib:.0f} MiB"
    copied = "" if job.copied_from is None else f", copied from {job.copied_from}"
    return f"{seconds}, {peak}{copied}"


def config_keys(value: Mapping, prefix: str = "") -> Iterator[str]:
    """Yield every key of a configuration with its value, such as `pretrain.steps=400`."""
    for key, inner in value.items():
        if isinstance(inner, dict) and inner:
            yield from config_keys(inner, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}={inner if isinstance(inner, str) else json.dumps(inner)}"


@dataclass
class _Chain:
    """The direct and indirect inputs of a job. The inputs of each job are printed once."""

    makers: Mapping[str, Job]
    printed: set[str] = field(default_factory=set)

    def lines(self, job: Job, level: int = 1) -> Iterator[str]:
        """Yield a line for each job that made inputs of `job`, each followed by the lines of its own inputs."""
        self.printed.add(job.outputs[0].path)
        indent, above = "  " * level, []
        by_maker: dict[str, list[Input]] = {}
        for read in job.inputs:
            maker = self.makers.get(read.path)
            by_maker.setdefault(maker.outputs[0].path if maker else read.path, []).append(read)
        for first, inputs in by_maker.items():
            maker = self.makers.get(first)
            if maker is None:
                yield f"{indent}{first}: source, sha256 {inputs[0].sha256 or 'not recorded'}"
            elif first in self.printed:
                above.append(maker.title + self._other(inputs, maker))
            else:
                yield f"{indent}{maker.title}: {_names(inputs)} ({_cost(maker)}){self._other(inputs, maker)}"
                yield from self.lines(maker, level + 1)
        if above:
            yield f"{indent}as above: {', '.join(above)}"
        if not by_maker:
            yield f"{indent}no file"

    def _other(self, inputs: list[Input], maker: Job) -> str:
        recorded = {file.path: file.sha256 for file in maker.files}
        stale = any(read.sha256 not in (None, recorded[read.path]) for read in inputs)
        return " [made again since]" if stale else ""


def _names(inputs: list[Input]) -> str:
    more = f" and {len(inputs) - MOST_NAMES} more" if len(inputs) > MOST_NAMES else ""
    return ", ".join(read.path for read in inputs[:MOST_NAMES]) + more
