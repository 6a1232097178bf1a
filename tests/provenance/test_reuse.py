"""Outputs are copied from another experiment only if its job did the same with the same inputs."""

import os
import shlex
import time
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from tests.provenance.experiment import Experiment
from tgl.cli.app import app
from tgl.core.code_hash import code_hash
from tgl.core.files import sha256_file
from tgl.core.reusable import REUSABLE, REUSE
from tgl.core.tables.write import write_table
from tgl.provenance.manifest import NAME, Code, File, read_manifest
from tgl.provenance.reuse import COPIED, reuse
from tgl.provenance.versions import installed_versions

CODE = Code(modules=["tgl.core.files"], hash=code_hash("tgl.core.files"))
OLD, NEW, DIFF = "snapshots/1/pages/0.parquet", "snapshots/2/pages/0.parquet", "diff/1_2/0.parquet"


def arguments(folder, *, config='{"unit": "sentence"}', command="diff") -> list[str]:
    return [command, f"{folder}/{OLD}", f"{folder}/{NEW}", "--output", f"{folder}/{DIFF}", "--config", config]


def shell(words) -> str:
    return f"python -m tgl.jobs {shlex.join(words)} > {words[1]}.log 2>&1"


@pytest.fixture
def experiments(tmp_path, monkeypatch) -> tuple[Experiment, Experiment]:
    """One experiment with a diff, and another with the same pages; paths are relative to the working directory."""
    monkeypatch.chdir(tmp_path)
    first, second = (Experiment(Path("results", name)) for name in ("first", "second"))
    for experiment in (first, second):
        experiment.write(OLD, "old")
        experiment.write(NEW, "new")
    first.write(DIFF, "difference")
    record(first)
    return first, second


def record(first: Experiment, versions=None, **more) -> None:
    read = [first.folder / OLD, first.folder / NEW]
    more = {"code": [CODE], "command": shell(arguments(first.folder))} | more
    first.update(first.declared("diff", [DIFF], read, **more), versions=versions)


def test_the_outputs_of_the_same_job_are_copied(experiments):
    _, second = experiments
    line = reuse(arguments(second.folder), second.folder)
    assert COPIED.search(line)[1] == "results/first"
    assert (second.folder / DIFF).read_text() == "difference"
    assert (second.folder / DIFF).stat().st_mtime > (second.folder / NEW).stat().st_mtime, (
        "newer than its inputs"
    )


def test_nothing_is_copied_from_the_experiment_itself(experiments):
    first, _ = experiments
    assert reuse(arguments(first.folder), first.folder) is None


def change_input(first, second):
    second.write(NEW, "newer")


def lose_input(first, second):
    (second.folder / NEW).unlink()


def change_code(first, second):
    record(first, code=[Code(modules=["tgl.core.files"], hash="0" * 12)])


def lose_code(first, second):
    record(first, code=[Code(modules=["no_such_package.module"], hash="0" * 12)])


def change_settings(first, second):
    record(first, command=shell(arguments(first.folder, config='{"unit": "line"}')))


def change_versions(first, second):
    record(first, versions=installed_versions() | {"torch": "1.0"})


def change_output(first, second):
    first.write(DIFF, "another difference")


def lose_output(first, second):
    (first.folder / DIFF).unlink()


def lose_inputs_of_record(first, second):
    first.update(first.declared("diff", [DIFF], code=[CODE], command=shell(arguments(first.folder))))


def break_command(first, second):
    record(first, command="python -m tgl.jobs diff 'unclosed")


def damage_manifest(first, second):
    (first.folder / NAME).write_text("{")


CHANGES = [
    change_input,
    lose_input,
    change_code,
    lose_code,
    change_settings,
    change_versions,
    change_output,
    lose_output,
    lose_inputs_of_record,
    break_command,
    damage_manifest,
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_a_job_that_differs_is_run(experiments, change):
    first, second = experiments
    change(first, second)
    assert reuse(arguments(second.folder), second.folder) is None
    assert not (second.folder / DIFF).exists()
    assert not list(second.folder.rglob("*.part"))


def documents(folder) -> list[str]:
    return ["documents", "20200101", "--collection=notes", "--pages", f"{folder}/{DIFF}"]


@pytest.fixture
def notes(experiments):
    """A folder of documents outside the experiments, that a job of the first one has read."""
    first, second = experiments
    Path("notes").mkdir()
    for name in ("one.md", "two.md"):
        Path("notes", name).write_text(name)
    first.write(DIFF, "pages")
    read = [Path("notes/one.md"), Path("notes/two.md")]
    late = max(path.stat().st_mtime for path in read) + 10
    os.utime(first.folder / DIFF, (late, late))
    more = {"code": [CODE], "command": shell(documents(first.folder)), "seconds": 5.0, "finished": late}
    first.update(first.declared("documents", [DIFF], read, **more))
    return second


def test_settings_longer_than_a_name_of_a_file_are_no_folder(experiments):
    first, second = experiments
    long = '{"unit": "%s"}' % ("x" * 5000)
    record(first, command=shell(arguments(first.folder, config=long)))
    assert reuse(arguments(second.folder, config=long), second.folder)


def test_the_documents_of_a_folder_are_copied(notes):
    assert COPIED.search(reuse(documents(notes.folder), notes.folder))


def test_a_file_that_was_added_to_a_folder_is_read(notes):
    Path("notes", "sub").mkdir()
    Path("notes", "sub", "three.md").write_text("new")
    assert reuse(documents(notes.folder), notes.folder) is None


def test_an_input_that_changed_while_the_job_ran_may_not_be_what_it_read(notes):
    late = time.time() + 8
    os.utime("notes/one.md", (late, late))
    assert reuse(documents(notes.folder), notes.folder) is None


def test_undeclared_files_of_a_job_are_copied_too(experiments):
    first, second = experiments
    extra = "diff/1_2/extra.json"
    first.write(extra, "{}")
    whole = read_manifest(first.folder / NAME)
    told = File(path=extra, sha256=sha256_file(first.folder / extra), bytes=2, mtime_ns=0)
    jobs = [whole.jobs[0].model_copy(update={"undeclared": [told]})]
    (first.folder / NAME).write_text(whole.model_copy(update={"jobs": jobs}).model_dump_json())
    assert reuse(arguments(second.folder), second.folder)
    assert (second.folder / extra).read_text() == "{}"


def test_a_setting_that_names_a_file_or_folder_is_no_known_input(experiments, tmp_path):
    first, second = experiments
    (tmp_path / "model").mkdir()
    config = '{"load": "model", "more": [{"word": "w"}]}'
    record(first, command=shell(arguments(first.folder, config=config)))
    assert reuse(arguments(second.folder, config=config), second.folder) is None
    (tmp_path / "model").rmdir()
    assert reuse(arguments(second.folder, config=config), second.folder)


def test_a_path_that_begins_with_a_brace_is_no_settings(experiments):
    _, second = experiments
    assert reuse([*arguments(second.folder), "{odd}.parquet"], second.folder) is None


def test_a_command_whose_outputs_depend_on_more_is_never_copied(experiments):
    first, second = experiments
    assert "train" not in REUSABLE
    record(first, command=shell(arguments(first.folder, command="train")))
    assert reuse(arguments(second.folder, command="train"), second.folder) is None
    assert reuse([], second.folder) is None


@pytest.mark.parametrize(("sha1", "same"), [("a" * 40, True), ("b" * 40, False)])
def test_lists_of_equal_dumps_in_each_experiment_are_equal(tmp_path, monkeypatch, sha1, same):
    monkeypatch.chdir(tmp_path)
    files, pages = "snapshots/20200101/files.parquet", "snapshots/20200101/pages/0.parquet"
    first, second = (Experiment(Path("results", name)) for name in ("first", "second"))
    for experiment, digest in ((first, "a" * 40), (second, sha1)):
        (experiment.folder / files).parent.mkdir(parents=True)
        row = {"path": f"{experiment.folder}/snapshots/20200101/dump/a.xml.bz2", "bytes": 5, "sha1": digest}
        write_table(pd.DataFrame([row]), experiment.folder / files, "files")
    command = ["pages", "FOLDER/" + files, "--output", "FOLDER/" + pages]
    words = [[word.replace("FOLDER", str(one.folder)) for word in command] for one in (first, second)]
    assert sha256_file(first.folder / files) != sha256_file(second.folder / files)
    first.write(pages, "text")
    read = [first.folder / files]
    first.update(first.declared("pages", [pages], read, code=[CODE], command=shell(words[0])))
    assert bool(reuse(words[1], second.folder)) == same
    assert (second.folder / pages).exists() == same


def test_the_command_line_copies_where_the_workflow_offers_it(experiments, monkeypatch):
    _, second = experiments
    monkeypatch.setenv(REUSE, str(second.folder))
    done = CliRunner().invoke(app, arguments(second.folder))
    assert (done.exit_code, COPIED.search(done.stdout)[1]) == (0, "results/first")
    assert (second.folder / DIFF).read_text() == "difference"


def test_outputs_that_cannot_be_copied_are_made_after_a_line_about_it(experiments, monkeypatch):
    _, second = experiments
    (second.folder / DIFF).mkdir(parents=True)
    monkeypatch.setenv(REUSE, str(second.folder))
    done = CliRunner().invoke(app, arguments(second.folder))
    assert done.exit_code == 1
    assert (
        "copied nothing from other experiments: results/second/diff/1_2/0.parquet: found a folder"
        in done.stdout
    )
