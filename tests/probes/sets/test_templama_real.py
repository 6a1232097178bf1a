import re

import pytest

from tests.probes.sets.templama_records import REASONS, lost_answers, spans
from tgl.probes.rows import read_records
from tgl.probes.sets.templama import templama_probes
from tgl.probes.settings import ProbesConfig


@pytest.mark.parametrize("name", ["val.json", "train.json.xz"])
def test_real_templama_gives_spans_with_left_context(data_root, name):
    pairs = {"20190101": ["2018", "2019"], "20200101": ["2019", "2020"]}
    rows, counts = templama_probes(data_root / "probes/templama" / name, pairs, ProbesConfig())
    assert counts["records"] == sum(counts[reason] for reason in REASONS)
    assert counts["records"] == {"val.json": 4654, "train.json.xz": 10693}[name]
    assert len({row["id"] for row in rows}) == len(rows) > 500
    assert {row["kind"] for row in rows} == {"new", "unchanged", "updated"}
    records = [found for _, found in read_records(data_root / "probes/templama" / name)]
    assert lost_answers(records, pairs) == (counts["deleted_answers"], counts["replaced_answers"])
    assert min(counts["deleted_answers"], counts["replaced_answers"]) > 0
    assert counts["answer_not_last"] == 0  # the three relations with the answer first are turned
    assert {"P286", "P488", "P6"} <= {row["relation"] for row in rows}
    for row in rows:
        assert row["span_start"] > 0
        assert row["text"][row["span_end"] :] in ("", ".")
        assert "_X_" not in row["text"]
        assert ".." not in row["text"][row["span_end"] - 1 :]


def test_published_counts_of_deleted_answers_are_those_whose_query_is_gone(data_root):
    """Then new less deleted answers follow the number of queries, as those of queries that stay would not."""
    text = (data_root / "probes/dynamic_templama/split_counts.txt").read_text().split("###")[1]
    words = (
        r"total (\d+) samples .* (\d+) are unchanged, (\d+) are updated, (\d+) are deleted and (\d+) are new"
    )
    quarters = [tuple(map(int, found)) for found in re.findall(words, text)]
    assert len(quarters) == 13
    for (queries, *before), (queries_after, unchanged, updated, deleted, new) in zip(
        quarters, quarters[1:], strict=False
    ):
        lost = before[0] + before[1] + before[3] - unchanged
        assert deleted < 0.6 * lost
        assert abs(queries_after - queries - (new - deleted)) <= 20 < lost - deleted
        assert updated > 0


def test_published_record_keeps_all_its_answers(data_root, tmp_path):
    line = (data_root / "probes/dynamic_templama/published_record_0.jsonl").read_text().strip()
    (tmp_path / "t.jsonl").write_text(line + "\n" + line.replace("2019-Q1", "2019-Q2"))
    rows, _ = templama_probes(tmp_path / "t.jsonl", {"20190701": ["2019-Q1", "2019-Q2"]}, ProbesConfig())
    assert spans(rows) == [
        ("unchanged", "United States women's national soccer team"),
        ("unchanged", "Orlando Pride"),
    ]
