"""Options of a command that stand for keys of the configuration, generated from its typed sections."""

from __future__ import annotations

import functools
import inspect
import types
import typing
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from tgl.core.config_check import problem_list, read_yaml, validated
from tgl.core.config_types import Section, number
from tgl.core.errors import TglError, nearest
from tgl.core.json_text import parse_json
from tgl.core.registry import Registry

PANEL = "Settings"
_CONFIG = "--config"
_FILE = typer.Option(
    _CONFIG,
    help="A configuration file. The command takes the settings that it needs from it.",
    metavar="FILE",
    rich_help_panel=PANEL,
)
_SET = typer.Option(
    "--set",
    help="One setting by its full key in the configuration, as in train.steps=6. Can be given several times.",
    metavar="KEY=VALUE",
    rich_help_panel=PANEL,
)


@dataclass(frozen=True)
class Keys:
    """Marks a parameter that a section of the configuration is handed over in.

    key: the section's key ("model"), "" for the whole configuration. only: the keys of it that become options (None:
    all). without: keys that do not. given: the option that takes the section as JSON, as the workflow's rules write it:
    --config for the main section of a command, a hidden one for the others, None where the rules give options.

    part_of: the section's class in the configuration, where the command takes only some of its keys.

    entries: of a registry whose entries have sections below `key`; the parameter `entry` of the command holds the name
    of one, and the section is None for an entry without settings. None of its keys becomes an option.
    """

    key: str
    only: tuple[str, ...] | None = None
    without: tuple[str, ...] = ()
    given: str | None = _CONFIG
    part_of: type[Section] | None = None
    entries: Registry | None = None
    entry: str = ""

    def fields(self, kind: type[Section]) -> dict[str, str]:
        """Return the option of each key that one option can hold."""
        if self.entries is not None:
            return {}
        return {
            name: f"--{name.replace('_', '-')}"
            for name, about in kind.model_fields.items()
            if (self.only is None or name in self.only)
            and name not in self.without
            and _is_single(about.annotation)
        }

    def chosen(self, kind: type[Section], values: Mapping[str, Any]) -> tuple[str, type[Section] | None]:
        """Return the section's key and class, by the values of the command's other parameters."""
        if self.entries is None:
            return self.key, kind
        name = values[self.entry]
        return f"{self.key}.{name}", self.entries.get(name).Settings


@dataclass(frozen=True)
class _Settings:
    """What one call gives: the file or JSON of --config, the keys of --set, the options of each section."""

    config: str | None
    assigned: Mapping[str, object]

    @functools.cached_property
    def is_json(self) -> bool:
        return self.config is not None and self.config.lstrip().startswith(("{", "["))

    @functools.cached_property
    def whole(self) -> dict:
        """The configuration file."""
        return {} if self.config is None or self.is_json else read_yaml(Path(self.config))

    def check(self, sections: Mapping[str, type[Section] | None]) -> None:
        """Raise TglError for a key of --set that no section of the command has. sections: classes by key."""
        known = [f"{key}.{name}" for key, kind in sections.items() if kind for name in kind.model_fields]
        example = f", such as {known[0]}" if known else ""
        for key in self.assigned:
            if not any(_is_below(key, section) for section in sections):
                raise TglError(
                    f"--set {key}: this command has no such setting{nearest(key, known)}; expected a key of "
                    f"{', '.join(sections)}{example}"
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
        by = keys.given or _CONFIG
        raw = _section_of(self.whole, key, str(self.config))
        if kind is not None and keys.part_of is not None:
            others = keys.part_of.model_fields.keys() - kind.model_fields.keys()
            raw = {name: value for name, value in raw.items() if name not in others}
        raw |= _parsed(self.config if keys.given == _CONFIG and self.is_json else given, by)
        assigned = {
            name.removeprefix(key).lstrip("."): name for name in self.assigned if _is_below(name, key)
        }
        for inner, name in assigned.items():
            _put(raw, inner.split("."), self.assigned[name])
        raw |= options
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


def with_sections(function: Callable) -> Callable:
    """Return a command whose parameters marked with `Keys` are options, built and checked before it is called."""
    signature = inspect.signature(function, eval_str=True)
    marked = {name: _marked(parameter) for name, parameter in signature.parameters.items()}
    sections = {name: found for name, found in marked.items() if found is not None}
    if not sections:
        return function
    parameters = [parameter for name, parameter in signature.parameters.items() if name not in sections]
    parameters.insert(0, _keyword("context", typer.Context, inspect.Parameter.empty))
    options: dict[str, tuple[str, str]] = {}  # parameter -> (section's parameter, key)
    for name, (kind, keys) in sections.items():
        for key, option in keys.fields(kind).items():
            parameter = f"{name}__{key}"
            options[parameter] = (name, key)
            parameters.append(_option(parameter, kind, key, option=option))
        if keys.given not in (None, _CONFIG):
            given = typer.Option(keys.given, hidden=True)
            parameters.append(_keyword(f"{name}__given", Annotated[str | None, given], None))
    parameters.append(_keyword("config", Annotated[str | None, _FILE], None))
    parameters.append(_keyword("set_keys", Annotated[list[str] | None, _SET], None))

    @functools.wraps(function)
    def command(context: typer.Context, **values: Any) -> None:
        settings = _Settings(values.pop("config"), _assigned(values.pop("set_keys") or []))
        chosen: dict[str, dict[str, object]] = {name: {} for name in sections}
        for parameter, (name, key) in options.items():
            value = values.pop(parameter)
            # The default only shows what applies where neither the option nor --set nor --config gives a value.
            if context.get_parameter_source(parameter).name != "DEFAULT":
                chosen[name][key] = _read(value, sections[name][0].model_fields[key].annotation)
        kinds = {name: keys.chosen(kind, values) for name, (kind, keys) in sections.items()}
        settings.check(dict(kinds.values()))
        for name, (key, kind) in kinds.items():
            given = values.pop(f"{name}__given", None)
            values[name] = settings.section(
                key, kind, keys=sections[name][1], given=given, options=chosen[name]
            )
        function(**values)

    command.__signature__ = signature.replace(
        parameters=[parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in parameters]
    )
    return command


def _marked(parameter: inspect.Parameter) -> tuple[type[Section], Keys] | None:
    if typing.get_origin(parameter.annotation) is not Annotated:
        return None
    kind, *marks = typing.get_args(parameter.annotation)
    return next(((kind, mark) for mark in marks if isinstance(mark, Keys)), None)


def _keyword(name: str, annotation: object, default: object) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default)


def _option(parameter: str, kind: type[Section], key: str, *, option: str) -> inspect.Parameter:
    about = kind.model_fields[key]
    found = typer.Option(
        option,
        # Rich takes brackets for its own markup.
        help=(about.description or key.replace("_", " ")).replace("[", r"\["),
        metavar=_metavar(about.annotation),
        rich_help_panel=PANEL,
    )
    default = None if about.is_required() else _shown(about.get_default(call_default_factory=True))
    return _keyword(parameter, Annotated[str | None, found], default)


def _is_single(annotation: object) -> bool:
    """Tell whether one option can hold a value of this type: a number, a text, a flag, one of several words."""
    kinds = [kind for kind in _kinds(annotation) if kind is not type(None)]
    return len(kinds) == 1 and (
        kinds[0] in (int, float, str, bool) or typing.get_origin(kinds[0]) is typing.Literal
    )


def _kinds(annotation: object) -> list[object]:
    if typing.get_origin(annotation) is Annotated:
        return _kinds(typing.get_args(annotation)[0])
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return [kind for part in typing.get_args(annotation) for kind in _kinds(part)]
    return [annotation]


def _metavar(annotation: object) -> str:
    kind = next(kind for kind in _kinds(annotation) if kind is not type(None))
    if typing.get_origin(kind) is typing.Literal:
        return "|".join(map(str, typing.get_args(kind)))
    return {int: "NUMBER", float: "NUMBER", bool: "true|false"}.get(kind, "TEXT")


def _read(value: str, annotation: object) -> object:
    """Return the value that the text of an option stands for; the text where it is none of the type."""
    if value == "null":
        return None
    kind = next(kind for kind in _kinds(annotation) if kind is not type(None))
    if typing.get_origin(kind) is typing.Literal:
        return next((choice for choice in typing.get_args(kind) if str(choice) == value), value)
    if kind is bool:
        return {"true": True, "false": False}.get(value.lower(), value)
    return number(value) if kind in (int, float) else value


def _shown(value: object) -> str:
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


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


def _assigned(pairs: list[str]) -> dict[str, object]:
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
