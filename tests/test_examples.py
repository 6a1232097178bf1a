"""The programs of `examples`, run as such on a tiny model."""

import ast
import runpy
import sys

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, GPT2Config, GPT2LMHeadModel

from tests.profiling.test_measure import profiled
from tests.support.model_fixtures import (
    RANKED,
    TEXTS,
    VOCABULARY,
    parameters_by_unit,
    parameters_of,
    tiny_tokenizer,
)
from tests.support.paths import REPOSITORY
from tgl.models.checkpoint import load_model, save_model
from tgl.models.sublayers import EMBEDDING
from tgl.profiling.profile import Profile
from tgl.train.lora import with_lora

EXAMPLES = REPOSITORY / "examples"


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    """Return a folder with a model, its profile and a text."""
    folder = tmp_path_factory.mktemp("given")
    torch.manual_seed(4)
    shape = {"n_positions": 64, "n_embd": 16, "n_layer": 2, "n_head": 2, "bos_token_id": 0, "eos_token_id": 0}
    model = GPT2LMHeadModel(GPT2Config(vocab_size=VOCABULARY, **shape)).eval()
    save_model(model, tiny_tokenizer(), folder / "model")
    profiled(model).save(folder / "profile")
    (folder / "text.txt").write_text("\n".join(TEXTS * 2), encoding="utf-8")
    return folder


def run(monkeypatch, name, *arguments):
    """Run a program of `examples` as its first line says."""
    monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
    runpy.run_path(str(EXAMPLES / name), run_name="__main__")


def moved(model, before):
    owner = parameters_by_unit(model)
    return {owner[name] for name, p in model.named_parameters() if not torch.equal(p, before[name])}


def test_every_program_is_run_here_and_says_how_it_is_called():
    names = {path.name for path in EXAMPLES.iterdir() if path.is_file()}
    assert names == {"own_optimiser.py", "hf_trainer.py", "lora.py", "sft_trainer.py"}
    for name in names:
        assert f"    python examples/{name} MODEL PROFILE_FOLDER" in ast.get_docstring(
            ast.parse((EXAMPLES / name).read_text()), clean=False
        )


def test_one_s_own_loop_trains_the_plan_s_sublayers_and_no_other(given, monkeypatch, capsys):
    run(monkeypatch, "own_optimiser.py", given / "model", given / "profile", given / "text.txt")
    told = dict(line.split() for line in capsys.readouterr().out.splitlines())
    plan = Profile.load(given / "profile").plan("tgl_fp")
    assert 0 < len(plan.trained()) < len(RANKED)
    expected = {name: "trained" if name in plan.trained() else "unchanged" for name in RANKED}
    assert told == {**expected, EMBEDDING: "unchanged"}


def test_the_trainer_trains_each_sublayer_at_its_own_rate_and_writes_the_model(
    given, monkeypatch, capsys, tmp_path
):
    seen, step = [], torch.optim.AdamW.step

    def watched(self, *arguments, **options):
        seen.append(([g["initial_lr"] for g in self.param_groups], [g["lr"] for g in self.param_groups]))
        return step(self, *arguments, **options)

    monkeypatch.setattr(torch.optim.AdamW, "step", watched)
    run(
        monkeypatch, "hf_trainer.py", given / "model", given / "profile", given / "text.txt", tmp_path / "out"
    )
    plan = Profile.load(given / "profile").plan("tgl_alr")
    assert len(seen) == 10
    # One step of warm-up, then a linear decay, of each group's own rate.
    for (initial, rates), factor in zip(seen, [0.0, *(1 - number / 9 for number in range(9))], strict=True):
        assert sorted(set(initial)) == pytest.approx(
            sorted(1e-3 * value for value in plan.multipliers.values())
        )
        assert rates == pytest.approx([rate * factor for rate in initial])
    assert "train_loss" in capsys.readouterr().out
    before = dict(load_model(given / "model").named_parameters())
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    assert moved(model, before) == set(RANKED)  # the embedding is frozen


def test_adapters_have_ranks_that_follow_the_profile_and_can_be_loaded(given, monkeypatch, capsys, tmp_path):
    torch.manual_seed(0)
    run(monkeypatch, "lora.py", given / "model", given / "profile", tmp_path / "out")
    plan = Profile.load(given / "profile").plan("tgl_alr")
    ranks = {
        f"^transformer.h.{number}.attn.c_attn$": 2
        * max(1, round(8 * plan.multipliers[f"block0{number}.attention"]))
        for number in (0, 1)
    }
    told = capsys.readouterr().out.splitlines()
    assert ast.literal_eval(told[0]) == ranks
    # Each direction of a rank has 16 numbers on its way in and 3 * 16 on its way out.
    assert f"trainable params: {sum(ranks.values()) * (16 + 48):,} " in told[1]
    adapted = PeftModel.from_pretrained(load_model(given / "model"), tmp_path / "out")
    torch.manual_seed(0)
    expected = with_lora(load_model(given / "model"), plan, rank=8, alpha=32, multipliers="ranks")
    found, wanted = parameters_of(adapted), parameters_of(expected)
    assert {name for name in wanted if ".lora_" in name} == {name for name in found if ".lora_" in name}
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)
    scales = {layer.scaling["default"] for _, layer in adapted.named_modules() if hasattr(layer, "lora_A")}
    assert scales == {4.0}


def test_the_trainer_of_trl_trains_the_plan_s_sublayers_and_no_other(given, monkeypatch, tmp_path):
    pytest.importorskip("trl", reason="trl is not installed: pip install trl")
    before = parameters_of(load_model(given / "model"))
    run(
        monkeypatch,
        "sft_trainer.py",
        given / "model",
        given / "profile",
        given / "text.txt",
        tmp_path / "out",
    )
    trained = AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    assert moved(trained, before) == set(Profile.load(given / "profile").plan("tgl_fp").trained())
