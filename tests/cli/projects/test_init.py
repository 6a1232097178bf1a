"""The command `init`."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.cli.running import passes, refused
from tgl.config.check import load_config


def test_init_writes_a_configuration_that_check_calls_valid(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    printed = passes("init", "mine")
    assert [path.name for path in Path("mine").iterdir()] == ["config.yaml"]
    assert printed.splitlines()[:2] == ["mine/config.yaml: written. Next:", "  cd mine"]
    monkeypatch.chdir("mine")
    assert passes("check", "config.yaml") == "config.yaml: valid\n"
    assert load_config("config.yaml").experiment == "mine"


def test_init_writes_comments(tmp_path):
    passes("init", tmp_path / "mine")
    text = (tmp_path / "mine" / "config.yaml").read_text()
    assert text.startswith("# A project of tgl.")
    assert "# Name of the experiment" in text


@pytest.mark.parametrize("kind", ["empty folder", "folder", "file", "link", "broken link"])
def test_init_refuses_what_exists_and_changes_nothing(tmp_path, kind):
    path = tmp_path / "mine"
    if kind in ("empty folder", "folder"):
        path.mkdir()
    if kind == "folder":
        (path / "config.yaml").write_text("mine")
    if kind == "file":
        path.write_text("mine")
    if "link" in kind:
        path.symlink_to(tmp_path if kind == "link" else "nowhere")
    before = sorted(tmp_path.rglob("*"))
    error = refused("init", path)
    assert f"{path}: " in error
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("folder", "experiment"),
    [
        ("two words", "two-words"),
        ("ünïcödé", "n-c-d"),
        ("☃", "project"),
        ("-x", "x"),
        ("..a..", "a"),
        ("x" * 200, "x" * 100),
        ("a.b", "a-b"),
        ("readme.md", "readme-md"),
        ("a/b/c", "c"),
        ("$(touch x)'", "touch-x"),
    ],
)
def test_init_makes_a_valid_name_of_an_odd_folder(tmp_path, monkeypatch, folder, experiment):
    monkeypatch.chdir(tmp_path)
    printed = passes("init", "--", folder)
    config = Path(folder) / "config.yaml"
    assert load_config(config).experiment == experiment
    assert passes("check", "--", config) == f"{config}: valid\n"
    (line,) = [line for line in printed.splitlines() if line.startswith("  cd ")]
    quoted = subprocess.run(["bash", "-c", f"{line}; pwd"], capture_output=True, text=True, cwd=tmp_path)
    assert quoted.stdout == f"{tmp_path / folder}\n"


def test_init_refuses_a_name_that_no_experiment_may_have(tmp_path):
    assert "'con'" in refused("init", tmp_path / "con")
    assert not (tmp_path / "con").exists()


def test_init_refuses_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "expected the name of a new folder" in refused("init", ".")


def test_init_refuses_a_place_that_cannot_be_written_to(tmp_path):
    (tmp_path / "file").write_text("mine")
    assert str(tmp_path / "file") in refused("init", tmp_path / "file" / "mine")


def collections(folder, **texts):
    """Write a collection of 30 documents for each date, in which numbers change."""
    for date in ("2020-01-01", "2021-01-01"):
        rows = [
            {
                "id": f"d{n}",
                "title": f"Place {n}",
                "text": f"Place {n} has {n + int(date[:4])} people. It is old.",
            }
            for n in range(30)
        ]
        (folder / f"text-{date}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return [f"--text={folder / f'text-{date}.jsonl'}" for date in ("2021-01-01", "2020-01-01")]


def test_init_on_documents_writes_a_checked_project_and_what_it_costs(tmp_path):
    printed = passes("init", tmp_path / "mine", *collections(tmp_path))
    assert "20200101: 30 documents, " in printed
    assert "in new or changed ones" in printed
    assert "cost: training takes about" in printed
    config = load_config(tmp_path / "mine/config.yaml")
    assert config.snapshots.documents.collections == {
        f"{date}0101": str(tmp_path / f"text-{date}-01-01.jsonl") for date in (2020, 2021)
    }
    assert passes("check", tmp_path / "mine/config.yaml") == f"{tmp_path / 'mine/config.yaml'}: valid\n"


def test_dates_are_in_the_paths_as_given_and_a_dot_is_its_folder(tmp_path, monkeypatch):
    folder = tmp_path / "run-2024-05-06" / "text-2021"
    folder.mkdir(parents=True)
    collections(folder)
    (folder / "text-2021-01-01.jsonl").rename(folder / "a.jsonl")
    (folder / "text-2020-01-01.jsonl").rename(folder.parent / "old-2020.jsonl")
    monkeypatch.chdir(folder)
    passes("init", tmp_path / "mine", "--text=.", "--text=../old-2020.jsonl")
    found = load_config(tmp_path / "mine/config.yaml").snapshots.documents.collections
    assert found == {"20200101": str(folder.parent / "old-2020.jsonl"), "20210101": str(folder)}
    # The date of a folder that was not given is no date of a file in it.
    error = refused("init", tmp_path / "other", "--text=a.jsonl", "--text=../old-2020.jsonl")
    assert "no date in the name 'a.jsonl'" in error


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--date", "20200101"], "--date: found 1 for 2 collections"),
        (["--model", "no/such/model"], "no/such/model"),
        (["--probes", "gone.jsonl"], "gone.jsonl"),
    ],
)
def test_init_on_documents_refuses_what_cannot_run_and_writes_nothing(tmp_path, more, message):
    assert message in refused("init", tmp_path / "mine", *collections(tmp_path), *more)
    assert not (tmp_path / "mine").exists()


def test_init_refuses_probes_that_no_run_could_use(tmp_path):
    (tmp_path / "p.jsonl").write_text('{"text": "a b", "span": "b", "kind": "unchanged"}\n')
    error = refused("init", tmp_path / "mine", *collections(tmp_path), "--probes", tmp_path / "p.jsonl")
    assert "no probe has the split" in error
    assert not (tmp_path / "mine").exists()


def test_init_refuses_collections_in_which_nothing_changed(tmp_path):
    collections(tmp_path)
    same = [f"--text={tmp_path / 'text-2020-01-01.jsonl'}"] * 2
    error = refused("init", tmp_path / "mine", *same, "--date=20200101", "--date=20210101")
    assert "in new or changed documents" in error


def test_options_that_need_text_are_refused_without(tmp_path):
    assert "need --text" in refused("init", tmp_path / "mine", "--model", "gpt2")


def test_init_leaves_nothing_if_the_model_cannot_be_used(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model/config.json").write_text('{"model_type": "gpt2"}')
    error = refused("init", tmp_path / "mine", *collections(tmp_path), "--model", tmp_path / "model")
    assert str(tmp_path / "model") in error
    assert not (tmp_path / "mine").exists()
