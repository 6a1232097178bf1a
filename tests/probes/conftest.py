import json

import pytest

from tests.probes.wikidata.layout import DATES, TEMPLATES
from tgl.probes.sets.wikidata import write_wikidata
from tgl.probes.settings import WikidataConfig
from tgl.probes.wikidata.facts import REASONS


@pytest.fixture
def build(tmp_path):
    """Return a function from the text of an input to (records, counts), whose counts are checked to add up."""
    (tmp_path / "t.csv").write_text(TEMPLATES)

    def run(text, dates=DATES, name="d.json", **settings):
        settings = WikidataConfig(**{"templates": str(tmp_path / "t.csv")} | settings)
        path = tmp_path / name
        if text is not None:
            path.write_bytes(text if isinstance(text, bytes) else text.encode())
        counts = write_wikidata(path, dates, settings, output=tmp_path / "out.jsonl")
        found = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
        assert counts["statements"] == counts["used"] + sum(counts[reason] for reason in REASONS)
        assert counts["records"] == len(found)
        assert counts["queries"] == len({record["id"].rpartition("_")[0] for record in found})
        return found, counts

    return run
