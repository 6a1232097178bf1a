import json
import math

import pandas as pd
import pytest

from tgl.config.report_settings import GateConfig
from tgl.core.errors import TglError
from tgl.report.gate import check_gate, gates, plain_gain

BASE, PERIODS = "2019", ["2020", "2021"]
SETTINGS = GateConfig(base_ranking=0.75, times_chance=6.0, updated_gain=3.0, new_entity_gain=2.0)


def row(value, measure, kind, period, method="base", checkpoint=BASE, seed=0, probe_set="world"):
    return {
        "method": method, "seed": seed, "checkpoint": checkpoint, "set": probe_set,
        "kind": kind, "period": period, "measure": measure, "value": value, "count": 10,
    }  # fmt: skip


def measures(known=0.9, chance=0.1, new=0.05, updated_gain=4.0, new_entity_gain=3.0):
    rows = []
    for period in PERIODS:
        rows += [
            row(known if period == "2020" else 0.0, "ranked_first", "unchanged", period),
            row(chance if period == "2020" else 1.0, "chance", "unchanged", period),
            row(new, "ranked_first", "updated", period),
            row(chance, "chance", "updated", period),
        ]
    for kind, gain in (("updated", updated_gain), ("new_entity", new_entity_gain)):
        for method, factor in (("full", gain), ("tgl_fp", 100.0)):
            rows += gained(kind, factor, method)
    return pd.DataFrame(rows)


def gained(kind, gain, method="full", seed=0, probe_set="world"):
    """Return perplexities that fall by `gain` in each period's own training, and otherwise tell nothing."""
    rest = {"kind": kind, "seed": seed, "probe_set": probe_set, "measure": "perplexity"}
    return [
        row(60.0, period="2020", **rest),
        row(7.0, period="2021", **rest),
        row(60.0 / gain, period="2020", method=method, checkpoint="2020", **rest),
        row(90.0, period="2021", method=method, checkpoint="2020", **rest),
        row(1.0, period="2020", method=method, checkpoint="2021", **rest),
        row(90.0 / gain, period="2021", method=method, checkpoint="2021", **rest),
    ]


def found(**changes):
    return gates(measures(**changes), SETTINGS, PERIODS, base=BASE)


def test_all_gates_are_met_by_an_experiment_that_works():
    assert [gate["met"] for gate in found()] == [True] * 5
    assert [gate["value"] for gate in found()] == pytest.approx([0.9, 9.0, 0.05, 4.0, 3.0])
    assert [gate["limit"] for gate in found()] == pytest.approx([0.75, 6.0, 0.1, 3.0, 2.0])


@pytest.mark.parametrize(
    ("change", "missed"),
    [
        ({"known": 0.7}, [0]),
        ({"chance": 0.2}, [1]),
        ({"new": 0.11}, [2]),
        ({"updated_gain": 2.9}, [3]),
        ({"new_entity_gain": 1.9}, [4]),
        ({"known": 0.5, "new_entity_gain": 1.0}, [0, 1, 4]),
    ],
)
def test_a_gate_is_missed_on_the_wrong_side_of_its_limit(change, missed):
    assert [number for number, gate in enumerate(found(**change)) if not gate["met"]] == missed


def test_limits_themselves_are_met():
    settings = GateConfig(base_ranking=0.9, times_chance=9.0, updated_gain=0.5, new_entity_gain=0.5)
    assert all(gate["met"] for gate in gates(measures(new=0.1), settings, PERIODS, base=BASE))


def test_what_was_not_measured_is_missed():
    table = measures()
    without = gates(table[table["kind"] != "new_entity"], SETTINGS, PERIODS, base=BASE)
    assert without[4]["value"] is None  # NaN is no JSON
    assert not without[4]["met"]


def test_without_ranked_probes_there_is_no_gate():
    table = measures()
    assert gates(table[table["measure"] != "ranked_first"], SETTINGS, PERIODS, base=BASE) == []


def test_the_gain_compares_with_the_checkpoint_before_and_is_a_geometric_mean():
    table = pd.DataFrame(gained("updated", 2.0) + gained("updated", 8.0, seed=1))
    assert plain_gain(table, "updated", PERIODS, base=BASE) == pytest.approx(4)


def test_the_gain_is_that_of_plain_training_of_everything_whatever_stands_first():
    table = pd.DataFrame(
        gained("updated", 50.0, "tgl_fp")
        + gained("updated", 100.0, "full+ewc")
        + gained("updated", 2.0, "full")
        + gained("updated", 9.0, "full_at_mean_lr")
    )
    assert plain_gain(table, "updated", PERIODS, base=BASE) == pytest.approx(2)


def test_the_gain_with_two_probe_sets_does_not_depend_on_the_order_of_rows():
    table = pd.DataFrame(gained("updated", 2.0) + gained("updated", 8.0, probe_set="templama"))
    assert plain_gain(table, "updated", PERIODS, base=BASE) == pytest.approx(
        plain_gain(table[::-1], "updated", PERIODS, base=BASE)
    )


def written(folder, gate_list):
    (folder / "gate.json").write_text(json.dumps(gate_list))
    return folder / "gate.json"


GOOD = {"name": "facts known", "value": 0.9, "limit": 0.75, "met": True}
BAD = {"name": "facts learnt", "value": 1.2, "limit": 3.0, "met": False}


def test_met_gates_are_told_with_the_path_of_the_report(tmp_path):
    for binding in (True, False):
        assert check_gate(written(tmp_path, [GOOD]), binding).splitlines() == [
            "met     facts known: 0.9 (limit 0.75)", f"report: {tmp_path / 'index.html'}",
        ]  # fmt: skip


def test_a_missed_binding_gate_is_an_error_that_says_which_and_what_to_do(tmp_path):
    with pytest.raises(TglError) as caught:
        check_gate(written(tmp_path, [GOOD, BAD]), True)
    text = str(caught.value)
    assert "MISSED  facts learnt: 1.2 (limit 3)" in text
    assert "met     facts known" in text
    assert "set gate.binding to false" in text
    assert str(tmp_path / "index.html") in text


def test_a_missed_gate_that_is_not_binding_is_told_but_passes(tmp_path):
    text = check_gate(written(tmp_path, [GOOD, BAD]), False)
    assert "MISSED  facts learnt" in text
    assert "not binding: the report is not evidence about methods" in text


def test_no_gate_is_said_and_passes(tmp_path):
    assert "no gate: no test probe has candidates" in check_gate(written(tmp_path, []), True)


@pytest.mark.parametrize("value", [None, math.nan])
def test_a_value_that_was_not_measured_survives_the_file_and_is_told_from_a_missed_one(tmp_path, value):
    path = written(tmp_path, [GOOD, {**BAD, "value": value}])
    with pytest.raises(TglError, match=r"NOT MEASURED  facts learnt: – .*\n.*Add test probes of the kinds"):
        check_gate(path, True)


@pytest.mark.parametrize(
    "entry", [3, {}, {**GOOD, "met": "yes"}, {**GOOD, "value": "0.9"}, {"name": "x", "met": True}]
)
def test_a_list_of_something_else_is_refused_naming_the_entry(tmp_path, entry):
    with pytest.raises(
        TglError, match=r"gate 1: .*(expected the keys name, value, limit, met|of the wrong type)"
    ):
        check_gate(written(tmp_path, [GOOD, entry]), True)


def test_an_unreadable_list_of_gates_is_refused_with_its_name(tmp_path):
    (tmp_path / "gate.json").write_text("[")
    for name in ("gate.json", "missing.json"):
        with pytest.raises(TglError, match=name):
            check_gate(tmp_path / name, True)
