"""Turn a mapping into a `Config`, or say everything that is wrong with it at once."""

from __future__ import annotations

import copy
from collections import Counter, deque
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from tgl.config import Config
from tgl.config_combinations import combination_problems
from tgl.config_files import path_problems
from tgl.config_types import COLLECTED, Section
from tgl.errors import TglError, nearest
from tgl.files import check_file
from tgl.json_text import check_values, parse_json

# Of a whole configuration; the largest preset has a few hundred.
_MOST_VALUES = 20_000

AnySection = TypeVar("AnySection", bound=Section)


def load_config(source: str | Path | Mapping) -> Config:
    """Return the typed configuration of a YAML file or a mapping.

    Raises TglError listing every unknown key (with the nearest right one), wrong type and impossible
    combination, each by its key.
    """
    if isinstance(source, Mapping):
        return check(dict(source))
    return check(_read_yaml(Path(source)), origin=str(source))


def load_section(kind: type[AnySection], text: str, option: str = "--config") -> AnySection:
    """Return one section from JSON text, as a rule hands it to its stage by `option`. Raises TglError as above."""
    try:
        raw = parse_json(text, unique_keys=True)
    except ValueError as error:
        raise TglError(f"{option}: not JSON ({error}); found {text[:80]!r}") from None
    if not isinstance(raw, dict):
        raise TglError(f"{option}: a JSON object expected, found {text[:80]!r}")
    section, problems = _validated(kind, raw)
    if section is None or problems:
        raise TglError(_message(option, problems))
    return section


def check(raw: dict, origin: str = "configuration") -> Config:
    """Validate `raw`; see `load_config`."""
    try:
        check_values(raw, _MOST_VALUES)
    except ValueError as error:
        raise TglError(f"{origin}: {error}; no configuration") from None
    config, problems = _validated(Config, raw)
    if config is not None:
        # Without its faulty keys it may still hold impossible combinations: say those as well.
        problems += [*combination_problems(config), *path_problems(config)]
    if problems or config is None:
        raise TglError(_message(origin, problems))
    return config


def _validated(kind: type[AnySection], raw: dict) -> tuple[AnySection | None, list[str]]:
    """Return the section without its faulty keys (None: nothing is left of it), and everything that is wrong."""
    problems: list[str] = []
    rest = copy.deepcopy(raw)
    while True:
        try:
            section = kind.model_validate(rest, context=COLLECTED)
            return section, [*problems, *section.all_problems()]
        except ValidationError as error:
            problems += _field_problems(kind, error)
            if not _drop_faulty_keys(rest, error):
                return None, problems


def _read_yaml(path: Path) -> dict:
    check_file(path, "a YAML configuration")
    check_keys(path)
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except RecursionError:
        raise TglError(f"{path}: nested too deeply; no configuration") from None
    # PyYAML's own errors, and what values with a tag or impossible dates raise beside them
    except (yaml.YAMLError, OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise TglError(f"{path}: not YAML ({error})") from None
    if not isinstance(raw, dict):
        raise TglError(f"{path}: a mapping of keys expected, found {type(raw).__name__}")
    return raw


def check_keys(path: str | Path) -> None:
    """Raise TglError for a YAML file that holds a key twice; leave all other faults to its reader."""
    try:
        twice = _repeated_keys(Path(path).read_text(encoding="utf-8"))
    except (yaml.YAMLError, OSError, ValueError, RecursionError):
        return
    if twice:
        raise TglError(
            f"{path}: the key {', '.join(twice)} is written twice, and YAML keeps the last; keep one of them"
        )


def _repeated_keys(text: str) -> list[str]:
    """Return the keys, with their sections, that a mapping of YAML text holds more than once."""
    found, seen = [], set()
    waiting = deque([((), yaml.compose(text, yaml.SafeLoader))])
    while waiting:
        path, node = waiting.popleft()
        if id(node) in seen:  # an alias
            continue
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            waiting += [((*path, str(number)), inner) for number, inner in enumerate(node.value)]
        elif isinstance(node, yaml.MappingNode):
            keys = [str(key.value) for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
            found += [".".join((*path, key)) for key, count in Counter(keys).items() if count > 1]
            waiting += [((*path, str(key.value)), inner) for key, inner in node.value]
    return sorted(found)


def _field_problems(kind: type[BaseModel], error: ValidationError) -> list[str]:
    problems = []
    for item in error.errors():
        key = ".".join(str(part) for part in item["loc"])
        if item["type"] == "extra_forbidden":
            section = _section_at(kind, item["loc"][:-1])
            known = list(section.model_fields) if section else []
            wrong = str(item["loc"][-1])
            hint = nearest(wrong, known) or f"; known keys: {', '.join(known)}"
            problems.append(f"{key}: unknown key{hint}")
        else:
            message = item["msg"].removeprefix("Value error, ")
            hint = ""
            if item["type"] == "literal_error":
                hint = nearest(str(item["input"]), _quoted(item["msg"]))
            problems.append(f"{key}: {message}, found {_shown(item['input'])}{hint}")
    return problems


def _shown(value: object) -> str:
    """Return what a value looks like, cut where it is long."""
    text = repr(value)
    return text if len(text) <= 300 else text[:300] + "..."


def _quoted(message: str) -> list[str]:
    """Return the words between single quotes."""
    return message.split("'")[1::2]


def _section_at(kind: type[BaseModel], loc: tuple) -> type[BaseModel] | None:
    for part in loc:
        found = kind.model_fields.get(part) if isinstance(part, str) else None
        if found is None or not isinstance(found.annotation, type):
            return None
        kind = found.annotation
    return kind if issubclass(kind, BaseModel) else None


def _drop_faulty_keys(raw: dict, error: ValidationError) -> bool:
    """Remove from `raw` the keys that an error names; tell whether there were any."""
    dropped = False
    for item in error.errors():
        keys = [part for part in item["loc"] if isinstance(part, str)]
        parent = raw
        for key in keys[:-1]:
            parent = parent.get(key) if isinstance(parent, dict) else None
        if isinstance(parent, dict) and keys and keys[-1] in parent:
            del parent[keys[-1]]
            dropped = True
    return dropped


def _message(origin: str, problems: list[str]) -> str:
    plural = "problem" if len(problems) == 1 else "problems"
    return f"{origin}: {len(problems)} {plural}\n" + "\n".join(f"  - {problem}" for problem in problems)
