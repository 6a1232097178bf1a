"""Collect the files of a push to the Hub: a checkpoint, dataset folders or a report, each with its card."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from tgl.core.errors import TglError, nearest
from tgl.core.layout import field_of
from tgl.core.terminal import one_line
from tgl.export.hub import export_hub, recorded_file
from tgl.export.push_cards import Checkpoint, dataset_card, model_card, report_card
from tgl.provenance.manifest import NAME, Manifest

CARD = "README.md"
# Contents by path in the repository.
Files = dict[str, Path | bytes]


def checkpoints(manifest: Manifest) -> dict[str, Checkpoint]:
    """Return the checkpoints of an experiment by their folder, which is relative to that of the experiment."""
    found: dict[str, Checkpoint] = {}
    for job in manifest.jobs:
        for file in job.files:
            folder = PurePosixPath(file.path).parent.as_posix()
            if any(field_of(name, folder, "model") for name in ("base_model", "kept_model", "model")):
                found.setdefault(folder, Checkpoint(folder, job, [])).files.append(file)
    return found


def model_files(
    results: Path, repository: str, checkpoint: str | Path | None, *, manifest: Manifest
) -> Files:
    """Return the files of a checkpoint. Each has the content that the manifest records.

    Args:
        results: Folder of the experiment.
        repository: NAMESPACE/NAME of the repository.
        checkpoint: Folder of the checkpoint; None for the only one.
        manifest: Manifest of the experiment.

    Raises:
        TglError: If there is no such checkpoint, or if a file is missing or differs from the manifest.
    """
    found = checkpoints(manifest)
    listed = ", ".join(str(results / folder) for folder in found)
    if not found:
        raise TglError(
            f"{results / NAME}: lists no checkpoint; expected one below {results / 'models'}. Run the workflow with "
            "train.keep_models: true."
        )
    if checkpoint is None and len(found) > 1:
        raise TglError(
            f"{results}: {len(found)} checkpoints found, one expected. Choose one with --checkpoint: {listed}"
        )
    folder = next(iter(found))
    if checkpoint is not None:
        folder = Path(os.path.relpath(os.path.realpath(checkpoint), os.path.realpath(results))).as_posix()
    if folder not in found:
        raise TglError(
            f"{checkpoint}: not a checkpoint of the experiment{nearest(folder, found)}; expected one of: {listed}"
        )
    chosen = found[folder]
    files = {PurePosixPath(file.path).name: recorded_file(results, file) for file in chosen.files}
    return {**files, CARD: model_card(results, repository, chosen, manifest=manifest).encode()}


def dataset_files(results: Path, repository: str, scratch: Path, *, say: Callable[[str], None]) -> Files:
    """Export the tables of an experiment into the folder `scratch` and return the files.

    Raises:
        TglError: As `tgl.export.hub.export_hub`, and if no table has rows.
    """
    folders = export_hub(results, scratch, say=lambda line: say(one_line(line.replace(f"{scratch}/", ""))))
    if not folders:
        raise TglError(
            f"{results}: its tables have no rows; expected at least one row. Run the workflow first."
        )
    card = dataset_card(folders, repository, results.resolve().name)
    return {**_files_below(scratch), CARD: card.encode()}


def report_files(results: Path, manifest: Manifest) -> Files:
    """Return the files of the report of an experiment.

    Raises:
        TglError: If there is no report, or if a file of it differs from the manifest.
    """
    folder = results / "report"
    files = _files_below(folder)
    if "index.html" not in files:
        raise TglError(
            f"{folder / 'index.html'}: no such file; expected a report. Write one with `tgl report`."
        )
    for job in manifest.jobs:
        for file in job.files:
            if file.path.startswith("report/"):
                recorded_file(results, file)
    return {**files, CARD: report_card(results.resolve().name).encode()}


def _files_below(folder: Path) -> Files:
    """Return the files below a folder by their relative path. Links are left out: they can lead out of the folder."""
    found = sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return {path.relative_to(folder).as_posix(): path for path in found}
