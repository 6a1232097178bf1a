import pytest

from tgl.core import layout
from tgl.core.schemas import SCHEMAS
from tgl.export.kinds import read_kinds

KINDS = read_kinds()


def exported(path):
    """Return (configuration, shard) of the tables that are exported from a path, by name."""
    return {
        name: found for name, kind in KINDS.items() if kind.exported and (found := layout.place(name, path))
    }


def test_every_column_of_every_table_has_a_meaning_in_the_order_of_the_schema():
    assert {name: list(kind.columns) for name, kind in KINDS.items()} == {
        name: schema.names for name, schema in SCHEMAS.items()
    }
    assert all(text.strip() for kind in KINDS.values() for text in (kind.about, *kind.columns.values()))


@pytest.mark.parametrize(
    ("path", "kind", "place"),
    [
        ("snapshots/20190101/pages/12.parquet", "pages", ("20190101", 12)),
        ("snapshots/base/pages/0.parquet", "pages", ("base", 0)),
        ("diff/20190101_20200101/3.parquet", "diff", ("20190101_20200101", 3)),
        ("probes/probes.parquet", "probes", ("default", 0)),
        ("profile/m.1/seed0/20200101/norms.parquet", "norms", ("m.1--seed0--20200101", 0)),
        ("profile/m/seed0/along-examples.parquet", "along_examples", ("m--seed0", 0)),
        ("scores/m/full-plain-lr0.1/seed3/scores.parquet", "scores", ("m--full-plain-lr0.1--seed3", 0)),
    ],
)
def test_a_table_is_told_by_its_path(path, kind, place):
    assert exported(path) == {kind: place}


@pytest.mark.parametrize(
    "path",
    [
        "snapshots/20190101/files.parquet",
        "snapshots/20190101/pages/x.parquet",
        "snapshots/20190101/pages/0.parquet.part",
        "a/snapshots/facts.parquet",
        "tokens/base.parquet",
        "probes/probesXparquet",
    ],
)
def test_other_files_are_no_table_to_export(path):
    assert not exported(path)


def test_the_column_of_splits_is_one_of_the_table():
    assert {name: kind.split_by for name, kind in KINDS.items() if kind.split_by} == {"probes": "split"}
    assert "split" in SCHEMAS["probes"].names
