"""Every table of a real run, exported and loaded as a user loads it."""

import json
from collections import Counter
from pathlib import Path

import pytest

from tests.export import cards
from tests.export.loading import check_loads
from tests.workflow.conftest import TINY, Workflow, copy_of
from tgl.core.tables.read import read_counts, read_table
from tgl.export.hub import export_hub
from tgl.export.kinds import read_kinds, tables_of
from tgl.provenance.manifest import read_manifest

pytestmark = pytest.mark.workflow


# One more method, so that every kind of table is there.
SETTINGS = TINY.replace("steps: 6, ", "steps: 6, score_at: [3], ") + "methods: [full, alr_fisher]\n"


@pytest.fixture(scope="module")
def exported(finished_tiny, tmp_path_factory) -> Workflow:
    """A finished run; tests must not run anything in it."""
    workflow = copy_of(finished_tiny, tmp_path_factory.mktemp("exported") / "run", SETTINGS)
    workflow.run()
    return workflow


@pytest.fixture(scope="module")
def hub(exported, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("hub")
    export_hub(exported.results, folder)
    return folder


def test_every_table_of_facts_and_measurements_is_exported(hub):
    kinds = read_kinds()
    assert {path.name for path in hub.iterdir()} == set(kinds) - {
        "files",
        "tokens",
        "withheld",
        "generations",
    }


@pytest.mark.parametrize("name", [name for name, kind in read_kinds().items() if kind.exported])
def test_rows_loaded_and_numbers_of_the_card_are_those_of_the_tables(
    hub, exported, name, tmp_path, monkeypatch
):
    results, kind = exported.results, read_kinds()[name]
    expected: dict[str, dict[str, list[dict]]] = {}
    counts: dict[str, Counter] = {}
    for table in tables_of(name, read_manifest(results / "manifest.json")):
        for row in read_table(results / table.file.path, name).to_pylist():
            split = row[kind.split_by] if kind.split_by else "train"
            expected.setdefault(table.config, {}).setdefault(split, []).append(row)
        if found := read_counts(results / table.file.path):
            counts.setdefault(table.config, Counter()).update(found)
    check_loads(hub / name, expected, tmp_path, monkeypatch)
    listed = Counter()
    for row in cards.rows(hub / name):
        listed[row["configuration"], row["split"]] += int(row["rows"])
    sizes = {
        (config, split): len(rows) for config, found in expected.items() for split, rows in found.items()
    }
    assert {place: number for place, number in listed.items() if number} == sizes
    assert cards.counts(hub / name) == counts
    text = (hub / name / "README.md").read_text()
    assert f"\n{sum(sizes.values())} rows.\n" in text
    assert str(exported.directory) not in text


def test_settings_of_the_cards_are_those_of_the_run(hub, exported):
    manifest = read_manifest(exported.results / "manifest.json")
    for name, rule in (("pages", "pages"), ("diff", "diff"), ("profile", "profile")):
        (wanted,) = {json.dumps(job.config["config"]) for job in manifest.jobs if job.rule == rule}
        told = {row[1]: row[2] for row in cards.settings(hub / name)}
        assert told == {
            key: value if isinstance(value, str) else json.dumps(value)
            for key, value in json.loads(wanted).items()
        }
    assert cards.header(hub / "pages")["license"] == "apache-2.0"
