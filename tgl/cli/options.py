"""Options and arguments that several commands take, checked before any work by the types of the configuration."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer
from pydantic import ConfigDict, TypeAdapter, ValidationError

from tgl.cli.sections import Keys
from tgl.config.root import Config
from tgl.core.config_types import Date, Dates, Name, Rate
from tgl.core.registry import Registry
from tgl.text.settings import TextConfig


def checked(kind: object) -> Callable[[object], object]:
    """Return a callback that refuses a value which is not of a type of the configuration, by the option's name."""
    adapter = TypeAdapter(kind, config=ConfigDict(allow_inf_nan=False, defer_build=True))

    def check(value):
        if value is not None:
            try:
                adapter.validate_python(value)
            except ValidationError as error:
                problem = error.errors()[0]
                raise typer.BadParameter(
                    f"{problem['msg'].removeprefix('Value error, ')}, found {problem['input']!r}"
                ) from None
        return value

    return check


def checked_entry(registry: Registry) -> Callable[[str], str]:
    """Return a callback that refuses a name which no entry of a registry has."""

    def check(name: str) -> str:
        if name not in registry:
            raise typer.BadParameter(str(registry.unknown(name)))
        return name

    return check


def checked_names(pairs: list[str]) -> list[str]:
    """Refuse NAME=PATH whose name, which becomes a folder, is none; the form itself is checked where it is read."""
    names = checked(Name)
    for pair in pairs:
        names(pair.partition("=")[0])
    return pairs


# Paths in a configuration file start from its data_root.
Root = Annotated[Config, Keys("", only=("data_root",), given=None)]
RisingDates = Annotated[
    list[str],
    typer.Argument(help="Dates of the snapshots as YYYYMMDD, in ascending order.", callback=checked(Dates)),
]
OneDate = Annotated[str, typer.Argument(help="Date as YYYYMMDD.", callback=checked(Date))]
Period = Annotated[str, typer.Option(help="Date of NEW as YYYYMMDD.", metavar="DATE", callback=checked(Date))]
LearningRate = Annotated[
    float,
    typer.Option(help="Learning rate of every sublayer at multiplier 1.", callback=checked(Rate)),
]
TextKeys = Annotated[TextConfig, Keys("text", only=("holdout_share", "language"), given=None)]
