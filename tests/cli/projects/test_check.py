"""The command `check`."""

from __future__ import annotations

from pathlib import Path

from tests.cli.running import passes, refused


def test_check_reports_everything_that_is_wrong_at_once(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("experimnt: x\ntrain: {steps: many}\n")
    error = refused("check", path)
    assert error.startswith(f"tgl check: {path}: 2 problems\n")
    assert "did you mean 'experiment'" in error
    assert "train.steps" in error


def test_check_reports_missing_files_at_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("c.yaml").write_text("text: {base: json_lines, json_lines: gone.jsonl}\nmodel: {load: ./gone}\n"
                              "tokens: {tokenizer: ./gone}\ntrain: {learning_rates: [0.001]}\n")  # fmt: skip
    error = refused("check", "c.yaml")
    assert error.startswith("tgl check: c.yaml: 3 missing\n")
    for key in ("text.json_lines", "model.load", "tokens.tokenizer"):
        assert f"\n  - {key}: " in error


def test_check_skips_files_below_a_data_root_that_is_missing(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text(f"data_root: {tmp_path}/gone\ntext: {{base: json_lines, json_lines: gone.jsonl}}\n")
    printed = passes("check", path)
    assert "data_root" in printed.splitlines()[0]
    assert "not checked" in printed.splitlines()[0]
    assert printed.splitlines()[1] == f"{path}: valid"


def test_check_and_run_refuse_a_file_in_the_place_of_the_results(config, tmp_path):
    (tmp_path / "results").write_text("mine")
    assert "'results' is a file" in refused("check", config)
    assert "'results' is a file" in refused("run", config)
