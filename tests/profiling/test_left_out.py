"""A profile counts what it leaves out and names it."""

import numpy as np
import pytest
import torch

from tests.profiling.test_measure import SETTINGS, profiled
from tests.support.model_fixtures import (
    BLOCK,
    probe,
    sharp_model,
    some_probes,
    some_tokens,
    tiny_model,
    tiny_tokenizer,
)
from tgl.core.errors import TglError
from tgl.core.vocabulary import PROFILED_KINDS
from tgl.profiling.groups import make_groups, of_two_lengths
from tgl.profiling.profile import profile
from tgl.profiling.settings import ProfileConfig


def test_examples_without_finite_gradients_are_counted_said_and_left_out():
    model, said = sharp_model("llama"), []  # with a head of its own
    probes = [row for row in some_probes() if row["kind"] == "updated"]
    spare = [
        probe(f"more{n}", f"{p} lives in Oslo", "Oslo", split="validation")
        for n, p in enumerate(("Bo", "Jo"))
    ]
    word = tiny_tokenizer()(" Zq")["input_ids"][-1]
    damaged = probe("bad", "Anna Zq lives in Oslo", "Oslo", split="validation")
    with torch.no_grad():
        model.model.embed_tokens.weight[word] = torch.nan
    settings = SETTINGS.model_copy(update={"examples": 9})
    found = profiled(model=model, probes=[*probes, *spare, damaged], settings=settings, say=said.append)
    counts = found.about["counts"]
    assert counts["updated: examples"] == 6
    assert counts["trained updated: gradient not finite"] == 1
    assert counts["trained shuffled.updated: gradient not finite"] == 1
    assert "trained window: gradient not finite" not in counts
    rows = found.profile[found.profile["group"] == "updated"]
    assert set(rows["num_examples"]) == {5}
    assert np.isfinite(rows["relative_norm"]).all()
    own = found.norms[(found.norms["group"] == "updated") & (found.norms["example"] >= 0)]
    assert set(own[~np.isfinite(own["norm"])]["pair"]) == {"bad"}
    compared = found.comparisons[found.comparisons["other"] == "matched_span.updated"]
    assert set(compared["num_pairs"]) == {5}
    assert any("left out of updated, gradient not finite: 1" in line for line in said)


def test_a_group_with_one_finite_example_is_refused():
    model = sharp_model("llama")
    with torch.no_grad():
        model.model.embed_tokens.weight[tiny_tokenizer()(" Zq")["input_ids"][-1]] = torch.nan
    probes = [
        probe(f"p{number}", f"{name} lives in {city}", city, split="validation")
        for number, (name, city) in enumerate(
            [("Anna Zq", "Paris"), ("Carl Zq", "Oslo"), ("Eva Falk", "Lisbon")]
        )
    ]
    with pytest.raises(TglError, match="group 'updated' has 1 examples with finite gradients"):
        profiled(model=model, probes=probes)


def test_examples_of_one_length_are_checked_with_one_of_another_group():
    probes = [
        probe(f"p{number}", "Anna lives in Paris", "Paris", split="validation", kind="updated")
        for number in range(4)
    ]
    groups = make_groups(
        probes, some_tokens(400), tiny_tokenizer(), period=None, settings=SETTINGS, length=BLOCK
    )
    same = groups.groups["updated"].examples
    assert len({len(example.ids) for example in same}) == 1
    first, second = of_two_lengths(same, groups, lambda example: True)
    assert len(first.ids) != len(second.ids)
    assert of_two_lengths(same, groups, lambda example: False) == [same[0], same[0]]


def test_probes_of_other_splits_and_kinds_cut_contexts_and_overlapping_windows_are_counted():
    long = "Anna lives in Paris. " * 20 + "Eva lives in Oslo"
    others = [
        probe("t0", "Anna lives in Paris", "Paris", split="test"),
        probe("n0", "Anna lives in Paris", "Paris", split="validation", kind="new"),
        *(probe(f"l{number}", long, "Oslo", split="validation", kind="updated") for number in range(3)),
    ]
    said = []
    settings = SETTINGS.model_copy(update={"examples": 30})
    found = profiled(
        probes=some_probes() + others, settings=settings, corpus=some_tokens(70), say=said.append
    )
    counts = found.about["counts"]
    assert counts["probes not profiled: kind new"] == 1
    assert counts["probes not profiled: split test"] >= 1
    assert counts[f"updated: contexts cut to {BLOCK} tokens"] == 3
    overlap = [key for key in counts if key.startswith("window: the text has room for")]
    assert len(overlap) == 1
    assert f"{overlap[0]}: {counts[overlap[0]]}" in said


def test_what_is_left_out_is_said_and_counted():
    said = []
    long = "Zq7" * 40  # more tokens than the model has positions
    bad = [probe(f"bad{n}", long, long, split="validation") for n in range(7)]
    settings = SETTINGS.model_copy(update={"examples": 30})
    found = profiled(probes=some_probes() + bad, settings=settings, say=said.append)
    assert found.about["counts"]["updated: span longer than the context"] == 7
    line = next(
        line for line in said if line.startswith("left out of updated, span longer than the context: 7: ")
    )
    assert line.count("bad") == 5
    assert line.endswith(" ...")


def test_a_period_without_probes_of_a_kind_is_said_and_the_one_taken_is_recorded():
    said = []
    found = profile(
        tiny_model(spread=3), tokenizer=tiny_tokenizer(), probes=some_probes(), corpus=some_tokens(400),
        period="20300101", settings=ProfileConfig(examples=3, bootstrap=100), twin=False, say=said.append,
    )  # fmt: skip
    assert found.about["periods taken"] == {kind: ["20200101"] for kind in PROFILED_KINDS}
    assert "updated: no validation probe of period 20300101, using those of 20200101" in said
