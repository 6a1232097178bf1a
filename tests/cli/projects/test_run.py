"""The command `run`: how it starts Snakemake and ends. A class takes the place of Snakemake."""

from __future__ import annotations

import re
import signal
import sys

import pytest

from tests.cli.projects.stand_ins import Snakemake
from tests.cli.running import passes, refused, shown, tgl
from tests.workflow.conftest import REPOSITORY
from tgl.cli import workflow
from tgl.core.interruptions import Interrupted


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
    at = snakemake.command.index("--until")
    assert snakemake.command[at:] == [
        "--until", "train", "--configfile", config, "--cores", "3", "--dry-run", "--forcerun", "plan", "-k",
    ]  # fmt: skip


def test_run_stops_after_several_stages(config, monkeypatch):
    snakemake = Snakemake(monkeypatch)
    passes("run", config, "--until", "train", "--until", "plan")
    at = snakemake.command.index("--until")
    assert snakemake.command[at : at + 4] == ["--until", "train", "plan", "--configfile"]


def test_run_refuses_a_second_stage_without_its_option(config, monkeypatch):
    snakemake = Snakemake(monkeypatch)
    error = refused("run", config, "--until", "base", "probes")
    assert error.startswith("tgl run: --until base: found 'probes' after it, expected one stage.")
    assert "--until base --until probes" in error
    assert snakemake.command is None


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


@pytest.mark.parametrize(("number", "passed_on"), [(signal.SIGINT, []), (signal.SIGTERM, [signal.SIGTERM])])
def test_a_signal_waits_for_snakemake_and_ends_in_one_line(config, monkeypatch, number, passed_on):
    """A terminal has sent SIGINT to it already; whoever sends SIGTERM has sent it to tgl alone."""
    monkeypatch.setattr(workflow, "_is_in_foreground", lambda: True)
    snakemake = Snakemake(monkeypatch, ends_with=Interrupted(number))
    status, _, error = tgl("run", config)
    assert status == 128 + number
    assert error == f"tgl run: stopped by {number.name}; the same command runs what is not finished\n"
    assert (snakemake.received, snakemake.waited) == (passed_on, 1)


def test_run_leaves_out_its_profile_where_the_environment_names_one(config, monkeypatch):
    snakemake = Snakemake(monkeypatch)
    monkeypatch.setenv("SNAKEMAKE_PROFILE", "site")
    passes("run", config)
    assert "--profile" not in snakemake.command


@pytest.mark.parametrize("option", ["--configfile", "--configfiles", "--configfile=b.yaml"])
def test_run_refuses_a_second_configuration(config, monkeypatch, option):
    snakemake = Snakemake(monkeypatch)
    error = refused("run", config, "--", option, "b.yaml")
    assert f"{option}: found after --, expected one configuration" in error
    assert snakemake.command is None


def test_a_signal_that_no_terminal_sent_is_passed_on(config, monkeypatch):
    monkeypatch.setattr(workflow, "_is_in_foreground", lambda: False)
    snakemake = Snakemake(monkeypatch, ends_with=Interrupted(signal.SIGINT))
    assert tgl("run", config)[0] == 128 + signal.SIGINT
    assert (snakemake.received, snakemake.waited) == ([signal.SIGINT], 1)


@pytest.mark.parametrize(
    "more",
    [["--config", "experiment=b"], ["--config=experiment=b"], ["-C", "experiment=b"], ["-Cexperiment=b"]],
)
@pytest.mark.parametrize("renamed", [True, False])
def test_the_report_of_another_experiment_is_not_named(config, monkeypatch, more, renamed):
    found = []
    monkeypatch.setattr(workflow, "run_workflow", lambda options, results: found.append(results) or 0)
    passes(
        "run", config, "--", *(more if renamed else [word.replace("experiment", "seeds") for word in more])
    )
    (results,) = found
    assert (results is None) == renamed
