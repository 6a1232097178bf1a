"""Hostile text out of a configuration reaches the rules' commands as one argument, and runs nothing."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.workflow.conftest import Workflow

# What no configuration refuses: names of files and folders, of models, and free text.
BAD = "a; touch pwned1; $(touch pwned2) `touch pwned3` ' touch pwned4 \" & touch pwned5 > pwned6 #"


def commands_of(workflow: Workflow, *targets: str) -> list[str]:
    """Return the shell commands that a dry run prints."""
    printed = workflow.run(*targets, "--dry-run", "--printshellcmds")
    found = re.findall(r"^Shell command: (?:exec )?(python -m tgl(?:\.jobs)? .*)$", printed, re.MULTILINE)
    assert found
    return found


def arguments_of(command: str, folder: Path) -> list[str]:
    """Let bash take a command apart, with a `python` that only prints its arguments."""
    for target in re.findall(r"> (\S+)", command):
        if target.startswith("results/"):
            (folder / target).parent.mkdir(parents=True, exist_ok=True)
    command = re.sub(r" (2)?> results/\S+", "", command).removesuffix(" 2>&1")
    script = 'python() { printf "%s\\0" "$@"; }\n' + command
    done = subprocess.run(["bash", "-c", script], cwd=folder, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout.split("\0")


def check_commands(commands: list[str], folder: Path, times: int) -> None:
    """Check that no command does more than call tgl, and that the bad text reached it whole, so many times."""
    found = 0
    for command in commands:
        arguments = arguments_of(command, folder)
        assert arguments[:2] in (["-m", "tgl"], ["-m", "tgl.jobs"])
        assert arguments[-1] == ""
        json_bad = BAD.replace('"', '\\"')
        found += sum(argument.count(BAD) + argument.count(json_bad) for argument in arguments)
        assert sum("touch" in argument for argument in arguments) == sum(
            BAD in argument or json_bad in argument for argument in arguments
        )
    assert found >= times
    assert list(folder.rglob("pwned*")) == []


def test_hostile_paths_and_names_reach_commands_as_one_argument_each(tmp_path):
    """Dump files, text, probe files, a loaded model and another experiment's results, all badly named."""
    root = tmp_path / BAD
    for name in ("20190101.xml", "20200101.xml", f"{BAD}.jsonl", f"{BAD}.json", f"{BAD}.csv"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    borrowed = root / "profile/m/seed0/20200101/profile.parquet"
    borrowed.parent.mkdir(parents=True)
    borrowed.touch()
    settings = {
        "data_root": str(root),
        "seeds": [0],
        "methods": ["full", "tgl_fp.borrowed"],
        "plan": {"borrow": str(root)},
        "snapshots": {
            "source": "local", "dates": ["20190101", "20200101"], "local": {"pattern": "{date}.xml"},
            "wikimedia": {"part": BAD, "contact": f"a@b.org {BAD}"},
        },
        "pages": {"drop_sections": [BAD]},
        "text": {"base": "json_lines", "json_lines": f"{BAD}.jsonl"},
        "probes": {"sets": ["ecbd", "templama", "wikidata"],
                   "wikidata": {"file": f"{BAD}.json", "templates": f"{BAD}.csv"},
                   "ecbd": {"files": [f"{BAD}.json"], "period": "20200101"},
                   "templama": {"file": f"{BAD}.json", "pairs": {"20200101": [BAD, "2020"]}}},
        "tokens": {"tokenizer": BAD},
        "model": {"name": "m", "load": BAD, "pretrain": {"steps": 0}},
        "train": {"learning_rates": [0.001]},
    }  # fmt: skip
    workflow = Workflow(tmp_path / "run", json.dumps(settings))
    check_commands(commands_of(workflow), workflow.directory, times=12)


def test_hostile_settings_of_a_download_reach_the_command_as_one_argument(tmp_path):
    wikimedia = {
        "wiki": "synthetic",
        "part": BAD,
        "contact": f"a@b.org {BAD}",
        "base_url": f"https://example.org/{BAD}",
    }
    wikimedia["base_url"] = wikimedia["base_url"].replace(" ", "")
    wikimedia["sources"] = f"{BAD}.csv"
    settings = {
        "snapshots": {"source": "wikimedia", "dates": ["20190101", "20200101"], "wikimedia": wikimedia},
        "probes": {"sets": ["ecbd"], "ecbd": {"files": ["none.json"], "period": "20200101"}},
    }
    workflow = Workflow(tmp_path / "run", json.dumps(settings))
    (workflow.directory / "none.json").write_text("[]")
    (workflow.directory / f"{BAD}.csv").touch()
    commands = commands_of(workflow, "results/quick/snapshots/20190101/files.parquet")
    check_commands(commands, workflow.directory, times=2)


def test_hostile_files_of_counterfactual_text_reach_the_command_as_one_argument(tmp_path):
    files = {key: f"{BAD}.{key}" for key in ("facts", "wordings", "old_text", "new_text")}
    settings = {
        "snapshots": {
            "source": "counterfactual", "dates": ["20190101", "20200101"], "counterfactual": files
        },
        "probes": {"sets": ["counterfactual"]},
    }  # fmt: skip
    workflow = Workflow(tmp_path / "run", json.dumps(settings))
    for file in files.values():
        (workflow.directory / file).touch()
    commands = commands_of(workflow, "results/quick/snapshots/20190101/files.parquet")
    check_commands(commands, workflow.directory, times=4)


@pytest.mark.parametrize("kind", ["files", "dataset"])
def test_hostile_collections_of_documents_reach_the_command_as_one_argument(tmp_path, kind):
    dates = ["20190101", "20200101"]
    own = dict.fromkeys(("pattern", "id_field", "title_field", "text_field"), BAD)
    own |= {"collections": dict.fromkeys(dates, f"{BAD}.jsonl" if kind == "files" else BAD)}
    own |= {"dataset": BAD} if kind == "dataset" else {}
    settings = {
        "snapshots": {"source": "documents", "dates": dates, "documents": own},
        "probes": {"sets": ["ecbd"], "ecbd": {"files": ["none.json"], "period": "20200101"}},
    }
    workflow = Workflow(tmp_path / "run", json.dumps(settings))
    (workflow.directory / "none.json").write_text("[]")
    (workflow.directory / f"{BAD}.jsonl").touch()
    commands = commands_of(workflow, "results/quick/snapshots/20190101/files.parquet")
    check_commands(commands, workflow.directory, times=5 if kind == "files" else 6)


def test_a_hostile_folder_of_histories_reaches_the_command_as_one_argument(tmp_path):
    (tmp_path / BAD).mkdir()
    (tmp_path / BAD / "w-pages-meta-history.xml.7z").touch()
    settings = {
        "data_root": str(tmp_path),
        "snapshots": {
            "source": "history", "dates": ["20190101", "20200101"], "history": {"pattern": f"{BAD}/*history*"}
        },
        "probes": {"sets": ["ecbd"], "ecbd": {"files": ["none.json"], "period": "20200101"}},
    }  # fmt: skip
    workflow = Workflow(tmp_path / "run", json.dumps(settings))
    commands = commands_of(workflow, "results/quick/snapshots/20190101/files.parquet")
    check_commands(commands, workflow.directory, times=1)
