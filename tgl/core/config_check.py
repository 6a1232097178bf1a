"""Turn a mapping into a typed section, or report all of its problems at once."""

from __future__ import annotations

import copy
from collections import Counter, deque
from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from tgl.core.config_types import COLLECTED, Section
from tgl.core.errors import TglError, nearest
from tgl.core.files import check_file
from tgl.core.json_text import parse_json

AnySection = TypeVar("AnySection", bound=Section)


def load_section(kind: type[AnySection], text: str, option: str = "--config") -> AnySection:
    """Return one section of the configuration from JSON text.

    Args:
        kind: The class of the section.
        text: A JSON object. A rule of the workflow passes it to its stage.
        option: The option that holds the text; error messages begin with it.

    Raises:
        TglError: The text is not a JSON object, or the section has problems. The message lists all of them.
    """
    try:
        raw = parse_json(text, unique_keys=True)
    except ValueError as error:
        raise TglError(
            f"{option}: not JSON ({error}). Found {text[:80]!r}, expected a JSON object; correct it"
        ) from None
    if not isinstance(raw, dict):
        raise TglError(f"{option}: found {text[:80]!r}, expected a JSON object. Correct it")
    section, problems = validated(kind, raw)
    if section is None or problems:
        raise TglError(problem_list(option, problems))
    return section


def validated(kind: type[AnySection], raw: dict) -> tuple[AnySection | None, list[str]]:
    """Return the section without its faulty keys, and all problems.

    Args:
        kind: The class of the section.
        raw: The mapping to check; it is not changed.

    Returns:
        The section, or None if it is not valid even without the faulty keys; and one text for each problem, which
        begins with the key.
    """
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


def read_yaml(path: Path) -> dict:
    """Return the mapping in a YAML file.

    Raises:
        TglError: The file is missing, is not YAML, holds no mapping, or holds a key twice.
    """
    check_file(path, "a YAML configuration")
    check_keys(path)
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except RecursionError:
        raise TglError(
            f"{path}: the YAML is nested too deeply, expected a configuration. Simplify the file"
        ) from None
    # Besides PyYAML's own errors, values with a tag and impossible dates raise these.
    except (yaml.YAMLError, OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise TglError(f"{path}: not YAML ({error}). Correct the file") from None
    if not isinstance(raw, dict):
        raise TglError(f"{path}: found {type(raw).__name__}, expected a mapping of keys. Correct the file")
    return raw


def check_keys(path: str | Path) -> None:
    """Check that a file of YAML or JSON holds no key twice. Other problems of the file are left to its reader.

    Raises:
        TglError: A key occurs twice.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
        # JSON may be indented with tabs, which YAML cannot read.
        repeated = _repeated_keys(text.replace("\t", " ") if text.lstrip().startswith("{") else text)
    except (yaml.YAMLError, OSError, ValueError, RecursionError):
        return
    if repeated:
        raise TglError(
            f"{path}: the key {', '.join(repeated)} is written twice, and the last one would be used. Keep one of them"
        )


def _repeated_keys(text: str) -> list[str]:
    """Return the keys that a mapping of YAML text holds more than once, with their sections."""
    found, seen = [], set()
    waiting = deque([((), yaml.compose(text, yaml.SafeLoader))])
    while waiting:
        path, node = waiting.popleft()
        if id(node) in seen:  # An alias refers to a node that was checked before.
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
    """Return the representation of a value, cut to 300 characters."""
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
    """Remove from `raw` the keys that an error names; return whether there were any."""
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


def problem_list(origin: str, problems: list[str]) -> str:
    """Return an error message that lists `problems`; it begins with `origin`, a file or option."""
    plural = "problem" if len(problems) == 1 else "problems"
    return f"{origin}: {len(problems)} {plural}\n" + "\n".join(f"  - {problem}" for problem in problems)
