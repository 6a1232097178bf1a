"""What a finished run leaves of agreement and drift, and a run that profiles itself before each period."""

import re

import pytest

from tests.workflow.conftest import TINY, copy_of
from tgl.core.tables.read import read_counts, read_table

pytestmark = pytest.mark.workflow

METHODS = ("full", "tgl_fp", "tgl_alr", "random", "inverse")
FIRST, SECOND = "20200101", "20210101"


def drifts(workflow, methods=METHODS):
    folder = workflow.results / "scores" / "gpt2-2x16"
    paths = {method: folder / f"{method}-plain-lr0.003/seed0/drift.parquet" for method in METHODS}
    return {m: read_table(path, "drift").to_pandas() for m, path in paths.items() if m in methods}


def section(workflow, heading):
    """Return the part of the report's page from a heading to the next, and the cells of its tables' rows."""
    page = (workflow.results / "report" / "index.html").read_text()
    (found,) = re.findall(rf"<h3>{re.escape(heading)}</h3>(.*?)<h[23][ >]", page, flags=re.S)
    rows = re.findall(r"<tr>(.*?)</tr>", found, flags=re.S)
    return found, [re.findall(r"<td[^>]*>(.*?)</td>", row, flags=re.S) for row in rows if "<td" in row]


def test_the_page_sets_paired_groups_against_each_other(finished_tiny):
    _, rows = section(finished_tiny, "Paired differences")
    folder = finished_tiny.results / "profile/gpt2-2x16/seed0" / FIRST
    compared = read_table(folder / "comparisons.parquet", "comparisons").to_pandas()
    assert len(rows) == len(compared[["weights", "group", "other"]].drop_duplicates()) > 4
    assert ["trained", "updated facts", "shuffled answers (updated facts)"] in [row[:3] for row in rows]
    assert {row[0] for row in rows} == {"trained", "random"}


def test_the_page_sets_the_profile_against_tracing_and_movement(finished_tiny):
    _, rows = section(finished_tiny, "Does the profile agree with other measures?")
    folder = finished_tiny.results / "agree/gpt2-2x16/seed0"
    found = read_table(folder / "agreement.parquet", "agreement").to_pandas()
    found = found[found["denominator"] == "window"]
    assert len(rows) == len(found) > 0
    measures = {row[1].split(",")[0] for row in rows}
    assert "movement" in measures
    assert measures == {measure.split(",")[0] for measure in found["measure"]}
    counts = read_counts(folder / "tracing.parquet")
    traced = read_table(folder / "tracing.parquet", "tracing").to_pandas()
    for kind in ("updated", "new_entity", "unchanged"):
        own = {key: value for key, value in counts.items() if key.startswith(kind)}
        profiled = read_counts(finished_tiny.results / f"profile/gpt2-2x16/seed0/{FIRST}/norms.parquet")
        assert sum(own.values()) == profiled[f"{kind}: examples"]
        assert own[f"{kind}: traced"] == traced[traced["group"] == kind]["probe"].nunique()


def test_movement_is_that_of_full_training_in_the_first_period(finished_tiny):
    from tgl.analysis.agreement import _movement
    from tgl.models.checkpoint import load_model
    from tgl.models.sublayers import ranked, sublayers

    models = finished_tiny.results / "models/gpt2-2x16"
    folders = (models / "base/seed0", models / "full-plain-lr0.003/seed0" / FIRST)
    units = [list(ranked(sublayers(load_model(folder)))) for folder in folders]
    table = read_table(finished_tiny.results / "agree/gpt2-2x16/seed0/movement.parquet", "movement")
    assert table.to_pylist() == _movement(*units, "")
    assert min(table["distance"].to_pylist()) > 0


def test_with_one_profile_only_full_training_drifts(finished_tiny):
    text, rows = section(finished_tiny, "Does the profile drift over periods?")
    assert "The first profile was used for all periods" in text
    assert [row[:2] for row in rows] == [["full-plain-lr0.003", SECOND]]
    periods = {
        method: list(dict.fromkeys(table["period"])) for method, table in drifts(finished_tiny).items()
    }
    assert periods == {method: [FIRST] for method in METHODS} | {"full": [FIRST, SECOND]}


def test_a_profile_before_each_period_trains_anew_and_leaves_profile_and_plans_alone(finished_tiny, tmp_path):
    settings = TINY.replace("profile: {", "profile: {periods: each, ") + "methods: [full, tgl_fp]\n"
    assert "periods: each" in settings
    workflow = copy_of(finished_tiny, tmp_path / "each", settings)
    assert workflow.planned() == {"train", "agree", "report", "gate"}
    workflow.run()
    for folder in ("profile", "plan", "models/gpt2-2x16/base"):
        kept = [path for path in (finished_tiny.results / folder).rglob("*") if path.is_file()]
        assert kept
        for path in kept:
            other = workflow.results / path.relative_to(finished_tiny.results)
            assert other.read_bytes() == path.read_bytes(), path
    methods = ("full", "tgl_fp")
    found, before = drifts(workflow, methods), drifts(finished_tiny)
    for method, table in found.items():
        assert list(dict.fromkeys(table["period"])) == [FIRST, SECOND]
        first = table[table["period"] == FIRST].reset_index(drop=True)
        assert first.equals(before[method][before[method]["period"] == FIRST].reset_index(drop=True))
        assert (
            first["relative_norm"].to_numpy() != table.iloc[len(first) :]["relative_norm"].to_numpy()
        ).all()
    text, rows = section(workflow, "Does the profile drift over periods?")
    assert "Every run profiled its model before each period and made a new plan." in text
    assert [row[:2] for row in rows] == [[f"{method}-plain-lr0.003", SECOND] for method in methods]
    assert workflow.planned() == set()
