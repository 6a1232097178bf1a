"""The real Snakefile out of one full history, up to the diff, against the dumps that the history was made of."""

import json
from dataclasses import replace
from itertools import pairwise

import py7zr
import pytest
from snakemake.exceptions import WorkflowError

from tests.workflow.conftest import Workflow
from tgl.core.tables.read import read_table
from tgl.snapshots.dumps.reader import read_pages
from tgl.snapshots.dumps.writer import Page, page_xml
from tgl.snapshots.extract.pages import Shard, extract_pages
from tgl.snapshots.settings import WorldConfig
from tgl.snapshots.world.build import build_world
from tgl.snapshots.world.dump import write_dump
from tgl.text.diff.stage import diff_pages
from workflow.helpers import Experiment

WORLD = ["20190101", "20210101"]
DATES = ["20190102", "20210102"]  # a world's edits are of the first second of its dates


def histories_of(dumps):
    """Return {page id: revisions, oldest first} of the pages that the last dump holds, with their last titles.

    Every tenth page is vandalised hours before the last date, and mended after it.
    """
    snapshots = [{page.page_id: page for page in read_pages(dump)} for dump in dumps]
    found = {}
    for page_id, present in snapshots[-1].items():
        revisions = {}
        for page in filter(None, (snapshot.get(page_id) for snapshot in snapshots)):
            redirect = "" if present.is_redirect else None
            revisions[page.revision_id] = Page(
                page_id, present.title, page.namespace, page.revision_id, page.timestamp, page.text, redirect
            )
        found[page_id] = list(revisions.values())
        if page_id % 10 == 0:
            last, number = found[page_id][-1], 10**9 + 2 * page_id
            found[page_id] += [
                replace(
                    last, revision_id=number, timestamp="2021-01-01T22:00:00Z", text="Vandals were here."
                ),
                replace(last, revision_id=number + 1, timestamp="2021-01-02T08:00:00Z"),
            ]
    return found


def write_part(path, pages):
    """Write the histories of some pages as one .7z."""
    text = "<mediawiki>"
    for revisions in pages:
        first, *rest = map(page_xml, revisions)
        more = "".join(one[one.index("<revision>") : one.index("</page>")] for one in rest)
        text += first.replace("</page>", more + "</page>")
    with py7zr.SevenZipFile(path, "w") as archive:
        archive.writestr(text + "</mediawiki>", path.stem)


def settings(folder, **history):
    templama = {"file": "none.json", "pairs": {DATES[1]: ["1", "2"]}}
    return {
        "data_root": str(folder),
        "snapshots": {"source": "history", "dates": DATES, "history": history},
        "probes": {"sets": ["templama"], "templama": templama},
    }


def test_history_gives_the_pages_and_the_diff_of_the_dumps_it_was_made_of(tmp_path):
    world = build_world(WorldConfig(pages=200), WORLD)
    dumps = [write_dump(world, number, tmp_path / date) for number, date in enumerate(WORLD)]
    pages = histories_of(dumps)
    divided = max(page_id for page_id in pages if page_id % 10 == 0)  # into files of one revision each
    edges = [1, 101, divided]
    names = []
    for number, (first, after) in enumerate(pairwise(edges), 1):
        names.append(f"world-pages-meta-history{number}.xml-p{first}p{after - 1}")
        part = [pages[page_id] for page_id in pages if first <= page_id < after]
        assert len(part) > 50
        write_part(tmp_path / f"{names[-1]}.7z", part)

    assert len(pages[divided]) > 2
    for number, revision in enumerate(pages[divided], 1):
        name = f"world-pages-meta-history3-p{divided}r{number}r{number}.xml.7z"
        write_part(tmp_path / name, [[revision]])
    names.append(f"world-pages-meta-history3-p{divided}p{divided}.xml")
    names.append(f"world-pages-meta-history4.xml-p{divided + 1}p{max(pages)}")
    write_part(tmp_path / f"{names[-1]}.7z", [pages[page_id] for page_id in pages if page_id > divided])

    workflow = Workflow(tmp_path / "run", json.dumps(settings(tmp_path)))
    target = f"results/quick/diff/{DATES[0]}_{DATES[1]}/0.parquet"
    workflow.run(target)

    previous, tables = None, [tmp_path / f"{date}.parquet" for date in WORLD]
    for date, dump, table in zip(DATES, dumps, tables, strict=True):
        extract_pages([dump], table, Shard(0, None), previous=previous)
        expected = [
            row | {"title": pages[row["page_id"]][0].title}
            for row in read_table(table, "pages").to_pylist()
            if row["page_id"] in pages  # deleted ones are in no history
        ]
        found = read_table(workflow.results / f"snapshots/{date}/pages/0.parquet", "pages")
        assert found.to_pylist() == expected
        assert sorted(path.name for path in (workflow.results / "snapshots" / date / "dump").iterdir()) == [
            f"{name}.bz2" for name in names
        ]
        previous = table
    diff_pages(*tables, tmp_path / "diff.parquet", language="en")
    expected = read_table(tmp_path / "diff.parquet", "diff")
    assert expected.num_rows > 50
    assert read_table(workflow.results / f"diff/{DATES[0]}_{DATES[1]}/0.parquet", "diff").equals(expected)
    said = "".join(path.read_text() for path in (workflow.results / "logs/history").iterdir()).splitlines()
    undone = sum(int(line.rpartition("'undone': ")[2].rstrip("}")) for line in said)
    assert undone == sum(page_id % 10 == 0 for page_id in pages) > 20
    assert workflow.planned(target) == set()


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ([], "no file matches"),
        (["h.7z", "h.bz2"], r"would both become h\.xml\.bz2\. Narrow the pattern"),
        (["h.x y.7z"], "a name of letters, digits"),
        (["h.p-p1p1.xml.bz2", "h.p-p1r1r5.xml.bz2"], r"would both become h\.p-p1p1\.xml\.bz2"),
    ],
)
def test_a_pattern_that_finds_no_history_or_one_twice_or_an_odd_name_is_an_error(tmp_path, names, words):
    for name in names:
        (tmp_path / name).touch()
    experiment = Experiment(settings(tmp_path, pattern="h.*"))
    with pytest.raises(WorkflowError, match=words):
        experiment.histories()
