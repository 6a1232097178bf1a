"""What became of each period's facts at later checkpoints, by hand."""

import math

import pandas as pd
import pytest

from tests.analysis.score_tables import row
from tgl.analysis.chain import lasting, matrix, transfers

DATES, PERIODS = ["2019", "2020", "2021", "2022"], ["2020", "2021", "2022"]


def probe(name, period, kind="updated", subject="a", relation="city", probe_set="world"):
    return {
        "id": name, "set": probe_set, "kind": kind, "period": period, "subject": subject, "relation": relation,
    }  # fmt: skip


def kept(*probes):
    return lasting(pd.DataFrame(probes))


def test_a_fact_that_changes_again_is_not_counted_as_forgotten():
    assert kept(probe("first", "2020"), probe("again", "2021")) == {"again"}
    assert kept(probe("born", "2020", "new_entity"), probe("again", "2022")) == {"again"}


def test_an_unchanged_probe_replaces_nothing_but_is_replaced():
    assert kept(probe("new", "2020"), probe("still", "2021", "unchanged")) == {"new", "still"}
    assert kept(probe("old", "2020", "unchanged"), probe("new", "2021")) == {"new"}


@pytest.mark.parametrize("other", [{"subject": "b"}, {"relation": "job"}, {"probe_set": "templama"}])
def test_another_subject_relation_or_set_replaces_nothing(other):
    assert kept(probe("first", "2020"), probe("other", "2021", **other)) == {"first", "other"}


@pytest.mark.parametrize("missing", [{"subject": ""}, {"relation": ""}, {"subject": "", "relation": ""}])
def test_a_probe_that_does_not_say_its_fact_is_replaced_by_none(missing):
    assert kept(probe("first", "2020", **missing), probe("other", "2021", **missing)) == {"first", "other"}


def test_without_a_changing_fact_everything_lasts():
    assert kept(probe("one", "2020", "unchanged"), probe("two", "2021", "unchanged")) == {"one", "two"}


def chain(losses, method="full", seed=0):
    """Return rows; losses: by period the log perplexities of its fact at the checkpoints of DATES."""
    return [
        row(value, method, seed=seed, probe=f"{period}-{number}", period=period, checkpoint=checkpoint)
        for period, columns in losses.items()
        for number, column in enumerate(columns)
        for checkpoint, value in zip(DATES, column, strict=True)
    ]


# By fact, at 2019, 2020, 2021, 2022. Period 2020 has two facts, of which one is forgotten and one gets better.
LOSSES = {
    "2020": [(9.0, 1.0, 2.0, 4.0), (9.0, 3.0, 2.0, 2.0)],
    "2021": [(9.0, 8.0, 1.0, 2.0)],
    "2022": [(9.0, 9.0, 9.0, 1.0)],
}


def test_the_matrix_holds_each_period_s_facts_at_each_checkpoint_by_hand():
    scores = pd.DataFrame([*chain(LOSSES), row(50.0, probe="u", kind="unchanged")])
    found = matrix(scores, DATES, PERIODS).pivot(index="checkpoint", columns="period", values="value")
    assert found.to_numpy().tolist() == [[9, 9, 9], [2, 8, 9], [2, 1, 9], [3, 2, 1]]


def test_the_matrix_averages_probes_before_seeds():
    rows = chain({"2020": [(0, 1.0, 1, 1)]}) + chain({"2020": [(0, 3.0, 1, 1)]}, seed=1)
    found = matrix(pd.DataFrame(rows), ["2020"], PERIODS)
    assert found["value"].tolist() == [2.0]


def test_backward_transfer_is_below_zero_for_what_was_forgotten_by_hand():
    found = transfers(pd.DataFrame(chain(LOSSES)), PERIODS).iloc[0]
    # Facts of 2020: 1 - 4 and 3 - 2; of 2021: 1 - 2; facts of the last period cannot be forgotten yet.
    assert found["backward_transfer"] == pytest.approx((-3 + 1 - 1) / 3)
    assert found["seeds"] == 1
    assert math.isnan(found["low"])


def test_forgetting_is_the_last_log_perplexity_minus_the_best_before_by_hand():
    found = transfers(pd.DataFrame(chain(LOSSES)), PERIODS).iloc[0]
    # Period 2020: means 2, 2, 3; period 2021: 1, 2. What it was before its own period does not count.
    assert found["forgetting"] == pytest.approx(((3 - 2) + (2 - 1)) / 2)


def test_what_was_known_better_before_its_own_period_was_not_forgotten_since():
    rows = chain({"2021": [(0.1, 0.1, 1.0, 3.0)]})
    assert transfers(pd.DataFrame(rows), PERIODS).iloc[0]["forgetting"] == pytest.approx(2.0)


def test_facts_that_get_better_after_their_period_give_a_positive_transfer():
    rows = chain({"2020": [(9.0, 5.0, 4.0, 2.0)], "2021": [(9.0, 9.0, 6.0, 3.0)]})
    found = transfers(pd.DataFrame(rows), PERIODS).iloc[0]
    assert found["backward_transfer"] == pytest.approx(3.0)
    assert found["forgetting"] == pytest.approx(((2 - 4) + (3 - 6)) / 2)


def test_methods_are_kept_apart_and_intervals_need_two_seeds():
    lost = {"2020": [(9.0, 1.0, 1.5, 2.0)]}
    rows = [*chain(lost), *chain({"2020": [(9.0, 1.0, 1.5, 2.2)]}, seed=1)]
    rows += chain({"2020": [(9.0, 1.0, 1.0, 1.0)]}, "random") + chain({"2020": [(9, 1, 1, 1)]}, "random", 1)
    found = transfers(pd.DataFrame(rows), PERIODS).set_index("method")
    assert found["backward_transfer"].to_dict() == pytest.approx({"full": -1.1, "random": 0.0})
    assert found["seeds"].to_dict() == {"full": 2, "random": 2}
    assert found.loc["full", "low"] < -1.1 < found.loc["full", "high"]


def test_without_facts_before_the_last_period_there_is_no_transfer():
    assert transfers(pd.DataFrame(chain({"2022": LOSSES["2022"]})), PERIODS).empty
    assert transfers(pd.DataFrame([row(1.0, kind="unchanged")]), PERIODS).empty
