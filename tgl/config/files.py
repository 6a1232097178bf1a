"""The files and folders that a configuration names: their paths, and which are missing."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterator
from pathlib import Path

from tgl.config.root import Config
from tgl.core.config_types import rule_path_problem
from tgl.core.errors import TglError
from tgl.core.registered import settings_of
from tgl.plans.names import parse_plan
from tgl.probes.probe_set import PROBE_SETS
from tgl.probes.settings import ProbesConfig
from tgl.snapshots.settings import COUNTERFACTUAL_FILES

# The form of a Hugging Face name of a model or tokenizer. Anything else is a folder.
_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?", re.ASCII)
# A folder with a model or an adapter holds one of these files.
_DESCRIPTIONS = ("config.json", "adapter_config.json")


def data_path(data_root: str | None, path: str) -> str:
    """Return the path of a data file. Relative paths start at data_root."""
    return path if data_root is None else str(Path(data_root) / path)


def matching_files(data_root: str | None, pattern: str) -> list[str]:
    """Return the files that match a pattern below data_root, sorted.

    Args:
        data_root: The folder. Its brackets are not part of the pattern. None: the working directory.
        pattern: A glob pattern.

    Raises:
        TglError: No file matches, or a rule of the workflow cannot use a file's name.
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
    """Yield a problem for each path that a rule cannot use as an input. Each begins with the key."""
    given = {"data_root": config.data_root, "plan.borrow": config.plan.borrow}
    folders = {
        "model.load": config.model.load,
        "tokens.tokenizer": config.tokens.tokenizer,
        "snapshots.documents.dataset": config.snapshots.documents.dataset,
    }
    given |= {key: name for key, name in folders.items() if name is not None and Path(name).is_dir()}
    for key, path in (*given.items(), *_data_files(config), *_collections(config)):
        if path is not None and (problem := rule_path_problem(path)):
            yield f"{key}: {problem}"


def check_folder(experiment: str, results: str | Path = "results") -> None:
    """Check that no file has the name of the experiment's folder.

    Raises:
        TglError: A file has this name, so the folder cannot be created.
    """
    for path in (Path(results), Path(results) / experiment):
        if path.exists() and not path.is_dir():
            raise TglError(
                f"experiment: '{path}' is a file, expected a folder or no file. Choose another name, or move the file"
            )


def missing_models(config: Config) -> Iterator[str]:
    """Yield a problem for each missing model, tokenizer or other experiment. Each begins with the key."""
    if config.plan.borrow is not None and not Path(config.plan.borrow).is_dir():
        yield f"plan.borrow: '{config.plan.borrow}' is not a folder; expected the results folder of another experiment"
    for key, name in (("model.load", config.model.load), ("tokens.tokenizer", config.tokens.tokenizer)):
        if (
            name is not None
            and not Path(name).is_dir()
            and (Path(name).exists() or not _HUB_NAME.fullmatch(name))
        ):
            yield f"{key}: '{name}' is neither a folder nor a Hugging Face name such as gpt2 or owner/name; correct it"
    folder = Path(config.model.load or "")
    if config.model.load and folder.is_dir() and not any((folder / name).is_file() for name in _DESCRIPTIONS):
        yield f"model.load: the folder '{folder}' holds neither of {', '.join(_DESCRIPTIONS)}; expected a saved model"


def missing_files(config: Config) -> Iterator[str]:
    """Yield a problem for each missing data file or collection. Each begins with the key."""
    root = config.data_root
    for key, path in _collections(config):
        if not Path(data_path(root, path)).exists():
            yield f"{key}: '{data_path(root, path)}' is not there. Correct the path, or data_root"
    for key, path in _data_files(config):
        if not Path(data_path(root, path)).is_file():
            yield f"{key}: '{data_path(root, path)}' is not a file. Correct the path, or data_root"
    for key, pattern in _patterns(config):
        try:
            matching_files(root, pattern)
        except TglError as error:
            yield f"{key}: {error}"


def _data_files(config: Config) -> Iterator[tuple[str, str]]:
    """Yield (key, path) of each data file that a stage reads."""
    if config.text.base == "json_lines":
        yield "text.json_lines", config.text.json_lines
    for name in config.probes.sets:
        for key, path in keyed_files(config.probes, name):
            yield f"probes.{name}.{key}", path
    if config.snapshots.source == "counterfactual":
        for key in COUNTERFACTUAL_FILES:
            yield f"snapshots.counterfactual.{key}", getattr(config.snapshots.counterfactual, key)
    if config.snapshots.source == "wikimedia" and config.snapshots.wikimedia.sources is not None:
        yield "snapshots.wikimedia.sources", config.snapshots.wikimedia.sources
    for name in config.plans:
        if (file := parse_plan(name).file) is not None:
            yield "methods", str(Path(file).absolute())


def wrong_probes(config: Config) -> Iterator[str]:
    """Yield a problem for each file of probes that its set could not use. Each begins with the key."""
    probes = located(config.probes, config.data_root)
    for name in config.probes.sets:
        check = PROBE_SETS.get(name).check
        if check is not None and all(Path(path).is_file() for path in data_files(probes, name)):
            try:
                check(settings_of(PROBE_SETS, probes, name), config.snapshots.dates, probes)
            except TglError as error:
                yield f"probes.{name}: {error}"


def _collections(config: Config) -> Iterator[tuple[str, str]]:
    """Yield (key, path) of each collection of documents on this machine: files, folders and repositories."""
    own = config.snapshots.documents
    if config.snapshots.source != "documents" or own.dataset is not None:
        return
    if own.repository is not None:
        yield "snapshots.documents.repository", own.repository
    else:
        yield from (
            (f"snapshots.documents.collections.{date}", path) for date, path in own.collections.items()
        )


def keyed_files(probes: ProbesConfig, name: str) -> Iterator[tuple[str, str]]:
    """Yield (key, path) of each file in the settings of a probe set."""
    settings = settings_of(PROBE_SETS, probes, name)
    for key in PROBE_SETS.get(name).files:
        value = getattr(settings, key)
        yield from ((key, path) for path in (value if isinstance(value, list) else [value]) if path)


def data_files(probes: ProbesConfig, name: str) -> list[str]:
    """Return the files in the settings of a probe set."""
    return [path for _, path in keyed_files(probes, name)]


def located(probes: ProbesConfig, data_root: str | None) -> ProbesConfig:
    """Return the section `probes` with the files of every set below `data_root`."""
    found = {}
    for name in PROBE_SETS:
        settings = getattr(probes, name, None)
        if settings is not None and (files := PROBE_SETS.get(name).files):
            found[name] = settings.model_copy(
                update={key: _below(data_root, getattr(settings, key)) for key in files}
            )
    return probes.model_copy(update=found)


def _below(data_root: str | None, value: str | list[str] | None) -> str | list[str] | None:
    if isinstance(value, list):
        return [data_path(data_root, path) for path in value]
    return value and data_path(data_root, value)


def _patterns(config: Config) -> Iterator[tuple[str, str]]:
    """Yield (key, pattern) of each pattern that must match dump files."""
    if config.snapshots.source == "local":
        for date in config.snapshots.dates:
            names = {"date": date, "year": date[:4], "month": date[4:6], "day": date[6:]}
            yield "snapshots.local.pattern", config.snapshots.local.pattern.format(**names)
    if config.snapshots.source == "history":
        yield "snapshots.history.pattern", config.snapshots.history.pattern
