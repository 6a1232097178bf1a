"""Keys that are written twice, and files that a configuration names and that are not there."""

import pytest
from typer.testing import CliRunner

from tgl.cli import app
from tgl.config.check import check, load_config
from tgl.config.files import matching_files
from tgl.core.config_check import load_section
from tgl.core.errors import TglError
from tgl.train.settings import TrainConfig


def checked(path):
    """Return the exit status and the printed text of `tgl check`."""
    done = CliRunner().invoke(app, ["check", str(path)])
    return done.exit_code, done.output


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("seeds: [0]\nseeds: [1]\n", "seeds"),
        ("train: {steps: 1, batch_size: 2, steps: 3}\n", "train.steps"),
        ("train:\n  steps: 1\n  'steps': 1\n", "train.steps"),
        ("model:\n  pretrain:\n    steps: 1\n    decay: linear\n    steps: 2\n", "model.pretrain.steps"),
        ("probes: {templama: {pairs: {20200101: [a, b], '20200101': [a, c]}}}\n", "templama.pairs.20200101"),
        ("a: &x {b: 1, b: 2}\nc: *x\n", "a.b"),
        ("methods: [{a: 1, a: 1}]\n", "methods.0.a"),
        ('{\n\t"train": {\n\t\t"steps": 5,\n\t\t"steps": 50}}\n', "train.steps"),
    ],
)
def test_a_key_written_twice_is_refused(tmp_path, text, key):
    path = tmp_path / "c.yaml"
    path.write_text(text)
    with pytest.raises(TglError, match=rf"c\.yaml: the key .*{key} is written twice"):
        load_config(path)


def test_a_merged_mapping_may_be_overridden(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("model: {pretrain: &p {steps: 7}}\ntrain: {<<: *p, steps: 9}\n")
    assert load_config(path).train.steps == 9


@pytest.mark.parametrize(
    "text", ['{"steps": 1, "steps": 2}', '{"steps": 1, "learning_rates": [{"a": 1, "a": 1}]}']
)
def test_a_key_written_twice_in_a_section_is_refused(text):
    with pytest.raises(TglError, match=r"--config: not JSON .*is written twice"):
        load_section(TrainConfig, text)


LOCAL = "snapshots: {{source: local, dates: ['20190101', '20200101'], local: {{pattern: '{pattern}'}}}}\n"
TEXT = "text: {base: json_lines, json_lines: t.jsonl}\n"
PROBES = "probes: {sets: [wikidata], wikidata: {file: w.json}}\n"


@pytest.fixture
def dumps(tmp_path):
    """A folder with brackets in its name that holds all files of LOCAL, TEXT and PROBES."""
    folder = tmp_path / "a [b] *"
    folder.mkdir()
    for name in ("20190101.xml", "20200101.xml", "t.jsonl", "w.json"):
        (folder / name).touch()
    return folder


def config_file(folder, root, text=TEXT, pattern="{date}.xml"):
    path = folder / "c.yaml"
    path.write_text(f'data_root: "{root}"\n' + LOCAL.format(pattern=pattern) + text + PROBES)
    return path


def test_files_that_are_there_are_found(tmp_path, dumps):
    assert checked(config_file(tmp_path, dumps)) == (0, f"{tmp_path / 'c.yaml'}: valid\n")


def test_every_missing_file_is_named_with_its_key(tmp_path, dumps):
    (dumps / "20200101.xml").unlink()
    (dumps / "w.json").unlink()
    status, output = checked(config_file(tmp_path, dumps, TEXT.replace("t.", "u.")))
    assert status == 1
    assert "c.yaml: 3 missing" in output
    for key, name in (("text.json_lines", "u.jsonl"), ("probes.wikidata.file", "w.json")):
        assert f"- {key}: '{dumps / name}' is not a file" in output
    assert f"- snapshots.local.pattern: no file matches '{dumps / '20200101.xml'}'" in output


def test_a_data_root_that_is_elsewhere_is_reported_and_its_files_are_not_checked(tmp_path):
    status, output = checked(config_file(tmp_path, tmp_path / "gone"))
    assert status == 0
    assert "gone' is not there; the files below it are not checked" in output


@pytest.mark.parametrize("key", ["model.load", "tokens.tokenizer"])
@pytest.mark.parametrize("name", ["./none", "/none/at/all", "a/b/c", "c.yaml", "~/model", "a b"])
def test_a_model_that_is_neither_folder_nor_name_is_refused(tmp_path, monkeypatch, key, name):
    monkeypatch.chdir(tmp_path)
    names = {"model.load": "gpt2", "tokens.tokenizer": "gpt2"} | {key: name}
    (tmp_path / "c.yaml").write_text(
        f"model: {{load: '{names['model.load']}'}}\ntokens: {{tokenizer: '{names['tokens.tokenizer']}'}}\n"
        "train: {learning_rates: [0.0001]}\n"
    )
    status, output = checked("c.yaml")
    assert status == 1
    assert f"- {key}: '{name}' is neither a folder nor a Hugging Face name" in output


def test_a_folder_without_a_model_is_refused(tmp_path):
    (tmp_path / "c.yaml").write_text(
        f"model: {{load: '{tmp_path}'}}\ntokens: {{tokenizer: gpt2}}\ntrain: {{learning_rates: [0.0001]}}\n"
    )
    status, output = checked(tmp_path / "c.yaml")
    assert status == 1
    assert "holds neither of config.json, adapter_config.json" in output
    (tmp_path / "config.json").touch()
    assert checked(tmp_path / "c.yaml")[0] == 0


def test_an_experiment_in_whose_place_a_file_lies_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results").mkdir()
    (tmp_path / "results/mine").touch()
    (tmp_path / "c.yaml").write_text("experiment: mine\n")
    status, output = checked("c.yaml")
    assert status == 1
    assert "'results/mine' is a file, expected a folder" in output


@pytest.mark.parametrize("name", ["a{b}.xml", "a\nb.xml"])
def test_a_matching_file_that_no_rule_can_take_is_refused(tmp_path, name):
    (tmp_path / name).touch()
    with pytest.raises(TglError, match=r"the file .* matches: .*rename"):
        matching_files(str(tmp_path), "a*.xml")


def test_the_word_null_of_the_command_line_is_no_value():
    """Snakemake's --config gives every value inside {} as text."""
    config = check({"plan": {"borrow": "null"}, "data_root": "null", "model": {"load": "null"}})
    assert (config.plan.borrow, config.data_root, config.model.load) == (None, None, None)
    with pytest.raises(TglError, match="experiment"):
        check({"experiment": "null"})


def test_a_heading_null_in_a_list_stays_a_word():
    config = load_config({"pages": {"drop_sections": ["null", "Notes"]}})
    assert config.pages.drop_sections == ["null", "Notes"]
