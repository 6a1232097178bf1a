"""What a user sees when a subcommand ends badly: one message and a status, and a traceback for a bug in tgl alone."""

import errno
import json
import os
import subprocess
import sys

import pytest

from tests.cli.running import passes, refused, tgl
from tests.workflow.conftest import REPOSITORY, environment
from tgl.core.errors import Stopped
from tgl.core.tables.write import write_table

LOSS = {"checkpoint": "x", "text": "base", "num_tokens": 1, "negative_log_likelihood": 1.0}


@pytest.fixture
def gate(tmp_path):
    path = tmp_path / "gate.json"
    path.write_text("[]")
    return path


def raising(monkeypatch, error):
    def act(*arguments):
        raise error

    monkeypatch.setattr("tgl.report.gate.check_gate", act)


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (OSError(errno.ENOSPC, "No space left", "a\x1b"), 1, r"tgl gate: a\x1b: No space left; free some"),
        (MemoryError(), 1, "tgl gate: not enough memory"),
        (
            BrokenPipeError(errno.EPIPE, "Broken"),
            1,
            "tgl gate: input or output: Broken; the reader of the output",
        ),
        (KeyboardInterrupt(), 130, "tgl gate: stopped by SIGINT; the same command starts this stage again"),
        (Stopped("saved", 15), 143, "tgl gate: saved"),
        (UnicodeError("x"), 1, "tgl gate: the text is not valid Unicode"),
    ],
)
def test_errors_are_one_line_and_their_status(gate, monkeypatch, error, status, words):
    raising(monkeypatch, error)
    found, printed, complaint = tgl("gate", gate)
    assert (found, printed) == (status, "")
    assert complaint.startswith(words)
    assert len(complaint.splitlines()) == 1


def test_a_fault_of_tgl_shows_its_traceback_and_asks_to_report_it(gate, monkeypatch):
    raising(monkeypatch, AttributeError("'NoneType' object has no attribute 'x\x1b'"))
    status, _, complaint = tgl("gate", gate)
    assert status == 1
    assert "Traceback (most recent call last)" in complaint
    assert complaint.splitlines()[-1].startswith("tgl gate: this is a bug in tgl. Please report it")
    assert "\x1b" not in complaint


@pytest.mark.parametrize("output", ["closed pipe", "full disk"])
def test_output_that_cannot_be_written_is_one_line_without_a_traceback(tmp_path, output):
    gates = [{"name": "x" * 1000, "value": 1.0, "limit": 1.0, "met": True}] * 1000
    (tmp_path / "gate.json").write_text(json.dumps(gates))
    if output == "full disk":
        written = os.open("/dev/full", os.O_WRONLY)
    else:
        read, written = os.pipe()
        os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "tgl", "gate", str(tmp_path / "gate.json")],
        stdout=written, stderr=subprocess.PIPE, text=True, cwd=REPOSITORY, env=environment(),
    )  # fmt: skip
    os.close(written)
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1), done.stderr


def test_terminal_sequences_in_files_are_shown_not_sent(gate):
    hostile = "ok\x1b[2J\rfake\nmet     everything\u202e"
    gate.write_text(json.dumps([{"name": hostile, "value": 1.0, "limit": 1.0, "met": True}]))
    printed = passes("gate", gate)
    assert printed.splitlines()[0] == r"met     ok\x1b[2J\rfake\nmet     everything\u202e: 1 (limit 1)"
    assert len(printed.splitlines()) == 2
    gate.write_text(json.dumps([{"name": hostile, "value": 1.0, "limit": 1.0, "met": False}]))
    assert "\x1b" not in refused("gate", gate)


@pytest.mark.parametrize("kind", ["folder", "pipe", "broken link", "circle", "missing", "long"])
@pytest.mark.parametrize("command", ["gate", "pages", "base-text", "check", "wikidata", "files"])
def test_what_is_no_file_is_refused_at_once(tmp_path, kind, command):
    """A pipe must not be waited for."""
    path = tmp_path / "it"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "broken link":
        path.symlink_to("nowhere")
    elif kind == "circle":
        path.symlink_to("it")
    elif kind == "long":
        path = tmp_path / ("n" * 300)
    more = {"gate": [], "check": [], "wikidata": ["20220101", "--output", tmp_path / "out"]}
    error = refused(command, path, *more.get(command, ["--output", tmp_path / "out"]))
    assert str(path) in error
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", ["folder", "under a file", "device", "long", "the input"])
def test_places_that_nothing_can_be_written_to_are_refused_before_anything_is_read(tmp_path, kind):
    source = tmp_path / "lines.jsonl"
    source.write_text("never read")
    output = {
        "folder": tmp_path, "under a file": source / "x", "device": "/dev/null", "long": tmp_path / ("n" * 300),
        "the input": source,
    }[kind]  # fmt: skip
    error = refused("base-text", source, "--output", output)
    assert str(output) in error
    assert "never read" not in error
    assert source.read_text() == "never read"


def test_a_table_that_is_another_one_or_holds_no_row_is_refused(tmp_path):
    write_table([LOSS], tmp_path / "loss", "lm_loss")
    write_table([], tmp_path / "empty", "files")
    output = ["--output", tmp_path / "out"]
    assert "not a 'files' table, columns missing" in refused("pages", tmp_path / "loss", *output)
    assert "empty: no row in the table 'files'" in refused("pages", tmp_path / "empty", *output)


@pytest.mark.parametrize(
    "content",
    ['{"a": 1}', "[1]", '[{"name": 1, "value": 1, "limit": 1, "met": true}]', "[[]]", "null", "[", "\ud800",
     '[{"name": "a", "value": "1", "limit": 1, "met": true}]', '[{"name": "a", "value": NaN, "limit": 1, "met": true}]',
     '[{"name": "a", "value": 1, "limit": true, "met": true}]', '[{"name": "a"}]', "[" * 100_000],
)  # fmt: skip
def test_a_gate_of_another_form_is_refused_with_its_file(gate, content):
    gate.write_text(content, encoding="utf-8", errors="surrogatepass")
    assert str(gate) in refused("gate", gate)
