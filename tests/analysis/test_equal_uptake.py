"""The table of comparisons at equal uptake: its family, its words, and which curves decide what."""

import math
from dataclasses import replace

import numpy as np
import pytest

from tests.analysis.curve_world import curves_of, world
from tests.analysis.method_curves import (
    FLAT,
    LEARNED,
    RATES,
    STEEP,
    at,
    compared,
    just_reached,
    largest_rate,
    learns_less,
    noisy,
    of,
    tried,
    without_first_seed,
)
from tgl.analysis.equal_uptake import (
    AT_THE_EDGE,
    COLUMNS,
    NOT_MEASURED,
    NOT_REACHED,
    ONE_SEED,
    ONE_SUBJECT,
    TOO_CLOSE,
    MethodCurves,
    at_equal_uptake,
)
from tgl.analysis.uptake import LEVELS, Curves


def test_the_table_has_one_row_for_each_comparison_and_level():
    found = compared(of(noisy()), ["m", "m"])
    assert tuple(found.columns) == COLUMNS
    assert found["share"].tolist() == [*LEVELS, *LEVELS]
    assert set(found["reference"]) == {"full"}


def test_numbers_of_a_comparison_by_hand():
    curves = of({"full": curves_of(LEARNED, STEEP), "m": curves_of(LEARNED, FLAT)})
    row = at(compared(curves, primary=0.5), "m", 0.5)
    # At half of 3 nats, the reference has lost 1.5 nats and the method 0.3.
    assert row["uptake"] == pytest.approx(1.5)
    assert row["reference_forgetting"] == pytest.approx(1.5)
    assert row["forgetting"] == pytest.approx(0.3)
    assert row["difference"] == pytest.approx(-1.2)
    assert (row["rate"], row["reference_rate"], row["seeds"]) == (0.2, 0.2, 4)
    assert row["verdict"] == "better"


@pytest.mark.parametrize(
    ("apart", "word"), [(-0.3, "better"), (0.3, "worse"), (0.0, "no significant difference")]
)
def test_the_verdict_follows_the_sign_of_a_clear_difference(apart, word):
    row = at(compared(of(noisy(sizes=(8, 40, 60), apart=apart))), "m")
    assert row["verdict"] == word
    assert row["low"] < row["difference"] < row["high"]
    assert (row["p_holm"] < 0.05) == (word in ("better", "worse"))


@pytest.mark.parametrize("primary", LEVELS)
def test_only_the_primary_level_has_verdicts_and_corrected_p_values(primary):
    test = {"full": curves_of(LEARNED, FLAT), "m": curves_of(LEARNED, STEEP)}
    found = compared(of(test), primary=primary)
    own = found["share"] == primary
    assert found.loc[own, "verdict"].tolist() == ["worse"]
    assert set(found.loc[~own, "verdict"]) == {""}
    assert found["p_holm"].notna().tolist() == own.tolist()
    assert found["p_value"].notna().all()


def one_more(word):
    """Return curves of full, of m, and of a method `odd` whose comparison ends with this word."""
    test = noisy(1)
    if word == NOT_REACHED:
        return of(test | {"odd": test["m"]}, {"odd": learns_less()})
    if word == AT_THE_EDGE:
        return of(test | {"odd": test["m"]}, {"odd": largest_rate()})
    if word == TOO_CLOSE:
        # `odd` learns nothing before the end, where it has learned 0.7 of what the reference learns.
        start, end = test["full"].means()[0].mean(1)[[0, -1]]
        uptake = test["m"].uptake.copy()
        uptake[1:-1] = uptake[0]
        uptake[-1] += (0.3 * start + 0.7 * end - test["m"].means()[0][-1])[:, None] * test["m"].weights[0]
        uptake[-1, :, 0] -= 1e-6
        return of(test | {"odd": Curves(uptake, test["m"].forgetting, test["m"].weights)})
    return of(test | {"odd": without_first_seed(test["m"])})


@pytest.mark.parametrize("word", [NOT_REACHED, AT_THE_EDGE, TOO_CLOSE, "one seed does not reach it"])
def test_a_comparison_without_a_result_stays_in_the_family(word):
    curves = one_more(word)
    alone, both = compared(curves, ["m"]), compared(curves, ["m", "odd"])
    p_value = at(alone, "m")["p_value"]
    assert 0 < p_value < 0.5
    assert at(alone, "m")["p_holm"] == p_value
    assert at(both, "m")["p_holm"] == pytest.approx(2 * p_value)
    odd = at(both, "odd")
    assert odd["verdict"] == (word if word.startswith("no verdict") else NOT_REACHED)
    assert math.isnan(odd["p_holm"])


def test_a_difference_that_is_significant_alone_is_not_among_many_without_a_result():
    test = noisy(4, apart=0.2)
    odd = [f"odd{number}" for number in range(30)]
    curves = of(test | dict.fromkeys(odd, test["m"]), dict.fromkeys(odd, learns_less()))
    assert at(compared(curves, ["m"]), "m")["verdict"] == "worse"
    many = compared(curves)
    assert at(many, "m")["verdict"] == "no significant difference"
    assert set(many.loc[(many["share"] == 0.7) & (many["method"] != "m"), "verdict"]) == {NOT_REACHED}


def test_a_method_that_learns_too_little_on_validation_has_no_numbers():
    test = noisy()
    row = at(compared(of(test, {"m": learns_less()})), "m")
    assert (row["verdict"], row["seeds"], row["equivalent"]) == (NOT_REACHED, 0, False)
    assert math.isnan(row["rate"])
    assert row["reference_rate"] == 0.2
    assert math.isnan(row["difference"])


def test_a_seed_that_does_not_reach_the_level_takes_the_verdict():
    test = noisy()
    row = at(compared(of({"full": test["full"], "m": without_first_seed(test["m"])})), "m")
    assert (row["verdict"], row["seeds"]) == (NOT_REACHED, 3)
    assert row["rate"] == 0.2


def test_a_reference_that_learns_nothing_gives_no_verdict():
    still = curves_of([0.0, 0.0, 0.0, 0.0], FLAT)
    row = at(compared(of(noisy(), {"full": tried(still)})), "m")
    assert row["verdict"] == NOT_REACHED


def test_without_scored_steps_there_is_no_verdict_however_clear_the_difference():
    ends = tried(curves_of([0.0, 3.0], [0.0, 0.8]), curves_of([0.0, 3.0], [0.0, 4.0]))
    test = {"full": curves_of([0.0, 3.0], [0.0, 4.0]), "m": curves_of([0.0, 3.0], [0.0, 0.8])}
    row = at(compared(of(test, dict.fromkeys(test, ends), steps=1)), "m")
    assert row["verdict"] == NOT_MEASURED
    assert row["difference"] < -1


@pytest.mark.parametrize("edge", ["m", "full"])
def test_the_best_rate_at_the_edge_gives_no_verdict_whichever_side_has_it(edge):
    row = at(compared(of(noisy(sizes=(8, 40, 60), apart=0.3), {edge: largest_rate()})), "m")
    assert row["verdict"] == AT_THE_EDGE
    assert row["rate" if edge == "m" else "reference_rate"] == 0.3
    assert row["p_value"] < 0.05


@pytest.mark.parametrize("edge", ["m", "full"])
def test_a_rate_is_not_at_the_edge_when_an_earlier_experiment_tried_larger_ones(edge):
    curves = of(noisy(sizes=(8, 40, 60), apart=0.3), {edge: largest_rate()})
    for rates, word in (([0.1, 0.5], "worse"), ([0.1, 0.2], AT_THE_EDGE)):
        row = at(compared(replace(curves, tried={edge: rates})), "m")
        assert row["verdict"] == word
        assert row["rate" if edge == "m" else "reference_rate"] == 0.3


def test_a_single_rate_is_at_the_edge():
    one = {0.1: curves_of(LEARNED, FLAT)}
    assert at(compared(of(noisy(), {"m": one})), "m")["verdict"] == AT_THE_EDGE


def test_a_level_that_is_missed_without_one_subject_is_too_close():
    curves = of({"full": curves_of(LEARNED, STEEP), "m": just_reached()})
    row = at(compared(curves), "m")
    assert (row["verdict"], row["seeds"]) == (TOO_CLOSE, 4)
    assert math.isnan(row["error"])
    assert row["difference"] < -1
    # At a lower level the error can be computed.
    assert at(compared(curves, primary=0.5), "m", 0.5)["verdict"] == "better"


def test_one_seed_has_a_difference_and_no_verdict():
    test = {"full": curves_of(LEARNED, STEEP, num_seeds=1), "m": curves_of(LEARNED, FLAT, num_seeds=1)}
    row = at(compared(of(test)), "m")
    assert (row["verdict"], row["seeds"]) == (ONE_SEED, 1)
    assert row["difference"] < -1
    assert math.isnan(row["low"])


def test_only_validation_curves_choose_the_rate():
    test = noisy()
    curves = of(test)
    spoilt = {rate: test["m"] if rate == 0.2 else curves_of(LEARNED, [0.0] * 4) for rate in RATES}
    worse = MethodCurves(curves.validation, dict(curves.test) | {"m": spoilt}, 3)
    assert at(compared(worse), "m")["rate"] == 0.2
    assert at(compared(worse), "m")["difference"] == at(compared(curves), "m")["difference"]
    changed = of(test, {"m": largest_rate()})
    assert at(compared(changed), "m")["rate"] == 0.3


def test_test_curves_choose_no_rate_even_where_the_chosen_one_does_not_reach_the_level():
    test = noisy()
    curves = of(test)
    own = {rate: without_first_seed(test["m"]) if rate == 0.2 else test["m"] for rate in RATES}
    row = at(compared(MethodCurves(curves.validation, dict(curves.test) | {"m": own}, 3)), "m")
    assert (row["rate"], row["verdict"]) == (0.2, NOT_REACHED)


def test_the_level_is_that_of_the_rate_that_learns_most_and_the_comparison_that_of_the_best_rate():
    far = curves_of([0.0, 1.0, 2.0, 4.0], STEEP)
    near = curves_of(LEARNED, FLAT)
    own = dict(zip(RATES, (curves_of(LEARNED, STEEP), near, far), strict=True))
    curves = MethodCurves({"full": own, "m": own}, {"full": own, "m": own}, 3)
    row = at(compared(curves), "m")
    assert row["uptake"] == pytest.approx(0.7 * 4)
    assert (row["rate"], row["reference_rate"]) == (0.2, 0.2)
    assert row["reference_forgetting"] == pytest.approx(0.4 + 0.8 * 0.4)
    assert row["difference"] == 0


@pytest.mark.parametrize(
    ("more", "expected"), [(0.0, True), (0.09, True), (-0.09, True), (0.11, False), (-0.11, False)]
)
def test_a_difference_within_a_tenth_of_the_reference_s_forgetting_is_equivalent(more, expected):
    own = [(1 + more) * value for value in STEEP]
    found = compared(of({"full": curves_of(LEARNED, STEEP), "m": curves_of(LEARNED, own)}))
    assert found["equivalent"].tolist() == [expected] * 3


def test_a_wide_interval_around_no_difference_is_not_equivalent():
    row = at(compared(of(noisy(1))), "m")
    assert row["verdict"] == "no significant difference"
    assert not row["equivalent"]
    # Many seeds and subjects make the interval narrow: the same truth is then equivalent.
    assert at(compared(of(noisy(1, sizes=(40, 100, 400)))), "m")["equivalent"]


def test_the_words_of_a_family_do_not_depend_on_the_order_of_the_comparisons():
    full, *own = world(np.random.default_rng(5), 8, 40, 60, apart=[0.3, 0.0, -0.3, 0.05])
    curves = of({"full": full} | {f"m{number}": found for number, found in enumerate(own)})
    names = ["m0", "m1", "m2", "m3"]
    one, two = (compared(curves, order).set_index(["method", "share"]) for order in (names, names[::-1]))
    for column in ("p_holm", "verdict"):
        assert one[column].sort_index().equals(two[column].sort_index())
    assert one.loc[("m0", 0.7), "verdict"] == "worse"
    assert one.loc[("m2", 0.7), "verdict"] == "better"


@pytest.mark.parametrize("sizes", [(4, 20, 30), (8, 40, 60)])
def test_methods_that_differ_in_nothing_seldom_get_a_verdict_in_a_whole_family(sizes):
    """Four methods, 150 worlds: 5 % of families within Monte-Carlo error, which here is 0.055 (three errors)."""
    rng = np.random.default_rng(6)
    wrong = 0
    for _ in range(150):
        full, *own = world(rng, *sizes, apart=[0.0] * 4)
        found = compared(of({"full": full} | {f"m{number}": curves for number, curves in enumerate(own)}))
        wrong += bool(set(found["verdict"]) & {"better", "worse"})
    assert wrong / 150 <= 0.105


@pytest.mark.parametrize("side", [0, 1])
def test_one_subject_on_one_side_is_named_as_the_reason(side):
    """Without it, nothing would be left to learn or to forget."""

    def of_one(curves):
        weights = [own.copy() for own in curves.weights]
        others = np.arange(len(weights[side])) != np.flatnonzero(weights[side])[0]
        weights[side][others] = 0
        sides = [curves.uptake.copy(), curves.forgetting.copy()]
        sides[side][..., others] = 0
        return Curves(*sides, tuple(weights))

    test = {name: of_one(curves) for name, curves in noisy().items()}
    assert at(compared(of(test)), "m")["verdict"] == ONE_SUBJECT


def test_another_method_can_set_the_level():
    curves = of({"full": curves_of(LEARNED, STEEP), "m": curves_of(LEARNED, FLAT), "weak": curves_of(LEARNED, FLAT)},
                {"weak": learns_less()})  # fmt: skip
    own = at_equal_uptake(curves, [("m", "weak")], primary=0.5)
    assert at(own, "m", 0.5)["uptake"] == pytest.approx(1.5)  # of what `weak` learns on test probes
    whole = at_equal_uptake(curves, [("m", "weak"), ("m", "full")], primary=0.5, level_of_method="full")
    assert whole["verdict"].tolist().count(NOT_REACHED) == 1
    assert whole[whole["reference"] == "full"]["uptake"].tolist() == pytest.approx([1.5, 2.1, 2.7])
