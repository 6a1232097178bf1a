"""Paths of inputs as the rules get them."""

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
