"""From scores to claims, end to end on a small world whose answers are known."""

import math

import pandas as pd
import pytest

from tests.report.score_world import DATES, RATES, losses, probes, scores
from tests.report.small_findings import GAINS, small, summary
from tgl.analysis.equal_uptake import ONE_SEED
from tgl.core.errors import TglError
from tgl.report.methods import all_comparisons, chain_tables, matched_controls
from tgl.report.runs import gathered


def test_rates_come_from_validation_and_none_is_at_the_edge(findings_found):
    assert findings_found.rates == dict.fromkeys(GAINS, 0.01)
    assert findings_found.edges == []
    assert "base" not in set(findings_found.criteria["method"])


def test_test_probes_have_no_say_in_the_rate():
    def spoilt(table):
        wrong = (table["split"] == "test") & (table["rate"] == 0.01)
        return table.assign(log_likelihood=table["log_likelihood"].where(~wrong, -100.0))

    assert set(small(change=spoilt).rates.values()) == {0.01}


def test_a_method_that_learns_more_is_better_by_as_much_and_one_that_learns_less_worse(findings_found):
    found = summary(findings_found, "updated")
    assert found["difference"]["tgl_fp"] == pytest.approx(math.exp(-0.4), rel=0.02)
    assert found["difference"]["full+ewc"] == pytest.approx(math.exp(0.4), rel=0.02)
    assert found["verdict"].to_dict() == {
        "full": "", "tgl_fp": "better", "random": "no significant difference", "full+ewc": "worse",
    }  # fmt: skip
    assert set(summary(findings_found, "unchanged")["verdict"]) == {"", "no significant difference"}


def test_text_and_ranks_are_compared_too(findings_found):
    kinds = set(findings_found.summary[["set", "kind", "measure"]].itertuples(index=False, name=None))
    assert {
        ("text", "old_text", "loss"),
        ("text", "new_text", "loss"),
        ("world", "updated", "ranked_first"),
    } <= kinds
    assert summary(findings_found, "old_text", "loss")["mean"].tolist() == pytest.approx([3.02] * 4)


def test_every_run_has_one_value_a_measure(findings_found):
    keys = ["method", "rate", "seed", "set", "kind", "measure"]
    assert not findings_found.runs.duplicated(keys).any()
    assert set(findings_found.runs["rate"]) == set(RATES)
    assert "base" not in set(findings_found.runs["method"])


def test_comparisons_without_a_plan_are_with_full_and_of_traced_plans_with_their_controls():
    assert all_comparisons(list(GAINS)) == [
        ("tgl_fp", "full"), ("random", "full"), ("full+ewc", "full"), ("random", "tgl_fp"),
        ("tgl_fp", "full+ewc"), ("random", "full+ewc"),
    ]  # fmt: skip


def test_what_is_forgotten_later_is_a_negative_transfer_by_as_much(findings_found):
    found = findings_found.transfers.set_index("method")
    assert found["backward_transfer"].tolist() == pytest.approx([-0.5] * 4, abs=0.02)
    assert found["forgetting"].tolist() == pytest.approx([0.5] * 4, abs=0.02)
    assert set(found["rate"]) == {0.01}
    assert "base" not in found.index


def test_the_chain_shows_the_base_model_and_each_method_at_its_rate(findings_found):
    tables = {table["method"]: table for table in chain_tables(findings_found)}
    assert list(tables["full"]["periods"]) == DATES[1:]
    assert [checkpoint for checkpoint, _ in tables["full"]["rows"]] == DATES[1:]
    assert [checkpoint for checkpoint, _ in tables["base"]["rows"]] == DATES[:1]
    assert tables["base"]["transfer"] is None
    assert tables["full"]["transfer"]["seeds"] == 5


def test_the_power_of_each_comparison_with_the_reference_is_told(findings_found):
    assert set(findings_found.power["method"]) == set(GAINS) - {"full"}
    assert findings_found.power["seeds_needed"].max() <= 4  # seeds differ by a hundredth of a nat


def test_a_fact_that_changes_again_does_not_count_as_forgotten():
    asked = probes(4)
    first = asked[(asked["kind"] == "updated") & (asked["period"] == "2020") & (asked["split"] == "test")]
    again = first.assign(period="2021", id="again-" + first["id"])

    def old_answer_is_gone(table):
        gone = table["probe"].isin(first["id"]) & (table["checkpoint"] == "2021")
        return table.assign(log_likelihood=table["log_likelihood"].where(~gone, -100.0))

    found = small(change=old_answer_is_gone, asked=pd.concat([asked, again], ignore_index=True))
    assert found.transfers["backward_transfer"].tolist() == pytest.approx([-0.5] * 4, abs=0.05)
    assert found.matrix["value"].max() < 10


def test_without_test_probes_the_report_says_what_is_missing():
    with pytest.raises(TglError, match="no test probe at the checkpoint of its own period"):
        small(change=lambda table: table[table["split"] == "validation"])


def test_one_seed_gives_differences_without_words():
    found = small(seeds=1)
    assert set(found.summary["verdict"]) == {"", "one seed: no interval"}
    assert set(found.equal_uptake["verdict"]) == {"", ONE_SEED}
    assert found.power["seeds_needed"].isna().all()


def test_one_period_gives_no_transfer_and_everything_else():
    asked = probes(4)
    asked = asked[asked["period"] == "2020"]
    found = small(change=lambda table: table[table["checkpoint"] != "2021"], dates=DATES[:2], asked=asked)
    assert found.transfers.empty
    assert len(found.summary)
    assert [table["transfer"] for table in chain_tables(found)] == [None] * 5


def test_without_any_changing_fact_there_is_no_chain_and_no_failure():
    asked = probes(4)
    found = small(asked=asked[asked["kind"] == "unchanged"])
    assert found.matrix.empty
    assert found.transfers.empty
    assert chain_tables(found) == []


def test_a_log_perplexity_beyond_all_numbers_is_told_as_infinite_and_does_not_end_the_report():
    def fallen_apart(table):
        wrong = (table["method"] == "random") & (table["rate"] == 0.1)
        return table.assign(log_likelihood=table["log_likelihood"].where(~wrong, -4000.0))

    found = small(change=fallen_apart)
    assert found.rates["random"] == 0.01
    assert math.isinf(
        found.runs[(found.runs["method"] == "random") & (found.runs["rate"] == 0.1)]["value"].max()
    )


def test_two_seeds_that_disagree_among_many_comparisons_have_an_interval_without_end():
    gains = {"full": 0.0} | {f"only.{number}": 0.0 for number in range(12)}

    def apart(table):
        wild = (table["method"] == "only.3") & (table["seed"] == 0)
        return table.assign(log_likelihood=table["log_likelihood"] - 30.0 * wild)

    found = summary(small(gains, apart, rates=(0.01,)), "updated")
    assert found.loc["only.3", "verdict"] == "no significant difference"
    assert math.isinf(found.loc["only.3", "corrected_high"])


def test_without_validation_probes_no_rate_can_be_chosen_and_it_is_said():
    with pytest.raises(TglError, match="'full' has no validation probe"):
        small(change=lambda table: table[table["split"] == "test"])


def test_measures_hold_every_checkpoint_of_test_probes_and_text():
    found = gathered(
        scores({"full": 0.0}, 1, probes(4)), losses({"full": 0.0}, 1), probes(4), dates=DATES
    ).measures()
    assert set(found["checkpoint"]) == set(DATES)
    assert set(found[found["measure"] == "perplexity"]["count"]) == {4}


@pytest.mark.parametrize(
    ("methods", "expected"),
    [
        (["full", "tgl_fp", "random", "inverse"], [("tgl_fp", ["random", "inverse"])]),
        (
            ["full", "tgl_alr", "shuffled_alr", "full_at_mean_lr"],
            [("tgl_alr", ["shuffled_alr", "full_at_mean_lr"])],
        ),
        # Another share is another traced plan, and has its own control.
        (
            ["tgl_fp", "tgl_fp.top25", "random.top25"],
            [("tgl_fp", ["tgl_fp.top25"]), ("tgl_fp.top25", ["tgl_fp", "random.top25"])],
        ),
        # The baseline must be the same.
        (["tgl_fp+ewc", "random", "random+ewc"], [("tgl_fp+ewc", ["random+ewc"])]),
        (["tgl_fp.unchanged", "random"], []),
        (["tgl_fp", "shuffled_alr", "random_half", "full"], []),
        (["tgl_alr", "full_at_mean_lr.tgl_fp"], []),
        (["full", "random"], []),
    ],
)
def test_a_traced_plan_is_held_against_controls_of_its_budget_and_baseline(methods, expected):
    assert matched_controls(methods) == expected
