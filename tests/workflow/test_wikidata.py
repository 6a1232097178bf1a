"""The rule that makes probes from facts of Wikidata, in a run of the real Snakefile."""

import json

import pytest

from tests.probes.wikidata.layout import dump_text, entity, statement
from tests.workflow.conftest import Workflow
from tgl.core.tables.read import read_counts, read_table

pytestmark = pytest.mark.workflow

PROBES = "results/quick/probes/probes.parquet"
ENTITIES = [
    entity("Q1", "Ann", statement("P54", "Q10", "2015", "2019-05-01"), statement("P54", "Q11", "2019-05-01")),
    entity("Q2", "Bo", statement("P108", "Q11", "2020-03")),
    entity("Q10", "Rovers"),
    entity("Q11", "Oslo F.C."),
]


def test_facts_of_wikidata_become_probes_of_each_period(tmp_path):
    wikidata = {"file": "d.json", "templates": "t.csv"}
    settings = {"data_root": str(tmp_path), "probes": {"sets": ["world", "wikidata"], "wikidata": wikidata}}
    (tmp_path / "d.json").write_text(dump_text(*ENTITIES))
    templates = "Wikidata ID,Relation,Template\nP54,team,<subject> is in <object>.\n"
    (tmp_path / "t.csv").write_text(templates)
    workflow = Workflow(tmp_path / "run", json.dumps(settings))
    assert "wikidata" in workflow.planned()
    workflow.run(PROBES)
    folder = workflow.results
    rows = [
        row
        for row in read_table(workflow.directory / PROBES, "probes").to_pylist()
        if row["set"] == "wikidata"
    ]
    assert [(row["period"], row["kind"], row["text"]) for row in rows] == [
        ("20200101", "updated", "Ann is in Oslo F.C."),
        ("20210101", "unchanged", "Ann is in Oslo F.C."),
    ]
    assert read_counts(workflow.directory / PROBES)["wikidata: replaced_answers"] == 1
    assert "'used': 2" in (folder / "logs" / "wikidata.log").read_text()
    assert workflow.planned(PROBES) == set()
    (tmp_path / "t.csv").write_text(templates + "P108,employer,<subject> works at <object>.\n")
    assert workflow.planned(PROBES) == {"wikidata", "probes"}
    workflow.run(PROBES)
    rows = read_table(workflow.directory / PROBES, "probes").to_pylist()
    assert ("new", "Bo works at Oslo F.C.") in {(row["kind"], row["text"]) for row in rows}


def test_without_the_set_there_is_no_such_rule(tmp_path):
    assert "wikidata" not in Workflow(tmp_path).planned()
