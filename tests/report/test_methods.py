"""What the report makes of scores: which rows count for what."""

import math

import pandas as pd
import pytest

from tgl.config.report_settings import ReportConfig
from tgl.report.methods import findings, matched_controls
from tgl.report.runs import gathered

DATES = ["2019", "2020", "2021"]
KEYS = ["set", "kind", "measure", "method"]


def score(method, checkpoint, period, value, split="test", rate=0.003, kind="updated"):
    """Return a row of `scores` with a log perplexity; validation probes are not ranked."""
    ranked = split == "test"
    return {
        "method": method, "rate": rate, "seed": 0, "checkpoint": checkpoint, "probe": f"{period}-{split}-{kind}",
        "set": "world", "kind": kind, "period": period, "relation": "city", "split": split, "num_tokens": 2,
        "num_bytes": 4, "log_likelihood": -2.0 * value, "rank": int(ranked), "num_candidates": 3 * ranked,
        "exact_match": ranked, "old_log_likelihood": float("nan"),
        "subject": f"{period}-{split}",
    }  # fmt: skip


FULL = (math.log(4.0), math.log(9.0))


def scores(full=FULL):
    rows = [
        score("base", "2019", "2020", 9.0), score("base", "2019", "2021", 9.0),
        score("full", "2020", "2020", full[0]), score("full", "2021", "2021", full[1]),
        # Before their own period, and after it.
        score("full", "2020", "2021", 8.0), score("full", "2021", "2020", 7.0),
    ]  # fmt: skip
    validation = [
        {**row, **score(row["method"], row["checkpoint"], row["period"], 50.0, "validation")} for row in rows
    ]
    return pd.DataFrame(rows + validation)


def losses():
    rows = [
        ("2019", "base", 50.0), ("2020", "base", 2.0), ("2021", "base", 4.0),
        ("2020", "2020", 1.0), ("2021", "2021", 2.0), ("2020", "2021", 30.0),
    ]  # fmt: skip
    return pd.DataFrame(
        {
            "method": "base" if checkpoint == "2019" else "full", "rate": 0.003, "seed": 0, "checkpoint": checkpoint,
            "text": text, "num_tokens": 10, "negative_log_likelihood": 10 * value,
        }
        for checkpoint, text, value in rows
    )  # fmt: skip


@pytest.fixture(scope="module")
def experiment():
    probes = pd.DataFrame(
        {
            "id": f"{period}-test-updated", "set": "world", "subject": f"{period}-test", "relation": "city",
            "kind": "updated", "period": period, "split": "test",
        }
        for period in DATES[1:]
    )  # fmt: skip
    return gathered(scores(), losses(), probes, dates=DATES)


@pytest.fixture(scope="module")
def runs(experiment):
    return findings(experiment, ReportConfig()).runs.set_index(KEYS)["value"]


def test_each_period_s_test_probes_count_at_its_own_checkpoint_averaged_as_logs(runs):
    assert runs["world", "updated", "perplexity", "full"] == pytest.approx(6)
    assert runs["world", "updated", "ranked_first", "full"] == 1.0


def test_old_text_counts_at_every_checkpoint_of_a_period_and_new_text_at_its_own(runs):
    assert runs["text", "old_text", "loss", "full"] == pytest.approx(3.0)
    assert runs["text", "new_text", "loss", "full"] == pytest.approx(1.5)


def test_no_measure_is_taken_from_validation_probes(experiment):
    found = experiment.measures()
    probes = found[found["set"] == "world"]
    assert probes[probes["measure"] == "perplexity"]["value"].max() < math.exp(10)
    assert set(probes["count"]) == {1}
    assert set(found["method"]) == {"base", "full"}


def test_full_training_on_a_baseline_is_compared_with_plans_on_it_and_with_plans_alone():
    methods = ["full", "tgl_fp", "full+ewc", "tgl_fp+ewc", "random+ewc", "full+lora"]
    found = dict(matched_controls(methods))
    assert found["full+ewc"] == ["tgl_fp", "tgl_fp+ewc", "random+ewc"]
    assert found["full+lora"] == ["tgl_fp"]
    assert found["tgl_fp+ewc"] == ["random+ewc"]
    assert "full" not in found  # every method is compared with it anyway
