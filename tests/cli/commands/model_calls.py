"""Good calls of the commands for models."""

from __future__ import annotations

import json

from tests.cli.commands.good_call import Call, Calls, written
from tests.support.model_fixtures import BLOCK
from tests.train.continual_runs import PERIODS
from tgl.core.vocabulary import RUN_TABLES

CALLS = Calls()

BASE_SETTINGS = {
    "model": {"layers": 2, "hidden_size": 16, "heads": 2, "pretrain": {"steps": 4, "batch_size": 2}},
    "tokens": {"block_size": BLOCK},
    "train": {"engine": "plain", "steps": 2, "checkpoint_steps": 2},
    "profile": {"examples": 3, "bootstrap": 100},
}  # fmt: skip


@CALLS.of("profile")
def _profile(place):
    def check(printed):
        for name in ("profile", "norms", "comparisons"):
            written(place.out / f"{name}.parquet", name)
        assert (place.out / "profile.svg").stat().st_size > 0
        assert "updated" in printed

    folder = place.models
    given = {"0": folder / "base", "probes": folder / "probes.parquet", "corpus": folder / "base.parquet"}
    return Call(check, given | {"output": place.out, "examples": 3, "bootstrap": 100})


@CALLS.of("along")
def _along(place):
    def check(printed):
        assert {row["step"] for row in written(place.out / "along.parquet", "along")} == {0, 10}
        written(place.out / "along-examples.parquet", "along_examples")

    folder = place.models
    return Call(check, {
        "model": [f"0={folder / 'base'}", f"10={folder / 'base'}"], "probes": folder / "probes.parquet",
        "corpus": folder / "base.parquet", "period": PERIODS[0], "output": place.out, "examples": 3, "bootstrap": 100,
    })  # fmt: skip


@CALLS.of("plan")
def _plan(place):
    def check(printed):
        plan = json.loads(place.out.read_text())
        assert plan["method"] == "tgl_fp"
        assert "block01.mlp" in printed

    return Call(check, {"0": place.models / "profile.parquet", "method": "tgl_fp", "output": place.out})


@CALLS.of("export-plan")
def _export_plan(place):
    def check(printed):
        found = json.loads(place.out.read_text())
        assert found["plan"] == json.loads((place.models / "plan.json").read_text())
        assert any("transformer.h.1." in name for group in found["groups"] for name in group["parameters"])

    folder = place.models
    return Call(
        check, {"0": folder / "plan.json", "model": folder / "base", "to": "json", "output": place.out}
    )


@CALLS.of("base")
def _base(place):
    def check(printed):
        assert (place.out / "model" / "model.safetensors").stat().st_size > 0
        assert len(written(place.out / "steps", "steps")) == 4
        assert not (place.out / "state").exists()

    folder, out = place.models, place.out
    return Call(check, {
        "tokenizer": folder / "base", "tokens": folder / "base.parquet", "output": out / "model",
        "steps": out / "steps", "state": out / "state", "config": place.config(**BASE_SETTINGS),
    })  # fmt: skip


@CALLS.of("train")
def _train(place):
    def check(printed):
        for period in PERIODS:
            assert (place.out / "models" / period / "model.safetensors").stat().st_size > 0
        for name in set(RUN_TABLES) - {"drift"}:
            written(place.out / "tables" / f"{name}.parquet", name)
        assert not (place.out / "state").exists()

    folder, out = place.models, place.out
    return Call(check, {
        "0": folder / "base", "base-tokens": folder / "base.parquet",
        "tokens": [f"{period}={folder / period}.parquet" for period in PERIODS], "probes": folder / "probes.parquet",
        "profile": folder / "profile.parquet", "plan": folder / "plan.json", "models": out / "models",
        "tables": out / "tables", "state": out / "state", "learning-rate": 0.01,
        "config": place.config(**BASE_SETTINGS),
    })  # fmt: skip


@CALLS.of("score")
def _score(place):
    def check(printed):
        assert {row["checkpoint"] for row in written(place.out / "scores.parquet", "scores")} == {"now"}
        assert [row["text"] for row in written(place.out / "lm_loss.parquet", "lm_loss")] == ["base"]

    folder = place.models
    return Call(check, {
        "0": folder / "base", "probes": folder / "probes.parquet", "text": f"base={folder / 'base.parquet'}",
        "output": place.out, "checkpoint": "now", "block-size": BLOCK,
    })  # fmt: skip


@CALLS.of("agree")
def _agree(place):
    folder = place.models

    def check(printed):
        for name in ("tracing", "movement", "agreement"):
            written(place.out / f"{name}.parquet", name)
        assert "tracing" in printed

    return Call(check, {
        "0": folder / "base", "profile": place.profiled(), "probes": folder / "probes.parquet",
        "output": place.out, "moved": folder / "moved", "facts": 2, "noise-draws": 1,
    })  # fmt: skip
