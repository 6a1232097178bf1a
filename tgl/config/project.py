"""Write a small new project: a configuration with comments that runs without changes."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from tgl.config.check import check
from tgl.config.root import Config
from tgl.config.used import unused_sections
from tgl.config.write import config_yaml
from tgl.core.files import write_text
from tgl.core.installed import workflow_folder

HEAD = """\
# A project of tgl. `tgl check config.yaml` reports what is wrong with it, `tgl run config.yaml` runs it.
# It begins as a small synthetic world, which takes one or two minutes. Change `snapshots`, `probes` and `model` for
# data and models of your own.
"""


TEXT_HEAD = """\
# A project of tgl on documents of one's own. `tgl check config.yaml` reports what is wrong with it, `tgl run
# config.yaml` runs it. The keys that matter first are methods, train.steps and train.learning_rates.
"""


def write_project(folder: Path) -> None:
    """Write the configuration of a new project. The experiment has the name of the folder."""
    preset = workflow_folder() / "workflow" / "presets" / "quick.yaml"
    raw = yaml.safe_load(preset.read_text(encoding="utf-8"))
    config = check(raw | {"experiment": experiment_name(folder)}, origin=str(preset))
    write_text(folder / "config.yaml", config_yaml(config, HEAD))


def write_text_project(folder: Path, settings: dict) -> Config:
    """Write the configuration of a project on documents of one's own, without the sections that it does not use.

    Args:
        folder: The folder of the project.
        settings: The keys that differ from the defaults (`tgl.config.text_project.text_settings`).

    Raises:
        TglError: The configuration has problems.
    """
    config = check(settings, origin=str(folder / "config.yaml"))
    write_text(folder / "config.yaml", config_yaml(config, TEXT_HEAD, without=unused_sections(config)))
    return config


def experiment_name(folder: Path) -> str:
    """Return the name of the experiment of a project's folder."""
    return (re.sub(r"[^A-Za-z0-9_-]+", "-", folder.name).strip("-") or "project")[:100]
