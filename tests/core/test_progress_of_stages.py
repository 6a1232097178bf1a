"""Each long stage shows how far it is: its log lines, if every update is logged."""

import bz2
import logging

import pytest

from tests.analysis.traced_facts import some_facts, traced
from tests.support.model_fixtures import tiny_model
from tests.support.tokenizers import TEXTS
from tests.text.diff.test_stage import page
from tgl.core import progress
from tgl.core.tables.write import write_table
from tgl.models.tokenizer import train_tokenizer
from tgl.snapshots.dumps.streams import xml_pieces
from tgl.snapshots.extract.pages import Shard, extract_pages
from tgl.text.diff.stage import diff_pages
from tgl.text.stage import write_packed

PAGE = (
    "<page><title>T{0}</title><ns>0</ns><id>{0}</id>"
    "<revision><id>{0}</id><timestamp>t</timestamp><text>A {0}</text></revision></page>"
)


@pytest.fixture
def lines(monkeypatch, caplog):
    """Return a function that gives the lines logged so far."""
    monkeypatch.setattr(progress, "_EVERY", 0)
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.delenv("RANK", raising=False)
    monkeypatch.setattr(logging.getLogger("tgl"), "propagate", True)
    caplog.set_level(logging.INFO, "tgl")
    return lambda: [record.getMessage() for record in caplog.records]


def dump(folder):
    path = folder / "d.xml.bz2"
    xml = f"<mediawiki>{''.join(PAGE.format(number) for number in range(1, 3000))}</mediawiki>"
    path.write_bytes(bz2.compress(xml.encode()))
    return path


def test_pages_show_how_much_of_each_dump_is_read(tmp_path, lines):
    path = dump(tmp_path)
    extract_pages([path], tmp_path / "pages", Shard(0, None))
    size = path.stat().st_size >> 10
    assert any(line.startswith(f"pages of d.xml.bz2: {size} of {size} KiB (100%), ") for line in lines())


def test_a_dump_is_read_from_nothing_to_its_size(tmp_path):
    path, seen = dump(tmp_path), []
    for _ in xml_pieces(path, read=lambda done, total: seen.append((done, total))):
        pass
    size = path.stat().st_size
    assert [total for _, total in seen] == [size] * len(seen)
    assert sorted(seen) == seen
    assert seen[-1] == (size, size)


def test_diff_shows_the_pages_of_the_later_date(tmp_path, lines):
    write_table([page(1, "One.")], tmp_path / "old", "pages")
    write_table([page(1, "One."), page(2, "Two.")], tmp_path / "new", "pages")
    diff_pages(tmp_path / "old", tmp_path / "new", tmp_path / "diff", language="en")
    assert [line.split(" (")[0] for line in lines()] == ["diff: 1 of 2 pages", "diff: 2 of 2 pages"]


def test_packing_shows_the_rows_of_each_table(tmp_path, lines):
    train_tokenizer(TEXTS, 300, tmp_path / "tokenizer")
    tables = [tmp_path / "a", tmp_path / "b"]
    for path in tables:
        write_table([page(number, text) for number, text in enumerate(TEXTS[:3], 1)], path, "pages")
    given = {"tokenizer": tmp_path / "tokenizer", "block_size": 16, "holdout_share": 0.0}
    write_packed(tables, "pages", tmp_path / "tokens", **given)
    assert [line.split(" (")[0] for line in lines()] == [
        f"tokens of {path}: {done} of 3 rows" for path in tables for done in (1, 2, 3)
    ]


def test_tracing_shows_the_facts(lines):
    traced(tiny_model(), some_facts())
    assert [line.split(" (")[0] for line in lines()] == [f"tracing: {done} of 3 facts" for done in (1, 2, 3)]
