"""Describe a run as an RO-Crate: one file of JSON-LD next to the artifacts, made from the manifest.

It follows RO-Crate 1.1 (https://w3id.org/ro/crate/1.1) and the profile Process Run Crate 0.5: every job is a
CreateAction with its inputs as `object`, its outputs as `result`, and a version of tgl as `instrument`.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from tgl.core.errors import TglError
from tgl.core.files import write_text
from tgl.provenance.manifest import NAME, File, Job, Manifest, read_manifest

CRATE = "ro-crate-metadata.json"
_SPECIFICATION = "https://w3id.org/ro/crate/1.1"
_PROFILE = "https://w3id.org/ro/wfrun/process/0.5"
_FORMATS = {
    ".parquet": "application/vnd.apache.parquet", ".json": "application/json", ".html": "text/html",
    ".csv": "text/csv", ".svg": "image/svg+xml", ".safetensors": "application/octet-stream",
}  # fmt: skip


def export_crate(results: str | Path) -> Path:
    """Write `ro-crate-metadata.json` of an experiment into its folder, and return its path.

    Args:
        results: Folder of an experiment, such as results/default.

    Raises:
        TglError: The experiment has no manifest, or no job in it.
    """
    folder = Path(results)
    manifest = read_manifest(folder / NAME)
    if not manifest.jobs:
        raise TglError(
            f"{folder / NAME}: found no finished job, expected at least one. Run the experiment first"
        )
    path = folder / CRATE
    write_text(path, json.dumps(crate(manifest, folder.name), indent=1, ensure_ascii=False) + "\n")
    return path


def crate(manifest: Manifest, name: str) -> dict:
    """Return the JSON-LD of a run.

    Args:
        manifest: The manifest of the experiment.
        name: Name of the experiment.
    """
    made = manifest.makers()
    sources = {file.path: file for file in manifest.sources}
    inputs = {entry.path: entry.sha256 for job in manifest.jobs for entry in job.inputs}
    outside = {path: hash_ for path, hash_ in inputs.items() if path not in made and path not in sources}
    files = [file for job in manifest.jobs for file in job.files]
    last = max((job.finished for job in manifest.jobs if job.finished), default=None)
    root = {
        "@id": "./", "@type": "Dataset", "name": f"tgl: {name}", "conformsTo": {"@id": _PROFILE},
        "description": f"Continual pretraining experiment '{name}': artifacts of {len(manifest.jobs)} jobs.",
        "license": "The text of the artifacts has the licences of its sources.",
        "datePublished": _time(last) if last else "unknown",
        "hasPart": [{"@id": _id(file.path)} for file in [*files, *sources.values()]],
        "mentions": [{"@id": f"#job-{number}"} for number in range(len(manifest.jobs))],
    }  # fmt: skip
    about = {
        "@id": CRATE, "@type": "CreativeWork", "about": {"@id": "./"}, "conformsTo": {"@id": _SPECIFICATION},
    }  # fmt: skip
    graph = [
        about,
        root,
        {"@id": _PROFILE, "@type": "CreativeWork", "name": "Process Run Crate", "version": "0.5"},
    ]
    graph += [_file(file) for file in [*files, *sources.values()]]
    graph += [{"@id": _id(path), "@type": "CreativeWork", "sha256": hash_} for path, hash_ in outside.items()]
    graph += _software(manifest)
    graph += [_action(number, job) for number, job in enumerate(manifest.jobs)]
    return {"@context": f"{_SPECIFICATION}/context", "@graph": graph}


def _file(file: File) -> dict:
    found = {"@id": _id(file.path), "@type": "File", "name": file.path, "contentSize": str(file.bytes)}
    kind = _FORMATS.get(Path(file.path).suffix)
    return found | ({"encodingFormat": kind} if kind else {}) | {"sha256": file.sha256}


def _software(manifest: Manifest) -> Iterator[dict]:
    """Yield an application for each set of package versions; one for jobs without recorded versions."""
    for key in dict.fromkeys(job.versions for job in manifest.jobs):
        versions = manifest.versions.get(key or "", {})
        packages = ", ".join(f"{package} {version}" for package, version in versions.items())
        yield {
            "@id": _instrument(key), "@type": "SoftwareApplication", "name": "tgl",
            "url": "https://github.com/tgl-project/tgl", "softwareVersion": versions.get("tgl", "unknown"),
            "softwareRequirements": packages or "unknown",
        }  # fmt: skip


def _action(number: int, job: Job) -> dict:
    found = {
        "@id": f"#job-{number}", "@type": "CreateAction", "name": job.title,
        "instrument": {"@id": _instrument(job.versions)},
        "object": [{"@id": _id(entry.path)} for entry in job.inputs],
        "result": [{"@id": _id(file.path)} for file in job.files],
        "actionStatus": "http://schema.org/CompletedActionStatus",
    }  # fmt: skip
    if job.command:
        found["description"] = job.command
    if job.finished:
        found["endTime"] = _time(job.finished)
        if job.seconds is not None:
            found["startTime"] = _time(max(0.0, job.finished - job.seconds))
    return found


def _instrument(key: str | None) -> str:
    return f"#tgl-{key or 'unknown'}"


def _id(path: str) -> str:
    return f"file://{quote(path)}" if path.startswith("/") else quote(path)


def _time(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).isoformat(timespec="seconds")
