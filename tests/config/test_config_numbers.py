"""Numbers beyond what a stage can use are refused by their key."""

import math
from typing import get_args

import pytest
from annotated_types import Ge, Gt, Le, Lt
from pydantic.fields import FieldInfo

from tests.config.config_problems import nested, problems
from tgl.config.check import check
from tgl.config.root import Config
from tgl.core.config_types import Section
from tgl.core.errors import TglError


def numbers(kind=Config, path=()):
    """Return (path, metadata, whether it is an integer, whether it stands in a list) of every numeric key."""
    found = []
    for name, field in kind.model_fields.items():
        whole = field.annotation
        if isinstance(whole, type) and issubclass(whole, Section):
            found += numbers(whole, (*path, name))
            continue
        waiting = [(whole, list(field.metadata), False)]
        while waiting:
            inner, metadata, listed = waiting.pop()
            if inner in (int, float):
                found.append(((*path, name), metadata, inner is int, listed))
            more = getattr(inner, "__metadata__", ())
            parts = [part for part in get_args(inner) if not isinstance(part, FieldInfo)]
            listed = listed or getattr(inner, "__origin__", None) is list
            waiting += [(part, [*([] if listed else metadata), *more], listed) for part in parts]
    return found


NUMBERS = numbers()


def bounds(metadata):
    flat = [item for data in metadata for item in getattr(data, "metadata", [data])]
    low = [item for item in flat if isinstance(item, Ge | Gt)]
    high = [item for item in flat if isinstance(item, Le | Lt)]
    return low, high


@pytest.mark.parametrize(("path", "metadata"), [(path, data) for path, data, _, _ in NUMBERS])
def test_every_number_has_a_lower_and_an_upper_bound(path, metadata):
    low, high = bounds(metadata)
    assert low, path
    assert high, path


def test_the_list_of_numbers_is_not_empty_by_mistake():
    found = {path for path, *_ in NUMBERS}
    assert {
        ("seeds",),
        ("train", "learning_rates"),
        ("model", "pretrain", "keep"),
        ("gate", "updated_gain"),
    } <= found
    assert len(found) > 50


@pytest.mark.parametrize(
    "value", [-1, 10**20, 10**400, 1e300, -0.5, math.nan, math.inf, True, "1_0", " 1", "１", "0x1"]
)
@pytest.mark.parametrize(("path", "listed"), [(path, listed) for path, _, _, listed in NUMBERS])
def test_a_number_no_stage_can_use_is_refused_by_its_key(path, listed, value):
    lines = problems(nested(path, [value] if listed else value))
    assert any(f"- {'.'.join(path)}" in line for line in lines)


@pytest.mark.parametrize(("path", "listed"), [(path, listed) for path, _, whole, listed in NUMBERS if whole])
@pytest.mark.parametrize("value", [1.0, "1.0", 2.5])
def test_a_fraction_is_no_whole_number(path, listed, value):
    assert any(f"- {'.'.join(path)}" in line for line in problems(nested(path, [value] if listed else value)))


@pytest.mark.parametrize(
    "rates",
    [
        [0],
        [-0.1],
        [5e-324],
        [1e-320],
        ["1e-320"],
        ["1e400"],
        ["nan"],
        ["-3e-3"],
        [None],
        [[0.1]],
        [],
        "0.003",
    ],
)
def test_a_rate_that_trains_nothing_or_is_none_is_refused(rates):
    assert any("- train.learning_rates" in line for line in problems({"train": {"learning_rates": rates}}))


@pytest.mark.parametrize("rates", [[0.003, "3e-3"], ["0.0030", 0.003], [1, "1e0"], ["1e-3", ".001"]])
def test_one_rate_written_in_two_ways_is_one_rate_twice(rates):
    (line,) = problems({"train": {"learning_rates": rates}})
    assert "train.learning_rates" in line
    assert "twice" in line


def test_values_of_snakemake_s_config_option_are_read_as_what_they_are():
    """It reads each nested value as text."""
    found = check(
        {"pages": {"tables": "true", "infoboxes": "false"}, "reuse": "false", "report": {"level": "0.9"}}
    )
    assert (found.pages.tables, found.pages.infoboxes, found.reuse) == (True, False, False)
    assert found.report.level == 0.9
    with pytest.raises(TglError, match=r"report.level: .*found '?0\.8"):
        check({"report": {"level": "0.8"}})
