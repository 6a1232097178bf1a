"""Profiles of models that are read block by block, and what is known before weights are read."""

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.profiling import test_measure
from tests.profiling.test_measure import PERIOD, SETTINGS, profiled
from tests.support.model_fixtures import some_probes, tiny_model, tiny_tokenizer
from tgl.core.errors import TglError
from tgl.models.checkpoint import save_model
from tgl.profiling.profile import profile

folder = test_measure.folder  # the fixture


def test_a_model_read_block_by_block_has_the_profile_of_the_model_in_memory(folder):
    def lines_of(**options):
        said = []
        found = profile(
            folder / "model",
            probes=folder / "probes.parquet",
            corpus=folder / "tokens.parquet",
            period=PERIOD,
            settings=SETTINGS,
            say=said.append,
            **options,
        )
        return found, said

    (whole, _), (streamed, said) = lines_of(twin=False), lines_of(stream=True)
    pd.testing.assert_frame_equal(
        streamed.profile.drop(columns="norm_of_mean"), whole.profile.drop(columns="norm_of_mean"), rtol=1e-6
    )
    assert streamed.profile["norm_of_mean"].isna().all()
    assert whole.profile["norm_of_mean"].notna().all()
    pd.testing.assert_frame_equal(streamed.comparisons, whole.comparisons, rtol=1e-6)
    each = whole.norms[whole.norms["example"] >= 0].reset_index(drop=True)
    pd.testing.assert_frame_equal(streamed.norms, each, rtol=1e-6)
    assert streamed.about["stream"] is True
    assert "stream" not in whole.about
    assert streamed.about["model_sha256"] == whole.about["model_sha256"]
    assert "stream: no norms of mean gradients, and no twin with random weights" in said
    assert streamed.plan("tgl_fp").multipliers == whole.plan("tgl_fp").multipliers


def test_a_model_object_cannot_be_read_block_by_block():
    with pytest.raises(TglError, match="stream: found a model object, expected a folder or name"):
        profiled(stream=True)


def test_the_estimate_comes_before_the_weights_are_read(folder, monkeypatch, tmp_path):
    said = []
    save_model(tiny_model(seed=4, spread=3), tiny_tokenizer(), tmp_path)
    weights = tmp_path / "model.safetensors"
    (tmp_path / "model.safetensors.sha256").unlink()
    save_file({k: torch.full_like(v, torch.nan) for k, v in load_file(weights).items()}, weights)
    with pytest.raises(TglError, match="not finite"):
        profile(
            tmp_path,
            probes=some_probes(),
            corpus=folder / "tokens.parquet",
            settings=SETTINGS,
            say=said.append,
        )
    assert any(line.startswith("estimate: 0.00 GiB of memory (0.00 for weights, ") for line in said)
    monkeypatch.setattr("tgl.profiling.estimate._available", lambda device: 1000)
    with pytest.raises(
        TglError, match=r"GiB of memory, and 0.00 GiB are available. Read the blocks from disk with"
    ):
        profile(tmp_path, probes=some_probes(), corpus=folder / "tokens.parquet", settings=SETTINGS)
