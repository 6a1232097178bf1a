"""The cluster profiles name every rule and differ only where GPUs make them; no SLURM is needed for this."""

import re

import pytest
import yaml
import yte

from tests.workflow.conftest import REPOSITORY

PROFILES = ("slurm", "slurm-gpu")
GPU_RULES = {"base", "train", "profile", "along", "agree", "score_base", "interference"}
ABOUT_GPUS = {"gres", "gpu", "gpu_model"}


def profile(name: str) -> dict:
    text = (REPOSITORY / "profiles" / name / "config.yaml").read_text()
    return yte.process_yaml(text) if name == "slurm-gpu" else yaml.safe_load(text)


def rules() -> set[str]:
    files = (REPOSITORY / "workflow" / "rules").glob("*.smk")
    return {name for file in files for name in re.findall(r"^\s*rule (\w+):", file.read_text(), re.MULTILINE)}


@pytest.mark.parametrize("name", PROFILES)
def test_every_rule_has_a_time_limit(name):
    """A rule without one waits for ever on clusters that refuse jobs without a limit, or is killed too early."""
    needs = profile(name)["set-resources"]
    assert set(needs) == rules()
    assert [rule for rule, resources in needs.items() if "runtime" not in resources] == []


@pytest.mark.parametrize("name", PROFILES)
def test_grouped_rules_exist_and_have_a_width(name):
    """A grouped rule without a width lets its group ask for more cores than a node has."""
    read = profile(name)
    assert set(read["groups"]) <= rules()
    assert set(read["group-components"]) <= set(read["groups"].values())
    wide = {rule for rule, resources in read["set-resources"].items() if "group_width" in resources}
    assert wide == set(read["groups"])
    assert not wide & {"base", "train", "gate"}


@pytest.mark.parametrize("name", PROFILES)
def test_names_of_a_cluster_can_be_given_without_losing_anything(name):
    """An option on the command line replaces its whole key of the profile."""
    assert "default-resources" not in profile(name)


def test_profiles_agree_but_for_gpus():
    cpu, gpu = profile("slurm"), profile("slurm-gpu")
    differ = {"groups", "group-components", "set-resources"}
    assert {key for key in cpu | gpu if cpu.get(key) != gpu.get(key)} == differ
    assert {rule for rule, needs in gpu["set-resources"].items() if ABOUT_GPUS & set(needs)} == GPU_RULES
    for rule in rules() - GPU_RULES:
        assert cpu["set-resources"][rule] == gpu["set-resources"][rule], rule


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, {"processes": 1, "nodes": 1, "gres": "gpu:1", "mem_mb": 32768}),
        ({"TGL_GPUS": "4", "TGL_GPU_MODEL": "a100"}, {"processes": 4, "nodes": 1, "gres": "gpu:a100:4"}),
        ({"TGL_GPUS": "4", "TGL_NODES": "2"}, {"processes": 4, "nodes": 2, "tasks": 2, "mpi": "srun"}),
    ],
)
def test_gpus_and_nodes_of_a_training_run_come_from_the_environment(monkeypatch, settings, expected):
    for name in ("TGL_GPUS", "TGL_NODES", "TGL_GPU_MODEL"):
        monkeypatch.delenv(name, raising=False)
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    needs = profile("slurm-gpu")["set-resources"]
    assert expected.items() <= needs["train"].items()
    assert needs["base"] == needs["train"]
    assert needs["train"]["tasks_per_gpu"] == 0
    assert ("mpi" in needs["train"]) == (settings.get("TGL_NODES", "1") != "1")
    assert needs["profile"]["gpu"] == 1
    assert needs["profile"].get("gpu_model") == settings.get("TGL_GPU_MODEL")


@pytest.mark.parametrize("name", PROFILES)
def test_the_default_profile_loses_nothing_of_a_cluster_s(name):
    """Snakemake loads it too, and each of its keys replaces the whole key of the other."""
    default, own = profile("default"), profile(name)
    assert {key for key in default.keys() & own.keys() if default[key] != own[key]} == set()
