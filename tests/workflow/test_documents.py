"""Documents of one's own through the real Snakefile: a git repository by date, with probes from its changes."""

import json
import subprocess

import pandas as pd
import pytest
import yaml

from tests.cli.running import passes
from tests.support.paths import REPOSITORY
from tests.workflow.conftest import Workflow
from tgl.core.tables.read import read_about, read_table

pytestmark = pytest.mark.workflow

DATES = ["20200101", "20210101"]
SMALL = {
    "seeds": [0], "methods": ["full", "tgl_fp"], "tokens": {"vocab_size": 400, "block_size": 32},
    "model": {"name": "tiny", "layers": 2, "hidden_size": 16, "heads": 2, "pretrain": {"steps": 8, "keep": []}},
    "profile": {"examples": 6, "bootstrap": 100}, "agree": {"facts": 0},
    "train": {"steps": 4, "checkpoint_steps": 2, "learning_rates": [0.01]}, "gate": {"binding": False},
}  # fmt: skip


def text(number, year):
    changed = number * 7 + (year - 2020 if number % 2 else 0)
    return (
        f"# Place {number}\n\nPlace {number} has {changed} people.\nPlace {number} is {number} km wide.\n\n"
        f"It was {year}.\n"
    )


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    folder = tmp_path_factory.mktemp("documents") / "notes"
    folder.mkdir()

    def git(*arguments, when):
        subprocess.run(
            ["git", "-c", "user.name=n", "-c", "user.email=n@x.org", *arguments], cwd=folder, check=True,
            capture_output=True, env={"PATH": "/usr/bin:/bin", "GIT_COMMITTER_DATE": when, "GIT_AUTHOR_DATE": when},
        )  # fmt: skip

    git("init", "-q", when="2019-01-01T00:00:00Z")
    for year, number in ((2020, 80), (2021, 90)):
        for n in range(number):
            (folder / f"place{n}.md").write_text(text(n, year))
        (folder / "code.py").write_text(f"year = {year}")
        git("add", "-A", when=f"{year}-01-01T12:00:00Z")
        git("commit", "-qm", str(year), when=f"{year}-01-01T12:00:00Z")
    return folder


@pytest.fixture(scope="module")
def finished(repository):
    settings = SMALL | {
        "data_root": str(repository.parent),
        "snapshots": {"source": "documents", "dates": DATES, "documents": {"repository": "notes"}},
        "probes": {"sets": ["snapshots"], "snapshots": {"withhold": False, "taught": False}},
    }
    workflow = Workflow(repository.parent / "run", yaml.safe_dump(settings))
    workflow.run()
    return workflow


def test_each_date_is_the_newest_commit_up_to_it(finished):
    for date, number in zip(DATES, (80, 90), strict=True):
        pages = read_table(finished.results / f"snapshots/{date}/pages/0.parquet", "pages").to_pylist()
        assert len(pages) == number
        assert f"It was {date[:4]}." in pages[0]["text"]
        about = read_about(finished.results / f"snapshots/{date}/files.parquet")
        assert (about["source"], len(about["commit"])) == ("git", 40)


def test_the_probes_are_the_values_that_changed_with_the_old_ones(finished):
    probes = read_table(finished.results / "probes/probes.parquet", "probes").to_pylist()
    updated = [row for row in probes if row["kind"] == "updated"]
    assert len(updated) > 10
    for row in updated:
        span = row["text"][row["span_start"] : row["span_end"]]
        assert int(span) == int(row["old_answer"]) + 1
        assert row["relation"].startswith("number")
        assert {span, row["old_answer"]} < set(row["candidates"])


def test_the_report_measures_new_against_old_answers(finished):
    summary = pd.read_csv(finished.results / "report/summary.csv")
    assert {"new_minus_old", "exact_match", "ranked_first"} <= set(summary["measure"])


def test_the_tables_are_exported_with_cards_that_ask_for_the_licence(finished, tmp_path):
    passes("export", finished.results, "--hub-layout", tmp_path / "hub")
    card = (tmp_path / "hub/pages/README.md").read_text()
    assert "license: other" in card
    assert "documents" in card


def test_a_second_run_does_nothing_and_a_new_commit_makes_its_date_again(finished, repository):
    assert "Nothing to be done" in finished.run("-n")
    (repository / "place3.md").write_text("# Place 3\n\nPlace 3 has 99 people.\n")
    subprocess.run(
        ["git", "-c", "user.name=n", "-c", "user.email=n@x.org", "commit", "-qam", "late"], cwd=repository, check=True,
        env={"PATH": "/usr/bin:/bin", "GIT_COMMITTER_DATE": "2020-12-31T00:00:00Z"},
    )  # fmt: skip
    planned = finished.run("-n")
    assert "Reading the documents of 20210101" in planned
    assert "Reading the documents of 20200101" not in planned


def test_a_wrong_file_of_probes_stops_the_run_before_its_first_job(repository, tmp_path):
    (tmp_path / "p.jsonl").write_text(json.dumps({"text": "a b", "span": "c", "kind": "updated"}) + "\n")
    settings = SMALL | {
        "snapshots": {"source": "documents", "dates": DATES, "documents": {"repository": str(repository)}},
        "probes": {"sets": ["json_lines"], "json_lines": {"file": str(tmp_path / "p.jsonl")}},
    }
    workflow = Workflow(tmp_path / "run", yaml.safe_dump(settings))
    assert "the span 'c' does not occur in the text 'a b'" in workflow.run(fails=True)
    assert not (workflow.directory / "results").exists()


def test_the_shipped_example_is_a_valid_experiment():
    from tgl.config.check import load_config
    from tgl.config.files import missing_files, wrong_probes

    config = load_config(REPOSITORY / "workflow/presets/factbook.yaml")
    keys = config.model_dump(mode="json") | {"data_root": str(REPOSITORY / "examples/factbook")}
    config = load_config(keys)
    assert not [*missing_files(config), *wrong_probes(config)]
    sizes = [path.stat().st_size for path in (REPOSITORY / "examples/factbook").iterdir()]
    assert sum(sizes) < 1_000_000
