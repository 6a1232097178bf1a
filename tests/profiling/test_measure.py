import json

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.profiling.test_plain_text import encoded
from tests.support.model_fixtures import (
    RANKED,
    TEXTS,
    some_probes,
    tiny_model,
    tiny_tokenizer,
    write_probes,
    write_tokens,
)
from tgl.core.errors import TglError
from tgl.core.schemas import SCHEMAS
from tgl.core.tables.read import read_counts, read_table
from tgl.core.vocabulary import CONTROLS, PROFILED_KINDS, SALIENT_KINDS
from tgl.models.checkpoint import save_model
from tgl.models.sublayers import EMBEDDING
from tgl.profiling.measure import TABLES
from tgl.profiling.profile import Profile, profile
from tgl.profiling.settings import ProfileConfig

PERIOD = "20200101"
SETTINGS = ProfileConfig(examples=4, window_tokens=20, bootstrap=100)
GROUPS = {*PROFILED_KINDS, "window", *(f"{control}.{kind}" for control in CONTROLS for kind in SALIENT_KINDS)}
HASHES = ("model_sha256", "probes_sha256", "text_sha256")


def profiled(model=None, probes=None, corpus=None, **options):
    """Return the profile of a tiny model, its parts replaceable one by one."""
    options = {"tokenizer": tiny_tokenizer(), "period": PERIOD, "settings": SETTINGS, "twin": False} | options
    model = tiny_model(seed=4, spread=3) if model is None else model
    probes = some_probes() if probes is None else probes
    return profile(model, probes=probes, corpus=encoded(TEXTS) if corpus is None else corpus, **options)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("profile")
    save_model(tiny_model(seed=4, spread=3), tiny_tokenizer(), folder / "model")
    write_probes(folder / "probes.parquet")
    write_tokens(folder / "tokens.parquet")
    return folder


def test_tensors_that_a_profiled_checkpoint_does_not_use_are_reported_by_default(folder, tmp_path, capsys):
    save_model(tiny_model(seed=4, spread=3), tiny_tokenizer(), tmp_path)
    (tmp_path / "model.safetensors.sha256").unlink()
    weights = tmp_path / "model.safetensors"
    save_file(load_file(weights) | {"v_head.weight": torch.ones(1)}, weights, {"format": "pt"})
    profile(
        tmp_path,
        probes=some_probes(),
        corpus=folder / "tokens.parquet",
        period=PERIOD,
        settings=SETTINGS,
        twin=False,
    )
    assert "not using 1 tensors of its files that belong to no part of the model: 'v_head.weight'" in (
        capsys.readouterr().out
    )


def from_files(folder):
    return profile(
        folder / "model",
        probes=folder / "probes.parquet",
        corpus=folder / "tokens.parquet",
        period=PERIOD,
        settings=SETTINGS,
    )


@pytest.fixture(scope="module")
def first(folder):
    return from_files(folder)


def test_the_profile_holds_every_group_unit_and_kind_of_weights(first):
    table = first.profile
    assert set(table["weights"]) == {"trained", "random"}
    assert set(table["group"]) == GROUPS
    assert set(table["sublayer"]) == {*RANKED, "all"}
    # Each group over three denominators; window, unchanged and both matched spans are their own once.
    assert len(table) == 2 * (len(GROUPS) * 3 - 4) * 5
    assert (table["relative_norm"] > 0).all()
    assert (table["norm_of_mean"] <= table["mean_norm"] * (1 + 1e-6)).all()
    for name in TABLES:
        assert list(getattr(first, name).columns) == SCHEMAS[name].names


def test_the_profile_follows_from_the_norms(first):
    norms = first.norms
    assert set(norms["sublayer"]) == {*RANKED, EMBEDDING}
    each = norms[norms["example"] >= 0].groupby(["weights", "group", "sublayer"])["norm"].mean()
    table = first.profile[first.profile["sublayer"] != "all"]
    table = table[table["denominator"] != "matched_span"]
    for row in table.itertuples():
        expected = (
            each[row.weights, row.group, row.sublayer] / each[row.weights, row.denominator, row.sublayer]
        )
        assert row.relative_norm == pytest.approx(expected)


def test_comparisons_follow_from_the_norms_of_the_same_probe(first):
    norms = first.norms[(first.norms["example"] >= 0) & (first.norms["weights"] == "random")]
    table = norms[norms["sublayer"] == RANKED[1]].set_index(["group", "pair"])["norm"]
    rows = first.comparisons.set_index(["weights", "group", "other", "sublayer"])
    for control in CONTROLS:
        ratios = np.log(table["updated"] / table[f"{control}.updated"])
        row = rows.loc["random", "updated", f"{control}.updated", RANKED[1]]
        assert row["num_pairs"] == len(ratios) == 3
        assert row["ratio"] == pytest.approx(np.exp(ratios.mean()))


def test_saved_and_loaded_it_is_the_same(first, tmp_path):
    first.save(tmp_path)
    loaded = Profile.load(tmp_path)
    for name in TABLES:
        pd.testing.assert_frame_equal(getattr(loaded, name), getattr(first, name))
        assert read_table(tmp_path / f"{name}.parquet", name).num_rows == len(getattr(first, name)) > 0
        assert read_counts(tmp_path / f"{name}.parquet") == first.about["counts"]
    assert loaded.about == json.loads(json.dumps(first.about))


def test_the_same_inputs_give_the_same_bytes(folder, first, tmp_path):
    first.save(tmp_path / "one")
    from_files(folder).save(tmp_path / "two")
    for name in TABLES:
        one, two = (tmp_path / which / f"{name}.parquet" for which in ("one", "two"))
        assert one.read_bytes() == two.read_bytes()


def test_a_model_and_its_inputs_may_be_files_or_objects(folder, first):
    found = profiled(probes=folder / "probes.parquet", corpus=encoded(TEXTS * 2), twin=True)
    for name in TABLES:
        pd.testing.assert_frame_equal(getattr(found, name), getattr(first, name))
    assert {k: v for k, v in found.about.items() if k != "model"} == {
        k: v for k, v in first.about.items() if k != "model"
    }
    assert first.about["model"] == str(folder / "model")


def test_about_says_what_it_was_made_from(first):
    about = first.about
    for name in HASHES:
        assert len(about[name]) == 64
    assert about["num_parameters"] == sum(p.numel() for p in tiny_model().parameters())
    assert (about["model_type"], about["dtype"], about["device"]) == ("gpt2", "float32", "cpu")
    assert (about["period"], about["seed"]) == (PERIOD, 0)
    assert about["settings"]["examples"] == 4
    assert about["text_tokens"] == len(encoded(TEXTS * 2))
    assert (about["torch"], about["attention"]) == (torch.__version__, "sdpa")
    for weights in ("trained", "random"):
        assert sum(about[weights]["parameters by"].values()) == about["num_parameters"]
        assert 0 <= about[weights]["deviation from autograd"] < 1e-4
    examples = first.norms[first.norms["example"] >= 0].groupby(["weights", "group"])["example"].nunique()
    assert set(examples.loc["trained"].index) == GROUPS
    for group in GROUPS:
        assert (
            about["counts"][f"{group}: examples"] == examples["trained", group] == examples["random", group]
        )


def test_the_random_twin_has_norms_of_its_own_and_follows_the_seed(first):
    norms = first.norms
    trained, random = (norms[norms["weights"] == name]["norm"].to_numpy() for name in ("trained", "random"))
    assert np.isclose(trained, random, rtol=1e-3).mean() < 0.05  # by chance
    other = profiled(corpus=encoded(TEXTS * 2), twin=True, seed=1).norms
    same, differs = (other[other["weights"] == name]["norm"].to_numpy() for name in ("trained", "random"))
    assert same.tolist() == trained.tolist()
    assert np.isclose(differs, random, rtol=1e-3).mean() < 0.05


def test_without_a_twin_only_the_trained_weights_are_measured():
    found = profiled(twin=False)
    for name in TABLES:
        assert set(getattr(found, name)["weights"]) == {"trained"}
    assert "random" not in found.about


def test_a_change_of_weights_probes_or_text_changes_its_own_hash_only():
    def hashes(**changes):
        return [profiled(**changes).about[name] for name in HASHES]

    model = tiny_model(seed=4, spread=3)
    with torch.no_grad():
        model.transformer.h[1].mlp.c_proj.bias[3] += 1e-6
    probes, text = some_probes(), encoded(TEXTS)
    probes[0]["subject"] += "."
    text[50] = text[50] % 299 + 1
    before = hashes()
    for number, changes in enumerate(({"model": model}, {"probes": probes}, {"corpus": text})):
        found = hashes(**changes)
        assert [a != b for a, b in zip(found, before, strict=True)] == [place == number for place in range(3)]


def test_a_text_in_wider_integers_is_the_same_text():
    wide = profiled(corpus=encoded(TEXTS).astype(np.int64))
    assert wide.about["text_sha256"] == profiled().about["text_sha256"]


def test_a_model_object_without_its_tokenizer_is_refused():
    with pytest.raises(TglError, match="a model object without a tokenizer"):
        profiled(tokenizer=None)


def test_measuring_leaves_the_model_as_it_was():
    model = tiny_model(seed=4, spread=3).train()
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    profiled(model=model)
    assert model.training
    assert all(torch.equal(parameter, before[name]) for name, parameter in model.named_parameters())
    assert all(parameter.requires_grad and parameter.grad is None for parameter in model.parameters())
