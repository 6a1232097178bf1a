"""Start a project on documents of one's own: read them once, write and check the configuration, estimate the cost."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from tgl.config.cost import num_parameters, trained_tokens, training_seconds
from tgl.config.files import missing_files, missing_models, wrong_probes
from tgl.config.project import experiment_name, write_text_project
from tgl.config.root import Config
from tgl.config.text_project import Sizes, dated, sizes_of, text_settings
from tgl.core.errors import TglError
from tgl.core.progress import duration
from tgl.snapshots.documents.collection import open_collection
from tgl.snapshots.settings import DocumentsConfig


def start_text_project(
    folder: Path, texts: Sequence[Path], dates: Sequence[str], *, model: str | None, probes: Path | None
) -> str:
    """Write the configuration of a project, check it, and return what it trains on and what that costs.

    Args:
        folder: The folder of the project.
        texts: The collections.
        dates: Their dates, or none.
        model: A pretrained model, or None.
        probes: A file of probes, or None.

    Raises:
        TglError: A collection, the model or the probes cannot be used. No configuration is left then.
    """
    # Dates are in the paths as they were given: folders above them may have dates of something else. "." has no name.
    named = [str(path) if path.name.strip(".") else os.path.abspath(path) for path in texts]
    collections = {date: os.path.abspath(path) for date, path in dated(named, dates).items()}
    settings = DocumentsConfig()
    sizes = sizes_of(open_collection(settings, date, place).documents for date, place in collections.items())
    if not sizes.characters or not all(sizes.new_characters):
        raise TglError(
            f"--text: found {sizes.characters} characters at the first date and {sizes.new_characters} in new or "
            "changed documents of the later dates; expected some at each. Give collections that differ"
        )
    is_folder = model is not None and Path(model).is_dir()
    keys = text_settings(
        experiment_name(folder),
        collections,
        sizes,
        model=os.path.abspath(model) if is_folder else model,
        probes=None if probes is None else os.path.abspath(probes),
    )
    config = write_text_project(folder, keys)
    problems = [*missing_models(config), *missing_files(config), *wrong_probes(config)]
    costs: list[str] = []
    if not problems:
        try:
            costs = list(_cost_lines(config))
        except TglError as error:  # of the model, which has not been looked into before
            problems = [str(error)]
    if problems:
        (folder / "config.yaml").unlink()
        folder.rmdir()
        raise TglError("\n  - ".join([f"{folder}: not written, {len(problems)} problems", *problems]))
    return "\n".join(
        [
            f"{folder / 'config.yaml'}: written and checked",
            *_text_lines(list(collections), sizes),
            *costs,
        ]
    )


def _text_lines(dates: Sequence[str], sizes: Sizes) -> Iterator[str]:
    yield f"{dates[0]}: {sizes.documents[0]:,} documents, {sizes.characters:,} characters"
    for date, number, size in zip(dates[1:], sizes.documents[1:], sizes.new_characters, strict=True):
        yield f"{date}: {number:,} documents, {size:,} characters in new or changed ones"


def _cost_lines(config: Config) -> Iterator[str]:
    base, runs = trained_tokens(config)
    cores = os.cpu_count() or 1
    origin = "from scratch" if config.model.load is None else "pretrained"
    yield f"model: {num_parameters(config):,} parameters, {origin}"
    before = f", after {base:,} tokens of pretraining" if base else ""
    yield f"training: {len(config.runs) * len(config.seeds)} runs, {runs:,} tokens in all{before}"
    spent = duration(training_seconds(config) / cores)
    yield f"cost: training takes about {spent} on {cores} cores, estimated from the speed of this machine"
