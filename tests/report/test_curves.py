"""Curves of uptake and forgetting from tables of scores: which rows make which point."""

import math

import numpy as np
import pandas as pd
import pytest

from tests.analysis.score_tables import row
from tgl.core.errors import TglError
from tgl.report.curves import CurveRuns

DATES = ["2019", "2020", "2021"]
KINDS = ("updated", "new_entity", "unchanged")
SPLITS = ("validation", "test")


def asked(periods=DATES[1:], kinds=KINDS, number=2, probe_set="world", splits=SPLITS):
    """Return rows of the table `probes`."""
    return [
        {
            "probe": f"{probe_set}-{kind}-{period}-{split}-{n}", "set": probe_set, "kind": kind, "period": period,
            "split": split, "subject": f"{probe_set} {kind}{period}{split}{n}",
        }
        for kind in kinds for period in periods for split in splits for n in range(number)
    ]  # fmt: skip


def scored(probes, checkpoint, value, **changes):
    """Return rows of scores at a checkpoint; value: a function of the probe that gives its log perplexity."""
    return pd.DataFrame(
        [row(value(probe), **(probe | {"checkpoint": checkpoint} | changes)) for probe in probes]
    )


def stepped(probes, values, checkpoints=DATES[1:]):
    """Return rows of `step_scores` of all probes; values: by step a function of the probe."""
    tables = [
        scored(probes, checkpoint, value, step=step)
        for checkpoint in checkpoints
        for step, value in values.items()
    ]
    return pd.concat(tables, ignore_index=True)


def by_kind(updated, unchanged, new_entity=math.pi):
    return lambda probe: {"updated": updated, "unchanged": unchanged, "new_entity": new_entity}[probe["kind"]]


def collected(probes, kinds=("updated",), dates=DATES):
    table = pd.DataFrame(probes)
    return CurveRuns(table.assign(id=table["probe"]), dates, kinds)


def one_period(probes, steps=None, kinds=("updated",), seeds=(0,), end=None):
    """Return the collected curves of `full` over the period 2020, from 5 and 1 nats to 2 and 3 nats."""
    runs = collected(probes, kinds, DATES[:2])
    for seed in seeds:
        runs.add_base(seed, scored(probes, "2019", by_kind(5.0, 1.0)))
        runs.add(("full", 0.1, seed), scored(probes, "2020", end or by_kind(2.0, 3.0)), steps)
    return runs


def means(curves, method="full", rate=0.1, split="test"):
    """Return the means over seeds of uptake and of forgetting at each point."""
    return tuple(side.mean(1).tolist() for side in getattr(curves, split)[method][rate].means())


def test_points_are_the_base_model_the_scored_steps_in_order_and_the_end():
    probes = asked(["2020"])
    steps = stepped(probes, {10: by_kind(2.5, 2.0), 30: by_kind(2.0, 3.0), 2: by_kind(4.0, 1.5)}, ["2020"])
    found = one_period(probes, steps).curves()
    assert found.steps == 3
    assert means(found) == (pytest.approx([5.0, 4.0, 2.5, 2.0]), pytest.approx([1.0, 1.5, 2.0, 3.0]))


def test_without_step_scores_a_curve_has_its_start_and_its_end():
    found = one_period(asked(["2020"])).curves()
    assert found.steps == 1
    assert means(found) == (pytest.approx([5.0, 2.0]), pytest.approx([1.0, 3.0]))


def test_a_later_period_starts_from_the_checkpoint_before():
    probes = asked()
    runs = collected(probes)
    runs.add_base(0, scored(probes, "2019", by_kind(5.0, 1.0)))
    first = scored(probes, "2020", lambda probe: 4.0 if probe["period"] == "2021" else 2.0)
    last = scored(probes, "2021", lambda probe: 1.0 if probe["period"] == "2021" else 9.0)
    runs.add(("full", 0.1, 0), pd.concat([first, last], ignore_index=True), None)
    # 2020 leads from 5 (updated) and 1 (unchanged) to 2, 2021 from 4 to 1. What later became of 2020 does not count.
    assert means(runs.curves()) == (pytest.approx([5.0, 4.5, 1.5]), pytest.approx([1.0, 2.5, 1.5]))
    assert runs.curves().steps == 1


def test_at_each_step_a_probe_counts_in_its_own_period():
    probes = asked()
    runs = collected(probes)
    runs.add_base(0, scored(probes, "2019", by_kind(5.0, 1.0)))
    ends = [scored(probes, checkpoint, by_kind(2.0, 2.0)) for checkpoint in DATES[1:]]
    early = stepped(probes, {1: lambda probe: 3.0 if probe["period"] == "2020" else 99.0}, ["2020"])
    late = stepped(probes, {1: lambda probe: 4.0 if probe["period"] == "2021" else 99.0}, ["2021"])
    end = stepped(probes, {2: by_kind(2.0, 2.0)})
    steps = pd.concat([early, late, end], ignore_index=True)
    runs.add(("full", 0.1, 0), pd.concat(ends, ignore_index=True), steps)
    assert means(runs.curves())[0] == pytest.approx([5.0, 3.5, 3.5, 2.0])


def test_only_sets_with_facts_to_learn_count_for_forgetting():
    other = asked(["2020"], kinds=("unchanged", "new_entity"), probe_set="templama")
    probes = asked(["2020"]) + other

    def end(probe):
        return 50.0 if probe["set"] == "templama" else by_kind(2.0, 3.0)(probe)

    assert means(one_period(probes, end=end).curves())[1] == pytest.approx([1.0, 3.0])
    # With new entities as facts to learn, the other set counts too.
    both = one_period(probes, kinds=("updated", "new_entity"), end=end).curves()
    assert means(both)[1] == pytest.approx([1.0, (3.0 + 50.0) / 2])


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [(("updated",), 2.0), (("new_entity",), 4.0), (("updated", "new_entity"), 3.0)],
)
def test_uptake_is_the_mean_over_the_probes_of_the_chosen_kinds(kinds, expected):
    found = one_period(asked(["2020"]), kinds=kinds, end=by_kind(2.0, 3.0, 4.0)).curves()
    assert means(found)[0][-1] == pytest.approx(expected)


@pytest.mark.parametrize("kind", ["updated", "unchanged"])
@pytest.mark.parametrize("splits", [SPLITS, SPLITS[:1], SPLITS[1:]])
def test_without_a_kind_in_either_split_there_are_no_curves(kind, splits):
    probes = [probe for probe in asked(["2020"]) if probe["kind"] != kind or probe["split"] not in splits]
    assert one_period(probes).curves() is None


def test_without_a_run_there_are_no_curves():
    probes = asked(["2020"])
    runs = collected(probes)
    runs.add_base(0, scored(probes, "2019", by_kind(5.0, 1.0)))
    assert runs.curves() is None


def test_splits_are_kept_apart():
    def end(probe):
        return by_kind(2.0, 3.0)(probe) + (probe["split"] == "validation")

    found = one_period(asked(["2020"]), end=end).curves()
    assert means(found)[0][-1] == pytest.approx(2.0)
    assert means(found, split="validation")[0][-1] == pytest.approx(3.0)


def test_methods_rates_and_seeds_are_kept_apart():
    probes = asked(["2020"])
    runs = collected(probes, dates=DATES[:2])
    ends = {("full", 0.1): 2.0, ("full", 0.2): 1.0, ("random", 0.1): 3.0}
    for seed in (3, 4):
        runs.add_base(seed, scored(probes, "2019", by_kind(5.0 + seed, 1.0)))
        for (method, rate), end in ends.items():
            runs.add((method, rate, seed), scored(probes, "2020", by_kind(end + seed, 1.0)), None)
    found = runs.curves()
    assert {name: list(rates) for name, rates in found.test.items()} == {"full": [0.1, 0.2], "random": [0.1]}
    for (method, rate), end in ends.items():
        uptake = found.test[method][rate].means()[0]
        np.testing.assert_allclose(uptake, [[8.0, 9.0], [end + 3, end + 4]])


def test_facts_of_one_subject_share_a_place_and_subjects_of_one_side_have_no_weight_on_the_other():
    probes = asked(["2020"], kinds=("updated", "unchanged"))
    shared = [
        probe | {"subject": "world Anna"} if probe["probe"].endswith("0") else probe for probe in probes
    ]
    curves = one_period(shared).curves().test["full"][0.1]
    # Test probes: Anna has a fact of each kind, and each kind has one other subject.
    assert curves.uptake.shape == curves.forgetting.shape == (2, 1, 3)
    assert [weights.tolist() for weights in curves.weights] == [[1.0, 0.0, 1.0], [1.0, 1.0, 0.0]]
    np.testing.assert_allclose(curves.uptake[0, 0], [5.0, 0.0, 5.0])
    np.testing.assert_allclose(curves.forgetting[0, 0], [1.0, 1.0, 0.0])


def test_probes_of_the_base_year_are_no_points():
    probes = asked(["2020"]) + asked(["2019"])
    runs = collected(probes, dates=DATES[:2])
    runs.add_base(0, scored(probes, "2019", lambda probe: 9.0 if probe["period"] == "2019" else 5.0))
    runs.add(("full", 0.1, 0), scored(probes, "2020", by_kind(2.0, 3.0)), None)
    assert means(runs.curves())[0] == pytest.approx([5.0, 2.0])


def test_a_probe_that_one_run_lacks_at_a_step_is_an_error_that_names_the_run():
    probes = asked(["2020"])
    runs = one_period(probes, stepped(probes, {1: by_kind(3.0, 2.0), 2: by_kind(2.0, 3.0)}, ["2020"]))
    broken = stepped(probes, {1: by_kind(3.0, 2.0), 2: by_kind(2.0, 3.0)}, ["2020"])
    gone = (broken["step"] == 1) & (broken["probe"] == "world-updated-2020-test-1")
    broken["log_likelihood"] = broken["log_likelihood"].where(~gone, -math.inf)
    runs.add(("random", 0.1, 0), scored(probes, "2020", by_kind(2.0, 3.0)), broken)
    with pytest.raises(
        TglError, match=r"random at rate 0\.1, seed 0 has no finite score of probe 'world-updated-2020"
    ):
        runs.curves()


def test_a_probe_that_all_runs_lack_at_one_point_is_an_error():
    """The subject has another probe, so that the shapes agree and the mean is wrong."""
    probes = [probe | {"subject": f"world {probe['kind']}"} for probe in asked(["2020"])]
    runs = collected(probes, dates=DATES[:2])
    start = scored(probes, "2019", by_kind(5.0, 1.0))
    gone = start["probe"] == "world-updated-2020-test-1"
    runs.add_base(0, start.assign(log_likelihood=start["log_likelihood"].where(~gone, -math.inf)))
    runs.add(("full", 0.1, 0), scored(probes, "2020", by_kind(2.0, 3.0)), None)
    try:
        found = means(runs.curves())[0]
    except TglError:
        return
    assert found == pytest.approx([5.0, 2.0])
