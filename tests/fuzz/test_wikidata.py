"""Entity dumps and SPARQL answers with wrong types, missing keys, huge numbers and odd characters."""

import bz2
import gzip
import json
import lzma

from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.cases import cases, changed, damaged, json_files, json_values, once_changed, refused_or
from tests.probes.wikidata.layout import WORLD, answer_text, rows_of
from tgl.core.tables.write import to_arrow
from tgl.probes.sets.templama import templama_probes
from tgl.probes.sets.wikidata import write_wikidata
from tgl.probes.settings import ProbesConfig, WikidataConfig
from tgl.probes.wikidata.facts import REASONS

DATES = ["20190101", "20200101"]
ROWS = json.loads(answer_text(*rows_of(WORLD)))
BINDINGS = ROWS["results"]["bindings"]
entities = st.sampled_from(WORLD)
bindings = st.sampled_from(BINDINGS)


def _once(record):
    return once_changed(record, json_values | st.sampled_from([[], {}, "", "Q10", "novalue", "2019", 9, -1]))


def like(records):
    """Return records like these: many changed, some another JSON value."""
    return st.one_of(
        records,
        records.flatmap(_once),
        records.flatmap(_once),
        records.flatmap(changed),
        json_values,
    )


@st.composite
def dumps(draw):
    """Return (suffix, bytes) of a dump that holds the world and some more, as lines or in an array, maybe damaged."""
    lines = [_dumps(found) for found in [*WORLD, *draw(st.lists(entities.flatmap(_once), max_size=3))]]
    text = "[\n" + ",\n".join(lines) + "\n]" if draw(st.booleans()) else "\n".join(lines)
    content = text.encode("utf-8", "surrogatepass")
    return ".json", content if draw(st.integers(0, 3)) else draw(damaged(content))


def _dumps(value):
    try:
        return json.dumps(value, separators=(",", ":"))
    except ValueError:  # a number of too many digits
        return '{"head"' + "1" * 5000 + "}"


@st.composite
def answers(draw):
    """Return (suffix, bytes) of an answer that holds the world's rows and some more."""
    rows = [*BINDINGS, *draw(st.lists(bindings.flatmap(_once), max_size=3))]
    found = ROWS | {"results": {"bindings": rows}}
    return ".srj", _dumps(found).encode("utf-8", "surrogatepass")


@st.composite
def packed(draw):
    """Return (suffix, bytes) of a dump or an answer that is packed, maybe damaged."""
    suffix, pack = draw(
        st.sampled_from([(".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress)])
    )
    content = pack(draw(st.one_of(dumps(), answers()))[1])
    return f".json{suffix}", draw(damaged(content)) if draw(st.booleans()) else content


def build(folder, file):
    """Build records from a file, or see it refused; the loader must read what is written and the counts add up."""
    suffix, content = file
    path, output = folder / f"w{suffix}", folder / "w.jsonl"
    path.write_bytes(content)
    counts = refused_or(lambda: write_wikidata(path, DATES, WikidataConfig(), output=output), path)
    if counts is None:
        return
    assert counts["statements"] == counts["used"] + sum(counts[reason] for reason in REASONS)
    records = [json.loads(line) for line in output.read_text(encoding="utf-8").split("\n")[:-1]]
    assert len(records) == counts["records"] > 0
    if {record["date"] for record in records} == set(DATES):
        pairs = {DATES[1]: DATES}
        found = refused_or(lambda: templama_probes(output, pairs, ProbesConfig(), name="wikidata"), output)
        if found is not None:
            to_arrow(found[0], "probes")


@cases(0.04)
@given(dumps())
def test_entity_dumps_give_records_or_an_error_with_their_name(folder, file):
    build(folder, file)


@cases(0.03)
@given(answers())
def test_answers_give_records_or_an_error_with_their_name(folder, file):
    build(folder, file)


@cases(0.01)
@given(packed())
def test_packed_files_give_records_or_an_error_with_their_name(folder, file):
    build(folder, file)


@cases(0.02)
@given(json_files(st.one_of(like(entities), changed(ROWS))))
def test_files_in_any_layout_and_packing_give_records_or_an_error_with_their_name(folder, file):
    build(folder, file)
