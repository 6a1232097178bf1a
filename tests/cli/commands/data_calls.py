"""Good calls of the commands for data."""

from __future__ import annotations

import json
import threading
from functools import partial
from http.server import ThreadingHTTPServer
from pathlib import Path

from tests.cli.commands.good_call import NEW, OLD, Call, Calls, wiki_results, written
from tests.export.experiment import DATES
from tests.probes.page_rows import diff_rows, page
from tests.probes.sets.snapshot_settings import PIPELINE
from tests.probes.wikidata.layout import TEMPLATES, WORLD, dump_text
from tests.snapshots.wikimedia.dump_host import CONTACT, SOURCES, Handler, Host
from tests.support.model_fixtures import TEXTS, VOCABULARY
from tgl.core.tables.read import read_about
from tgl.core.tables.write import write_table
from tgl.snapshots.dumps.reader import read_pages
from tgl.snapshots.settings import WorldConfig
from tgl.snapshots.world.build import build_world

CALLS = Calls()


@CALLS.of("world")
def _world(place):
    def check(printed):
        for date in DATES:
            (row,) = written(place.out / date / "files.parquet", "files")
            assert Path(row["path"]).parent == place.out / date / "dump"
        written(place.out / "facts.parquet", "facts")

    return Call(check, {"0": OLD, "1": NEW, "output": place.out, "pages": 200})


@CALLS.of("files")
def _files(place):
    source = place.wiki / "dumps" / f"dewiki-{OLD}.xml"

    def check(printed):
        (row,) = written(place.out, "files")
        assert (row["path"], row["bytes"]) == (str(source), source.stat().st_size)

    return Call(check, {"0": source, "output": place.out})


@CALLS.of("history")
def _history(place):
    revisions = "".join(
        f"<revision><id>{number}</id><timestamp>{date[:4]}-01-01T00:00:00Z</timestamp><text>of {date}</text></revision>"
        for number, date in enumerate(("20210101", "20230101"), 1)
    )
    source = place.out.parent / "w-pages-meta-history.xml"
    source.write_text(f"<mediawiki><page><title>A</title><ns>0</ns><id>1</id>{revisions}</page></mediawiki>")

    def check(printed):
        for date, text in ((OLD, "of 20210101"), (NEW, "of 20230101")):
            (found,) = read_pages(place.out / date / "dump" / "w-pages-meta-history.xml.bz2")
            assert found.text == text

    return Call(check, {"0": source, "1": OLD, "2": NEW, "output": place.out})


@CALLS.of("download")
def _download(place):
    host = Host()
    server = place.at_end.enter_context(ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, host)))
    place.at_end.callback(server.shutdown)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    table = place.out.parent / "sources.csv"
    table.write_text(SOURCES)
    date = "20220101"
    host.offer({"a.xml.bz2": b"aa"})

    def check(printed):
        assert (place.out / "dumps" / "a.xml.bz2").read_bytes() == b"aa"
        assert [row["bytes"] for row in written(place.out / "files", "files")] == [2]
        assert read_about(place.out / "files")["source"] == "main"

    settings = {
        "contact": CONTACT,
        "sources": str(table),
        "base_url": f"http://127.0.0.1:{server.server_port}",
    }
    return Call(check, {
        "0": date, "folder": place.out / "dumps", "output": place.out / "files",
        "set": [f"snapshots.wikimedia.{key}={value}" for key, value in settings.items()],
    })  # fmt: skip


@CALLS.of("pages")
def _pages(place):
    def check(printed):
        assert [row["page_id"] for row in written(place.out, "pages")] == list(range(1, 10))

    return Call(check, {"0": wiki_results(place) / f"snapshots/{OLD}/files.parquet", "output": place.out})


@CALLS.of("documents")
def _documents(place):
    source = place.out.parent / "texts"
    source.mkdir()
    for name in ("b.txt", "a.md"):
        (source / name).write_text("a b")
    files = place.out.parent / "files"

    def check(printed):
        assert {row["title"] for row in written(place.out, "pages")} == {"a", "b"}
        assert len(written(files, "files")) == 2

    return Call(check, {"0": OLD, "collection": source, "pages": place.out, "files": files})


@CALLS.of("base-text")
def _base_text(place):
    source = place.out.parent / "lines.jsonl"
    source.write_text("".join(json.dumps({"id": n, "title": "t", "text": "a b"}) + "\n" for n in range(3)))
    return Call(lambda printed: written(place.out, "pages", 3), {"0": source, "output": place.out})


@CALLS.of("diff")
def _diff(place):
    old, new = (wiki_results(place) / f"snapshots/{date}/pages/0.parquet" for date in DATES)

    def check(printed):
        assert {row["kind"] for row in written(place.out, "diff")} == {"changed"}

    return Call(check, {"0": old, "1": new, "output": place.out, "language": "de"})


@CALLS.of("probes")
def _probes(place):
    facts = place.out.parent / "facts"
    write_table(build_world(WorldConfig(pages=200), list(DATES)).facts(), facts, "facts")

    def check(printed):
        assert {row["set"] for row in written(place.out, "probes")} == {"world"}

    base_pages = [wiki_results(place) / f"snapshots/{OLD}/pages/{shard}.parquet" for shard in range(2)]
    return Call(check, {
        "0": OLD, "1": NEW, "base-pages": base_pages, "facts": facts, "output": place.out,
        "set": "probes.sets=[world]",
    })  # fmt: skip


@CALLS.of("wikidata")
def _wikidata(place):
    source, templates = place.out.parent / "entities.json", place.out.parent / "templates.csv"
    source.write_text(dump_text(*WORLD))
    templates.write_text(TEMPLATES)

    def check(printed):
        queries = {json.loads(line)["query"] for line in place.out.read_text().splitlines()}
        assert "Oslo is led by _X_." in queries
        assert "'used': 6" in printed

    return Call(check, {
        "0": source, "1": "20190101", "2": "20200101", "output": place.out,
        "set": f"probes.wikidata.templates={templates}",
    })  # fmt: skip


@CALLS.of("snapshot-probes")
def _snapshot_probes(place):
    folder = place.out.parent
    old = page(3, "Acme (firm)", "Acme is led by [[Ann Lee]]. Acme has 20 plants.")
    new = page(3, "Acme (firm)", "Acme is led by [[Bob Ray]]. Then Bob Ray came. Acme has 20 plants.", 2)
    write_table([old], folder / "old", "pages")
    write_table([new], folder / "new", "pages")
    write_table(diff_rows(old, new), folder / "diff", "diff")

    def check(printed):
        (row,) = written(place.out, "probes")
        assert row["text"] == "Acme is led by Bob Ray."

    return Call(check, {
        "0": folder / "old", "1": folder / "new", "2": folder / "diff", "period": "20200101",
        "base-pages": folder / "old", "output": place.out, "holdout-share": 0.000001,
        "set": f"probes.snapshots.pipeline={PIPELINE}",
    })  # fmt: skip


@CALLS.of("tokenizer")
def _tokenizer(place):
    def check(printed):
        words = json.loads((place.out / "tokenizer.json").read_text())
        assert len(words["model"]["vocab"]) == VOCABULARY

    pages = place.out.parent / "pages"
    write_table([page(number, "t", text) for number, text in enumerate(TEXTS)], pages, "pages")
    return Call(check, {"0": pages, "output": place.out, "vocab-size": VOCABULARY})


@CALLS.of("pack")
def _pack(place):
    def check(printed):
        assert max(len(row["tokens"]) for row in written(place.out, "tokens")) == 16

    pages = wiki_results(place) / f"snapshots/{OLD}/pages/0.parquet"
    return Call(check, {
        "0": pages, "kind": "pages", "tokenizer": place.models / "base", "output": place.out, "block-size": 16,
    })  # fmt: skip
