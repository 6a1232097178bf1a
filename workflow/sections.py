"""Sections of the configuration as JSON, as the rules pass them to their stages."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Self

from tgl.core.config_types import Section
from tgl.train.methods import baseline_settings
from tgl.train.settings import EngineConfig, TrainConfig


class Settings(str):
    """JSON of settings that a rule passes to its stage.

    Snakemake stores and compares the `repr` of a parameter, and prints it when it changed. This `repr` is short, and
    does not depend on settings without effect on outputs. The settings are in the manifest (`tgl explain`).
    """

    def __new__(cls, text: str, compared: str) -> Self:
        """Return the JSON `text` of all settings, whose `repr` is a hash of `compared`."""
        made = super().__new__(cls, text)
        made._compared = compared
        return made

    def __getnewargs__(self) -> tuple[str, str]:
        return str(self), self._compared

    def __repr__(self) -> str:
        return f"settings {hashlib.sha256(self._compared.encode()).hexdigest()[:12]}"


def _settings(value: Section | None, **which: set[str]) -> Settings:
    values = {} if value is None else value.model_dump(mode="json", **which)
    effective = {key: values[key] for key in values.keys() - (value.without_effect() if value else set())}
    return Settings(*(json.dumps(each, sort_keys=True) for each in (values, effective)))


def section(value: Section | None, *, without: tuple[str, ...] = ()) -> Callable[[object], Settings]:
    """Return a function that gives a section as JSON for the option --config of a stage.

    The result is a function of the wildcards, because Snakemake does not interpret braces in the value of a function.

    Args:
        value: The section; None gives an empty object.
        without: Keys that the stage does not depend on.
    """
    settings = _settings(value, exclude=set(without))
    return lambda wildcards: settings


def engine_section(value: TrainConfig) -> Callable[[object], Settings]:
    """Return a function that gives the engine settings as JSON for the training of the base model."""
    settings = _settings(value, include=set(EngineConfig.model_fields))
    return lambda wildcards: settings


def baseline_section(value: Section) -> Callable[[object], Settings]:
    """Return a function that gives the settings of one baseline as JSON.

    Jobs of a baseline get only its own settings, so that a change to another baseline does not re-run them.
    """

    def settings(wildcards) -> Settings:
        return _settings(baseline_settings(value, wildcards.baseline))

    return settings
