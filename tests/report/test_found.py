"""The sentences on top of the report say what the tables say."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from tests.report.small_findings import GAINS, by_comparison, small
from tgl.config.root import Config
from tgl.report.found import detectable, what_was_found

GATE = [{"name": "known facts ranked first", "value": 0.9, "limit": 0.5, "met": True}]


def profile(weights=("trained", "random"), kinds=("updated", "new_entity")):
    """Return a table `profile`: the k-th kind has a ratio of 2 + k over windows, and of 1 with random weights."""
    rows = [
        {"weights": weight, "group": kind, "sublayer": "all", "denominator": "window", "num_examples": 9, "seed": 0,
         "relative_norm": 2.0 + place if weight == "trained" else 1.0, "low": 1.5, "high": 3.5}
        for weight in weights for place, kind in enumerate(kinds)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def sentences(findings, gates=GATE, table=None, seeds=2, **report):
    config = Config(seeds=list(range(seeds)), methods=list(GAINS), report={"level": 0.7} | report)
    table = profile() if table is None else table
    return what_was_found(config, gates, findings, profile=table, denominator="window")


def test_there_are_five_sentences_and_each_is_one():
    found = sentences(small())
    assert len(found) == 5
    assert all(sentence.endswith(".") for sentence in found)
    assert not any("nan" in sentence.lower() for sentence in found)


@pytest.mark.parametrize(
    ("gates", "words"),
    [
        (GATE, "met in all 1 conditions"),
        (
            [*GATE, {"name": "b", "value": 1.0, "met": False}],
            "was missed (b), so the comparisons are no evidence",
        ),
        ([*GATE, {"name": "c", "value": None, "met": False}], "A part of the gate was not measured (c), so"),
        (
            [{"name": "b", "value": 1.0, "met": False}, {"name": "c", "value": math.nan, "met": False}],
            "The gate was missed (b), and other conditions were not measured (c), so",
        ),
        ([], "has no gate"),
    ],
)
def test_the_gate(gates, words):
    assert words in sentences(small(), gates)[0]


def test_the_profile_with_and_without_random_weights():
    assert sentences(small())[1].endswith(
        "is 2 [1.5, 3.5] for updated facts (random weights: 1) and 3 [1.5, 3.5] for new entities (random weights: 1)."
    )
    assert "random" not in sentences(small(), table=profile(weights=("trained",)))[1]
    assert sentences(small(), table=profile(kinds=("unchanged",)))[1].startswith(
        "No salient span was profiled"
    )


def test_the_plan_is_described_by_its_row():
    found = small(seeds=6)
    row = by_comparison(found).loc["full", "tgl_fp", 0.7]
    sentence = sentences(found, seeds=6)[2]
    assert sentence.startswith("At 70 % of the uptake of full, tgl_fp ")
    if math.isnan(row["difference"]):
        assert "has no result" in sentence
    else:
        assert f"nats per token {'less' if row['difference'] < 0 else 'more'}" in sentence
        assert ("significant after" in sentence) == (row["verdict"] in ("better", "worse"))


def changed(found, **values):
    """Return findings whose comparison of tgl_fp with full at the level has other values."""
    table = found.equal_uptake.copy()
    row = (table["reference"] == "full") & (table["method"] == "tgl_fp") & (table["share"] == 0.7)
    assert row.sum() == 1
    for name, value in values.items():
        table[name] = table[name].astype(object)
        table.loc[row, name] = value
    return type(found)(**{**vars(found), "equal_uptake": table})


def test_the_papers_plan_comes_before_its_variants():
    found = changed(small(), verdict="worse", difference=0.2)
    table = found.equal_uptake
    variant = table[table["method"] == "tgl_fp"].assign(method="tgl_fp.unchanged", difference=-0.3)
    both = type(found)(**{**vars(found), "equal_uptake": pd.concat([variant, table], ignore_index=True)})
    assert "full, tgl_fp forgets 0.2 nats per token more" in sentences(both)[2]
    alone = variant.assign(verdict="better")
    alone = type(found)(**{**vars(found), "equal_uptake": alone})
    assert "full, tgl_fp.unchanged forgets 0.3 nats per token less" in sentences(alone)[2]


NUMBERS = {"difference": -0.2, "low": -0.3, "high": -0.1, "error": 0.05, "freedom": 3.0, "p_holm": 0.012}


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"verdict": "better"}, "forgets 0.2 nats per token less (95 % interval of the difference: [-0.3, -0.1]): "
         "significant after Holm's correction (p = 0.012)."),
        ({"verdict": "worse", "difference": 0.2}, "forgets 0.2 nats per token more"),
        ({"verdict": "no significant difference", "equivalent": True},
         ": no significant difference; equivalent within 10 % of what is forgotten."),
        ({"verdict": "no verdict: one seed", "low": math.nan},
         "forgets 0.2 nats per token less: no verdict: one seed."),
        ({"verdict": "no verdict: not reached in every seed", "difference": math.nan},
         "tgl_fp has no result: not reached in every seed."),
    ],
)  # fmt: skip
def test_the_plan_in_words(values, words):
    found = changed(small(), **NUMBERS | {"equivalent": False} | values)
    assert words in sentences(found)[2]


def test_the_family_counts_and_names_what_is_significant():
    found = changed(small(), verdict="better")
    table = found.equal_uptake[found.equal_uptake["share"] == 0.7]
    without = table["verdict"].str.startswith("no verdict").sum()
    sentence = sentences(found)[3]
    assert sentence.startswith(
        f"Of {len(table)} planned comparisons, 1 is significant: tgl_fp forgets less than full"
    )
    assert (f"; {without} " in sentence) == (without > 0)


@pytest.mark.parametrize(("own", "changes"), [(-0.1, False), (0.1, True), (math.nan, False)])
def test_a_significant_difference_whose_sign_depends_on_the_choice_of_rates_is_named(own, changes):
    found = changed(small(), **NUMBERS | {"verdict": "better", "own_rates_difference": own})
    words = "; for tgl_fp, the sign of the difference changes when each seed has its own best rate"
    assert (words in sentences(found)[3]) == changes


def test_without_a_comparison_that_is_stated():
    found = small()
    found = type(found)(**{**vars(found), "equal_uptake": pd.DataFrame()})
    lines = sentences(found)
    assert lines[2:4] == [
        "No traced plan was compared with full at equal uptake.",
        "No comparison at equal uptake was possible.",
    ]
    assert "unknown" in lines[4]
    assert "One seed" in sentences(found, seeds=1)[4]


def test_the_power_is_that_of_the_t_test():
    found = changed(small(), **NUMBERS)
    shift = detectable(0.05, 3)
    assert f"{shift:.3g} nats per token with 80 % probability" in sentences(found)[4]
    # The exact power, by the noncentral t distribution, is near 80 %.
    assert stats.nct.sf(stats.t.ppf(0.975, 20), 20, detectable(1.0, 20)) == pytest.approx(0.8, abs=0.02)
    assert np.isfinite(shift)
