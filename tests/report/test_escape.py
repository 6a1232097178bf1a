"""Text of tables, configuration and folders is text in the pages: it makes no markup."""

import html
import json
import re

import pandas as pd
import pytest

from tests.report.result_folder import World, configuration, write_results
from tgl.core.tables.read import read_table
from tgl.core.tables.write import write_table
from tgl.report.across import write_across
from tgl.report.stage import write_report

EVIL = "<script>alert(1)<&\"'x"
OWN = re.compile(r"<script data-tgl>.*?</script>", re.DOTALL)
# Data of a picture, which no browser runs.
DATA = re.compile(
    '<script type="application/json" class="chart" data-title="[A-Za-z ]+">(.*?)</script>', re.DOTALL
)
MARKUP = re.compile(r"<script|alert\(1\)<")


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Return a folder whose name, probes, titles, plan notes and model path hold markup, with its report."""
    config = configuration(
        seeds=[0], train={"learning_rates": [0.002]}, methods=["full", "tgl_fp"], snapshots={"source": "local"},
        probes={"sets": ["snapshots"]}, tokens={"tokenizer": EVIL},
        model={"load": EVIL, "pretrain": {"steps": 0}},
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("run") / EVIL
    new, *_ = config.periods
    left_out = {"probe": f"snapshots-updated-{new}-test-0", "text": f"left out {EVIL}", "times": 2}
    write_results(folder, config, World(note=f"no random subset {EVIL}", withheld=(left_out,)))
    probes = read_table(folder / "probes" / "probes.parquet", "probes").to_pandas()
    probes = probes.assign(text=EVIL, relation=EVIL, span_start=1, span_end=4)
    write_table(probes, folder / "probes" / "probes.parquet", "probes", counts={EVIL: 1})
    old, new, _ = config.snapshots.dates
    row = {
        "page_id": 1,
        "title": EVIL,
        "revision_id": 1,
        "kind": "changed",
        "start": 0,
        "section": "",
        "text": EVIL,
    }
    write_table([row], folder / "diff" / f"{old}_{new}" / "0.parquet", "diff", counts={EVIL: 1})
    write_report(folder, config, folder / "report")
    return folder


def without_escapes(page, scripts=1):
    """Assert that the evil text is shown, and only as text."""
    page, own_scripts = OWN.subn("", page)
    assert own_scripts == scripts
    for data in DATA.findall(page):
        assert "<" not in data
        assert json.loads(data)
    page = DATA.sub("", page)
    assert not MARKUP.search(page)
    assert EVIL in html.unescape(page)


@pytest.mark.parametrize("name", ["index.html", "examples.html", "probes.html"])
def test_a_report_shows_markup_of_its_inputs_as_text(results, name):
    scripts = 3 if name == "index.html" else 1  # tables, and pictures with their library
    without_escapes((results / "report" / name).read_text(encoding="utf-8"), scripts)


def test_what_models_write_and_what_is_left_out_of_text_are_shown_as_text(results):
    page = html.unescape((results / "report" / "probes.html").read_text(encoding="utf-8"))
    assert f"<li>left out {EVIL} (6 times)</li>" in page  # of the base text and two periods
    assert f"<td>full after 20210101 no random subset {EVIL}</td>" in page


def test_experiments_side_by_side_show_markup_as_text(results, tmp_path):
    gates = [{"name": EVIL, "value": 1.0, "limit": 1.0, "met": True}]
    (results / "report" / "gate.json").write_text(json.dumps(gates), encoding="utf-8")
    summary = pd.read_csv(results / "report" / "summary.csv")
    summary.assign(method=EVIL, set=EVIL, verdict=EVIL).to_csv(
        results / "report" / "summary.csv", index=False
    )
    write_across([results], tmp_path)
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    without_escapes(page)
    assert page.count(html.escape(EVIL).replace("&quot;", "&#34;").replace("&#x27;", "&#39;")) > 4
