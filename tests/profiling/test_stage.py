import numpy as np
import pytest

from tests.model_fixtures import (
    BLOCK,
    RANKED,
    probe,
    some_probes,
    some_tokens,
    tiny_model,
    tiny_tokenizer,
    write_probes,
    write_tokens,
)
from tgl.config import ProfileConfig
from tgl.errors import TglError
from tgl.profiling.norms import GroupNorms
from tgl.profiling.stage import make_examples, profile_model, profile_rows_of
from tgl.sublayers import EMBEDDING, sublayers
from tgl.tables import read_counts, read_table
from tgl.train.checkpoint import save_model

PERIOD = "20200101"
SETTINGS = ProfileConfig(examples=4, bootstrap=100)
GROUPS = {"updated", "new_entity", "unchanged", "shuffled", "window", "matched_span"}


def examples(rows):
    return make_examples(rows, some_tokens(300), tiny_tokenizer(), PERIOD, SETTINGS, BLOCK)


def of_kinds(*kinds):
    return [row for row in some_probes() if row["kind"] in kinds]


def test_every_group_has_examples_of_its_own_size():
    found = examples(some_probes())
    assert {name: len(group) for name, group in found.items()} == {
        "updated": 3, "new_entity": 3, "unchanged": 3, "shuffled": 3, "window": 4, "matched_span": 4,
    }  # fmt: skip
    assert {len(span.ids) for span in found["window"]} == {BLOCK}
    lengths = [(len(span.ids), span.first) for span in found["updated"]]
    assert [(len(span.ids), span.first) for span in found["matched_span"]] == [*lengths, lengths[0]]


def test_the_shuffled_group_keeps_the_questions_of_the_salient_one():
    found = examples(some_probes())
    tokenizer = tiny_tokenizer()
    for right, wrong in zip(found["updated"], found["shuffled"], strict=True):
        name, _, city = tokenizer.decode(right.ids).partition(" lives in ")
        other_name, _, other_city = tokenizer.decode(wrong.ids).partition(" lives in ")
        assert name == other_name
        assert city != other_city


def test_a_kind_with_fewer_than_two_validation_probes_is_left_out():
    lonely = probe("one", "Anna Berg lives in Oslo", "Oslo", kind="updated", split="validation")
    assert set(examples([lonely, *of_kinds("new_entity")])) == {
        "new_entity",
        "shuffled",
        "window",
        "matched_span",
    }


def test_no_kind_with_two_validation_probes_is_refused():
    with pytest.raises(TglError, match=f"validation split of period {PERIOD}"):
        examples([row for row in some_probes() if row["split"] == "test"])


def made_up(scale, units=5, count=6):
    each = np.random.default_rng(int(scale * 10)).uniform(1, 2, (count, units)) * scale
    return GroupNorms(each, each.mean(0) / 2, np.ones(count, int))


def test_rows_are_ratios_of_each_group_over_each_other_denominator():
    units = sublayers(tiny_model())
    measured = {"updated": made_up(6.0), "window": made_up(2.0), "matched_span": made_up(3.0)}
    rows = profile_rows_of(measured, units, 100, 0)
    assert {(row["group"], row["denominator"]) for row in rows} == {
        ("updated", "window"), ("updated", "matched_span"),
        ("window", "matched_span"), ("matched_span", "window"),
    }  # fmt: skip
    found = {(row["group"], row["denominator"], row["sublayer"]): row for row in rows}
    each = measured["updated"].each.mean(0)[:4] / measured["matched_span"].each.mean(0)[:4]
    for number, name in enumerate(RANKED):
        row = found["updated", "matched_span", name]
        assert row["relative_norm"] == pytest.approx(each[number])
        assert row["low"] < row["relative_norm"] < row["high"]
        assert row["mean_norm"] == pytest.approx(measured["updated"].each[:, number].mean())
        assert row["norm_of_mean"] == pytest.approx(measured["updated"].of_mean[number])
        assert row["num_parameters"] == units[number].num_parameters
    assert found["updated", "matched_span", "all"]["relative_norm"] == pytest.approx(each.mean())


def test_the_embedding_is_outside_the_ranking_and_the_mean():
    units = sublayers(tiny_model())
    measured = {"updated": made_up(6.0), "window": made_up(2.0)}
    before = profile_rows_of(measured, units, 100, 0)
    measured["updated"].each[:, 4] = 1e6
    assert profile_rows_of(measured, units, 100, 0) == before
    assert EMBEDDING not in {row["sublayer"] for row in before}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("profile")
    save_model(tiny_model(seed=4, spread=3), tiny_tokenizer(), folder / "model")
    write_probes(folder / "probes.parquet")
    write_tokens(folder / "tokens.parquet")
    profiled(folder, "first")
    return folder


def profiled(folder, name, settings=SETTINGS):
    outputs = folder / f"{name}-norms.parquet", folder / f"{name}-profile.parquet"
    profile_model(
        folder / "model", folder / "probes.parquet", folder / "tokens.parquet", PERIOD, settings, 0, *outputs,
        lambda text: None,
    )  # fmt: skip
    return outputs


def test_the_profile_holds_every_group_unit_and_kind_of_weights(folder):
    table = read_table(folder / "first-profile.parquet", "profile").to_pandas()
    assert len(table) == 2 * (6 * 3 - 3) * 5
    assert set(table["weights"]) == {"trained", "random"}
    assert set(table["group"]) == GROUPS
    assert set(table["sublayer"]) == {*RANKED, "all"}
    assert (table["relative_norm"] > 0).all()
    assert (table["norm_of_mean"] <= table["mean_norm"] * (1 + 1e-6)).all()
    assert read_counts(folder / "first-profile.parquet")["window_examples"] == 4


def test_the_profile_follows_from_the_norms(folder):
    norms = read_table(folder / "first-norms.parquet", "norms").to_pandas()
    assert set(norms["sublayer"]) == {*RANKED, EMBEDDING}
    each = norms[norms["example"] >= 0].groupby(["weights", "group", "sublayer"])["norm"].mean()
    table = read_table(folder / "first-profile.parquet", "profile").to_pandas()
    for row in table[table["sublayer"] != "all"].itertuples():
        expected = (
            each[row.weights, row.group, row.sublayer] / each[row.weights, row.denominator, row.sublayer]
        )
        assert row.relative_norm == pytest.approx(expected)


def test_the_random_twin_has_norms_of_its_own(folder):
    norms = read_table(folder / "first-norms.parquet", "norms").to_pandas()
    trained, random = (norms[norms["weights"] == name]["norm"].to_numpy() for name in ("trained", "random"))
    assert not np.isclose(trained, random, rtol=1e-3).any()


def test_the_same_inputs_give_the_same_bytes(folder):
    first = [(folder / f"first-{name}.parquet").read_bytes() for name in ("norms", "profile")]
    assert [path.read_bytes() for path in profiled(folder, "second")] == first
