"""Adapters are refused or merged, in every stage; base models in shards are trained."""

import pytest

from tests.models.fit.stages import PROFILE, agreed, along, base
from tests.support.model_fixtures import tiny_model, tiny_tokenizer
from tests.train.continual_runs import PERIODS, go, run_of
from tgl.core.errors import TglError
from tgl.models.checkpoint import load_model, weights_hash
from tgl.models.settings import PretrainConfig
from tgl.plans.settings import PlanConfig
from tgl.plans.stage import write_plan
from tgl.profiling.profile import profile


def test_every_stage_refuses_an_adapter_that_is_not_to_be_merged(tmp_path, inputs, adapter):
    probes, text = inputs / "probes.parquet", inputs / "base.parquet"
    stages = {
        "base": lambda: base(tmp_path, inputs / "base", text, load=str(adapter)),
        "profile": lambda: profile(adapter, probes=probes, corpus=text, settings=PROFILE),
        "along": lambda: along(adapter, probes, text),
        "agree": lambda: agreed(adapter, tmp_path, probes),
        "train": lambda: go(run_of(inputs, tmp_path, base_model=adapter)),
        "plan": lambda: write_plan(
            inputs / "profile.parquet",
            "spectrum",
            tmp_path / "plan.json",
            settings=PlanConfig(),
            seed=0,
            model=adapter,
        ),
    }
    for name, stage in stages.items():
        with pytest.raises(TglError, match=r"adapter_config\.json: the folder holds an adapter"):
            stage()
        assert not (tmp_path / "state").exists(), name


def test_a_merged_adapter_is_profiled_compared_and_made_a_base_model(tmp_path, inputs, adapter):
    merged = load_model(adapter, merge_adapter=True)
    given = {
        "probes": inputs / "probes.parquet",
        "corpus": inputs / "base.parquet",
        "settings": PROFILE,
        "twin": False,
    }
    found = profile(adapter, merge_adapter=True, **given)
    assert found.about["model_sha256"] == weights_hash(merged)
    assert found.about["model_sha256"] != profile(inputs / "base", **given).about["model_sha256"]
    found.save(tmp_path / "profile")
    with pytest.raises(TglError, match="the profile belongs to weights"):  # another model: it was merged
        agreed(inputs / "base", tmp_path / "profile", inputs / "probes.parquet")
    unchanged = PretrainConfig(steps=0, keep=[])
    base(
        tmp_path, inputs / "base", inputs / "base.parquet",
        load=str(adapter), merge_adapter=True, pretrain=unchanged,
    )  # fmt: skip
    assert weights_hash(load_model(tmp_path / "model")) == weights_hash(merged)
    assert not (tmp_path / "model" / "adapter_config.json").exists()


def test_a_base_model_in_shards_is_trained(tmp_path, inputs):
    model = tiny_model(seed=11)
    model.save_pretrained(tmp_path / "shards", max_shard_size="15KB")
    tiny_tokenizer().save_pretrained(tmp_path / "shards")
    assert len(list((tmp_path / "shards").glob("model-*.safetensors"))) > 1
    for name, folder in (("shards", tmp_path / "shards"), ("whole", inputs / "base")):
        go(run_of(inputs, tmp_path / name, base_model=folder))
    last = [load_model(tmp_path / name / "models" / PERIODS[1]) for name in ("shards", "whole")]
    assert weights_hash(last[0]) == weights_hash(last[1])
