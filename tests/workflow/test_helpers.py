"""Paths of inputs as the rules get them."""

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
    own = Experiment({"plan": {"borrow": str(tmp_path / "other")}})
    seed = SimpleNamespace(seed="3")
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
    assert own.borrowed_profile(SimpleNamespace(seed="4")) == [
        str(tmp_path / "other/profile/gpt2-6x96/seed4/20200101/profile.parquet")
    ]
    assert Experiment({}).borrowed_profile(seed) == []


def test_files_of_local_models_and_datasets_are_inputs_and_names_on_the_hub_are_none(tmp_path):
    own = Experiment({})
    for name in ("model.safetensors", "config.json"):
        (tmp_path / name).touch()
    assert own.folder_files(str(tmp_path)) == [
        str(tmp_path / "config.json"),
        str(tmp_path / "model.safetensors"),
    ]
    assert own.folder_files("gpt2") == own.folder_files(None) == []
