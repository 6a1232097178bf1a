"""Turn a mapping or a YAML file into a `Config`, or report all of its problems at once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tgl.config.combinations import combination_problems
from tgl.config.files import path_problems
from tgl.config.root import Config
from tgl.core.config_check import problem_list, read_yaml, validated
from tgl.core.errors import TglError
from tgl.core.json_text import check_values

# Most keys and values of a configuration. The largest preset has a few hundred.
_MOST_VALUES = 20_000


def load_config(source: str | Path | Mapping) -> Config:
    """Return the typed configuration from a YAML file or a mapping.

    Raises:
        TglError: The configuration has problems. The message lists every unknown key (with the nearest known one),
            wrong type and impossible combination.
    """
    if isinstance(source, Mapping):
        return check(dict(source))
    return check(read_yaml(Path(source)), origin=str(source))


def check(raw: dict, origin: str = "configuration") -> Config:
    """Return the typed configuration of a mapping; see `load_config`.

    Args:
        raw: The mapping.
        origin: The beginning of the error message, such as the file.
    """
    try:
        check_values(raw, _MOST_VALUES)
    except ValueError as error:
        raise TglError(f"{origin}: {error}, expected a configuration. Simplify it") from None
    config, problems = validated(Config, _with_nulls(raw))
    if config is not None:
        # The configuration without its faulty keys can still have impossible combinations; report those too.
        problems += [*combination_problems(config), *path_problems(config)]
    if problems or config is None:
        raise TglError(problem_list(origin, problems))
    return config


def _with_nulls(raw: Mapping) -> dict:
    """Return a mapping in which the word null stands for no value, because Snakemake's --config gives it as text."""
    return {
        key: _with_nulls(value) if isinstance(value, Mapping) else None if value == "null" else value
        for key, value in raw.items()
    }
