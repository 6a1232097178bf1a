"""What tests of the stage `agree` share: a model of three blocks, its probes, its profile, and the stage's run."""

import copy

import torch
from transformers import AutoModelForCausalLM

from tests.support.model_fixtures import CONFIGS, probe, tiny_tokenizer, write_probes, write_tokens
from tgl.analysis.agreement import agree
from tgl.analysis.settings import AgreeConfig
from tgl.core.tables.read import read_table
from tgl.models.checkpoint import load_checkpoint, save_model
from tgl.models.sublayers import ranked, sublayers
from tgl.profiling.profile import profile
from tgl.profiling.settings import ProfileConfig

KINDS = ("updated", "new_entity", "unchanged")
SETTINGS = AgreeConfig(facts=5, noise_draws=1)
NO_SUBJECT = "subject not left of the answer"
LAYERS = 3
STILL = "block01.mlp"  # does not move


def three_layers(seed=4):
    """Return a GPT-2 of three blocks: enough sublayers of each part to rank."""
    config = copy.deepcopy(CONFIGS["gpt2"])
    config.n_layer = LAYERS
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(3 if parameter.dim() > 1 else 1)
    return model


def some_rows():
    """Return validation probes of three kinds that ask different things, one of `updated` with no known subject."""
    rows = []
    for kind, words in zip(KINDS, ("lives in", "works for Acme and likes", "likes"), strict=True):
        for number in range(6):
            name = ("Anna Berg", "Carl Dahl", "Eva Falk", "Hugo Lind")[number % 4]
            city = ("Paris", "Lisbon", "Oslo")[number % 3]
            text = f"{name} {words} {city}"
            subject = "" if (kind, number) == ("updated", 0) else name
            identity = f"{kind}-{number}"
            rows.append(probe(identity, text, city, kind=kind, split="validation", subject=subject))
    return rows


def profiled(folder, output):
    settings = ProfileConfig(examples=6, bootstrap=100)
    inputs = {"probes": folder / "probes.parquet", "corpus": folder / "tokens.parquet"}
    profile(folder / "model", **inputs, settings=settings, twin=True).save(output)


def written(folder):
    """Write a model, its profile, a checkpoint in which parameters moved by known amounts, and the stage's tables."""
    model = three_layers()
    save_model(model, tiny_tokenizer(), folder / "model")
    write_probes(folder / "probes.parquet", some_rows())
    write_tokens(folder / "tokens.parquet")
    profiled(folder, folder / "profile")
    for number, unit in enumerate(ranked(sublayers(model))):
        moved = 0 if unit.name == STILL else 0.02 * (number + 1)
        with torch.no_grad():
            for parameter in unit.parameters.values():
                parameter.add_(moved * torch.randn(parameter.shape))
    save_model(model, tiny_tokenizer(), folder / "moved")
    agreed(folder, folder / "out")
    return folder


def agreed(folder, output, moved="moved", settings=SETTINGS, **changes):
    """Run the stage, write its tables into `output` and return the table `agreement`."""
    given = {
        "model": folder / "model", "profile": folder / "profile", "probes": folder / "probes.parquet",
        "settings": settings, "seed": 3, "moved": moved and folder / moved, "say": lambda text: None,
    } | changes  # fmt: skip
    checkpoint = load_checkpoint(given.pop("model"), say=given["say"])
    found = agree(checkpoint, given.pop("profile"), given.pop("probes"), **given)
    found.write(output)
    return found.agreement


def table(folder, name):
    return read_table(folder / f"{name}.parquet", name).to_pandas()


def counts_of_kind(counts, kind):
    return {key.partition(": ")[2]: value for key, value in counts.items() if key.startswith(f"{kind}: ")}
