"""Give a command the options of its sections, and build and check the sections before each call."""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Callable
from typing import Annotated, Any

import typer

from tgl.cli.given_settings import Settings, assigned_keys
from tgl.cli.sections import CONFIG, PANEL, Keys, keyword, option_of, value_of
from tgl.core.config_types import Section

_FILE = typer.Option(
    CONFIG,
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


def with_sections(function: Callable) -> Callable:
    """Return a command whose parameters marked with `Keys` are options, built and checked before it is called."""
    signature = inspect.signature(function, eval_str=True)
    marked = {name: _marked(parameter) for name, parameter in signature.parameters.items()}
    sections = {name: found for name, found in marked.items() if found is not None}
    if not sections:
        return function
    parameters = [parameter for name, parameter in signature.parameters.items() if name not in sections]
    parameters.insert(0, keyword("context", typer.Context, inspect.Parameter.empty))
    options: dict[str, tuple[str, str]] = {}  # parameter -> (section's parameter, key)
    for name, (kind, keys) in sections.items():
        for key, option in keys.fields(kind).items():
            parameter = f"{name}__{key}"
            options[parameter] = (name, key)
            parameters.append(option_of(parameter, kind, key, option=option))
        if keys.given not in (None, CONFIG):
            given = typer.Option(keys.given, hidden=True)
            parameters.append(keyword(f"{name}__given", Annotated[str | None, given], None))
    parameters.append(keyword("config", Annotated[str | None, _FILE], None))
    parameters.append(keyword("set_keys", Annotated[list[str] | None, _SET], None))

    @functools.wraps(function)
    def command(context: typer.Context, **values: Any) -> None:
        settings = Settings(values.pop("config"), assigned_keys(values.pop("set_keys") or []))
        chosen: dict[str, dict[str, object]] = {name: {} for name in sections}
        for parameter, (name, key) in options.items():
            value = values.pop(parameter)
            # The default only shows what applies where neither the option nor --set nor --config gives a value.
            if context.get_parameter_source(parameter).name != "DEFAULT":
                chosen[name][key] = value_of(value, sections[name][0].model_fields[key].annotation)
        kinds = {name: keys.chosen(kind, values) for name, (kind, keys) in sections.items()}
        settings.check({key: (kind, sections[name][1]) for name, (key, kind) in kinds.items()})
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
