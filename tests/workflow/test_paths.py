"""Paths of the user with brackets, blanks, a leading dash and letters of any script: they work, or are refused."""

import json

import pytest

from tests.workflow.conftest import Workflow
from tgl.core.tables.read import read_table

pytestmark = pytest.mark.workflow

ODD = "-x [ab]* ü 'q'?"


def local(folder, **changes):
    """Settings of two local dumps in a folder and a base text, all oddly named."""
    return {
        "data_root": str(folder),
        "snapshots": {
            "source": "local", "dates": ["20190101", "20200101"], "local": {"pattern": "-{date} ü.xml"}
        },
        "text": {"base": "json_lines", "json_lines": "-t [1].jsonl"},
        "probes": {"sets": ["wikidata"], "wikidata": {"file": "-w [1].json"}},
        **changes,
    }  # fmt: skip


def written(folder):
    """Write the files that `local` names."""
    folder.mkdir(parents=True)
    for date in ("20190101", "20200101"):
        (folder / f"-{date} ü.xml").write_text("<mediawiki/>")
    (folder / "-t [1].jsonl").write_text(json.dumps({"id": 1, "title": "A", "text": "A text."}) + "\n")
    (folder / "-w [1].json").write_text("{}")


def test_odd_paths_reach_the_stages(tmp_path):
    workflow = Workflow(tmp_path / "run", json.dumps(local(ODD)))
    written(workflow.directory / ODD)
    assert {"local_files", "base_text", "wikidata"} <= workflow.planned()
    files, pages = (
        "results/quick/snapshots/20200101/files.parquet",
        "results/quick/snapshots/base/pages/0.parquet",
    )
    workflow.run(files, pages)
    assert read_table(workflow.directory / files, "files")["path"].to_pylist() == [f"{ODD}/-20200101 ü.xml"]
    assert read_table(workflow.directory / pages, "pages")["text"].to_pylist() == ["A text."]


def test_a_matching_file_that_no_rule_can_take_is_refused_with_the_reason(tmp_path):
    settings = local(tmp_path / "data") | {
        "snapshots": {
            "source": "local",
            "dates": ["20190101", "20200101"],
            "local": {"pattern": "*{date}*.xml"},
        }
    }
    written(tmp_path / "data")
    (tmp_path / "data/{a}-20190101.xml").touch()
    output = Workflow(tmp_path / "run", json.dumps(settings)).run("--dry-run", fails=True)
    assert "snapshots.local.pattern: the file" in output
    assert "holds a brace, which Snakemake reads as a wildcard" in output


def test_what_the_configuration_is_refused_for_before_any_job(tmp_path):
    workflow = Workflow(tmp_path, "seeds: [0]\nseeds: [1]\n")
    assert "the key seeds is written twice" in workflow.run("--dry-run", fails=True)
    (tmp_path / "results").mkdir()
    (tmp_path / "results/notes").touch()
    workflow = Workflow(tmp_path, "experiment: notes")
    assert "'results/notes' is a file, expected a folder" in workflow.run("--dry-run", fails=True)
