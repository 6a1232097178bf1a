"""`tgl.load_results`: the tables of an experiment's folder, from Python."""

import pandas as pd
import pytest

import tgl
from tests.report.result_folder import configuration, write_results
from tgl.core.errors import TglError
from tgl.core.schemas import SCHEMAS
from tgl.core.tables.read import read_table
from tgl.core.tables.write import write_table
from tgl.report.results import Results


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = write_results(tmp_path_factory.mktemp("results"), configuration())
    (folder / "report").mkdir()
    (folder / "report" / "summary.csv").write_text("method,uptake\nfull,0.5\ntgl_fp,\n")
    (folder / "report" / "equal_uptake.csv").write_text("method\nfull\n")
    (folder / "report" / "transfers.csv").write_text("\n")
    (folder / "report" / "index.html").write_text("<p>")
    return folder


@pytest.fixture(scope="module")
def results(folder):
    return tgl.load_results(folder)


def test_the_names_are_those_of_the_tables_that_are_there(results):
    assert results.names == [
        "agreement", "along", "along_examples", "comparisons", "diff", "drift", "generations", "lm_loss",
        "norms", "pages", "probes", "profile", "rates", "scores", "steps", "tokens", "withheld",
    ]  # fmt: skip


def test_a_table_holds_the_rows_of_all_its_files_and_where_they_are_from(results, folder):
    scores = results["scores"]
    runs = [
        "tiny--base", "tiny--full-plain-lr0.001", "tiny--full-plain-lr0.004", "tiny--tgl_fp-plain-lr0.001",
        "tiny--tgl_fp-plain-lr0.004",
    ]  # fmt: skip
    assert scores["artifact"].unique().tolist() == [f"{run}--seed{seed}" for run in runs for seed in (0, 1)]
    assert list(scores.columns) == [*SCHEMAS["scores"].names, "artifact"]
    assert scores.index.tolist() == list(range(len(scores)))
    own = folder / "scores" / "tiny" / "full-plain-lr0.004" / "seed1" / "scores.parquet"
    found = scores[scores["artifact"] == "tiny--full-plain-lr0.004--seed1"].drop(columns="artifact")
    pd.testing.assert_frame_equal(found.reset_index(drop=True), read_table(own, "scores").to_pandas())


@pytest.mark.parametrize(
    ("name", "artifacts"),
    [
        ("probes", ["default"]),
        ("profile", ["tiny--seed0--20200101", "tiny--seed1--20200101"]),
        ("along", ["tiny--seed0", "tiny--seed1"]),
        ("agreement", ["tiny--seed0", "tiny--seed1"]),
    ],
)
def test_the_artifact_is_named_by_its_folders(results, name, artifacts):
    assert results[name]["artifact"].unique().tolist() == artifacts


def test_tables_without_rows_keep_their_columns(results):
    pages = results["pages"]
    assert len(pages) == 0
    assert list(pages.columns) == [*SCHEMAS["pages"].names, "artifact"]


def test_shards_and_periods_are_concatenated(tmp_path):
    row = {"part": "train", "tokens": [1, 2]}
    for name in ("base", "20200101"):
        write_table([row], tmp_path / "tokens" / f"{name}.parquet", "tokens")
    for shard in (0, 1):
        row = {
            "page_id": shard,
            "title": "A",
            "revision_id": 1,
            "kind": "new",
            "start": 0,
            "section": "",
            "text": "x",
        }
        write_table([row], tmp_path / "diff" / "20190101_20200101" / f"{shard}.parquet", "diff")
    results = tgl.load_results(tmp_path)
    assert results["tokens"]["artifact"].tolist() == ["20200101", "base"]
    assert results["diff"]["page_id"].tolist() == [0, 1]
    assert results["diff"]["artifact"].tolist() == ["20190101_20200101"] * 2


def test_tables_of_the_report_are_read(results):
    summary = results.report("summary")
    assert summary["method"].tolist() == ["full", "tgl_fp"]
    assert summary["uptake"].isna().tolist() == [False, True]
    assert results.report("transfers").empty  # as of a single period


def test_a_folder_can_be_given_as_text(folder, results):
    assert isinstance(results, Results)
    assert tgl.load_results(str(folder)).names == results.names


def test_files_that_are_no_artifact_are_left_out(tmp_path):
    write_table([], tmp_path / "tokens" / "base.parquet", "tokens")
    (tmp_path / "tokens" / "deeper").mkdir()
    for name in ("tokens/deeper/base.parquet", "scores.parquet", "tokens/base.csv"):
        (tmp_path / name).write_text("no table")
    assert tgl.load_results(tmp_path).names == ["tokens"]


def test_an_unknown_table_is_refused_with_the_nearest_name_and_those_there_are(results, folder):
    with pytest.raises(TglError) as caught:
        results["score"]
    assert str(caught.value).startswith(f"{folder}: no table 'score'")
    assert "did you mean 'scores'" in str(caught.value)
    assert ", ".join(results.names) in str(caught.value)


def test_an_unknown_table_of_the_report_is_refused_with_those_there_are(results, folder):
    with pytest.raises(TglError) as caught:
        results.report("sumary")
    assert str(caught.value).startswith(f"{folder / 'report' / 'sumary.csv'}: ")
    assert "did you mean 'summary'" in str(caught.value)
    assert "equal_uptake, summary" in str(caught.value)


def test_without_a_report_its_tables_are_refused(tmp_path):
    write_table([], tmp_path / "tokens" / "base.parquet", "tokens")
    with pytest.raises(TglError, match=r"summary\.csv: "):
        tgl.load_results(tmp_path).report("summary")


def test_a_damaged_table_is_refused_when_it_is_read(tmp_path):
    write_table([], tmp_path / "tokens" / "base.parquet", "tokens")
    (tmp_path / "tokens" / "20200101.parquet").write_bytes(b"PAR1 and no more")
    results = tgl.load_results(tmp_path)
    with pytest.raises(TglError, match=r"20200101\.parquet"):
        results["tokens"]


@pytest.mark.parametrize("kind", ["missing", "file", "empty", "parent"])
def test_a_folder_without_tables_is_refused_with_what_is_expected(tmp_path, folder, kind):
    path = tmp_path / "there"
    if kind == "file":
        path.touch()
    elif kind in ("empty", "parent"):
        path.mkdir()
    if kind == "parent":
        write_table([], path / "default" / "tokens" / "base.parquet", "tokens")
    with pytest.raises(TglError) as caught:
        tgl.load_results(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "results/default" in str(caught.value)


def test_results_show_what_they_hold(results, folder, tmp_path):
    assert repr(results) == f"<Results {folder}: {', '.join(results.names)}>"
    assert repr(Results(tmp_path)) == f"<Results {tmp_path}: no table>"
    html = results._repr_html_()
    assert html.count("<tr") == 1 + len(results.names)
    row = html[html.index("<td>scores</td>") :].partition("</tr>")[0]
    assert "<td>10</td>" in row
