"""What the command `run` prints: a progress bar, the report, and the lines of a failure.

Most tests replace Snakemake by a class that prints given lines.
"""

from __future__ import annotations

import logging
import re
import subprocess
import sys

import pytest

from tests.cli.projects.stand_ins import FAILED, FINISHED, STARTED, UP_TO_DATE, Snakemake
from tests.cli.running import passes, tgl
from tests.workflow.conftest import environment
from tgl.cli import workflow


def test_a_watched_run_has_a_bar_and_names_the_report(config, monkeypatch, watched, bars, tmp_path):
    (tmp_path / "results" / "small" / "report").mkdir(parents=True)
    (tmp_path / "results" / "small" / "report" / "index.html").touch()
    snakemake = Snakemake(monkeypatch, STARTED + FINISHED)
    assert passes("run", config) == "report: results/small/report/index.html\n"
    assert snakemake.options["stdout"] == subprocess.PIPE
    (bar,) = bars
    assert bar.told == [
        "workflow", "jobs", (0, 2), "Writing the synthetic world as dumps of 2019"[:40], (1, 2), "all", (2, 2),
        "closed",
    ]  # fmt: skip


def test_a_watched_run_does_not_name_a_report_that_it_did_not_write(config, monkeypatch, watched, bars):
    Snakemake(monkeypatch, STARTED + FINISHED)
    assert passes("run", config, "--until", "world") == ""


def test_a_watched_run_with_nothing_to_do_reports_it(config, monkeypatch, watched, bars):
    Snakemake(monkeypatch, UP_TO_DATE)
    printed = passes("run", config)
    assert printed == "Nothing to be done (all requested files are present and up to date).\n"


def test_a_watched_run_that_fails_prints_the_lines_from_the_first_error_on(
    config, monkeypatch, watched, bars
):
    Snakemake(monkeypatch, STARTED + FAILED, status=1)
    status, printed, error = tgl("run", config)
    assert (status, printed) == (1, "")
    assert error == FAILED
    assert bars[0].told[-1] == "closed"


def test_a_long_failure_is_cut_and_names_the_log(config, monkeypatch, watched, bars):
    Snakemake(monkeypatch, STARTED + FAILED + "more\n" * 100, status=1)
    _, _, error = tgl("run", config)
    assert len(error.splitlines()) == 61
    assert error.startswith("RuleException:")
    assert error.splitlines()[-1] == "... and 53 more lines: see the log in .snakemake/log"


def test_a_failure_without_a_known_line_prints_the_last_lines(config, monkeypatch, watched, bars):
    Snakemake(monkeypatch, "".join(f"line {n}\n" for n in range(100)), status=1)
    _, _, error = tgl("run", config)
    assert error.splitlines() == [f"line {n}" for n in range(40, 100)]


@pytest.mark.parametrize(
    "line",
    [
        "WorkflowError:",
        "MissingInputException in rule pages in file x.smk, line 1:",
        "TglError in file helpers.py, line 3:",
        "LockException:",
        "Error: unrecognised",
        "snakemake: error: unrecognized arguments: --x",
    ],
)
def test_errors_of_snakemake_are_found(line):
    lines = ["first\n", "a rule on errors\n", f"{line}\n", "last\n"]
    assert workflow._from_first_error(lines) == lines[2:]


@pytest.mark.parametrize("option", ["--dry-run", "--dryrun", "-n", "-np"])
def test_a_dry_run_shows_the_lines_of_snakemake(config, monkeypatch, watched, bars, option):
    snakemake = Snakemake(monkeypatch, STARTED)
    options = [option] if option == "--dry-run" else ["--", option]
    passes("run", config, *options)
    assert snakemake.options == {}
    assert bars == []


def test_what_an_option_of_snakemake_asks_for_is_printed(config, monkeypatch, watched, bars):
    Snakemake(monkeypatch, "output_file\tstatus\nx\tok\n")
    assert passes("run", config, "--", "--summary") == "output_file\tstatus\nx\tok\n"


def test_control_characters_of_a_message_do_not_reach_the_terminal(bars):
    workflow._follow(["Job 1: a\x1b[2Jb\n"], [])
    assert "\x1b" not in bars[0].told[2]


def test_a_quiet_run_prints_nothing(config, monkeypatch):
    snakemake = Snakemake(monkeypatch, STARTED + FINISHED)
    assert tgl("-q", "run", config) == (0, "", "")
    assert snakemake.options["stdout"] == subprocess.PIPE


def test_a_quiet_run_that_fails_prints_the_failure(config, monkeypatch):
    Snakemake(monkeypatch, STARTED + FAILED, status=1)
    assert tgl("-q", "run", config) == (1, "", FAILED)


def test_a_real_plan_ends_with_the_stage_that_is_named_and_its_lines_are_understood(tmp_path, bars):
    passes("init", tmp_path / "mine")
    done = subprocess.run(
        [sys.executable, "-m", "tgl", "run", "config.yaml", "--dry-run", "--until", "tokenizer"],
        cwd=tmp_path / "mine", capture_output=True, text=True, env=environment(),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert not (tmp_path / "mine" / "results").exists()
    printed = done.stdout + done.stderr
    table = printed.partition("Job stats:")[2]
    counts = {
        rule: int(re.search(rf"^{rule} +(\d+)$", table, re.M)[1]) for rule in ("world", "pages", "tokenizer")
    }
    assert re.search(r"^train ", table, re.M) is None
    workflow._follow(printed.splitlines(keepends=True), [])
    told = bars[0].told
    (total,) = {one[1] for one in told if isinstance(one, tuple)}
    assert total >= sum(counts.values())
    assert any(isinstance(one, str) and one.startswith("Writing the synthetic world") for one in told)


def test_progress_is_a_line_of_the_log_where_nobody_watches(capsys):
    workflow._follow(["1 of 2 steps (50%) done\n"], [])
    assert capsys.readouterr() == ("", "")
    assert logging.getLogger("tgl").level == logging.INFO
