"""Every command: its help, one good call on small inputs, and what it refuses before or while it works."""

from __future__ import annotations

import json
import os
import re
import shutil
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

from tests.cli.running import passes, refused, shown
from tests.export.experiment import DATES, recorded
from tests.probes.page_rows import diff_rows, page
from tests.probes.sets.snapshot_settings import PIPELINE
from tests.probes.wikidata.layout import TEMPLATES, WORLD, dump_text
from tests.report.result_folder import configuration, write_results
from tests.snapshots.wikimedia.dump_host import CONTACT, SOURCES, Handler, Host
from tests.support.model_fixtures import BLOCK, TEXTS, VOCABULARY, tiny_model, tiny_tokenizer
from tests.train.continual_runs import PERIODS, write_inputs
from tgl.cli.app import GROUPS, load
from tgl.core.tables import check_table, read_about, read_table, write_table
from tgl.core.vocabulary import RUN_TABLES
from tgl.models.checkpoint import save_model
from tgl.profiling.profile import profile
from tgl.profiling.settings import ProfileConfig
from tgl.report.stage import write_report
from tgl.snapshots.dumps.reader import read_pages
from tgl.snapshots.settings import WorldConfig
from tgl.snapshots.world.build import build_world

NAMES = [name for commands in GROUPS.values() for name, _, _ in commands]
OLD, NEW = DATES
BASE_SETTINGS = {
    "model": {"layers": 2, "hidden_size": 16, "heads": 2, "pretrain": {"steps": 4, "batch_size": 2}},
    "tokens": {"block_size": BLOCK},
    "train": {"engine": "plain", "steps": 2, "checkpoint_steps": 2},
    "profile": {"examples": 3, "bootstrap": 100},
}  # fmt: skip


@dataclass
class Place:
    """Where a call finds its inputs and writes to.

    models, wiki: folders that all calls read, and none changes. profiled, reported: return the folder of a profile of
    the base model, and that of an experiment with a report; both take seconds to make.
    """

    models: Path
    wiki: Path
    profiled: Callable[[], Path]
    reported: Callable[[], Path]
    out: Path
    patch: pytest.MonkeyPatch
    at_end: ExitStack

    def config(self, **sections) -> Path:
        """Write a configuration file."""
        path = self.out.parent / "config.yaml"
        path.write_text(yaml.safe_dump(sections))
        return path


@dataclass
class Call:
    """One good call.

    given: values by option, and of arguments by their number, "0" the first. check: of what was written and printed.
    """

    check: Callable[[str], None]
    given: dict[str, object] = field(default_factory=dict)

    def arguments(self, **changes) -> list[str]:
        """Return the words of the command line; changes: other values, with _ for -."""
        given = self.given | {name.replace("_", "-"): value for name, value in changes.items()}
        options, positional = [], []
        for name, values in given.items():
            for value in values if isinstance(values, list) else [values]:
                if name.isdecimal():
                    positional.append(str(value))
                else:
                    options.append(f"--{name}={value}")
        return [*options, *positional]


CALLS: dict[str, Callable[[Place], Call]] = {}


def call(name):
    def register(function):
        CALLS[name] = function
        return function

    return register


def written(path, name, rows=None):
    """Check that a table was written, and return its rows."""
    assert check_table(path, name) > 0
    found = read_table(path, name).to_pylist()
    assert rows is None or len(found) == rows
    return found


@call("init")
def _init(place):
    def check(printed):
        assert yaml.safe_load((place.out / "config.yaml").read_text())["experiment"] == "out"
        assert "tgl run config.yaml" in printed

    return Call(check, {"0": place.out})


@call("check")
def _check(place):
    file = place.config(experiment="small")
    return Call(lambda printed: _equal(printed, f"{file}: valid\n"), {"0": file})


@call("run")
def _run(place):
    """tests/cli/test_projects.py has more; here Snakemake only says that it was called."""
    file = place.config(experiment="small")
    started = []

    class Snakemake:
        def __init__(self, command, **options):
            started.append(command)

        def wait(self):
            return 0

    place.patch.setattr("tgl.cli.workflow.subprocess.Popen", Snakemake)

    def check(printed):
        (command,) = started
        assert command[1:4] == ["-m", "snakemake", "--snakefile"]
        assert command[-4:] == ["--configfile", str(file), "--cores", "2"]

    return Call(check, {"0": file, "cores": 2})


@call("profile")
def _profile(place):
    def check(printed):
        for name in ("profile", "norms", "comparisons"):
            written(place.out / f"{name}.parquet", name)
        assert (place.out / "profile.svg").stat().st_size > 0
        assert "updated" in printed

    folder = place.models
    given = {"0": folder / "base", "probes": folder / "probes.parquet", "corpus": folder / "base.parquet"}
    return Call(check, given | {"output": place.out, "examples": 3, "bootstrap": 100})


@call("along")
def _along(place):
    def check(printed):
        assert {row["step"] for row in written(place.out / "along.parquet", "along")} == {0, 10}
        written(place.out / "along-examples.parquet", "along_examples")

    folder = place.models
    return Call(check, {
        "model": [f"0={folder / 'base'}", f"10={folder / 'base'}"], "probes": folder / "probes.parquet",
        "corpus": folder / "base.parquet", "period": PERIODS[0], "output": place.out, "examples": 3, "bootstrap": 100,
    })  # fmt: skip


@call("plan")
def _plan(place):
    def check(printed):
        plan = json.loads(place.out.read_text())
        assert plan["method"] == "tgl_fp"
        assert "block01.mlp" in printed

    return Call(check, {"0": place.models / "profile.parquet", "method": "tgl_fp", "output": place.out})


@call("base")
def _base(place):
    def check(printed):
        assert (place.out / "model" / "model.safetensors").stat().st_size > 0
        assert len(written(place.out / "steps", "steps")) == 4
        assert not (place.out / "state").exists()

    folder, out = place.models, place.out
    return Call(check, {
        "tokenizer": folder / "base", "tokens": folder / "base.parquet", "output": out / "model",
        "steps": out / "steps", "state": out / "state", "config": place.config(**BASE_SETTINGS),
    })  # fmt: skip


@call("train")
def _train(place):
    def check(printed):
        for period in PERIODS:
            assert (place.out / "models" / period / "model.safetensors").stat().st_size > 0
        for name in set(RUN_TABLES) - {"drift"}:
            written(place.out / "tables" / f"{name}.parquet", name)
        assert not (place.out / "state").exists()

    folder, out = place.models, place.out
    return Call(check, {
        "0": folder / "base", "base-tokens": folder / "base.parquet",
        "tokens": [f"{period}={folder / period}.parquet" for period in PERIODS], "probes": folder / "probes.parquet",
        "profile": folder / "profile.parquet", "plan": folder / "plan.json", "models": out / "models",
        "tables": out / "tables", "state": out / "state", "learning-rate": 0.01,
        "config": place.config(**BASE_SETTINGS),
    })  # fmt: skip


@call("score")
def _score(place):
    def check(printed):
        assert {row["checkpoint"] for row in written(place.out / "scores.parquet", "scores")} == {"now"}
        assert [row["text"] for row in written(place.out / "lm_loss.parquet", "lm_loss")] == ["base"]

    folder = place.models
    return Call(check, {
        "0": folder / "base", "probes": folder / "probes.parquet", "text": f"base={folder / 'base.parquet'}",
        "output": place.out, "checkpoint": "now", "block-size": BLOCK,
    })  # fmt: skip


@call("agree")
def _agree(place):
    folder = place.models

    def check(printed):
        for name in ("tracing", "movement", "agreement"):
            written(place.out / f"{name}.parquet", name)
        assert "tracing" in printed

    return Call(check, {
        "0": folder / "base", "profile": place.profiled(), "probes": folder / "probes.parquet",
        "output": place.out, "moved": folder / "moved", "facts": 2, "noise-draws": 1,
    })  # fmt: skip


@call("world")
def _world(place):
    def check(printed):
        for date in DATES:
            (row,) = written(place.out / date / "files.parquet", "files")
            assert Path(row["path"]).parent == place.out / date / "dump"
        written(place.out / "facts.parquet", "facts")

    return Call(check, {"0": OLD, "1": NEW, "output": place.out, "pages": 200})


@call("files")
def _files(place):
    source = place.wiki / "dumps" / f"dewiki-{OLD}.xml"

    def check(printed):
        (row,) = written(place.out, "files")
        assert (row["path"], row["bytes"]) == (str(source), source.stat().st_size)

    return Call(check, {"0": source, "output": place.out})


@call("history")
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


@call("download")
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


def _results(place) -> Path:
    return place.wiki / "results" / "small"


@call("pages")
def _pages(place):
    def check(printed):
        assert [row["page_id"] for row in written(place.out, "pages")] == list(range(1, 10))

    return Call(check, {"0": _results(place) / f"wiki/{OLD}/files.parquet", "output": place.out})


@call("base-text")
def _base_text(place):
    source = place.out.parent / "lines.jsonl"
    source.write_text("".join(json.dumps({"id": n, "title": "t", "text": "a b"}) + "\n" for n in range(3)))
    return Call(lambda printed: written(place.out, "pages", 3), {"0": source, "output": place.out})


@call("diff")
def _diff(place):
    old, new = (_results(place) / f"wiki/{date}/pages/0.parquet" for date in DATES)

    def check(printed):
        assert {row["kind"] for row in written(place.out, "diff")} == {"changed"}

    return Call(check, {"0": old, "1": new, "output": place.out, "language": "de"})


@call("probes")
def _probes(place):
    facts = place.out.parent / "facts"
    write_table(build_world(WorldConfig(pages=200), list(DATES)).facts(), facts, "facts")

    def check(printed):
        assert {row["set"] for row in written(place.out, "probes")} == {"world"}

    base_pages = [_results(place) / f"wiki/{OLD}/pages/{shard}.parquet" for shard in range(2)]
    return Call(check, {
        "0": OLD, "1": NEW, "base-pages": base_pages, "facts": facts, "output": place.out,
        "set": "probes.sets=[world]",
    })  # fmt: skip


@call("wikidata")
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


@call("snapshot-probes")
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


@call("tokenizer")
def _tokenizer(place):
    def check(printed):
        words = json.loads((place.out / "tokenizer.json").read_text())
        assert len(words["model"]["vocab"]) == VOCABULARY

    pages = place.out.parent / "pages"
    write_table([page(number, "t", text) for number, text in enumerate(TEXTS)], pages, "pages")
    return Call(check, {"0": pages, "output": place.out, "vocab-size": VOCABULARY})


@call("pack")
def _pack(place):
    def check(printed):
        assert max(len(row["tokens"]) for row in written(place.out, "tokens")) == 16

    pages = _results(place) / f"wiki/{OLD}/pages/0.parquet"
    return Call(check, {
        "0": pages, "kind": "pages", "tokenizer": place.models / "base", "output": place.out, "block-size": 16,
    })  # fmt: skip


@call("report")
def _report(place):
    results = write_results(place.out.parent / "results" / "small", configuration())
    settings = configuration().model_dump(mode="json")

    def check(printed):
        for name in ("index.html", "examples.html", "measures.csv", "gate.json"):
            assert (place.out / name).stat().st_size > 0
        assert "small" in (place.out / "index.html").read_text()

    return Call(check, {"0": results, "output": place.out, "config": place.config(**settings)})


@call("gate")
def _gate(place):
    file = place.out.parent / "gate.json"
    file.write_text(json.dumps([{"name": "facts", "value": 0.9, "limit": 0.5, "met": True}]))
    return Call(
        lambda printed: _equal(printed.splitlines()[0], "met     facts: 0.9 (limit 0.5)"), {"0": file}
    )


@call("across")
def _across(place):
    folders = [place.out.parent / name for name in ("small", "large")]
    for folder in folders:
        shutil.copytree(place.reported(), folder)

    def check(printed):
        assert printed == f"comparison: {place.out / 'index.html'}\n"
        assert "small · large" in (place.out / "index.html").read_text()

    return Call(check, {"0": folders[0], "1": folders[1], "output": place.out})


@call("verify")
def _verify(place):
    def check(printed):
        assert printed.splitlines()[-1].startswith("verified ")
        assert "errors: 0" in printed

    return Call(check, {"0": _results(place)})


@call("explain")
def _explain(place):
    file = _results(place) / "probes" / "probes.parquet"
    return Call(lambda printed: _equal(printed.splitlines()[0], "probes/probes.parquet"), {"0": file})


@call("export")
def _export(place):
    def check(printed):
        assert sorted(path.name for path in place.out.iterdir()) == ["diff", "probes"]
        assert (place.out / "probes" / "README.md").read_text().startswith("---\n")

    return Call(check, {"0": _results(place), "hub-layout": place.out, "table": ["probes", "diff"]})


def _equal(found, expected):
    assert found == expected


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = write_inputs(tmp_path_factory.mktemp("models"))
    save_model(tiny_model(seed=12), tiny_tokenizer(), folder / "moved")
    return folder


@pytest.fixture(scope="module")
def wiki(tmp_path_factory):
    root = tmp_path_factory.mktemp("wiki")
    recorded(root)
    return root


@pytest.fixture(scope="module")
def reported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reported") / "small"

    def make():
        if not folder.exists():
            write_results(folder, configuration())
            write_report(folder, configuration(), folder / "report")
        return folder

    return make


@pytest.fixture(scope="module")
def profiled(models, tmp_path_factory):
    folder = tmp_path_factory.mktemp("profiled") / "base"

    def make():
        if not folder.exists():
            settings = ProfileConfig(examples=3, bootstrap=100)
            inputs = {"probes": models / "probes.parquet", "corpus": models / "base.parquet"}
            profile(models / "base", **inputs, settings=settings, twin=True).save(folder)
        return folder

    return make


@pytest.fixture
def place(models, wiki, profiled, reported, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with ExitStack() as at_end:
        yield Place(models, wiki, profiled, reported, tmp_path / "out", monkeypatch, at_end)


@pytest.mark.parametrize("name", NAMES)
def test_the_help_of_a_command_shows_what_it_takes(name):
    printed = shown(name, "--help")
    assert f"Usage: tgl {name} " in printed
    for parameter in load(name).params:
        if getattr(parameter, "hidden", False):
            continue
        shown_as = parameter.opts[0] if parameter.param_type_name == "option" else parameter.metavar
        assert f"{shown_as} " in printed
        assert parameter.help.rstrip().endswith((".", "train"))
        assert " ".join(parameter.help.replace("\\[", "[").split()) in printed
    assert not re.search(r"<(list|str|path|int|float|bool)", printed)  # Python's types


@pytest.mark.parametrize("name", NAMES)
def test_a_good_call(name, place):
    assert name in CALLS, f"tgl {name} has no good call here: add one"
    good = CALLS[name](place)
    printed = passes(name, *good.arguments())
    good.check(printed)


# Inputs of each command by option, or number of the argument. Those of profile, along, plan, base, train and score
# are broken in tests/cli/test_inputs.py.
INPUTS = {
    "check": ["0"], "run": ["0"], "agree": ["0", "profile", "probes", "moved"], "files": ["0"], "history": ["0"],
    "pages": ["0", "previous"], "base-text": ["0"], "diff": ["0", "1"], "probes": ["base-pages", "facts", "wikidata"],
    "wikidata": ["0"], "snapshot-probes": ["0", "1", "2", "base-pages"], "tokenizer": ["0", "withhold"],
    "pack": ["0", "tokenizer", "withhold"], "report": ["0"], "gate": ["0"], "across": ["0"], "verify": ["0"],
    "explain": ["0"], "export": ["0"],
}  # fmt: skip
ELSEWHERE = {"profile", "along", "plan", "base", "train", "score"}
WITHOUT_INPUTS = {"init", "world", "download"}
FOLDERS = {("agree", "profile"), ("agree", "0"), ("agree", "moved"), ("pack", "tokenizer")} | {
    (name, "0") for name in ("report", "across", "verify", "export")
}
# Files that may hold any bytes.
ANY_CONTENT = {("files", "0")}
OUTPUTS = {
    "agree": "output", "world": "output", "files": "output", "history": "output", "download": "output",
    "pages": "output", "base-text": "output", "diff": "output", "probes": "output", "wikidata": "output",
    "snapshot-probes": "output", "tokenizer": "output", "pack": "output", "report": "output", "across": "output",
    "export": "hub-layout",
}  # fmt: skip
IN_THE_PLACE_OF_AN_INPUT = ["files", "pages", "base-text", "diff", "wikidata", "snapshot-probes", "pack"]


def test_every_command_is_in_the_lists_of_refusals():
    assert {*INPUTS, *ELSEWHERE, *WITHOUT_INPUTS} == set(NAMES)
    assert {*OUTPUTS, *ELSEWHERE, "init", "check", "run", "gate", "verify", "explain"} == set(NAMES)


def bad_input(folder: Path, kind: str) -> Path:
    path = folder / f"bad {kind}"
    if kind == "folder":
        path.mkdir()
    elif kind == "another table":
        write_table([{"part": "train", "tokens": [1]}], path, "tokens")
    elif kind != "missing":
        path.write_text("neither a table nor XML nor JSON")
    if kind == "denied":
        path.chmod(0)
        if os.access(path, os.R_OK):
            pytest.skip("this user may read every file")
    return path


@pytest.mark.parametrize("kind", ["missing", "text", "folder", "another table", "denied"])
@pytest.mark.parametrize(("name", "key"), [(name, key) for name, keys in INPUTS.items() for key in keys])
def test_an_input_that_is_none_is_refused_by_its_path(name, key, kind, place, tmp_path):
    if kind == "folder" and (name, key) in FOLDERS:
        pytest.skip("a folder is what is expected")
    if kind in ("text", "another table") and (name, key) in ANY_CONTENT:
        pytest.skip("any file is listed")
    good = CALLS[name](place)
    if (name, key) == ("probes", "wikidata"):
        good.given["set"] = "probes.sets=[world,wikidata]"
    bad = bad_input(tmp_path, kind)
    error = refused(name, *good.arguments(**{key: bad}))
    assert str(bad) in error
    assert not place.out.is_file()


@pytest.mark.parametrize("name", OUTPUTS)
def test_an_output_below_a_file_is_refused_and_the_file_stays(name, place, tmp_path):
    (tmp_path / "mine").write_text("mine")
    good = CALLS[name](place)
    error = refused(name, *good.arguments(**{OUTPUTS[name]: tmp_path / "mine" / "x"}))
    assert str(tmp_path / "mine") in error
    assert (tmp_path / "mine").read_text() == "mine"


@pytest.mark.parametrize("name", [name for name in OUTPUTS if name in IN_THE_PLACE_OF_AN_INPUT])
def test_an_output_in_the_place_of_an_input_is_refused_and_the_input_stays(name, place):
    good = CALLS[name](place)
    source = Path(good.given["0"])
    before = source.read_bytes()
    assert f"{source}: an input and the output" in refused(name, *good.arguments(output=source))
    assert source.read_bytes() == before


@pytest.mark.parametrize(
    "name", sorted({*OUTPUTS} - {"world", "history", "agree", "tokenizer", "report", "across", "export"})
)
def test_an_output_that_is_a_folder_is_refused(name, place, tmp_path):
    good = CALLS[name](place)
    error = refused(name, *good.arguments(output=tmp_path))
    assert f"tgl {name}: {tmp_path}: " in error
    assert "a folder" in error


def test_pack_names_the_kinds_that_there_are(place):
    good = CALLS["pack"](place)
    error = refused("pack", *good.arguments(kind="facts"))
    assert error == "tgl pack: --kind: found 'facts', expected pages or diff\n"


def test_a_missed_gate_fails_and_is_only_reported_without_binding(tmp_path):
    file = tmp_path / "gate.json"
    file.write_text(json.dumps([{"name": "facts", "value": 0.1, "limit": 0.5, "met": False}]))
    assert "facts" in refused("gate", file)
    assert "facts" in passes("gate", file, "--no-binding")


def test_export_refuses_a_kind_that_no_table_has(place):
    good = CALLS["export"](place)
    error = refused("export", *good.arguments(table="pagse"))
    assert "pagse" in error
    assert "pages" in error
