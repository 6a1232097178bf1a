"""Sections of the configuration in the signature of a command: which keys become options, and how values are read."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from tgl.core.config_types import Section, number
from tgl.core.registry import Registry

PANEL = "Settings"
CONFIG = "--config"


@dataclass(frozen=True)
class Keys:
    """Marks a parameter that a section of the configuration is handed over in.

    key: the section's key ("model"), "" for the whole configuration. only: the keys of it that the command takes (None:
    all). unused: those that it does not take. options: the keys that become options (None: all that it takes). without:
    those that do not, mostly since the command has such an option. given: the option that takes the section as
    JSON, as the workflow's rules write it: --config for the main section of a command, a hidden one for the others,
    None where the rules give options.

    part_of: the section's class in the configuration, where the command takes only some of its keys.

    entries: of a registry whose entries have sections below `key`; the parameter `entry` of the command holds the name
    of one, and the section is None for an entry without settings. None of its keys becomes an option.
    """

    key: str
    only: tuple[str, ...] | None = None
    unused: tuple[str, ...] = ()
    options: tuple[str, ...] | None = None
    without: tuple[str, ...] = ()
    given: str | None = CONFIG
    part_of: type[Section] | None = None
    entries: Registry | None = None
    entry: str = ""

    def takes(self, name: str) -> bool:
        """Return whether a key of the section has an effect on the command."""
        return name not in self.unused and (self.only is None or name in self.only)

    def fields(self, kind: type[Section]) -> dict[str, str]:
        """Return the option of each key that one option can hold."""
        if self.entries is not None:
            return {}
        return {
            name: f"--{name.replace('_', '-')}"
            for name, about in kind.model_fields.items()
            if self.takes(name)
            and (self.options is None or name in self.options)
            and name not in self.without
            and _is_single(about.annotation)
        }

    def chosen(self, kind: type[Section], values: Mapping[str, Any]) -> tuple[str, type[Section] | None]:
        """Return the section's key and class, by the values of the command's other parameters."""
        if self.entries is None:
            return self.key, kind
        name = values[self.entry]
        return f"{self.key}.{name}", self.entries.get(name).Settings


def keyword(name: str, annotation: object, default: object) -> inspect.Parameter:
    """Return a parameter that is given by its name."""
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default)


def option_of(parameter: str, kind: type[Section], key: str, *, option: str) -> inspect.Parameter:
    """Return the parameter of a command that holds the option of one key of a section."""
    about = kind.model_fields[key]
    found = typer.Option(
        option,
        # Rich takes brackets for its own markup.
        help=(about.description or key.replace("_", " ")).replace("[", r"\["),
        metavar=_metavar(about.annotation),
        rich_help_panel=PANEL,
    )
    default = None if about.is_required() else _shown(about.get_default(call_default_factory=True))
    return keyword(parameter, Annotated[str | None, found], default)


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


def value_of(value: str, annotation: object) -> object:
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
