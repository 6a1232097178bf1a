"""The settings that one call of a command gives: a file or JSON, single keys, and options."""

from __future__ import annotations

import functools
import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from tgl.cli.sections import CONFIG, Keys
from tgl.core.config_check import problem_list, read_yaml, validated
from tgl.core.config_types import Section, is_below_data_root
from tgl.core.errors import TglError, nearest
from tgl.core.json_text import parse_json


@dataclass(frozen=True)
class Settings:
    """What one call gives: the file or JSON of --config, the keys of --set, the options of each section."""

    config: str | None
    assigned: Mapping[str, object]

    @functools.cached_property
    def is_json(self) -> bool:
        """Whether --config holds JSON and not the name of a file."""
        return self.config is not None and self.config.lstrip().startswith(("{", "["))

    @functools.cached_property
    def whole(self) -> dict:
        """The configuration file."""
        return {} if self.config is None or self.is_json else read_yaml(Path(self.config))

    @property
    def _data_root(self) -> object:
        return self.assigned.get("data_root", self.whole.get("data_root"))

    def check(self, sections: Mapping[str, tuple[type[Section] | None, Keys]]) -> None:
        """Raise TglError for a key of --set that no section of the command has, or that has no effect there.

        Args:
            sections: By key, the class of each section and what the command takes of it.
        """
        known = [
            f"{key}.{name}".lstrip(".")
            for key, (kind, keys) in sections.items()
            for name in (kind.model_fields if kind else ())
            if keys.takes(name)
        ]
        example = f", such as {known[0]}" if known else ""
        for key in self.assigned:
            if not any(_takes(keys, key, section) for section, (_, keys) in sections.items()):
                raise TglError(
                    f"--set {key}: this command has no such setting{nearest(key, known)}; expected a key of "
                    f"{', '.join(filter(None, sections))}{example}"
                )

    def section(
        self,
        key: str,
        kind: type[Section] | None,
        *,
        keys: Keys,
        given: str | None,
        options: Mapping[str, object],
    ) -> Section | None:
        """Return a checked section. given: its JSON, of the option `keys.given`; options: values of options, by key."""
        by = keys.given or CONFIG
        raw = _section_of(self.whole, key, str(self.config))
        if kind is not None and keys.part_of is not None:
            others = keys.part_of.model_fields.keys() - kind.model_fields.keys()
            raw = {name: value for name, value in raw.items() if name not in others}
        raw |= _parsed(self.config if keys.given == CONFIG and self.is_json else given, by)
        assigned = {
            name.removeprefix(key).lstrip("."): name for name in self.assigned if _is_below(name, key)
        }
        for inner, name in assigned.items():
            _put(raw, inner.split("."), self.assigned[name])
        raw |= {name: self._placed(value, kind, name) for name, value in options.items()}
        section, problems = validated(kind or Section, raw)
        if section is not None and not problems:
            return section if kind else None
        origin = str(self.config) if self.whole else by
        prefix = f"{key}." if self.whole and key else ""
        named = [_by_option(problem, options, assigned) for problem in problems]
        if any(named):
            lines = [
                line or f"{origin}: {prefix}{problem}" for line, problem in zip(named, problems, strict=True)
            ]
            raise TglError(lines[0] if len(lines) == 1 else problem_list("settings", lines))
        raise TglError(problem_list(origin, [prefix + problem for problem in problems]))

    def _placed(self, value: object, kind: type[Section] | None, name: str) -> object:
        """Return the value of an option. A path starts from the working directory, where the file's own do not."""
        if kind is None or not isinstance(value, str) or not self._data_root:
            return value
        return os.path.abspath(value) if is_below_data_root(kind.model_fields[name]) else value


def _takes(keys: Keys, key: str, section: str) -> bool:
    """Return whether a key of --set is below a section and has an effect on the command."""
    name = key.removeprefix(section).lstrip(".").partition(".")[0]
    return _is_below(key, section) and keys.takes(name)


def _is_below(key: str, section: str) -> bool:
    return not section or key.startswith(f"{section}.")


def _section_of(whole: Mapping, key: str, origin: str) -> dict:
    found: object = whole
    parts = key.split(".") if key else []
    for depth, part in enumerate(parts, 1):
        found = found.get(part, {})
        if not isinstance(found, Mapping):
            name = ".".join(parts[:depth])
            raise TglError(f"{origin}: {name}: found {found!r:.80}, expected a section with keys; correct it")
    return dict(found)


def _parsed(text: str | None, option: str) -> dict:
    if text is None:
        return {}
    try:
        raw = parse_json(text, unique_keys=True)
    except ValueError as error:
        raise TglError(f"{option}: not JSON ({error}); found {text[:80]!r}") from None
    if not isinstance(raw, dict):
        raise TglError(f"{option}: a JSON object expected, found {text[:80]!r}")
    return raw


def assigned_keys(pairs: list[str]) -> dict[str, object]:
    """Return the values of --set KEY=VALUE by key. Raises TglError for another form, and for a key given twice."""
    found: dict[str, object] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals or not all(key.split(".")):
            raise TglError(f"--set {pair}: expected KEY=VALUE, such as train.steps=6")
        if key in found:
            raise TglError(f"--set {pair}: the key '{key}' is given twice; keep one of them")
        try:
            found[key] = yaml.safe_load(text)
        # PyYAML's own errors, and what values with a tag or impossible dates raise besides.
        except (yaml.YAMLError, ValueError, LookupError, TypeError, AttributeError) as error:
            about = getattr(error, "problem", None) or str(error).partition("\n")[0]
            raise TglError(
                f"--set {pair}: the value is not YAML ({about}); put quotes around it, as in {key}='\"TEXT\"'"
            ) from None
    return found


def _put(raw: dict, keys: list[str], value: object) -> None:
    for key in keys[:-1]:
        inner = raw.get(key)
        raw[key] = dict(inner) if isinstance(inner, Mapping) else {}
        raw = raw[key]
    raw[keys[-1]] = value


def _by_option(problem: str, options: Collection[str], assigned: Mapping[str, str]) -> str | None:
    """Return a problem that begins with its option; None for one of a key that no option has given."""
    key, colon, rest = problem.partition(":")
    if key in options:
        return f"--{key.replace('_', '-')}{colon}{rest}"
    for inner, name in assigned.items():
        if key == inner or key.startswith(f"{inner}.") or inner.startswith(f"{key}."):
            return f"--set {name}{key.removeprefix(inner) if key.startswith(inner) else ''}{colon}{rest}"
    return None
