"""Plans in the formats of other tools, each read back by the documented rule of the tool."""

import argparse
import copy
import dataclasses
import json
import re
import shlex

import pytest
import yaml
from peft import PeftConfig, get_peft_model
from transformers import Trainer

from tests.export.plan_models import (
    BLOCKS,
    PATHS,
    SETS,
    embedding_only,
    full,
    last_third,
    names,
    one,
    plan,
    rates,
    shell,
    trained,
    with_embedding,
)
from tgl.core.errors import TglError
from tgl.export.plans.formats import FORMATS, export_plan
from tgl.models.sublayers import sublayers
from tgl.plans.plan import Phase

KINDS = list(PATHS)
RATE = 1e-4


def exported(kind, own, to, **options):
    return export_plan(own, shell(kind), to, **options)


def refused(kind, own, to, **options):
    with pytest.raises(TglError) as caught:
        exported(kind, own, to, **options)
    return str(caught.value)


# axolotl: dots are literal, patterns match from the beginning.
def unfrozen(kind, text):
    patterns = [re.compile(re.sub(r"\.", r"\\.", own)) for own in yaml.safe_load(text)["unfrozen_parameters"]]
    return {name for name in names(kind) if any(own.match(name) for own in patterns)}


def axolotl_rates(kind, text):
    """Return the rate of each trained parameter, by kind of parameter and by the first group with a substring."""
    keys = yaml.safe_load(text)
    decays = set(Trainer.get_decay_parameter_names(None, shell(kind)))
    modules = [(module, own["lr"]) for own in keys.get("lr_groups", []) for module in own["modules"]]
    found = {}
    for name in unfrozen(kind, text):
        if "embed_tokens" in name or "lm_head" in name:
            found[name] = keys.get("embedding_lr", keys["learning_rate"])
        elif name in decays:
            found[name] = next((rate for module, rate in modules if module in name), keys["learning_rate"])
        else:
            found[name] = keys["learning_rate"]
    return found


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("make", SETS)
def test_axolotl_unfreezes_the_parameters_of_the_plan(make, kind):
    found = exported(kind, make(kind), "axolotl")
    assert unfrozen(kind, found.text) == trained(kind, make(kind))
    assert set(yaml.safe_load(found.text)) == {"unfrozen_parameters"}
    assert found.notes == ()


def test_axolotl_names_whole_blocks_with_plain_dots():
    found = yaml.safe_load(exported("llama", last_third("llama"), "axolotl").text)["unfrozen_parameters"]
    assert found == [f"^model.layers.{block}." for block in (8, 9, 10, 11)]


@pytest.mark.parametrize("embedding", [0, 0.5, 1])
@pytest.mark.parametrize("kind", KINDS)
def test_axolotl_has_the_rates_of_the_plan_except_for_norms_and_biases(kind, embedding):
    own = dataclasses.replace(rates(kind), embedding=float(embedding))
    found = exported(kind, own, "axolotl", learning_rate=RATE)
    decays = set(Trainer.get_decay_parameter_names(None, shell(kind)))
    expected = {name: RATE * own.of(unit.name) for unit in sublayers(shell(kind)) for name in unit.parameters}
    expected = {name: rate for name, rate in expected.items() if rate > 0}
    got = axolotl_rates(kind, found.text)
    assert set(got) == set(expected)
    own_rate = {name for name in expected if name in decays or "embed_tokens" in name}
    assert {name: got[name] for name in own_rate} == pytest.approx({n: expected[n] for n in own_rate})
    differ = {name for name in expected if got[name] != pytest.approx(expected[name])}
    assert differ
    assert f"rate of {len(differ)} parameters such as {min(differ)}" in found.notes[0]
    assert f"# {found.notes[0]}\n" in found.text


def test_axolotl_gives_one_rate_for_all_parameters_without_groups():
    own = plan("llama", lambda unit: 0.25 if unit.block > 5 else 0)
    found = exported("llama", own, "axolotl", learning_rate=RATE)
    assert set(axolotl_rates("llama", found.text).values()) == {RATE * 0.25}
    assert set(yaml.safe_load(found.text)) == {"unfrozen_parameters", "learning_rate"}
    assert found.notes == ()


@pytest.mark.parametrize("rate", [None, 0, -1.0, float("nan"), True])
def test_axolotl_needs_a_learning_rate_for_rates(rate):
    assert "Give --learning-rate" in refused("gpt2", rates("gpt2"), "axolotl", learning_rate=rate)


def test_axolotl_refuses_a_rate_whose_substring_is_in_the_name_of_another_parameter(monkeypatch):
    """The sublayers are chosen by hand: `weight` of one is the beginning of `weight_more` of the other."""
    model = copy.deepcopy(shell("llama"))
    layer = model.model.layers[0].mlp.up_proj
    layer.register_parameter("weight_more", copy.deepcopy(layer.weight))
    units = sublayers(model)
    more = "model.layers.0.mlp.up_proj.weight_more"
    split = []
    for unit in units:
        if more in unit.parameters:
            rest = {name: p for name, p in unit.parameters.items() if name != more}
            extra = dataclasses.replace(
                unit, name="block00.more", parameters={more: unit.parameters[more]},
                owners={more: unit.owners[more]},
            )  # fmt: skip
            split += [dataclasses.replace(unit, parameters=rest), extra]
        else:
            split.append(unit)
    monkeypatch.setattr("tgl.export.plans.formats.units_named", lambda model, names: split)
    own = rates("llama")
    own = dataclasses.replace(own, multipliers=own.multipliers | {"block00.more": 2.0})
    with pytest.raises(TglError, match=r"substrings, so 'model.layers.0.mlp.up_proj.weight_more' would get"):
        export_plan(own, model, "axolotl", learning_rate=RATE)


# ms-swift: everything is frozen, then what re.search finds is trained.
def ms_swift_trains(kind, text):
    parser = argparse.ArgumentParser()
    for key in ("tuner_type", "freeze_parameters_regex", "trainable_parameters_regex"):
        parser.add_argument(f"--{key}")
    found = parser.parse_args(shlex.split(text.replace("\\\n", " ")))
    assert found.tuner_type == "full"
    state = dict.fromkeys(names(kind), True)
    for name in state:
        if re.search(found.freeze_parameters_regex, name):
            state[name] = False
        if re.search(found.trainable_parameters_regex, name):
            state[name] = True
    return {name for name, trains in state.items() if trains}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("make", SETS)
def test_ms_swift_trains_the_parameters_of_the_plan(make, kind):
    assert ms_swift_trains(kind, exported(kind, make(kind), "ms-swift").text) == trained(kind, make(kind))


# LLaMA-Factory: substrings `.BLOCK.MODULE`, and the names of extra modules.
def llama_factory_trains(kind, text):
    keys = yaml.safe_load(text)
    if keys == {"finetuning_type": "full"}:
        return set(names(kind))
    assert keys["finetuning_type"] == "freeze"
    count, modules = keys["freeze_trainable_layers"], keys["freeze_trainable_modules"].split(",")
    blocks = range(BLOCKS - count, BLOCKS) if count > 0 else range(-count)
    parts = [f".{block}." + (module if module != "all" else "") for block in blocks for module in modules]
    parts += keys["freeze_extra_modules"].split(",") if "freeze_extra_modules" in keys else []
    return {name for name in names(kind) if any(part in name for part in parts)}


BY_BLOCKS = {
    "full": full,
    "last third": last_third,
    "first three": lambda kind: plan(kind, lambda unit: unit.block < 3),
    "all blocks": lambda kind: plan(kind, lambda unit: 1),
    "first mixer": lambda kind: plan(kind, lambda unit: unit.block < 2 and unit.part in ("mlp", "mixer")),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("make", BY_BLOCKS.values(), ids=BY_BLOCKS)
def test_llama_factory_trains_the_parameters_of_the_plan(make, kind):
    found = exported(kind, make(kind), "llama-factory").text
    assert llama_factory_trains(kind, found) == trained(kind, make(kind))


@pytest.mark.parametrize("kind", ["gpt2", "mamba"])
def test_llama_factory_trains_the_embedding_as_extra_modules(kind):
    found = exported(kind, with_embedding(kind), "llama-factory").text
    assert "freeze_extra_modules" in found
    assert llama_factory_trains(kind, found) == trained(kind, with_embedding(kind))


def test_llama_factory_refuses_extra_modules_that_match_inside_blocks():
    error = refused("llama", with_embedding("llama"), "llama-factory")
    assert "also train 16 parameters such as 'model.layers.0.input_layernorm.weight'" in error


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        (lambda unit: unit.block == 1, "found the trained blocks 1 of 12"),
        (lambda unit: 3 < unit.block < 9, "found the trained blocks 4, 5, 6, 7, 8 of 12"),
        (lambda unit: unit.block in (0, 11), "found the trained blocks 0, 11 of 12"),
        (lambda unit: unit.block == 10 or unit.name == "block11.mlp", "expected ln_1, attn, ln_2, mlp"),
    ],
)
def test_llama_factory_refuses_other_blocks(chosen, words):
    assert words in refused("gpt2", plan("gpt2", chosen), "llama-factory")
    assert "blocks none of 12" in refused("gpt2", embedding_only("gpt2"), "llama-factory")


# peft: its own matcher.
def adapted(kind, text, folder):
    (folder / "adapter_config.json").write_text(text)
    config = PeftConfig.from_pretrained(folder)
    assert isinstance(config.target_modules, str)
    model = get_peft_model(copy.deepcopy(shell(kind)), config).base_model.model
    return {
        name.partition(".lora_")[0] + ".weight" for name, _ in model.named_parameters() if "lora_" in name
    }


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("make", [one, last_third, BY_BLOCKS["all blocks"]])
def test_peft_adapts_the_linear_layers_of_the_plan(make, kind, tmp_path):
    found = exported(kind, make(kind), "peft")
    leaves_out = ("conv1d", "A_log", "out_proj") if kind == "mamba" else ()
    matrices = {name for name, p in shell(kind).named_parameters() if p.ndim > 1}
    expected = {n for n in trained(kind, make(kind)) & matrices if not any(part in n for part in leaves_out)}
    assert adapted(kind, found.text, tmp_path) == expected
    content = json.loads(found.text)
    assert content["fan_in_fan_out"] == (kind == "gpt2")
    assert content["rank_pattern"] == {}
    assert bool(found.notes) == (kind == "mamba")


def test_peft_refuses_the_embedding_and_sublayers_without_a_linear_layer():
    assert '"embedding": 0.0' in refused("gpt2", full("gpt2"), "peft")
    model = copy.deepcopy(shell("llama"))
    own = plan("llama", lambda unit: unit.name == "block01.mlp")
    for name in ("gate_proj", "up_proj", "down_proj"):
        del model.model.layers[1].mlp._modules[name]
    with pytest.raises(TglError, match=r"no linear layer to adapt in the trained sublayer 'block01.mlp'"):
        export_plan(own, model, "peft")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("make", [*SETS, rates])
def test_json_lists_every_parameter_once(make, kind):
    own = make(kind)
    found = json.loads(exported(kind, own, "json").text)
    assert found["format"] == 1
    assert found["plan"]["multipliers"] == own.multipliers
    by_name = {n: group["multiplier"] for group in found["groups"] for n in group["parameters"]}
    listed = [*(n for group in found["groups"] for n in group["parameters"]), *found["frozen"]]
    assert sorted(listed) == sorted(names(kind))
    expected = {name: own.of(unit.name) for unit in sublayers(shell(kind)) for name in unit.parameters}
    assert {name: by_name.get(name, 0.0) for name in expected} == expected
    assert found["phases"] == [{"from": 0.0, "groups": found["groups"], "frozen": found["frozen"]}]


def in_phases(kind):
    return dataclasses.replace(one(kind), later=(Phase(0.5, last_third(kind).multipliers),))


def test_json_lists_the_parameters_of_each_phase():
    found = json.loads(exported("llama", in_phases("llama"), "json").text)
    assert [phase["from"] for phase in found["phases"]] == [0.0, 0.5]
    for phase, own in zip(found["phases"], (one("llama"), last_third("llama")), strict=True):
        assert set(phase["groups"][0]["parameters"]) == trained("llama", own)
    assert found["groups"] == found["phases"][0]["groups"]
    assert found["plan"]["later"][0]["from"] == 0.5


@pytest.mark.parametrize("to", [to for to in FORMATS if to != "json"])
def test_phases_are_refused(to):
    assert "found 2 phases, expected one" in refused("gpt2", in_phases("gpt2"), to)


@pytest.mark.parametrize("to", ["ms-swift", "llama-factory", "peft"])
def test_rates_are_refused_with_a_way_out(to):
    error = refused("gpt2", rates("gpt2"), to)
    assert "no learning rates by parameter; found the multipliers 0.5, 0.75, 1.25" in error
    uniform = plan("gpt2", lambda unit: 0.5 * (unit.block > 7))
    assert "Change 0.5 to 1 in the plan, and multiply the learning rate" in refused("gpt2", uniform, to)


@pytest.mark.parametrize("to", FORMATS)
def test_plans_that_do_not_fit_or_train_nothing_are_refused(to):
    assert "the model has no sublayer" in refused("gpt2", full("mamba"), to)
    assert "nothing would be trained" in refused("gpt2", plan("gpt2", lambda unit: 0), to)
