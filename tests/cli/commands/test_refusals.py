"""Every command: what it refuses before or while it works."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.cli.commands.calls import CALLS
from tests.cli.running import NAMES, passes, refused, tgl
from tests.support.model_fixtures import plan_of
from tgl.core.tables.write import write_table
from tgl.plans.plan import save_plan

# Inputs of each command by option, or number of the argument. Those of profile, along, plan, base, train and score
# are broken in tests/cli/test_inputs.py.
INPUTS = {
    "check": ["0"], "run": ["0"], "agree": ["0", "profile", "probes", "moved"], "files": ["0"], "history": ["0"],
    "pages": ["0", "previous"], "base-text": ["0"], "diff": ["0", "1"], "probes": ["base-pages", "facts", "wikidata"],
    "wikidata": ["0"], "snapshot-probes": ["0", "1", "2", "base-pages"], "tokenizer": ["0", "withhold"],
    "pack": ["0", "tokenizer", "withhold"], "report": ["0"], "gate": ["0"], "across": ["0"], "verify": ["0"],
    "explain": ["0"], "export": ["0"], "push": ["0"],
    "known-facts": ["facts", "wordings"], "counterfactual": ["facts", "wordings", "old-text", "new-text"],
    "interference": ["probes", "tokens"], "replicates": ["0"], "advise": ["0"],
    "export-plan": ["0", "model"],
    "export-lm-eval": ["0"], "export-crate": ["0"],
}  # fmt: skip
ELSEWHERE = {"profile", "along", "plan", "base", "train", "score"}
# A collection may be no file: tests/snapshots/documents breaks it.
WITHOUT_INPUTS = {"init", "world", "download", "documents"}
FOLDERS = {
    ("export-plan", "model"),
    ("agree", "profile"),
    ("agree", "0"),
    ("agree", "moved"),
    ("pack", "tokenizer"),
} | {
    (name, "0")
    for name in ("report", "across", "verify", "export", "export-crate", "push", "replicates", "advise")
}
# Files that may hold any bytes.
ANY_CONTENT = {("files", "0")}
OUTPUTS = {
    "agree": "output", "world": "output", "files": "output", "history": "output", "download": "output",
    "pages": "output", "base-text": "output", "diff": "output", "probes": "output", "wikidata": "output",
    "snapshot-probes": "output", "tokenizer": "output", "pack": "output", "report": "output", "across": "output",
    "export": "hub-layout", "known-facts": "output", "counterfactual": "output", "interference": "output",
    "replicates": "output", "advise": "output", "documents": "pages",
    "export-plan": "output",
    "export-lm-eval": "output",
}  # fmt: skip
INTO_FOLDERS = {
    "world", "history", "agree", "tokenizer", "report", "across", "export", "counterfactual", "replicates",
    "export-lm-eval",
}  # fmt: skip
IN_THE_PLACE_OF_AN_INPUT = [
    "files",
    "pages",
    "base-text",
    "diff",
    "wikidata",
    "snapshot-probes",
    "pack",
    "export-plan",
]


def test_every_command_is_in_the_lists_of_refusals():
    assert {*INPUTS, *ELSEWHERE, *WITHOUT_INPUTS} == set(NAMES)
    assert {
        *OUTPUTS,
        *ELSEWHERE,
        "init",
        "check",
        "run",
        "gate",
        "verify",
        "explain",
        "push",
        "export-crate",
    } == set(NAMES)


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
    "name",
    sorted({*OUTPUTS} - INTO_FOLDERS),
)
def test_an_output_that_is_a_folder_is_refused(name, place, tmp_path):
    good = CALLS[name](place)
    error = refused(name, *good.arguments(**{OUTPUTS[name]: tmp_path}))
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


@pytest.mark.parametrize(
    ("to", "words"),
    [("axolotI", "did you mean 'axolotl'"), ("trl", "axolotl, ms-swift, llama-factory, peft, json")],
)
def test_export_plan_refuses_an_unknown_format(to, words, place):
    error = refused("export-plan", *CALLS["export-plan"](place).arguments(to=to))
    assert f"found '{to}'" in error
    assert words in error
    assert not place.out.exists()


def test_export_plan_prints_the_text_alone_without_an_output(place):
    save_plan(plan_of([0.0, 0.0, 1.0, 1.0]), place.out)
    status, printed, error = tgl(
        "export-plan", place.out, f"--model={place.models / 'base'}", "--to=ms-swift"
    )
    assert status == 0
    assert printed.startswith("--tuner_type full")
    assert "ms-swift 4" in error


def test_export_refuses_a_kind_that_no_table_has(place):
    good = CALLS["export"](place)
    error = refused("export", *good.arguments(table="pagse"))
    assert "pagse" in error
    assert "pages" in error


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ({"split": "tset"}, "no probe of the split 'tset'; found: test, validation"),
        ({"name": "a,b"}, "--name: found 'a,b'"),
    ],
)
def test_export_lm_eval_refuses_an_unknown_split_and_an_odd_name(option, words, place):
    good = CALLS["export-lm-eval"](place)
    assert words in refused("export-lm-eval", *good.arguments(**option))
    assert not place.out.exists()


def test_export_lm_eval_refuses_a_folder_that_exists(place):
    good = CALLS["export-lm-eval"](place)
    place.out.mkdir()
    assert f"{place.out}: exists already" in refused("export-lm-eval", *good.arguments())
    assert list(place.out.iterdir()) == []


def test_push_refuses_a_name_without_a_namespace_and_an_unknown_kind(place):
    good = CALLS["push"](place)
    assert "--to: found 'mine', expected NAMESPACE/NAME" in refused("push", *good.arguments(to="mine"))
    assert "--what: found 'datasets' (did you mean 'dataset'?)" in refused(
        "push", *good.arguments(what="datasets")
    )
