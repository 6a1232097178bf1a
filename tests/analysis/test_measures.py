import math

import pandas as pd
import pytest

from tgl.analysis.measures import probe_measures, text_measures


def score(log_likelihood, num_tokens, relation="city", rank=0, num_candidates=0, **changes):
    row = {
        "checkpoint": "2020", "probe": "p", "set": "world", "kind": "updated", "period": "2020",
        "relation": relation, "split": "test", "num_tokens": num_tokens, "num_bytes": 5,
        "log_likelihood": log_likelihood, "rank": rank, "num_candidates": num_candidates,
        "exact_match": rank == 1, "old_log_likelihood": None,
    }  # fmt: skip
    return row | changes


def measured(rows):
    table = probe_measures(pd.DataFrame(rows))
    return {(row.kind, row.measure): row.value for row in table.itertuples()}


def test_perplexities_by_hand():
    # negative log-likelihoods a token: city 2, 4; job 9
    found = measured([score(-4, 2), score(-12, 3), score(-9, 1, "job")])
    assert found["updated", "perplexity"] == pytest.approx(math.exp((2 + 4 + 9) / 3))
    assert found["updated", "macro_perplexity"] == pytest.approx(math.exp((3 + 9) / 2))
    assert found["updated", "token_perplexity"] == pytest.approx(math.exp((4 + 12 + 9) / (2 + 3 + 1)))


@pytest.mark.parametrize("relation", ["", None])
def test_probes_without_a_relation_are_one_relation(relation):
    found = measured([score(-4, 2, relation), score(-12, 3, relation)])
    assert found["updated", "macro_perplexity"] == pytest.approx(found["updated", "perplexity"])


def test_log_likelihood_per_byte_by_hand():
    found = measured([score(-4, 2, num_bytes=8), score(-12, 3, num_bytes=4)])
    assert found["updated", "log_likelihood_per_byte"] == pytest.approx((-0.5 - 3) / 2)


def test_ranks_and_chance_leave_out_probes_without_candidates():
    rows = [
        score(-1, 1, rank=1, num_candidates=4), score(-1, 1, rank=2, num_candidates=2),
        score(-1, 1, rank=1, num_candidates=4), score(-1, 1),
    ]  # fmt: skip
    table = probe_measures(pd.DataFrame(rows)).set_index("measure")
    assert table.loc["ranked_first", "value"] == pytest.approx(2 / 3)
    assert table.loc["chance", "value"] == pytest.approx((0.25 + 0.5 + 0.25) / 3)
    assert table["count"].to_dict() == {
        "perplexity": 4, "token_perplexity": 4, "macro_perplexity": 4, "log_likelihood_per_byte": 4,
        "ranked_first": 3, "chance": 3, "exact_match": 4,
    }  # fmt: skip


def test_without_candidates_there_is_no_measure_of_ranks():
    assert {name for _, name in measured([score(-1, 1)])} == {
        "perplexity", "token_perplexity", "macro_perplexity", "log_likelihood_per_byte", "exact_match",
    }  # fmt: skip


def test_the_old_answer_counts_where_there_is_one():
    rows = [
        score(-1, 1) | {"old_log_likelihood": -3.0},
        score(-2, 1) | {"old_log_likelihood": -1.0},
        score(-9, 1),
    ]
    table = probe_measures(pd.DataFrame(rows)).set_index("measure")
    assert table.loc["new_minus_old", "value"] == pytest.approx((2 - 1) / 2)
    assert table.loc["new_minus_old", "count"] == 2


def test_checkpoints_sets_kinds_and_periods_are_kept_apart():
    rows = [
        score(-number, 1, **{key: "other"})
        for number, key in enumerate(("checkpoint", "set", "kind", "period"))
    ]
    table = probe_measures(pd.DataFrame([*rows, score(-4, 1)]))
    perplexities = table[table["measure"] == "perplexity"]["value"]
    assert sorted(perplexities) == pytest.approx([math.exp(number) for number in range(5)])


def test_text_losses_are_nats_a_token_and_base_is_the_old_text():
    losses = pd.DataFrame(
        {
            "checkpoint": ["2020"] * 3,
            "text": ["base", "2020", "2021"],
            "num_tokens": [10, 4, 0],
            "negative_log_likelihood": [25.0, 12.0, 0.0],
        }
    )
    table = text_measures(losses)
    assert table[["kind", "period", "value", "count"]].values.tolist() == [
        ["old_text", "base", 2.5, 10], ["new_text", "2020", 3.0, 4],
    ]  # fmt: skip
    assert set(table["measure"]) == {"loss"}
    assert text_measures(losses[2:]).empty
