"""The workflow imported by another Snakefile, and started from the folder that Snakemake's catalogue expects."""

import csv
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import version

import pytest
import yaml

from tests.workflow.conftest import REPOSITORY, TINY, copy_of

pytestmark = pytest.mark.workflow


def snakemake(folder, snakefile, *options):
    command = [
        sys.executable,
        "-m",
        "snakemake",
        "--snakefile",
        str(REPOSITORY / snakefile),
        "--cores",
        "2",
        *options,
    ]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return run.returncode, run.stdout + run.stderr


def test_another_workflow_imports_this_one_and_uses_its_results(tmp_path):
    own = {
        "ranking": "ranking.csv",
        "tgl": yaml.safe_load(TINY) | {"methods": ["full", "random"], "seeds": [0]},
    }
    own["tgl"] |= {"gate": {"binding": False}, "agree": {"facts": 0}}
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(own))
    status, said = snakemake(tmp_path, "examples/module/Snakefile", "--configfile", "own.yaml")
    assert status == 0, said
    with open(tmp_path / "ranking.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["method"] for row in rows} == {"full", "random"}
    assert [float(row["perplexity"]) for row in rows] == sorted(float(row["perplexity"]) for row in rows)
    status, said = snakemake(tmp_path, "examples/module/Snakefile", "--configfile", "own.yaml", "--dry-run")
    assert (status, "Nothing to be done" in said) == (0, True), said


def test_keys_of_the_other_workflow_are_not_checked_but_those_of_this_one_are(tmp_path):
    (tmp_path / "own.yaml").write_text(yaml.safe_dump({"ranking": "ranking.csv", "tgl": {"sedes": [0]}}))
    status, said = snakemake(tmp_path, "examples/module/Snakefile", "--configfile", "own.yaml", "--dry-run")
    assert status != 0
    assert "sedes" in said
    assert "ranking" not in said


@pytest.fixture
def deployed(tmp_path):
    """A folder as snakedeploy writes it: the configuration, and a Snakefile that imports the workflow from git."""
    source, folder = tmp_path / "source", tmp_path / "deployed"
    (source / "workflow").mkdir(parents=True)
    (source / "workflow" / "Snakefile").write_text((REPOSITORY / "workflow" / "Snakefile").read_text())
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@t", "-C", str(source)]
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "all"], ["tag", "v1"]):
        subprocess.run([*git, *command], check=True)
    (folder / "workflow").mkdir(parents=True)
    shutil.copytree(REPOSITORY / "config", folder / "config")
    (folder / "workflow" / "Snakefile").write_text(
        f"""
configfile: "config/config.yaml"
module tgl:
    snakefile: "git+file://{source}/workflow/Snakefile@v1"
    config: config
use rule * from tgl
"""
    )
    return folder


def test_a_workflow_deployed_from_an_address_has_the_rules_of_the_installed_package(deployed):
    status, said = snakemake(deployed, deployed / "workflow" / "Snakefile", "--dry-run")
    assert status == 0, said
    assert re.search(r"^train +20$", said, flags=re.M), said


def test_a_deployed_workflow_without_the_package_says_what_to_install(deployed, monkeypatch):
    blocked = deployed / "blocked" / "tgl"
    blocked.mkdir(parents=True)
    (blocked / "__init__.py").write_text("raise ImportError('no tgl')")
    monkeypatch.setenv("PYTHONPATH", str(blocked.parent))
    status, said = snakemake(deployed, deployed / "workflow" / "Snakefile", "--dry-run")
    assert status != 0
    assert "found no installed package tgl in " in said
    assert f"pip install 'tgl[all]=={version('tgl')}'" in said


def test_a_deployed_workflow_of_another_version_than_the_package_is_refused(deployed):
    source = deployed.parent / "source"
    snakefile = source / "workflow" / "Snakefile"
    snakefile.write_text(snakefile.read_text().replace(f'VERSION = "{version("tgl")}"', 'VERSION = "9.9"'))
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@t", "-C", str(source)]
    subprocess.run([*git, "commit", "-qam", "later"], check=True)
    subprocess.run([*git, "tag", "-f", "v1"], check=True, capture_output=True)
    status, said = snakemake(deployed, deployed / "workflow" / "Snakefile", "--dry-run")
    assert status != 0
    assert f"found {version('tgl')} in " in said
    assert "expected tgl 9.9" in said


def test_the_catalogues_snakefile_plans_the_same_jobs(tmp_path):
    preset = ["--configfile", str(REPOSITORY / "workflow/presets/quick.yaml"), "--dry-run"]
    counts = []
    for snakefile in ("Snakefile", "workflow/Snakefile"):
        status, said = snakemake(tmp_path, snakefile, *preset)
        assert status == 0, said
        counts.append(dict(re.findall(r"^(\w+) +(\d+)$", said, flags=re.M)))
    root, catalogue = counts
    assert root["train"] == "5"
    for rule in ("all", "whole", "total"):
        root.pop(rule, None), catalogue.pop(rule, None)
    assert root == catalogue


def test_the_entry_of_the_catalogue_names_what_the_repository_has():
    entry = yaml.safe_load((REPOSITORY / ".snakemake-workflow-catalog.yml").read_text())["usage"]
    assert entry["software-stack-deployment"]["conda"] == bool(list((REPOSITORY / "envs").glob("*.yaml")))
    assert (REPOSITORY / "config" / "README.md").is_file()
    assert (REPOSITORY / "config" / "config.yaml").read_text() == (REPOSITORY / "config.yaml").read_text()
    snakefile = (REPOSITORY / "workflow" / "Snakefile").read_text()
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    assert f'VERSION = "{project["version"]}"' in snakefile


def test_snakemakes_own_report_has_captions_and_categories(finished_tiny, tmp_path):
    folder = copy_of(finished_tiny, tmp_path / "run").directory
    page = tmp_path / "report.html"
    settings = [
        "--configfile",
        str(REPOSITORY / "workflow/presets/quick.yaml"),
        str(folder / "settings.yaml"),
    ]
    status, said = snakemake(folder, "Snakefile", *settings, "--report", str(page))
    assert status == 0, said
    text = page.read_text(encoding="utf-8")
    for words in (
        "Pages",
        "Figures",
        "Tables",
        "The whole report: what was found",
        "Training loss of every run",
    ):
        assert words in text, words
    assert "gradient profiles, plans and continual pretraining, with controls" in text
