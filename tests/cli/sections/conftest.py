"""What a command's work is given, and configuration files."""

import pytest
import yaml

from tests.cli.running import passes


class Unchecked:
    """Takes every input for good."""

    def __getattr__(self, name):
        return lambda *given, **options: self


@pytest.fixture
def taken(tmp_path, monkeypatch):
    """Return a function from a command line to the sections that the command's work is given."""
    monkeypatch.chdir(tmp_path)
    for module in ("snapshots", "text", "training"):
        monkeypatch.setattr(f"tgl.cli.{module}.Checked", Unchecked)
    found = []

    # By command, what is called for its work and what of that call is of interest.
    works = {
        "world": ("tgl.snapshots.catalogue.write_world", lambda given, options: given[0]),
        "pages": ("tgl.snapshots.extract.pages.extract_pages", lambda given, options: options["settings"]),
        "base-text": ("tgl.text.base_text.write_base_text", lambda given, options: given[2]),
        "pack": ("tgl.text.stage.write_packed", lambda given, options: options),
        "train": ("tgl.train.continual.train_periods", lambda given, options: given[0].settings),
        "base": ("tgl.train.base.train_base", lambda given, options: given[0].model),
    }
    monkeypatch.setattr("tgl.snapshots.catalogue.dump_paths", lambda *given: [])

    def run(*arguments):
        found.clear()
        target, of_interest = works[arguments[0]]
        monkeypatch.setattr(target, lambda *given, **options: found.append(of_interest(given, options)))
        passes(*arguments)
        (settings,) = found
        return settings

    return run


@pytest.fixture
def config(tmp_path):
    """Return a function that writes a configuration file."""

    def write(**sections):
        path = tmp_path / "config.yaml"
        path.write_text(yaml.safe_dump(sections))
        return path

    return write
