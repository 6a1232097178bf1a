"""Advice from curves whose best method is known, and none from curves that carry none."""

import math

import numpy as np
import pytest

from tests.analysis.curve_world import curves_of, world
from tests.analysis.method_curves import FLAT, LEARNED, STEEP, noisy, of, tried, without_first_seed
from tgl.analysis.advice import advise
from tgl.analysis.equal_uptake import AT_THE_EDGE, MethodCurves
from tgl.core.errors import TglError

CHEAP = [0.0, 0.1, 0.2, 0.4]


def chosen(best, others=("full",)):
    """Return validation curves by which `best` forgets least."""
    found = {name: tried(curves_of(LEARNED, FLAT), curves_of(LEARNED, STEEP)) for name in others}
    return found | {best: tried(curves_of(LEARNED, CHEAP), curves_of(LEARNED, STEEP))}


def test_a_method_that_forgets_much_less_is_recommended_at_the_rate_chosen_on_validation():
    full, own = world(np.random.default_rng(1), 6, 20, 30, apart=-0.8)
    found = advise(of({"full": full, "last": own}, chosen("last")), reference="full", primary=0.7)
    assert (found.method, found.rate, found.reason) == ("last", 0.2, "")
    row = found.over("full")
    assert row["verdict"] == "better"
    assert row["high"] < 0
    assert found.undecided() == []
    assert found.ranking["method"].tolist() == ["last", "full"]
    # 70 % of 3 nats is a tenth of the way from the third point, 0.2 nats lost, to the last one, 0.4 nats.
    assert found.ranking["forgetting"].iloc[0] == pytest.approx(0.22)


def test_nothing_is_recommended_when_the_test_probes_do_not_bear_the_choice_out():
    full, own = world(np.random.default_rng(2), 6, 20, 30, apart=0.0)
    found = advise(of({"full": full, "last": own}, chosen("last")), reference="full", primary=0.7)
    assert found.method == "last"
    assert (
        found.reason
        == "last compared with full: no significant difference (Holm's correction for 1 comparisons)"
    )
    assert found.undecided() == ["full"]
    assert found.needed() >= 2


def test_nothing_is_recommended_when_full_is_best_on_validation():
    found = advise(of(noisy(apart=-0.8), chosen("full", ["m"])), reference="full", primary=0.7)
    assert found.method == "full"
    assert found.reason == "no method forgets less than full on validation probes"
    assert found.over("full") is None
    assert found.needed() is None


@pytest.mark.parametrize("seed", range(3))
def test_one_replicate_recommends_nothing_however_large_the_difference(seed):
    full, own = world(np.random.default_rng(seed), 1, 20, 30, apart=-3.0)
    found = advise(of({"full": full, "last": own}, chosen("last")), reference="full", primary=0.7)
    assert found.reason == "last compared with full: no verdict: one seed"
    assert found.needed() is None


def test_a_rate_at_the_edge_recommends_nothing():
    validation = chosen("last")
    validation["last"] = {0.1: validation["last"][0.2], 0.2: validation["last"][0.1]}
    full, own = world(np.random.default_rng(1), 6, 20, 30, apart=-0.8)
    found = advise(of({"full": full, "last": own}, validation), reference="full", primary=0.7)
    assert "best rate at the edge" in found.reason


def test_a_method_that_does_not_learn_enough_comes_last():
    validation = chosen("last") | {"m": tried(curves_of([0.0, 0.1, 0.2, 0.3], [0.0] * 4))}
    full, own = world(np.random.default_rng(1), 6, 20, 30, apart=-0.8)
    found = advise(of({"full": full, "last": own, "m": own}, validation), reference="full", primary=0.7)
    assert found.ranking["method"].tolist() == ["last", "full", "m"]
    assert math.isnan(found.ranking["forgetting"].iloc[2])
    assert found.undecided() == []
    assert found.below_level() == ["m"]


def test_without_full_or_learning_there_is_no_comparison():
    with pytest.raises(TglError, match=r"found no run of 'full', expected one"):
        advise(of({"last": curves_of(LEARNED, FLAT)}), reference="full", primary=0.7)
    idle = {"full": tried(curves_of([0.0] * 4, FLAT))}
    with pytest.raises(
        TglError, match=r"'full' learns nothing on validation probes.*Raise its learning rates"
    ):
        advise(of({"full": curves_of(LEARNED, FLAT)}, idle), reference="full", primary=0.7)


def test_of_equal_methods_few_are_recommended():
    """Under the null hypothesis, 5 % of the screens recommend a method at most, within Monte-Carlo error."""
    recommended = 0
    for seed in range(200):
        full, own = world(np.random.default_rng(1000 + seed), 5, 20, 30, apart=0.0)
        recommended += not advise(
            of({"full": full, "last": own}, chosen("last")), reference="full", primary=0.7
        ).reason
    assert recommended <= 200 * 0.05 + 3 * math.sqrt(200 * 0.05 * 0.95)


def test_a_method_that_is_better_only_at_a_rate_for_all_replicates_is_not_recommended():
    """At the lower rate `full` forgets least, but one seed learns too little there."""
    cheap, middle, dear = (curves_of(LEARNED, lost, num_seeds=8) for lost in ([0.0] * 4, FLAT, STEEP))
    short = without_first_seed(cheap)
    split = {"full": {0.1: short, 0.2: dear, 0.3: dear}, "last": {0.1: dear, 0.2: middle, 0.3: dear}}
    found = advise(MethodCurves(split, split, 3), reference="full", primary=0.7)
    assert found.over("full")["verdict"] == "better"
    assert found.over("full")["own_rates_difference"] > 0
    assert (
        found.reason
        == "last compared with full: not shown to be better if each replicate has a rate of its own"
    )


def test_a_method_without_a_verdict_is_not_called_equal():
    full, own = world(np.random.default_rng(1), 6, 20, 30, apart=-0.8)
    dear = tried(curves_of(LEARNED, STEEP))  # at every rate, so the smallest is the best one
    found = advise(
        of({"full": full, "last": own, "m": own}, chosen("last") | {"m": dear}), reference="full", primary=0.7
    )
    assert found.undecided() == []
    assert found.without_verdict() == {"m": AT_THE_EDGE}
