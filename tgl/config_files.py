"""The files and folders that a configuration names: where they lie, and which of them are missing."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterator
from pathlib import Path

from tgl.config import Config
from tgl.config_types import rule_path_problem
from tgl.errors import TglError

# What a model's or tokenizer's name on Hugging Face looks like; anything else is a folder.
_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?", re.ASCII)
# Either describes what a folder holds: a model, or an adapter for one.
_DESCRIPTIONS = ("config.json", "adapter_config.json")


def data_path(data_root: str | None, path: str) -> str:
    """Return a data file's path, relative ones starting from data_root."""
    return path if data_root is None else str(Path(data_root) / path)


def matching_files(data_root: str | None, pattern: str) -> list[str]:
    """Return the files that match a pattern below data_root, sorted; brackets in data_root stand for themselves.

    Raises TglError when there is none, and for a name that no rule can take.
    """
    whole = data_path(glob.escape(data_root) if data_root else None, pattern)
    found = sorted(glob.glob(whole))
    if not found:
        raise TglError(
            f"no file matches '{data_path(data_root, pattern)}'; expected at least one. Set data_root to the folder "
            "that holds the data: --config data_root=FOLDER (in a pattern, [[] stands for a bracket)"
        )
    for path in found:
        if problem := rule_path_problem(path):
            raise TglError(f"the file {path!r} matches: {problem}")
    return found


def path_problems(config: Config) -> Iterator[str]:
    """Yield, led by its key, each path that no rule can take as an input."""
    given = {"data_root": config.data_root, "plan.borrow": config.plan.borrow}
    for key, path in (*given.items(), *_data_files(config)):
        if path is not None and (problem := rule_path_problem(path)):
            yield f"{key}: {problem}"


def check_folder(experiment: str, results: str | Path = "results") -> None:
    """Raise TglError when the folder of an experiment cannot be made, because a file is in its place."""
    for path in (Path(results), Path(results) / experiment):
        if path.exists() and not path.is_dir():
            raise TglError(
                f"experiment: '{path}' is a file, expected a folder or nothing; choose another name, or move the file"
            )


def missing_models(config: Config) -> Iterator[str]:
    """Yield which model, tokenizer or other experiment the configuration names and is not there, led by its key."""
    if config.plan.borrow is not None and not Path(config.plan.borrow).is_dir():
        yield f"plan.borrow: '{config.plan.borrow}' is no folder; expected the results folder of another experiment"
    for key, name in (("model.load", config.model.load), ("tokens.tokenizer", config.tokens.tokenizer)):
        if (
            name is not None
            and not Path(name).is_dir()
            and (Path(name).exists() or not _HUB_NAME.fullmatch(name))
        ):
            yield f"{key}: '{name}' is no folder and no Hugging Face name such as gpt2 or owner/name; expected one"
    folder = Path(config.model.load or "")
    if config.model.load and folder.is_dir() and not any((folder / name).is_file() for name in _DESCRIPTIONS):
        yield f"model.load: the folder '{folder}' holds neither of {', '.join(_DESCRIPTIONS)}; expected a saved model"


def missing_files(config: Config) -> Iterator[str]:
    """Yield which data file the configuration names and is not there, each led by its key."""
    root = config.data_root
    for key, path in _data_files(config):
        if not Path(data_path(root, path)).is_file():
            yield f"{key}: '{data_path(root, path)}' is no file; expected one. Mend the path, or data_root"
    for key, pattern in _patterns(config):
        try:
            matching_files(root, pattern)
        except TglError as error:
            yield f"{key}: {error}"


def _data_files(config: Config) -> Iterator[tuple[str, str]]:
    """Yield (key, path) of each data file that a stage will read."""
    probes = config.probes
    if config.text.base == "json_lines":
        yield "text.json_lines", config.text.json_lines
    if "templama" in probes.sets:
        yield "probes.templama.file", probes.templama.file
    if "ecbd" in probes.sets:
        yield from (("probes.ecbd.files", path) for path in probes.ecbd.files)
    if "wikidata" in probes.sets:
        yield "probes.wikidata.file", probes.wikidata.file
        if probes.wikidata.templates is not None:
            yield "probes.wikidata.templates", probes.wikidata.templates
    if config.snapshots.source == "wikimedia" and config.snapshots.wikimedia.sources is not None:
        yield "snapshots.wikimedia.sources", config.snapshots.wikimedia.sources


def _patterns(config: Config) -> Iterator[tuple[str, str]]:
    """Yield (key, pattern) of each pattern that must match dump files."""
    if config.snapshots.source == "local":
        for date in config.snapshots.dates:
            names = {"date": date, "year": date[:4], "month": date[4:6], "day": date[6:]}
            yield "snapshots.local.pattern", config.snapshots.local.pattern.format(**names)
    if config.snapshots.source == "history":
        yield "snapshots.history.pattern", config.snapshots.history.pattern
