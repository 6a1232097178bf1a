"""The preset for a pretrained model, through the real Snakefile, on the tiny model and invented facts."""

import json

import pandas as pd
import pytest
import yaml

from tests.support.paths import REPOSITORY
from tests.workflow.conftest import Workflow
from tgl.core.tables.read import read_table

pytestmark = pytest.mark.workflow

RELATIONS = ("capital", "continent", "language", "demonym")
PERIOD = "20210901"
METHODS = ["full", "tgl_fp", "alr_fisher", "last", "full+replay.0.33", "full+neurons.0.2", "full+lora"]
TEXT = "A page about a place. It has a few sentences. Most of them say little. " * 8


def lines(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.fixture(scope="module")
def finished(finished_tiny, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pretrained")
    (base,) = finished_tiny.results.glob("models/*/base/seed0")
    facts = [
        {"relation": r, "subject": f"{r.title()} {n}", "answer": f"{r[:3].title()} {n % 5}", "ranks": [1, 1]}
        for r in RELATIONS
        for n in range(30)
    ]
    lines(folder / "known.jsonl", facts)
    for name, first in (("old", 1), ("new", 1000)):
        pages = [{"id": first + n, "title": f"{name} {n}", "text": TEXT} for n in range(80)]
        lines(folder / f"{name}.jsonl", pages)
    (folder / "wordings.json").write_text((REPOSITORY / "examples/pretrained/wordings.json").read_text())
    settings = {
        "data_root": str(folder), "methods": METHODS,
        "snapshots": {"counterfactual": {
            "old_text": "old.jsonl", "new_text": "new.jsonl", "updated": 16, "unchanged": 16, "far": 16,
            "new_entities": 8, "exposures": 2, "old_characters": 20_000, "new_characters": 20_000,
        }},
        "model": {"load": str(base)}, "tokens": {"tokenizer": str(base), "block_size": 64},
        "profile": {"examples": 4, "bootstrap": 100},
        "train": {"precision": "fp32", "steps": 6, "score_at": [2, 4], "learning_rates": [0.01, 0.02],
                  "method_rates": {"full+lora": [0.05]}, "checkpoint_steps": 3},
    }  # fmt: skip
    workflow = Workflow(folder / "run", yaml.safe_dump(settings), preset="pretrained")
    workflow.run()
    return workflow


def test_the_report_compares_every_method_at_equal_uptake(finished):
    table = pd.read_csv(finished.results / "report/equal_uptake.csv")
    assert set(table["method"]) == set(METHODS) - {"full"}
    assert set(table[table["share"] == 0.7]["verdict"]) <= {
        "no verdict: one seed",
        "no verdict: not reached in every seed",
    }
    curves = pd.read_csv(finished.results / "report/curves.csv")
    assert set(curves["point"]) == {0, 1, 2, 3}
    assert set(curves.loc[curves["method"] == "full+lora", "rate"]) == {0.05}


def test_every_run_is_scored_along_its_steps_and_keeps_no_checkpoint(finished):
    runs = sorted(finished.results.glob("scores/*/*/seed0/step_scores.parquet"))
    assert len(runs) == 6 * 2 + 1
    for path in runs:
        rows = read_table(path, "step_scores").to_pandas()
        assert sorted(set(rows["step"])) == [2, 4, 6]
        assert set(rows["set"]) == {"counterfactual", "far"}
    models = {path.parts[-4] for path in finished.results.glob("models/*/*/seed0/*/model.safetensors")}
    assert models <= {"base"}


def test_nothing_is_left_to_do_and_another_partition_is_another_experiment(finished):
    assert finished.planned() == set()
    other = finished.planned("--config", "snapshots={counterfactual: {partition: 1}}")
    assert {"counterfactual", "probes", "profile", "train", "report"} <= other


def test_checkpoints_that_were_never_kept_are_made_with_the_changed_settings(finished):
    """Snakemake ignores changed settings of a job of which some output has no record."""
    changed = finished.planned("--config", "train={keep_models: true, steps: 7}")
    assert {"train", "report"} <= changed


def test_the_replicates_and_advise_commands_read_the_results(finished):
    from tests.cli.running import passes

    output = finished.directory / "replicates"
    settings = finished.directory / "whole.yaml"
    given = yaml.safe_load(finished.preset.read_text()) | yaml.safe_load(finished.extra.read_text())
    own = yaml.safe_load(finished.preset.read_text())
    for key in ("snapshots", "train", "model", "tokens"):
        given[key] = own[key] | yaml.safe_load(finished.extra.read_text())[key]
    given["snapshots"] = own["snapshots"] | {
        "counterfactual": own["snapshots"]["counterfactual"] | given["snapshots"]["counterfactual"]
    }
    settings.write_text(yaml.safe_dump(given))
    printed = passes("replicates", finished.results, "--output", output, "--config", settings)
    assert "last compared with full: " in printed
    assert set(pd.read_csv(output / "steps.csv")["method"]) == {"base", *METHODS}
    printed = passes("advise", finished.results, "--config", settings, "--budget", 1)
    assert "no recommendation: " in printed
    assert "budget: 1 hours are " in printed
