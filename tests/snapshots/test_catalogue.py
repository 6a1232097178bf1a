import hashlib
import os
from pathlib import Path

import pytest

from tgl.core.errors import TglError
from tgl.core.tables.read import read_counts, read_table
from tgl.snapshots.catalogue import dump_paths, write_files, write_world
from tgl.snapshots.dumps.reader import read_pages
from tgl.snapshots.settings import WorldConfig


def test_part_files_are_listed_in_order_of_their_page_ranges(tmp_path):
    names = ["p1p1500", "p1501p4000", "p4001p10000", "p10001p20000", "p100000p100001"]
    paths = [tmp_path / f"pages-articles{number}.xml-{name}.bz2" for number, name in enumerate(names, 7)]
    for path in paths:
        path.write_bytes(path.name.encode())
    write_files(sorted(paths), tmp_path / "files")
    assert dump_paths(tmp_path / "files") == list(map(str, paths))
    for row in read_table(tmp_path / "files", "files").to_pylist():
        content = Path(row["path"]).read_bytes()
        assert (row["bytes"], row["sha1"]) == (len(content), hashlib.sha1(content).hexdigest())
    assert read_counts(tmp_path / "files") == {"files": 5}


def test_real_part_files_are_read_in_order_of_page_ids(data_root, tmp_path):
    parts = (data_root / "dumps/parts").glob("pages-articles-sample[12].xml-p*.bz2")
    write_files(parts, tmp_path / "files")
    ranges = [path.rsplit("-p", 1)[1] for path in dump_paths(tmp_path / "files")]
    assert ranges[:3] == ["1p1500.bz2", "1501p4000.bz2", "4001p4321.bz2"]
    firsts = [int(name.split("p")[0]) for name in ranges]
    assert firsts == sorted(firsts)


def test_missing_dump_file_is_named(tmp_path):
    with pytest.raises(TglError, match=r"gone\.xml: no such dump file"):
        write_files([tmp_path / "gone.xml"], tmp_path / "files")


def test_date_without_a_dump_file_is_an_error(tmp_path):
    with pytest.raises(TglError, match="no dump file for this date"):
        write_files([], tmp_path / "files")
    assert not (tmp_path / "files").exists()


@pytest.mark.parametrize("change", ["gone", "size"])
def test_dump_changed_since_it_was_listed_is_an_error(tmp_path, change):
    dump = tmp_path / "d.xml"
    dump.write_text("<mediawiki/>")
    write_files([dump], tmp_path / "files")
    if change == "gone":
        dump.unlink()
    else:
        dump.write_text("<mediawiki />")
    with pytest.raises(TglError, match=r"d\.xml is missing or its size has changed"):
        dump_paths(tmp_path / "files")


def test_dump_of_another_content_at_the_same_size_is_an_error(tmp_path):
    dump = tmp_path / "d.xml-p5p9.bz2"
    dump.write_bytes(b"one")
    write_files([dump], tmp_path / "files")
    assert dump_paths(tmp_path / "files") == [str(dump)]
    dump.write_bytes(b"two")
    with pytest.raises(TglError, match=r"SHA-1 of .*p5p9\.bz2 has changed since it was listed"):
        dump_paths(tmp_path / "files")
    # Of a file that holds none of a shard's pages nothing is read.
    assert dump_paths(tmp_path / "files", 10, 20) == [str(dump)]


def test_stub_dump_is_not_listed(tmp_path):
    (tmp_path / "stub-articles.xml").write_text("<mediawiki/>")
    with pytest.raises(TglError, match="a stub dump by its name"):
        write_files([tmp_path / "stub-articles.xml"], tmp_path / "files")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_dump_that_may_not_be_read_is_an_error_about_rights(tmp_path):
    dump = tmp_path / "d.xml"
    dump.write_text("<mediawiki/>")
    dump.chmod(0)
    with pytest.raises(TglError, match=r"d\.xml: cannot be read \(Permission denied\)"):
        write_files([dump], tmp_path / "files")


def test_world_is_written_with_a_listing_for_each_date_and_its_facts(tmp_path):
    dates = ["20190101", "20200101"]
    folders, files = [tmp_path / date for date in dates], [tmp_path / f"{date}.parquet" for date in dates]
    write_world(WorldConfig(pages=200), dates, folders, files=files, facts=tmp_path / "facts.parquet")
    facts = read_table(tmp_path / "facts.parquet", "facts").to_pylist()
    assert read_counts(tmp_path / "facts.parquet")["facts"] == len(facts)
    for date, listing in zip(dates, files, strict=True):
        (dump,) = dump_paths(listing)
        page_ids = {page.page_id for page in read_pages(dump)}
        holding = [fact for fact in facts if fact["first_date"] <= date <= fact["last_date"]]
        assert holding
        assert all(fact["subject_id"] in page_ids for fact in holding)
