"""Names of methods: a plan and, after `+`, a baseline (`tgl_fp+ewc`). Without a baseline, training is plain.

The name of a plan is a policy with variations, or `file:PATH` for a plan written by hand. A number after the name of a
baseline sets its main setting: `full+replay.0.25` has the ratio 0.25. This module has only light imports.
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, ValidationError

from tgl.core.config_types import Section
from tgl.core.errors import TglError
from tgl.core.registered import settings_of
from tgl.plans.names import parse_plan, plan_id
from tgl.train.baseline import BASELINES

_NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?")


def parse_method(name: str) -> tuple[str, str]:
    """Split the name of a method into (plan, baseline).

    The baseline keeps its number, if it has one (`split_baseline`).

    Raises:
        TglError: The plan or the baseline is unknown, or the baseline does not accept the number.
    """
    plan, plus, baseline = name.partition("+") if not name.startswith("file:") else _of_file(name)
    parse_plan(plan)
    if plus:
        _check_baseline(name, baseline)
    return plan, baseline or "plain"


def split_baseline(baseline: str) -> tuple[str, str]:
    """Split a baseline with a number (`replay.0.25`) into its name and the number as text, or "" without one."""
    name, _, number = baseline.partition(".")
    return name, number


def baseline_settings(sections: Section, baseline: str) -> Section | None:
    """Return the settings of a baseline: its section of the configuration, with the number of its name.

    Args:
        sections: The section `baselines` of the configuration.
        baseline: The baseline of a method's name, such as `replay.0.25`.

    Raises:
        TglError: The setting does not accept the number.
    """
    name, number = split_baseline(baseline)
    found = settings_of(BASELINES, sections, name)
    if not number:
        return found
    key = BASELINES.get(name).varied
    given = found.model_dump() | {key: int(number) if number.isdecimal() else float(number)}
    try:
        return type(found).model_validate(given)
    except ValidationError as error:
        raise TglError(f"baseline '{baseline}': {key}: {error.errors()[0]['msg']}") from None


def _check_baseline(method: str, baseline: str) -> None:
    name, number = split_baseline(baseline)
    if name not in BASELINES:
        raise TglError(f"'{method}': {BASELINES.unknown(name)}")
    if "." not in baseline:
        return
    if (key := BASELINES.get(name).varied) is None:
        raise TglError(f"'{method}': the baseline '{name}' has no setting that a number in the name sets")
    if not _NUMBER.fullmatch(number) or number != rate_text(float(number)):
        raise TglError(
            f"'{method}': found '{number}' as {key} of '{name}', expected a number in its shortest form, such as 0.25"
        )


def _of_file(name: str) -> tuple[str, str, str]:
    """Split a name whose path can contain a plus sign."""
    path, end, baseline = name.rpartition(".json+")
    return (f"{path}.json", "+", baseline) if end else (name, "", "")


def rate_text(rate: float) -> str:
    """Return the shortest text that reads back as exactly this learning rate, so that different rates differ."""
    short = f"{rate:g}"
    return short if float(short) == rate else repr(float(rate))


def method_folder(method: str, rate: float) -> str:
    """Return the folder name of a method at a learning rate."""
    plan, baseline = parse_method(method)
    return f"{plan_id(plan)}-{baseline}-lr{rate_text(rate)}"


def _is_method(value: str) -> str:
    try:
        parse_method(value)
    except TglError as error:
        raise ValueError(str(error)) from None
    return value


Method = Annotated[str, AfterValidator(_is_method)]
