import io
import logging
import os
import re
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from types import SimpleNamespace

import pytest

from tgl.core import progress
from tgl.core.progress import Progress, bar, duration, track


class Terminal(io.StringIO):
    """Text that says it is a terminal."""

    def isatty(self):
        return True

    def shown(self):
        """Return the text without colours and movements of the cursor."""
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.getvalue())


@pytest.fixture
def clock(monkeypatch):
    """The time in seconds, as the attribute `now`."""
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


@pytest.fixture
def lines(monkeypatch):
    """The lines of the log, where no bar can be shown."""
    found = []
    handler = logging.Handler()
    handler.emit = lambda record: found.append(record.getMessage())
    logger = logging.getLogger("tgl")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.delenv("RANK", raising=False)
    yield found
    logger.removeHandler(handler)
    logger.setLevel(level)


@pytest.fixture
def terminal(monkeypatch, lines):
    """A terminal, which is standard error in `with redirect_stderr(terminal)`: pytest replaces it before a test."""
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "200")
    return Terminal()


def test_a_log_gets_a_line_every_30_seconds(clock, lines):
    with bar("scoring", "batches") as shown:
        for second in range(1, 100):
            clock.now += 1
            shown.update(second, 200)
            assert len(lines) == second // 30
    assert lines == [shown_line(30), shown_line(60), shown_line(90)]


def shown_line(done):
    made = Progress("scoring", "batches")
    made.done, made.total = done, 200
    return made.line(done)


def test_a_loop_shorter_than_that_logs_nothing(clock, lines):
    with bar("scoring", "batches") as shown:
        for done in range(1000):
            clock.now += 0.0299
            shown.update(done, 1000)
    assert lines == []


def test_a_line_has_count_share_rate_and_the_time_left():
    made = Progress("scoring", "batches")
    made.done, made.total = 1500, 6000
    line = made.line(300)
    assert line.startswith("scoring: 1,500 of 6,000 batches (25%), 5.0 ")
    assert line.endswith(", 15 min left")


def test_without_a_total_there_is_no_share(clock, lines):
    with bar("reading", "pages") as shown:
        clock.now += 40
        shown.advance(2000)
    (line,) = lines
    assert line.startswith("reading: 2,000 pages, 50.0 ")
    assert "%" not in line
    assert "left" not in line


def test_nothing_done_yet_has_no_time_left():
    made = Progress("x", "y")
    made.total = 10
    for seconds in (0, 50):
        line = made.line(seconds)
        assert line.startswith("x: 0 of 10 y (0%), 0.0 ")
        assert line.endswith(", ? left")


def test_a_total_that_was_given_once_stays():
    made = Progress("x", "y")
    made.update(1, 10)
    made.update(2)
    made.advance()
    made.advance(4)
    assert (made.done, made.total) == (7, 10)


def test_of_several_processes_only_the_first_logs(clock, lines, monkeypatch):
    for rank, expected in (("0", 1), ("1", 0)):
        lines.clear()
        monkeypatch.setenv("RANK", rank)
        with bar("training", "steps") as shown:
            clock.now += 31
            shown.update(1, 2)
        assert len(lines) == expected


def test_track_passes_items_on_and_shows_how_many_are_done(clock, lines):
    found = []
    for item in track("abcd", "letters", "letters"):
        found.append(item)
        clock.now += 31
    assert found == list("abcd")
    assert [line.split(" (")[0] for line in lines] == [
        f"letters: {done} of 4 letters" for done in (1, 2, 3, 4)
    ]


def test_track_takes_the_total_of_items_without_a_length(clock, lines):
    for given, expected in (({}, "1 x,"), ({"total": 8}, "1 of 8 x (")):
        lines.clear()
        for _ in track(iter(range(1)), "x", "x", **given):
            clock.now += 31
        assert lines[0].startswith(f"x: {expected}")


def test_track_over_nothing_ends(lines):
    assert list(track([], "x")) == []


@pytest.mark.parametrize("error", [ValueError("of the items"), KeyboardInterrupt()])
@pytest.mark.parametrize("watched", [False, True])
def test_track_passes_errors_on(terminal, monkeypatch, error, watched):
    if not watched:
        monkeypatch.setenv("TERM", "dumb")

    def items():
        yield 1
        raise error

    with redirect_stderr(terminal):
        loop = track(items(), "x")
        assert next(loop) == 1
        with pytest.raises(type(error)) as caught:
            next(loop)
    assert caught.value is error
    assert bool(terminal.getvalue()) == watched


def test_a_terminal_shows_a_bar_and_nothing_is_left_of_it(terminal, lines):
    with redirect_stderr(terminal), bar("scoring", "batches") as shown:
        shown.update(1, 4)
        shown._bars.refresh()
        during = terminal.shown()
        assert re.search(r"scoring .* 1/4 .*batches", during)
        shown.describe("the test split")
        shown.advance()
        shown._bars.refresh()
        after = terminal.shown()[len(during) :]
        assert re.search(r"scoring: the test split .* 2/4 .*/s", after)
    assert terminal.getvalue().endswith("\x1b[2K")  # the line is erased
    assert lines == []


def test_a_loop_that_is_left_early_removes_its_bar(terminal):
    loop = track(range(10), "x")
    with redirect_stderr(terminal):
        next(loop)
        loop.close()
    assert terminal.getvalue().endswith("\x1b[2K")


def test_a_bar_of_an_unknown_total_shows_the_count(terminal):
    with redirect_stderr(terminal), bar("reading", "pages") as shown:
        shown.update(3)
        shown._bars.refresh()
        assert re.search(r"3/\? .*pages", terminal.shown())


@pytest.mark.parametrize("what", ["a [bold]b", "[/]", "[/nothing]", "x[0]", "{task}"])
def test_brackets_in_a_name_are_shown_as_they_are(terminal, what):
    with redirect_stderr(terminal), bar(what, "[i] {x}") as shown:
        shown.describe(what)
        shown._bars.refresh()
    assert f"{what}: {what}" in terminal.shown()
    assert "[i] {x}" in terminal.shown()


def test_output_that_goes_to_a_file_stays_there_while_a_bar_is_shown(terminal):
    out = io.StringIO()
    with redirect_stderr(terminal), redirect_stdout(out), bar("x"):
        print("a line of the log")
    assert out.getvalue() == "a line of the log\n"
    assert "a line of the log" not in terminal.getvalue()


def test_output_on_the_same_terminal_stands_above_the_bar(terminal):
    with redirect_stderr(terminal), redirect_stdout(terminal):
        with bar("x") as shown:
            print("a line of the log")
            shown._bars.refresh()
        assert sys.stdout is terminal
    assert "a line of the log\n" in terminal.getvalue()


@pytest.mark.parametrize("why", ["dumb", "quiet", "other process"])
def test_no_bar_where_it_cannot_or_should_not_be_shown(terminal, monkeypatch, why):
    if why == "dumb":
        monkeypatch.setenv("TERM", "dumb")
    elif why == "quiet":
        logging.getLogger("tgl").setLevel(logging.WARNING)
    else:
        monkeypatch.setenv("RANK", "1")
    with redirect_stderr(terminal):
        assert list(track(range(3), "x")) == [0, 1, 2]
    assert terminal.getvalue() == ""


def test_a_bar_on_a_real_terminal():
    code = (
        "import logging; logging.getLogger('tgl').setLevel(20);"
        "from tgl.core.progress import track; print(sum(track(range(5), 'counting', 'numbers')))"
    )
    ours, theirs = os.openpty()
    variables = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "RANK")}
    done = subprocess.run(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=theirs, text=True, timeout=120,
        env=variables | {"TERM": "xterm", "COLUMNS": "120"}, check=True,
    )  # fmt: skip
    os.close(theirs)
    shown = b""
    try:
        while piece := os.read(ours, 4096):
            shown += piece
    except OSError:  # nothing is left to read
        pass
    os.close(ours)
    assert done.stdout == "10\n"
    assert b"counting" in shown
    assert b"5/5" in shown


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0, "0 s"), (0.4, "0 s"), (45, "45 s"), (119, "119 s"), (120, "2 min"), (3600, "60 min"), (7199, "120 min"),
        (7200, "2.0 h"), (12_240, "3.4 h"), (10**6, "277.8 h"), (float("inf"), "?"),
    ],
)  # fmt: skip
def test_durations_are_in_the_unit_that_people_read(seconds, expected):
    assert duration(seconds) == expected
