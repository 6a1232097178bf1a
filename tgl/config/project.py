"""Write a small new project: a configuration with comments that runs without changes."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from tgl.config.check import check
from tgl.config.write import config_yaml
from tgl.core.files import write_text
from tgl.core.installed import workflow_folder

HEAD = """\
# A project of tgl. `tgl check config.yaml` reports what is wrong with it, `tgl run config.yaml` runs it.
# It begins as a small synthetic world, which takes one or two minutes. Change `snapshots`, `probes` and `model` for
# data and models of your own.
"""


def write_project(folder: Path) -> None:
    """Write the configuration of a new project. The experiment has the name of the folder."""
    preset = workflow_folder() / "workflow" / "presets" / "quick.yaml"
    raw = yaml.safe_load(preset.read_text(encoding="utf-8"))
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", folder.name).strip("-") or "project"
    config = check(raw | {"experiment": name[:100]}, origin=str(preset))
    write_text(folder / "config.yaml", config_yaml(config, HEAD))
