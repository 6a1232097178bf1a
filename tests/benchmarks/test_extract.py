"""The table of extraction, with a peer that is killed each time it is started."""

import json
import re

import pytest

from benchmarks.extract import accuracy, speed
from tgl.snapshots.dumps.siteinfo import Siteinfo
from tgl.snapshots.dumps.writer import Page, dump_header, page_xml

TEXT = (
    "Berlin was founded on 28 October 1237 and has 3769495 people on [[Spree|the Spree]].\n* a first item\n"
)


@pytest.fixture
def dump(tmp_path):
    pages = [page_xml(Page(n, f"T{n}", 0, n, "2020-01-01T00:00:00Z", TEXT, None)) for n in (1, 2)]
    path = tmp_path / "d.xml"
    path.write_text("".join([dump_header(Siteinfo()), *pages, "</mediawiki>\n"]))
    return str(path)


@pytest.fixture
def peer(tmp_path):
    script = tmp_path / "python"
    script.write_text("#!/bin/sh\nkill -9 $$\n")
    script.chmod(0o755)
    return str(script)


def test_a_killed_peer_has_a_row_that_says_so_and_the_other_rows_stand(dump, peer, tmp_path, capsys):
    accuracy([dump], peer, tmp_path)
    rows = capsys.readouterr().out.splitlines()[2:]
    assert rows[0].split() == ["tgl"] + ["100.0"] * 4 + ["0.00"]
    assert re.match(r"WikiExtractor +killed by SIGKILL at \d+ MiB", rows[1])
    assert re.match(r"WikiExtractor --no-templates +killed by SIGKILL at \d+ MiB", rows[2])
    assert rows[3].split()[:3] == ["mwparserfromhell", "strip_code", "100.0"]

    lines = [json.loads(line) for line in speed(dump, peer, tmp_path, 2)]
    printed = capsys.readouterr().out
    assert printed.count("killed by SIGKILL at") == 4
    assert len(lines) == 5
    assert [line["ratio"] for line in lines[:4]] == [None] * 4
    assert all(line["value"] > 0 and "killed by SIGKILL" in line["peer"] for line in lines[:4])
    assert lines[4]["ratio"] > 0
