"""Inputs of the good calls, made once."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from tests.cli.commands.good_call import Place
from tests.export.experiment import recorded
from tests.report.result_folder import configuration, write_results
from tests.support.model_fixtures import tiny_model, tiny_tokenizer
from tests.train.continual_runs import write_inputs
from tgl.models.checkpoint import save_model
from tgl.profiling.profile import profile
from tgl.profiling.settings import ProfileConfig
from tgl.report.stage import write_report


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    folder = write_inputs(tmp_path_factory.mktemp("models"))
    save_model(tiny_model(seed=12), tiny_tokenizer(), folder / "moved")
    return folder


@pytest.fixture(scope="session")
def wiki(tmp_path_factory):
    root = tmp_path_factory.mktemp("wiki")
    recorded(root)
    return root


@pytest.fixture(scope="session")
def reported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reported") / "small"

    def make():
        if not folder.exists():
            write_results(folder, configuration())
            write_report(folder, configuration(), folder / "report")
        return folder

    return make


@pytest.fixture(scope="session")
def profiled(models, tmp_path_factory):
    folder = tmp_path_factory.mktemp("profiled") / "base"

    def make():
        if not folder.exists():
            settings = ProfileConfig(examples=3, bootstrap=100)
            inputs = {"probes": models / "probes.parquet", "corpus": models / "base.parquet"}
            profile(models / "base", **inputs, settings=settings, twin=True).save(folder)
        return folder

    return make


@pytest.fixture
def place(models, wiki, profiled, reported, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with ExitStack() as at_end:
        yield Place(models, wiki, profiled, reported, tmp_path / "out", monkeypatch, at_end)
