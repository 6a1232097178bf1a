"""A run through a dump that was stopped goes on where it was, and writes the same."""

import json

import pytest

from tests.probes.wikidata.layout import RECORDS, WORLD, dump_text
from tgl.probes.sets.wikidata import write_wikidata
from tgl.probes.settings import WikidataConfig
from tgl.probes.wikidata import dump as dump_module
from tgl.probes.wikidata import resume as resume_module

DATES = ["20190101", "20200101"]


class Killed(Exception):
    pass


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Return a function that reads the dump, stopped at a line of a pass, and returns what was written."""
    monkeypatch.setattr(resume_module, "EVERY", -1)  # after every line
    path, output = tmp_path / "dump.json", tmp_path / "out.jsonl"
    path.write_text(dump_text(*WORLD))
    entity_lines = dump_module._entity_lines

    def go(stop=None, settings=None, output=output):
        read, said = [], []

        def lines(path, what):
            for line in entity_lines(path, what):
                if (what, line[0]) == stop:
                    raise Killed
                read.append((what, line[0]))
                yield line

        monkeypatch.setattr(dump_module, "_entity_lines", lines)
        try:
            counts = write_wikidata(path, DATES, settings or WikidataConfig(), output=output, say=said.append)
        except Killed:
            return None
        return counts, output.read_text(), read, said

    go.state = tmp_path / "out.jsonl.state"
    go.output = output
    return go


def places(run):
    _, _, read, _ = run(output=run.output.with_name("whole.jsonl"))
    return read


def test_a_run_stopped_anywhere_goes_on_and_writes_the_same(run):
    counts, written, _, said = run(output=run.output.with_name("whole.jsonl"))
    assert said == []
    assert counts["records"] == len(RECORDS)
    for stop in places(run)[1:]:
        assert run(stop) is None
        assert run.state.exists()
        again = run()
        assert (again[0], again[1]) == (counts, written), stop
        assert again[3]
        assert "goes on in pass" in again[3][0]
        assert not run.state.exists()


def test_a_second_pass_reads_nothing_of_the_first_again(run):
    assert run(("labels", 3)) is None
    assert {what for what, _ in run()[2]} == {"labels"}


def test_a_state_of_other_settings_is_not_used(run):
    assert run(("labels", 3)) is None
    counts, _, read, said = run(settings=WikidataConfig(sitelink=None))
    assert "not used" in said[0]
    assert (len(said), read[0]) == (1, ("facts", 2))
    assert counts == run(settings=WikidataConfig(sitelink=None))[0]


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"key": 1}'])
def test_a_damaged_state_is_read_as_none(run, damage):
    whole = run(output=run.output.with_name("whole.jsonl"))
    assert run(("labels", 3)) is None
    run.state.write_text(damage)
    assert run()[:2] == whole[:2]


def test_a_state_whose_facts_are_damaged_is_read_as_none(run):
    whole = run(output=run.output.with_name("whole.jsonl"))
    assert run(("labels", 3)) is None
    state = json.loads(run.state.read_text())
    run.state.write_text(json.dumps(state | {"facts": [["P1"]]}))
    assert run()[:2] == whole[:2]
