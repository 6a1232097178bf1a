"""The command `init`."""

from __future__ import annotations

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
