"""The commands `init`, `check` and `run`. Most tests replace Snakemake by a class that prints given lines."""

from __future__ import annotations

import io
import logging
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.running import passes, refused, shown, tgl
from tests.workflow.conftest import REPOSITORY, environment
from tgl.cli import workflow
from tgl.cli.app import set_up_logging
from tgl.config.check import load_config
from tgl.core.interruptions import Interrupted

# Lines of Snakemake 9 for a run of rules with messages, from the start to the end.
STARTED = """\
Config file config.yaml is extended by additional config specified via the command line.
Building DAG of jobs...
Job stats:
job            count
-----------  -------
world              1
all                1
total              2

Select jobs to execute...
[Sat Nov 28 22:21:54 2026]
Job 1: Writing the synthetic world as dumps of 20190101 20200101
Reason: Missing output files: results/small/wiki/20190101/files.parquet
"""
FINISHED = """\
[Sat Nov 28 22:21:55 2026]
Finished jobid: 1 (Rule: world)
1 of 2 steps (50%) done
[Sat Nov 28 22:21:55 2026]
localrule all:
    input: results/small/report/gate.txt
2 of 2 steps (100%) done
Complete log(s): .snakemake/log/2026-11-28T222153.snakemake.log
"""
FAILED = """\
RuleException:
CalledProcessError in file "workflow/rules/snapshots.smk", line 30:
Command 'python -m tgl world' returned non-zero exit status 1.
[Sat Nov 28 22:21:56 2026]
Error in rule world:
    message: Writing the synthetic world
Logfile results/small/logs/world.log:
================================================================================
tgl world: results: no space left
================================================================================
Exiting because a job execution failed. Look above for error messages
WorkflowError:
At least one job did not complete successfully.
"""
UP_TO_DATE = """\
Building DAG of jobs...
Nothing to be done (all requested files are present and up to date).
"""


@pytest.fixture(autouse=True)
def usual_logging():
    set_up_logging()
    yield
    set_up_logging()


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.yaml").write_text("experiment: small\n")
    return "config.yaml"


class Snakemake:
    """A process that prints given lines, and remembers how it was started."""

    def __init__(self, monkeypatch, printed="", status=0, ends_with=None):
        self.status, self.ends_with, self.received, self.waited = status, ends_with, [], 0
        self.command, self.options = None, None
        self.stdout = io.StringIO(printed)
        monkeypatch.setattr("tgl.cli.workflow.subprocess.Popen", self.start)

    def start(self, command, **options):
        self.command, self.options = command, options
        return self

    def wait(self):
        if self.ends_with is not None:
            raise self.ends_with
        return self.status

    def send_signal(self, number):
        self.received.append(number)

    def communicate(self):
        self.waited += 1
        return None, None


class Bar:
    """Remembers the calls of the progress bar."""

    def __init__(self, what, unit):
        self.told = [what, unit]

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.told.append("closed")

    def update(self, done, total=None):
        self.told.append((done, total))

    def describe(self, what):
        self.told.append(what)


@pytest.fixture
def bars(monkeypatch):
    made = []
    monkeypatch.setattr(workflow, "bar", lambda *about, **more: made.append(Bar(*about, **more)) or made[-1])
    return made


@pytest.fixture
def watched(monkeypatch):
    monkeypatch.setattr(workflow, "_is_terminal", lambda: True)


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


def test_run_starts_the_workflow_of_the_package_with_its_profile(config, monkeypatch):
    snakemake = Snakemake(monkeypatch)
    passes("run", config)
    assert snakemake.command == [
        sys.executable, "-m", "snakemake", "--snakefile", str(REPOSITORY / "Snakefile"), "--profile",
        str(REPOSITORY / "profiles" / "default"), "--configfile", config, "--cores", "all",
    ]  # fmt: skip
    assert snakemake.options == {}  # its lines go where those of tgl go


def test_run_passes_options_on(config, monkeypatch):
    snakemake = Snakemake(monkeypatch)
    passes("run", config, "--until", "train", "--cores", "3", "--dry-run", "--", "--forcerun", "plan", "-k")
    at = snakemake.command.index("--configfile")
    assert snakemake.command[at:] == [
        "--configfile", config, "--cores", "3", "--until", "train", "--dry-run", "--forcerun", "plan", "-k",
    ]  # fmt: skip


@pytest.mark.parametrize("option", ["--profile", "--workflow-profile"])
def test_run_leaves_out_its_profile_where_another_is_named(config, monkeypatch, option):
    snakemake = Snakemake(monkeypatch)
    passes("run", config, "--", option, "slurm")
    usual = str(REPOSITORY / "profiles" / "default")
    assert (usual in snakemake.command) == (option != "--profile")


@pytest.mark.parametrize("cores", ["0", "-1", "1.5", "many", ""])
def test_run_refuses_cores_that_are_no_number(config, monkeypatch, cores):
    snakemake = Snakemake(monkeypatch)
    error = refused("run", config, f"--cores={cores}")
    assert error.startswith(f"tgl run: --cores: found '{cores}', expected a number")
    assert snakemake.command is None


@pytest.mark.parametrize("status", [1, 2, 130])
def test_run_ends_with_the_exit_status_of_snakemake(config, monkeypatch, status):
    Snakemake(monkeypatch, status=status)
    assert tgl("run", config)[0] == status


def test_run_refuses_a_wrong_configuration_before_it_starts_anything(tmp_path, monkeypatch):
    snakemake = Snakemake(monkeypatch)
    (tmp_path / "c.yaml").write_text("seeds: []")
    assert "seeds" in refused("run", tmp_path / "c.yaml")
    assert snakemake.command is None


def test_run_without_snakemake_names_the_extra_to_install(config, monkeypatch):
    monkeypatch.setattr(workflow, "find_spec", lambda name: None)
    error = refused("run", config)
    assert "snakemake is not installed" in error
    assert "pip install 'tgl[workflow]'" in error


def test_the_help_of_run_shows_where_options_of_snakemake_go():
    printed = shown("run", "--help")
    assert re.search(r"Usage: tgl run \[OPTIONS\] \W?CONFIG\W? \W?SNAKEMAKE-OPTIONS", printed)
    assert "-- --forcerun train" in printed


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


@pytest.mark.parametrize(("number", "passed_on"), [(signal.SIGINT, []), (signal.SIGTERM, [signal.SIGTERM])])
def test_a_signal_waits_for_snakemake_and_ends_in_one_line(config, monkeypatch, number, passed_on):
    """A terminal has sent SIGINT to it already; whoever sends SIGTERM has sent it to tgl alone."""
    snakemake = Snakemake(monkeypatch, ends_with=Interrupted(number))
    status, _, error = tgl("run", config)
    assert status == 128 + number
    assert error == f"tgl run: stopped by {number.name}; the same command runs what is not finished\n"
    assert (snakemake.received, snakemake.waited) == (passed_on, 1)


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
