"""The program that makes the shipped example and the files of the preset domains/factbook."""

import json
import lzma
import runpy
import sys

import pytest
import yaml

from tests.support.paths import REPOSITORY
from tgl.config.check import load_config

PROGRAM = REPOSITORY / "examples" / "factbook" / "make.py"
STATES = {
    "2017-03-29": {
        "ar": "Population: 43,886,748\nCapital - name: Buenos Aires\nUnused: x",
        "ec": "Population: 1",
    },
    "2020-11-27": {"ar": "Population: 45,479,118\nCapital - name: Buenos Aires", "ec": "Population: 2"},
    "2021-12-30": {"ar": "Population: 45,864,941\nCapital - name: Buenos Aires", "ec": "Population: 3"},
}


def run(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["make.py", *map(str, arguments)])
    runpy.run_path(str(PROGRAM), run_name="__main__")


@pytest.fixture
def states(tmp_path):
    """Return a folder with the states of three dates; all countries of the example, two of them with text."""
    countries = runpy.run_path(str(PROGRAM))["COUNTRIES"]
    for date, texts in STATES.items():
        with lzma.open(tmp_path / f"factbook-{date}.jsonl.xz", "wt", encoding="utf-8") as file:
            for code in countries:
                row = {"id": code, "title": f"Land {code}", "text": texts.get(code, "")}
                file.write(json.dumps(row) + "\n")
    return tmp_path


def test_every_date_of_a_folder_gets_its_documents_and_probes(states, tmp_path, monkeypatch):
    run(monkeypatch, states, "--all", tmp_path / "out")
    written = {}
    for date in STATES:
        with lzma.open(tmp_path / "out" / f"{date}.jsonl.xz", "rt", encoding="utf-8") as file:
            rows = [json.loads(line) for line in file]
        written[date] = {row["id"]: row["text"] for row in rows if row["text"]}
        assert len(rows) == {"2017-03-29": 52, "2020-11-27": 52, "2021-12-30": 56}[date]
    assert written["2017-03-29"] == {
        "ar": "Land ar, Population: 43,886,748.\nLand ar, Capital - name: Buenos Aires."
    }
    assert written["2021-12-30"]["ec"] == "Land ec, Population: 3."  # a country that comes later
    probes = [json.loads(line) for line in (tmp_path / "out/probes.jsonl").read_text().splitlines()]
    found = {(row["document"], row["relation"], row["period"]): row for row in probes}
    assert found["ar", "Population", "20201127"]["kind"] == "updated"
    assert found["ar", "Population", "20201127"]["old_answer"] == "43,886,748"
    assert found["ar", "Capital - name", "20211230"]["kind"] == "unchanged"
    assert found["ec", "Population", "20211230"]["kind"] == "new_entity"
    assert len(found) == 5


def test_a_folder_with_fewer_than_two_dates_is_refused(tmp_path, monkeypatch):
    with pytest.raises(SystemExit, match=r"found 0 files .*, expected at least two"):
        run(monkeypatch, tmp_path, "--all", tmp_path / "out")


def test_the_preset_on_the_factbook_reads_the_files_that_the_program_writes():
    preset = REPOSITORY / "workflow" / "presets" / "domains" / "factbook.yaml"
    config = load_config(yaml.safe_load(preset.read_text()) | {"data_root": None})
    assert config.probes.json_lines.file == "probes.jsonl"
    for date, name in config.snapshots.documents.collections.items():
        assert name == f"{date[:4]}-{date[4:6]}-{date[6:]}.jsonl.xz"
    assert config.plan.borrow == "results/domains-encyclopedia"
