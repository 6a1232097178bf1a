"""Rows of probes in Python go through the checks of a file; an id that occurs twice is refused on every way in."""

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.profiling.test_measure import profiled
from tests.support.model_fixtures import some_probes, some_tokens, tiny_model, tiny_tokenizer, write_tokens
from tgl.analysis.agreement import agree
from tgl.analysis.settings import AgreeConfig
from tgl.core.errors import TglError
from tgl.core.tables.read import read_table
from tgl.core.tables.write import to_arrow, write_table
from tgl.evaluate.score import score_probes
from tgl.evaluate.stage import score_checkpoint
from tgl.models.checkpoint import load_checkpoint, save_model
from tgl.plans.settings import PlanConfig
from tgl.plans.stage import plan_from, write_plan
from tgl.probes.given import read_probes
from tgl.profiling.groups import make_groups
from tgl.profiling.settings import ProfileConfig

LINE = {"text": "Anna lives in Oslo.", "span": "Oslo", "kind": "updated"}


def as_file(tmp_path, rows):
    (tmp_path / "p.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return read_probes(tmp_path / "p.jsonl")


def twice():
    rows = some_probes()
    rows[7] = {**rows[7], "id": rows[2]["id"]}
    return rows


# --- rows ------------------------------------------------------------------------------------------------------------


def test_rows_in_python_become_what_a_file_gives(tmp_path):
    rows = [LINE, {**LINE, "id": 7, "period": 2021, "candidates": ["Rome"]}, {**LINE, "relation": None}]
    assert read_probes(rows) == read_probes(iter(rows)) == read_probes(tuple(rows)) == as_file(tmp_path, rows)
    assert read_probes(some_probes()) == some_probes()


def test_rows_of_pandas_numpy_and_arrow_are_those_of_their_table():
    rows = some_probes()
    frame = pd.DataFrame(rows)
    assert read_probes(frame.to_dict("records")) == rows
    assert read_probes(to_arrow(rows, "probes").to_pylist()) == rows
    assert (
        read_probes(to_arrow(rows, "probes").to_pandas().to_dict("records")) == rows
    )  # candidates as arrays
    numbers = [{**LINE, "span": None, "span_start": np.int64(14), "span_end": np.int32(18)}]
    assert read_probes(numbers)[0]["span_start"] == 14
    sparse = pd.DataFrame([LINE, {**LINE, "relation": "city", "candidates": ("Oslo", "Rome")}])
    found = read_probes(sparse.to_dict("records"))  # what is missing is NaN there
    assert [row["relation"] for row in found] == ["", "city"]
    assert found[1]["candidates"] == ["Oslo", "Rome"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"txt": "a"}, r"unknown key 'txt' \(did you mean 'text'\?\)"),
        ({3: "a"}, "unknown key '3'"),
        ({"text": None}, "'text' must be a sentence, found None"),
        ({"text": b"Oslo"}, "'text' must be a sentence, found b'Oslo'"),
        ({"text": 3.5}, r"'text' must be a sentence, found 3\.5"),
        ({"text": "\ud800 Oslo"}, "cannot be stored"),
        ({"kind": "old"}, "'kind' must be one of"),
        ({"kind": ["updated"]}, "'kind' must be one of"),
        ({"span": "Rome"}, "the span 'Rome' does not occur"),
        ({"span": (14, 18)}, "the span .* does not occur"),
        ({"span": None}, "'span', or 'span_start' and 'span_end'.*found None and None"),
        ({"span": None, "span_start": 14, "span_end": 99}, "found 14 and 99"),
        ({"span": None, "span_start": 18, "span_end": 14}, "found 18 and 14"),
        ({"span": None, "span_start": 14.0, "span_end": 18.0}, r"found 14\.0 and 18\.0"),
        ({"span": None, "span_start": "14", "span_end": "18"}, "found '14' and '18'"),
        ({"candidates": "Oslo"}, "'candidates' must be a list of strings"),
        ({"candidates": [1]}, "'candidates' must be a list of strings"),
        ({"relation": 3}, "'relation' must be a string, found 3"),
        ({"split": "valid"}, "'split' must be one of"),
        ({"id": 1.5}, r"'id' must be a string, found 1\.5"),
    ],
)
def test_a_wrong_row_is_refused_as_in_a_file_naming_its_number(change, words):
    with pytest.raises(TglError, match=rf"probes, record 2: .*{words}|probes, record 2: {words}"):
        read_probes([LINE, {**LINE, **change}])
    with pytest.raises(TglError, match="probes, record 2"):
        profiled(probes=[LINE, {**LINE, **change}])


@pytest.mark.parametrize("key", ["text", "span", "kind"])
def test_a_missing_key_is_refused(key):
    row = {name: value for name, value in LINE.items() if name != key}
    with pytest.raises(TglError, match=f"probes, record 1: .*{key}"):
        read_probes([row])


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ([], "probes: no probe found"),
        (LINE, "probes: found dict, expected a file, or a list of rows"),
        (None, "probes: found NoneType"),
        (3, "probes: found int"),
        (b"p.jsonl", "probes: found bytes"),
        (["a", "b"], "probes, record 1: found str, expected a row as a dict"),
        ([["text", "span"]], "probes, record 1: found list"),
        ([LINE, None], "probes, record 2: found NoneType"),
        (pd.DataFrame([LINE]), r"found DataFrame, .*to_dict\('records'\)"),
        (pa.Table.from_pylist([LINE]), r"found Table, .*to_pylist\(\)"),
        (np.array(["a"]), "probes, record 1: found str_"),
    ],
)
def test_what_is_no_list_of_rows_is_refused(given, words):
    with pytest.raises(TglError, match=words):
        read_probes(given)
    if given is not None:  # which is no argument to the helper
        with pytest.raises(TglError, match=words):
            profiled(probes=given)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=4,
)


@settings(deadline=None, max_examples=300)
@given(
    st.sampled_from([*LINE, "span_start", "span_end", "id", "candidates", "period", "split", "set"]), values
)
def test_whatever_stands_in_a_row_it_is_taken_or_refused(key, value):
    try:
        rows = read_probes([{**LINE, key: value}, LINE])
    except TglError:
        return
    assert rows == read_probes(rows)


# --- ids -------------------------------------------------------------------------------------------------------------

NAMED = r"the id '20200101-updated-validation-2' occurs twice, in records 3 and 8"


@pytest.fixture
def table(tmp_path):
    write_table(twice(), tmp_path / "twice.parquet", "probes")
    return tmp_path / "twice.parquet"


def test_every_reader_of_a_file_refuses_it_naming_file_and_records(tmp_path, table):
    for read in (read_probes, lambda path: read_table(path, "probes")):
        with pytest.raises(TglError, match=rf"twice\.parquet: {NAMED}"):
            read(table)
    assert read_table(table, "probes", ["set", "text"]).num_rows == len(twice())  # without ids there is none
    with pytest.raises(TglError, match=rf"p\.jsonl: {NAMED}"):
        as_file(tmp_path, twice())


def test_every_function_that_takes_rows_refuses_it(table):
    with pytest.raises(TglError, match=f"probes: {NAMED}"):
        profiled(probes=twice())
    with pytest.raises(TglError, match=f"profile: probes: {NAMED}"):
        make_groups(
            twice(),
            some_tokens(400),
            tiny_tokenizer(),
            period=None,
            settings=ProfileConfig(examples=4),
            length=32,
        )
    with pytest.raises(TglError, match=f"score: probes: {NAMED}"):
        list(score_probes(tiny_model(), tiny_tokenizer(), to_arrow(twice(), "probes"), checkpoint="base"))


def test_scoring_refuses_it_before_anything_is_written(tmp_path, table):
    texts = {"base": write_tokens(tmp_path / "tokens.parquet")}
    outputs = (tmp_path / "scores.parquet", tmp_path / "lm_loss.parquet")
    with pytest.raises(TglError, match=NAMED):
        score_checkpoint(
            tiny_model(),
            tiny_tokenizer(),
            probes=table,
            texts=texts,
            checkpoint="base",
            block_size=32,
            folder=tmp_path,
        )
    assert not any(path.exists() for path in outputs)


def test_agree_refuses_it(tmp_path, table):
    save_model(tiny_model(seed=4, spread=3), tiny_tokenizer(), tmp_path / "model")
    profiled(model=tmp_path / "model", tokenizer=None).save(tmp_path / "profile")
    with pytest.raises(TglError, match=NAMED):
        agree(
            load_checkpoint(tmp_path / "model"), tmp_path / "profile", table, settings=AgreeConfig(), seed=0
        )


def test_a_profile_that_was_put_together_from_two_is_refused(tmp_path):
    one = profiled()
    rows = one.profile.to_dict("records")
    with pytest.raises(
        TglError, match=r"mine: 'block00\.attention' has two relative norms of 'updated' over 'window'"
    ):
        plan_from([*rows, *rows], "tgl_fp", PlanConfig(), seed=0, origin="mine")
    write_table([*rows, *rows], tmp_path / "profile.parquet", "profile")
    with pytest.raises(TglError, match=r"profile\.parquet: 'block00\.attention' has two"):
        write_plan(
            tmp_path / "profile.parquet", "tgl_fp", tmp_path / "plan.json", settings=PlanConfig(), seed=0
        )


def test_agree_refuses_norms_that_stand_twice(tmp_path):
    save_model(tiny_model(seed=4, spread=3), tiny_tokenizer(), tmp_path / "model")
    found = profiled(model=tmp_path / "model", tokenizer=None)
    found.save(tmp_path / "profile")
    doubled = pd.concat([found.norms, found.norms])
    write_table(doubled, tmp_path / "profile" / "norms.parquet", "norms", counts={}, about=found.about)
    write_table(some_probes(), tmp_path / "probes.parquet", "probes")
    with pytest.raises(TglError, match="the table norms has two norms of"):
        agree(
            load_checkpoint(tmp_path / "model"),
            tmp_path / "profile",
            tmp_path / "probes.parquet",
            settings=AgreeConfig(),
            seed=0,
        )
