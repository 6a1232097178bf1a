"""A small configuration, and the stand-ins for terminal and progress bar."""

from __future__ import annotations

import pytest

from tests.cli.projects.stand_ins import Bar
from tgl.cli import workflow
from tgl.cli.app import set_up_logging


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


@pytest.fixture
def bars(monkeypatch):
    made = []
    monkeypatch.setattr(workflow, "bar", lambda *about, **more: made.append(Bar(*about, **more)) or made[-1])
    return made


@pytest.fixture
def watched(monkeypatch):
    monkeypatch.setattr(workflow, "_is_terminal", lambda: True)
