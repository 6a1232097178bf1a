"""Names of methods: a plan and, after `+`, a baseline (`tgl_fp+ewc`). Without a baseline, training is plain.

The name of a plan is a policy with variations, or `file:PATH` for a plan written by hand. This module has only light
imports.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

from tgl.core.errors import TglError
from tgl.plans.names import parse_plan, plan_id
from tgl.train.baseline import BASELINES


def parse_method(name: str) -> tuple[str, str]:
    """Split the name of a method into (plan, baseline).

    Raises:
        TglError: The plan or the baseline is unknown.
    """
    plan, plus, baseline = name.partition("+") if not name.startswith("file:") else _of_file(name)
    parse_plan(plan)
    if plus and baseline not in BASELINES:
        raise TglError(f"'{name}': {BASELINES.unknown(baseline)}")
    return plan, baseline or "plain"


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
