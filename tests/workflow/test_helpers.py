"""Paths of inputs as the rules get them."""

import json
from types import SimpleNamespace

import pytest
from snakemake.exceptions import WorkflowError

from workflow.helpers import Experiment


def experiment(root):
    local = {"source": "local", "dates": ["20190101", "20200101"], "local": {"pattern": "{date}*.xml"}}
    probes = {"sets": ["ecbd"], "ecbd": {"files": ["none.json"], "period": "20200101"}}
    return Experiment({"data_root": str(root), "snapshots": local, "probes": probes})


def test_brackets_in_the_data_folder_stand_for_themselves(tmp_path):
    root = tmp_path / "[a]*?"
    root.mkdir()
    (root / "20190101[b].xml").touch()
    assert experiment(root).listed_dumps("20190101") == [str(root / "20190101[b].xml")]


def test_braces_which_snakemake_takes_for_wildcards_are_refused(tmp_path):
    with pytest.raises(WorkflowError, match=r"data_root: .*brace"):
        experiment(tmp_path / "{a}")
    (tmp_path / "20190101{b}.xml").touch()
    with pytest.raises(WorkflowError, match=r"snapshots\.local\.pattern: .*20190101\{b\}\.xml.*brace"):
        experiment(tmp_path).listed_dumps("20190101")


def test_a_borrowed_profile_is_that_of_the_other_experiments_first_period(tmp_path):
    """The periods of the two experiments need not have the same dates."""
    methods = ["full", "tgl_fp.borrowed"]
    own = Experiment({"methods": methods, "plan": {"borrow": str(tmp_path / "other")}})
    seed = SimpleNamespace(seed="3", plan="tgl_fp.borrowed")
    paths = [
        tmp_path / f"other/profile/gpt2-6x96/seed3/{date}/profile.parquet"
        for date in ("20201127", "20211230")
    ]
    for path in paths:
        path.parent.mkdir(parents=True)
    paths[1].touch()
    assert own.borrowed_profile(seed) == [str(paths[1])]
    paths[0].touch()  # left over from other dates
    with pytest.raises(
        WorkflowError, match=r"found the profiles .*20201127.*20211230.*, expected that of one period"
    ):
        own.borrowed_profile(seed)
    # Of a seed without a profile, the place is named where one would be.
    assert own.borrowed_profile(SimpleNamespace(seed="4", plan="tgl_fp.borrowed")) == [
        str(tmp_path / "other/profile/gpt2-6x96/seed4/20200101/profile.parquet")
    ]
    # Other plans do not depend on it.
    assert own.borrowed_profile(SimpleNamespace(seed="3", plan="full")) == []


def test_files_of_local_models_and_datasets_are_inputs_and_names_on_the_hub_are_none(tmp_path):
    own = Experiment({})
    for name in ("model.safetensors", "config.json"):
        (tmp_path / name).touch()
    assert own.folder_files(str(tmp_path)) == [
        str(tmp_path / "config.json"),
        str(tmp_path / "model.safetensors"),
    ]
    assert own.folder_files("gpt2") == own.folder_files(None) == []


def test_files_in_folders_of_a_dataset_are_inputs(tmp_path):
    (tmp_path / "data").mkdir()
    for name in ("README.md", "data/train.jsonl"):
        (tmp_path / name).touch()
    documents = {"source": "documents", "dates": ["20190101", "20200101"]}
    documents |= {"documents": {"dataset": str(tmp_path), "collections": {"20190101": "a", "20200101": "b"}}}
    own = Experiment({"snapshots": documents, "probes": {"sets": ["snapshots"]}})
    files = own.collection_files(SimpleNamespace(date="20190101"))
    assert files == [str(tmp_path / "README.md"), str(tmp_path / "data/train.jsonl")]


@pytest.mark.parametrize("name", ["base", "../base"])
def test_the_local_base_model_of_an_adapter_is_an_input(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    for folder, file in (("base", "config.json"), ("adapter", "adapter_model.safetensors")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / file).touch()
    (tmp_path / "adapter/adapter_config.json").write_text(json.dumps({"base_model_name_or_path": name}))
    found = Experiment({}).model_files("adapter")
    assert sorted(path.rpartition("/")[2] for path in found) == [
        "adapter_config.json", "adapter_model.safetensors", "config.json",
    ]  # fmt: skip
    (tmp_path / "base/config.json").unlink()
    assert len(Experiment({}).model_files("adapter")) == 2
