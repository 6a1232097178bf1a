import copy
import json

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import spearmanr
from transformers import AutoModelForCausalLM

from tests.analysis.agree_runs import (
    KINDS,
    LAYERS,
    NO_SUBJECT,
    SETTINGS,
    STILL,
    agreed,
    counts_of_kind,
    profiled,
    some_rows,
    table,
    three_layers,
    written,
)
from tests.support.model_fixtures import (
    CONFIGS,
    parameters_by_unit,
    tiny_model,
    tiny_tokenizer,
    write_probes,
    write_tokens,
)
from tgl.analysis.settings import AgreeConfig
from tgl.analysis.tracing import SITES
from tgl.core.errors import TglError
from tgl.core.tables.read import read_counts, read_table
from tgl.core.tables.write import write_table
from tgl.models.checkpoint import save_model
from tgl.models.sublayers import ranked, sublayers


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return written(tmp_path_factory.mktemp("agree"))


def test_every_chosen_fact_is_traced_or_counted_under_its_reason(folder):
    tracing = table(folder / "out", "tracing")
    for name in ("tracing", "agreement"):
        counts = read_counts(folder / "out" / f"{name}.parquet")
        for kind in KINDS:
            own = counts_of_kind(counts, kind)
            assert sum(own.values()) == SETTINGS.facts
            assert own["traced"] == tracing[tracing["group"] == kind]["probe"].nunique()
        assert sum(len(counts_of_kind(counts, kind)) for kind in KINDS) == len(counts)


def test_the_facts_are_the_first_of_the_profile_s_own(folder):
    norms = table(folder / "profile", "norms")
    chosen = norms[(norms["group"] == "updated") & (norms["example"].between(0, SETTINGS.facts - 1))]["pair"]
    rows = {row["id"]: row for row in some_rows()}
    expected = sum(rows[identity]["subject"] == "" for identity in chosen.unique())
    found = counts_of_kind(read_counts(folder / "out" / "tracing.parquet"), "updated")
    assert found.get(NO_SUBJECT, 0) == expected
    tracing = table(folder / "out", "tracing")
    assert set(tracing[tracing["group"] == "updated"]["probe"]) <= set(chosen)


def test_the_table_of_traces_holds_every_site_and_sublayer_of_facts_that_were_hurt(folder):
    tracing = table(folder / "out", "tracing")
    units = [unit.name for unit in ranked(sublayers(three_layers()))]
    for _, fact in tracing.groupby(["group", "probe"]):
        assert list(zip(fact["site"], fact["sublayer"], strict=True)) == [
            (site, unit) for site in SITES for unit in units
        ]
        assert fact["clean"].nunique() == fact["corrupted"].nunique() == 1
    assert (tracing["corrupted"] < tracing["clean"]).all()
    probabilities = tracing[["clean_probability", "corrupted_probability", "restored_probability"]]
    assert ((probabilities > 0) & (probabilities < 1)).all(axis=None)


def test_movement_is_the_norm_of_the_change_of_each_sublayer(folder):
    movement = table(folder / "out", "movement").set_index("sublayer")
    before = AutoModelForCausalLM.from_pretrained(folder / "model")
    after = dict(AutoModelForCausalLM.from_pretrained(folder / "moved").named_parameters())
    owner = parameters_by_unit(before)
    units = [unit.name for unit in ranked(sublayers(before))]
    assert list(movement.index) == units
    for unit in units:
        old = [p.detach().double().flatten() for n, p in before.named_parameters() if owner[n] == unit]
        new = [after[n].detach().double().flatten() for n, _ in before.named_parameters() if owner[n] == unit]
        old, new = torch.cat(old).numpy(), torch.cat(new).numpy()
        distance = np.linalg.norm(new - old)
        assert movement.loc[unit, "distance"] == pytest.approx(distance, rel=1e-9)
        assert movement.loc[unit, "root_mean_square"] == pytest.approx(distance / len(old) ** 0.5, rel=1e-9)
        assert movement.loc[unit, "relative"] == pytest.approx(distance / np.linalg.norm(old), rel=1e-9)
    assert movement.loc[STILL, "distance"] == 0
    assert (movement["distance"] > 0).sum() == 2 * LAYERS - 1


def expected_ratio(folder, group, reference, facts=None):
    norms = table(folder / "profile", "norms")
    norms = norms[(norms["weights"] == "trained") & (norms["example"] >= 0)]
    own = norms[norms["group"] == group]
    if facts is not None:
        own = own[own["pair"].isin(facts)]
    mean = own.groupby("sublayer")["norm"].mean()
    return mean / norms[norms["group"] == reference].groupby("sublayer")["norm"].mean()


def test_correlations_are_those_of_the_tables_of_norms_effects_and_movement(folder):
    tracing, movement = table(folder / "out", "tracing"), table(folder / "out", "movement")
    tracing["log-likelihood"] = tracing["restored"] - tracing["corrupted"]
    tracing["probability"] = tracing["restored_probability"] - tracing["corrupted_probability"]
    references = {"window": "window", "unchanged": "unchanged"}
    found = table(folder / "out", "agreement")
    assert (found["low"] <= found["high"]).all()
    checked = set()
    for row in found.itertuples():
        reference = references.get(row.denominator)
        if reference is None:
            own = row.group if row.group != "unchanged" else "updated"
            reference = f"matched_span.{own}"
        what, *rest = row.measure.split(", ")
        facts = None
        if what == "movement":
            other = movement.set_index("sublayer")[rest[0].replace(" ", "_")]
            assert row.num_facts == 6
        else:
            site, value = rest
            own = tracing[(tracing["group"] == row.group) & (tracing["site"] == site)]
            facts, other = set(own["probe"]), own.groupby("sublayer")[value].mean()
            assert row.num_facts == len(facts)
        names = [name for name in other.index if row.part in ("all", name.partition(".")[2])]
        assert row.num_sublayers == len(names) == (2 * LAYERS if row.part == "all" else LAYERS)
        ratio = expected_ratio(folder, row.group, reference, facts)
        expected = spearmanr(ratio[names], other[names]).statistic
        assert row.correlation == pytest.approx(expected, abs=1e-9), row
        checked.add((row.group, row.denominator, row.measure, row.part))
    assert len(checked) == len(found)


def test_every_kind_is_compared_by_every_denominator_measure_and_part(folder):
    found = table(folder / "out", "agreement")
    measures = {f"tracing, {site}, {scale}" for site in SITES for scale in ("log-likelihood", "probability")}
    measures |= {"movement, root mean square", "movement, relative"}
    assert set(found["measure"]) == measures
    by_group = {group: set(rows["denominator"]) for group, rows in found.groupby("group")}
    assert by_group == {
        "updated": {"window", "matched_span", "unchanged"},
        "new_entity": {"window", "matched_span", "unchanged"},
        "unchanged": {"window", "matched_span"},
    }
    assert set(found["part"]) == {"all", "attention", "mlp"}
    assert len(found) == 8 * 6 * 3


def test_a_sublayer_that_did_not_move_is_last_and_not_lost(folder):
    movement = table(folder / "out", "movement").set_index("sublayer")
    assert movement["relative"].idxmin() == STILL
    assert movement.notna().all(axis=None)


def test_parts_with_two_sublayers_are_not_ranked_alone(tmp_path):
    save_model(tiny_model(spread=3), tiny_tokenizer(), tmp_path / "model")
    write_probes(tmp_path / "probes.parquet", some_rows())
    write_tokens(tmp_path / "tokens.parquet")
    profiled(tmp_path, tmp_path / "profile")
    found = agreed(tmp_path, tmp_path / "out", moved="model")
    assert set(found["part"]) == {"all"}
    assert set(found["num_sublayers"]) == {4}
    # Nothing moved: there is no order to agree with, which is reported and not made up.
    assert found[found["measure"].str.startswith("movement")]["correlation"].isna().all()


def test_without_a_checkpoint_only_tracing_is_compared(folder, tmp_path):
    found = agreed(folder, tmp_path, moved=None)
    assert {path.name for path in tmp_path.iterdir()} == {"tracing.parquet", "agreement.parquet"}
    whole = table(folder / "out", "agreement")
    assert {measure.split(",")[0] for measure in found["measure"]} == {"tracing"}
    pd.testing.assert_frame_equal(
        table(tmp_path, "agreement"),
        whole[whole["measure"].str.startswith("tracing")].reset_index(drop=True),
    )
    assert (tmp_path / "tracing.parquet").read_bytes() == (folder / "out" / "tracing.parquet").read_bytes()


def test_the_same_inputs_give_the_same_bytes_and_another_seed_others(folder, tmp_path):
    agreed(folder, tmp_path / "again")
    agreed(folder, tmp_path / "other", seed=4)
    for name in ("tracing", "agreement", "movement"):
        first, again, other = (
            (path / f"{name}.parquet").read_bytes()
            for path in (folder / "out", tmp_path / "again", tmp_path / "other")
        )
        assert first == again
        assert (first == other) == (name == "movement")


def test_a_profile_of_other_weights_is_refused(folder, tmp_path):
    with pytest.raises(
        TglError, match=r"profile belongs to weights [0-9a-f]{12}.*moved.*Profile this model first"
    ):
        agreed(folder, tmp_path, model=folder / "moved")
    assert not list(tmp_path.iterdir())


def test_a_table_of_norms_that_does_not_say_whose_it_is_is_refused(folder, tmp_path):
    norms = read_table(folder / "profile" / "norms.parquet", "norms")
    write_table(norms, tmp_path / "norms.parquet", "norms")
    with pytest.raises(TglError, match="Profile this model first"):
        agreed(folder, tmp_path / "out", profile=tmp_path)


@pytest.mark.parametrize("kind", ["fewer blocks", "more blocks", "wider", "llama"])
def test_a_checkpoint_of_another_shape_is_refused(folder, tmp_path, kind):
    if kind == "llama":
        model = tiny_model("llama")
    else:
        config = copy.deepcopy(CONFIGS["gpt2"])
        config.n_layer = {"fewer blocks": 2, "more blocks": 4}.get(kind, 3)
        config.n_inner = 80 if kind == "wider" else None
        model = AutoModelForCausalLM.from_config(config)
    save_model(model, tiny_tokenizer(), tmp_path / "moved")
    with pytest.raises(TglError, match="not trained from this model"):
        agreed(folder, tmp_path / "out", moved=tmp_path / "moved")


def test_probes_other_than_the_profile_s_are_refused_by_the_missing_id(folder, tmp_path):
    missing = next(row["id"] for row in some_rows() if row["kind"] == "new_entity")
    rest = [row for row in some_rows() if row["id"] != missing]
    write_probes(tmp_path / "probes.parquet", rest)
    with pytest.raises(TglError, match=f"probes.parquet: has no probe '{missing}'"):
        agreed(folder, tmp_path / "out", probes=tmp_path / "probes.parquet", settings=AgreeConfig(facts=6))


def test_without_traceable_facts_movement_alone_is_compared_and_without_it_nothing_can_be(folder, tmp_path):
    write_probes(tmp_path / "probes.parquet", [row | {"subject": ""} for row in some_rows()])
    found = agreed(folder, tmp_path / "out", probes=tmp_path / "probes.parquet")
    assert {measure.split(",")[0] for measure in found["measure"]} == {"movement"}
    assert table(tmp_path / "out", "tracing").empty
    assert read_counts(tmp_path / "out" / "tracing.parquet")[f"updated: {NO_SUBJECT}"] == SETTINGS.facts
    with pytest.raises(TglError, match=f"no kind has two facts that can be traced.*{NO_SUBJECT}"):
        agreed(folder, tmp_path / "none", probes=tmp_path / "probes.parquet", moved=None)


def test_the_number_of_facts_is_bounded_by_kind(folder, tmp_path):
    said = []
    agreed(folder, tmp_path, settings=AgreeConfig(facts=2, noise_draws=1), say=said.append)
    counts = read_counts(tmp_path / "tracing.parquet")
    assert [sum(counts_of_kind(counts, kind).values()) for kind in KINDS] == [2, 2, 2]
    assert [line.partition(":")[0] for line in said] == list(KINDS)


def test_probes_as_json_lines_are_read_too(folder, tmp_path):
    """The file the profile was made from need not be a table."""
    (tmp_path / "probes.jsonl").write_text("\n".join(json.dumps(row) for row in some_rows()))
    agreed(folder, tmp_path / "out", probes=tmp_path / "probes.jsonl")
    expected = (folder / "out" / "agreement.parquet").read_bytes()
    assert (tmp_path / "out" / "agreement.parquet").read_bytes() == expected
