"""Probes from the snapshots of a synthetic world, whose table of facts holds the truth."""

from collections import Counter

import pytest

from tests.probes.sets.snapshot_settings import UNITS, settings, span
from tests.support.model_fixtures import tiny_tokenizer
from tgl.core.tables.read import read_counts, read_table
from tgl.probes.from_text.shard import Tables
from tgl.probes.sets.snapshots import write_snapshot_probes
from tgl.probes.stage import write_probes
from tgl.snapshots.extract.pages import Shard, extract_pages
from tgl.snapshots.settings import WorldConfig
from tgl.snapshots.world.build import build_world
from tgl.snapshots.world.dump import write_dump
from tgl.text.diff.sentences import split_sentences
from tgl.text.diff.stage import diff_pages
from tgl.text.documents import diff_documents, page_documents, part_of
from tgl.text.stage import write_packed
from tgl.text.withheld import Withheld, digest

DATES = ["20190101", "20200101", "20210101"]
HOLDOUT = 0.05


class Made:
    """Snapshots of a world in two shards, their diffs and probes, in a folder."""

    def __init__(self, folder, domain):
        self.folder = folder
        world = build_world(WorldConfig(pages=900, domain=domain), DATES)
        self.facts = list(world.facts())
        half = max(entity.page_id for entity in world.entities if entity.since == 0) // 2
        self.shards = (Shard(0, half), Shard(half + 1, None))
        for number, date in enumerate(DATES):
            dump = write_dump(world, number, folder / date)
            for shard, found in enumerate(self.shards):
                extract_pages([dump], self.pages(date, shard), found)
        for old, new in zip(DATES, DATES[1:], strict=False):
            for shard in range(2):
                diff_pages(
                    self.pages(old, shard), self.pages(new, shard), self.diff(new, shard), language="en"
                )
                write_snapshot_probes(
                    self.tables(new, shard),
                    new,
                    settings(),
                    language="en",
                    holdout_share=HOLDOUT,
                    output=self.found(new, shard),
                )
        self.tables_found = [self.found(date, shard) for date in DATES[1:] for shard in range(2)]
        self.probes = folder / "probes"
        write_probes(
            settings(),
            DATES,
            self.probes,
            holdout_share=HOLDOUT,
            base_pages=self.base,
            files={"snapshots": self.tables_found},
        )
        self.rows = read_table(self.probes, "probes").to_pylist()
        self.counts = read_counts(self.probes)

    def pages(self, date, shard):
        return self.folder / f"pages-{date}-{shard}"

    def diff(self, date, shard):
        return self.folder / f"diff-{date}-{shard}"

    def found(self, date, shard):
        return self.folder / f"found-{date}-{shard}"

    @property
    def base(self):
        return tuple(self.pages(DATES[0], shard) for shard in range(2))

    def tables(self, date, shard):
        old = DATES[DATES.index(date) - 1]
        return Tables(self.pages(old, shard), self.pages(date, shard), self.diff(date, shard), self.base)

    def of(self, period, kind):
        return [row for row in self.rows if (row["period"], row["kind"]) == (period, kind)]


@pytest.fixture(scope="module", params=["encyclopedia", "records"])
def made(request, tmp_path_factory):
    return Made(tmp_path_factory.mktemp(request.param), request.param)


def answers(rows):
    return {(row["subject"], span(row)) for row in rows}


def facts_of(made, period):
    """Return what is true: (subject, object) updated, subjects that are new, (subject, object) unchanged."""
    facts = [fact for fact in made.facts if part_of(fact["subject_id"], HOLDOUT) == "train"]
    since = {}
    for fact in facts:
        since[fact["subject"]] = min(since.get(fact["subject"], "9"), fact["first_date"])
    pairs = [(fact["subject"], fact["object"], fact["first_date"], fact["last_date"]) for fact in facts]
    updated = {(s, o) for s, o, first, _ in pairs if first == period and since[s] < period}
    new = {subject for subject, date in since.items() if date == period}
    unchanged = {(s, o) for s, o, first, last in pairs if first == DATES[0] and last >= period}
    return updated, new, unchanged


def test_every_probe_is_what_the_facts_say(made):
    for period in DATES[1:]:
        updated, new, unchanged = facts_of(made, period)
        found = answers(made.of(period, "updated"))
        assert found <= updated
        # A page words a fact in one of five ways: one in five keeps the words before the object.
        assert 0.08 * len(updated) < len(found) < 0.4 * len(updated)
        subjects = {row["subject"] for row in made.of(period, "new_entity")}
        assert subjects <= new
        assert len(subjects) > 0.85 * len(new)
        found = answers(made.of(period, "unchanged"))
        assert found <= unchanged
        assert 0 < len(found) <= len(made.of(period, "updated"))


def test_every_value_and_sentence_is_counted_once(made):
    every = {key.removeprefix("snapshots: "): count for key, count in made.counts.items()}
    for counts in [every, *map(read_counts, made.tables_found)]:
        for kind, unit in UNITS.items():
            of_kind = {key: count for key, count in counts.items() if key.startswith(f"{kind}: ")}
            assert of_kind.pop(f"{kind}: {unit}", 0) == sum(of_kind.values())
            assert of_kind or counts is not every
    kinds = Counter(row["kind"] for row in made.rows)
    assert kinds == {kind: made.counts[f"snapshots: {kind}: used"] for kind in UNITS}


def test_probes_are_sentences_that_name_their_subject_before_the_span(made):
    texts = {}
    for date in DATES[1:]:
        for shard in range(2):
            for row in read_table(made.pages(date, shard), "pages", ["page_id", "text"]).to_pylist():
                texts[date, row["page_id"]] = [text for _, text in split_sentences(row["text"], "en")]
    assert len({row["text"] for row in made.rows}) == len({row["id"] for row in made.rows}) == len(made.rows)
    for row in made.rows:
        _, period, page_id, kind, _ = row["id"].split("-")
        assert (period, kind) == (row["period"], row["kind"])
        assert row["text"] in texts[period, int(page_id)]
        assert 0 < row["span_start"] < row["span_end"] <= len(row["text"])
        assert row["subject"] in row["text"][: row["span_start"]]
        assert span(row) not in row["text"][: row["span_start"]]
        assert row["relation"].partition(":")[0] in (
            {"phrase"} if kind == "new_entity" else {"link", "number"}
        )


def training_texts(made, without=str):
    """Return {table: its documents of the part `train`}."""
    found = {}
    for shard, path in enumerate(made.base):
        table = read_table(path, "pages").to_pylist()
        found["base", shard] = [
            text for part, text in page_documents(table, HOLDOUT, without) if part == "train"
        ]
    for date in DATES[1:]:
        for shard in range(2):
            table = read_table(made.diff(date, shard), "diff").to_pylist()
            documents = diff_documents(table, HOLDOUT, without)
            found[date, shard] = [text for part, text in documents if part == "train"]
    return found


def test_no_training_text_holds_a_probe_and_what_is_left_teaches_it(made):
    withheld = Withheld(made.probes, "en")
    before, after = training_texts(made), training_texts(made, withheld)
    asked = [row["text"] for row in made.rows]
    everything = "\n".join(text for texts in after.values() for text in texts)
    assert not [text for text in asked if text in everything]
    plain = "\n".join(text for texts in before.values() for text in texts)
    assert all(text in plain for text in asked)  # each of them would have been learnt by heart
    keys = {digest(text) for text in asked}
    number = sum(
        digest(sentence) in keys
        for texts in before.values()
        for text in texts
        for _, sentence in split_sentences(text, "en")
    )
    assert withheld.counts["withheld_sentences"] == number >= len(asked)
    for row in made.rows:
        if row["kind"] == "unchanged":
            sources = [text for (source, _), texts in after.items() if source == "base" for text in texts]
        else:
            sources = [
                text for (source, _), texts in after.items() if source == row["period"] for text in texts
            ]
        teaching = [text for text in sources if row["subject"] in text]
        assert teaching, row["id"]
        if row["kind"] != "new_entity":
            assert any(span(row) in text for text in teaching), row["id"]


def test_packed_blocks_hold_no_withheld_sentence_and_count_them(made, tmp_path):
    tokenizer = tiny_tokenizer()
    tokenizer.save_pretrained(tmp_path / "tokenizer")
    withheld = Withheld(made.probes, "en")
    diffs = [made.diff(DATES[1], shard) for shard in range(2)]
    for name, left_out in (("plain", None), ("cut", withheld)):
        write_packed(
            diffs,
            "diff",
            tmp_path / name,
            tokenizer=tmp_path / "tokenizer",
            block_size=32,
            holdout_share=HOLDOUT,
            withheld=left_out,
        )
    assert read_counts(tmp_path / "cut")["withheld_sentences"] == withheld.counts["withheld_sentences"] > 0
    assert "withheld_sentences" not in read_counts(tmp_path / "plain")
    sizes = {name: read_counts(tmp_path / name)["train_tokens"] for name in ("plain", "cut")}
    assert sizes["cut"] < sizes["plain"]


def test_same_inputs_give_the_same_bytes(made, tmp_path):
    write_snapshot_probes(
        made.tables(DATES[1], 1),
        DATES[1],
        settings(),
        language="en",
        holdout_share=HOLDOUT,
        output=tmp_path / "again",
    )
    assert (tmp_path / "again").read_bytes() == made.found(DATES[1], 1).read_bytes()
