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


@pytest.mark.parametrize("dates", [["20200101"], ["20201127", "20211230"]])
def test_a_borrowed_profile_is_that_of_the_other_experiments_first_period(tmp_path, dates):
    """The periods of the two experiments need not have the same dates."""
    own = Experiment({"plan": {"borrow": str(tmp_path / "other")}})
    seed = SimpleNamespace(seed="3")
    for date in dates:
        path = tmp_path / f"other/profile/gpt2-6x96/seed3/{date}/profile.parquet"
        path.parent.mkdir(parents=True)
        path.touch()
    assert own.borrowed_profile(seed) == [
        str(tmp_path / f"other/profile/gpt2-6x96/seed3/{dates[0]}/profile.parquet")
    ]
    # Of a seed without a profile, the place is named where one would be.
    assert own.borrowed_profile(SimpleNamespace(seed="4")) == [
        str(tmp_path / "other/profile/gpt2-6x96/seed4/20200101/profile.parquet")
    ]
    assert Experiment({}).borrowed_profile(seed) == []
