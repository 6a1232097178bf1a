"""Inputs are checked before the work: each is broken in turn, and the subcommand ends before it has done anything."""

import json

import pytest

from tests.cli.running import refused
from tests.probes.page_rows import page
from tests.train.continual_runs import PERIODS, write_inputs
from tgl.cli.inputs import Checked
from tgl.core.errors import TglError
from tgl.core.tables.write import write_table
from tgl.train.baseline import BASELINES


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    return write_inputs(tmp_path_factory.mktemp("inputs"))


@pytest.fixture
def no_work(monkeypatch):
    """Let nothing that takes long begin."""

    def began(*arguments, **options):
        raise AssertionError("the work has begun")

    for name in (
        "tgl.train.continual.train_periods", "tgl.train.base.train_base", "tgl.evaluate.stage.score_checkpoint",
        "tgl.profiling.measure.measure", "tgl.profiling.along.profile_along", "tgl.analysis.agreement.agree",
        "tgl.plans.stage.write_plan", "tgl.models.checkpoint.load_model",
        "tgl.text.stage.write_packed", "tgl.text.stage.write_tokenizer", "tgl.report.stage.write_report",
    ):  # fmt: skip
        monkeypatch.setattr(name, began)


def options(command, inputs, out):
    """Return the arguments of a subcommand by option, "" for its argument."""
    texts = [f"{period}={inputs / period}.parquet" for period in PERIODS]
    base, probes, tokens = inputs / "base", inputs / "probes.parquet", inputs / "base.parquet"
    return {
        "train": {"": [base], "base-tokens": [tokens], "tokens": texts, "probes": [probes],
                  "profile": [inputs / "profile.parquet"], "plan": [inputs / "plan.json"], "models": [out / "m"],
                  "tables": [out / "t"], "state": [out / "s"], "learning-rate": ["0.01"]},
        "base": {"tokenizer": [base], "tokens": [tokens], "output": [out / "m"], "steps": [out / "steps"],
                 "state": [out / "s"]},
        "score": {"": [base], "probes": [probes], "text": texts, "output": [out / "a"], "checkpoint": ["x"]},
        "profile": {"": [base], "probes": [probes], "corpus": [tokens], "output": [out]},
        "along": {"model": [f"0={base}"], "probes": [probes], "corpus": [tokens], "period": ["x"],
                  "output": [out]},
        "plan": {"": [inputs / "profile.parquet"], "method": ["full"], "output": [out / "plan"]},
    }[command]  # fmt: skip


def arguments(given):
    return [
        *(f"--{name}={value}" for name, values in given.items() if name for value in values),
        *given.get("", ()),
    ]


def broken(tmp_path, kind):
    path = tmp_path / kind
    if kind == "text":
        path.write_text("no table, no JSON")
    elif kind == "another table":
        write_table([], path, "files")
    elif kind == "folder":
        path.mkdir()
    return path


INPUTS = [
    *(("train", name) for name in ("", "base-tokens", "tokens", "probes", "profile", "plan")),
    *(("base", name) for name in ("tokenizer", "tokens")),
    *(("score", name) for name in ("", "probes", "text")),
    *(("profile", name) for name in ("", "probes", "corpus")),
    *(("along", name) for name in ("model", "probes", "corpus")),
    ("plan", ""),
]


@pytest.mark.parametrize(("command", "name"), INPUTS)
@pytest.mark.parametrize("kind", ["missing", "text", "another table", "folder"])
def test_each_input_is_looked_at_before_the_work(inputs, tmp_path, no_work, command, name, kind):
    if kind == "folder" and name in ("tokenizer",):
        pytest.skip("a folder is what is expected")
    if kind in ("text", "another table") and name in ("corpus", "plan"):
        pytest.skip("what a file of text or JSON holds is checked where it is read")
    given = options(command, inputs, tmp_path / "out")
    bad = broken(tmp_path, kind)
    given[name] = [f"{given[name][0].partition('=')[0]}={bad}" if name in ("tokens", "text", "model")
                   and isinstance(given[name][0], str) else bad]  # fmt: skip
    assert str(bad) in refused(command, *arguments(given))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("command", "name"),
    [("train", "models"), ("train", "tables"), ("train", "state"), ("base", "output"), ("base", "steps"),
     ("score", "output"), ("profile", "output"), ("along", "output"), ("plan", "output")],
)  # fmt: skip
def test_each_output_is_looked_at_before_the_work(inputs, tmp_path, no_work, command, name):
    (tmp_path / "file").write_text("mine")
    given = options(command, inputs, tmp_path / "out") | {name: [tmp_path / "file" / "x"]}
    assert "'" + str(tmp_path / "file") + "' is a file" in refused(command, *arguments(given))
    assert (tmp_path / "file").read_text() == "mine"


def test_one_file_for_two_outputs_would_lose_one(tmp_path):
    with pytest.raises(TglError, match="two outputs have this name"):
        Checked().output(tmp_path / "a", tmp_path / "a")


@pytest.mark.parametrize("pair", ["base", "=x", "base="])
def test_pairs_need_a_name_and_a_path(inputs, tmp_path, no_work, pair):
    given = options("score", inputs, tmp_path) | {"text": [pair]}
    assert "NAME=PATH expected" in refused("score", *arguments(given))


def test_a_name_given_twice_is_refused(inputs, tmp_path, no_work):
    given = options("train", inputs, tmp_path / "out")
    twice = given | {"tokens": [given["tokens"][0]] * 2}
    assert f"the name '{PERIODS[0]}' is given twice" in refused("train", *arguments(twice))


def test_tokens_of_another_tokenizer_are_refused(inputs, tmp_path):
    rows = [{"part": "train", "tokens": [1, 2, 3]}]
    write_table(rows, tmp_path / "other", "tokens", about={"vocabulary_sha256": "0" * 64})
    write_table(rows, tmp_path / "silent", "tokens")
    for command, name in (("train", "base-tokens"), ("base", "tokens")):
        for table, words in (
            ("other", "packed with another tokenizer"),
            ("silent", "does not record the tokenizer"),
        ):
            given = options(command, inputs, tmp_path / "out") | {name: [tmp_path / table]}
            given |= {"token-config": ['{"block_size": 16}']}
            assert words in refused(command, *arguments(given))


@pytest.mark.parametrize(
    "name", ["config", "token-config", "profile-config", "plan-config", "baseline-config"]
)
def test_a_bad_section_is_named_by_its_option(inputs, tmp_path, no_work, name):
    given = options("train", inputs, tmp_path / "out") | {name: ['{"no_such_key": 1}']}
    assert refused("train", *arguments(given)).startswith(f"tgl train: --{name}: 1 problem")


@pytest.mark.parametrize("baseline", BASELINES)
def test_a_bad_section_of_any_baseline_is_named_by_its_option(inputs, tmp_path, no_work, baseline):
    given = options("train", inputs, tmp_path / "out")
    given |= {"baseline": [baseline], "baseline-config": ['{"no_such_key": 1}']}
    assert refused("train", *arguments(given)).startswith("tgl train: --baseline-config: 1 problem")


@pytest.mark.parametrize(
    ("sets", "option"), [("world", "--facts"), ("wikidata", "--wikidata"), ("snapshots", "--snapshots")]
)
def test_options_that_a_set_of_probes_needs_are_asked_for_before_the_work(tmp_path, no_work, sets, option):
    write_table([page(1, "x", "x")], tmp_path / "pages", "pages")
    error = refused("probes", "20190101", "20200101", "--base-pages", tmp_path / "pages", "--output",
                    tmp_path / "out", "--config", json.dumps({"sets": [sets]}))  # fmt: skip
    assert option in error


def test_a_state_folder_that_holds_an_input_or_an_output_is_refused(inputs, tmp_path, no_work):
    given = options("base", inputs, tmp_path)
    for place in (tmp_path, tmp_path / "m", inputs):
        assert "which is removed at the end, holds" in refused("base", *arguments(given | {"state": [place]}))
    given = options("train", inputs, tmp_path)
    assert "which is removed at the end, holds" in refused(
        "train", *arguments(given | {"state": [tmp_path / "m"]})
    )


def test_a_step_given_twice_is_refused(inputs, tmp_path, no_work):
    given = options("along", inputs, tmp_path) | {"model": [f"1={inputs / 'base'}", f"01={inputs / 'base'}"]}
    assert "step 1 is given twice" in refused("along", *arguments(given))


@pytest.mark.parametrize("kind", ["model", "tokenizer"])
def test_a_model_or_tokenizer_is_not_overwritten(inputs, kind):
    with pytest.raises(TglError, match=r"base: an input and the output; expected another folder"):
        getattr(Checked(), kind)(inputs / "base").model_folder(inputs / "base")
