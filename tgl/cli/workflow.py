"""Snakemake as a process below `tgl run`, with a progress bar on a terminal."""

from __future__ import annotations

import logging
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

from tgl.core.errors import Stopped, TglError
from tgl.core.installed import workflow_folder
from tgl.core.interruptions import Interrupted
from tgl.core.progress import bar
from tgl.core.terminal import one_line, write

_DONE = re.compile(r"^(\d+) of (\d+) steps \(")
# A rule with a message is named by its message alone.
_RULE = re.compile(r"^(?:local)?(?:rule|checkpoint) (\w+):|^Job \d+: (.+)")
_TOTAL = re.compile(r"^total +(\d+)")
_ERROR = re.compile(r"^\w*(?:Error|Exception)\b|: error: ")
_DRY_RUN = re.compile(r"--dry-?run|-\w*n\w*")
# Lines that are shown of a run that failed, at most.
_MOST_LINES = 60
# Characters of a rule's message that the bar has room for.
_MOST_OF_MESSAGE = 40


def run_workflow(options: list[str], results: str | None) -> int:
    """Run Snakemake on the workflow of this package.

    On a terminal a bar shows the progress, and a run that fails prints its lines from the first error on. With `tgl -q`
    there is no bar. Elsewhere Snakemake prints its own lines.

    Args:
        options: Options of Snakemake.
        results: Folder of the experiment, whose report is named at the end; None: it is not known.

    Returns:
        The exit status of Snakemake.

    Raises:
        TglError: Snakemake is not installed.
        Stopped: A signal has stopped the run, and Snakemake has ended.
    """
    if find_spec("snakemake") is None:
        raise TglError(
            "snakemake is not installed, and the workflow needs it. Install it: pip install 'tgl[workflow]'"
        )
    snakefile = workflow_folder() / "Snakefile"
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(snakefile)]
    profile = snakefile.parent / "profiles" / "default"
    # Snakemake ignores its variable for a profile if the option is given.
    given = "SNAKEMAKE_PROFILE" in os.environ or any(re.match("--profile(=|$)", option) for option in options)
    command += ["--profile", str(profile)] if not given and profile.is_dir() else []
    command += options
    is_followed = (_is_quiet() or _is_terminal()) and not any(map(_DRY_RUN.fullmatch, options))
    piped = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "errors": "replace"}
    lines: list[str] = []
    process = subprocess.Popen(command, **(piped if is_followed else {}))
    try:
        if is_followed:
            _follow(process.stdout, lines)
        status = process.wait()
    except Interrupted as error:
        _end(process, error.number)
        raise Stopped(f"{error}; the same command runs what is not finished", error.number) from None
    if is_followed and status:
        write("".join(_from_first_error(lines)).rstrip(), sys.stderr)
    elif is_followed:
        _report(lines, results and Path(results) / "report" / "index.html")
    return status


def _is_quiet() -> bool:
    return not logging.getLogger("tgl").isEnabledFor(logging.INFO)


def _is_terminal() -> bool:
    return sys.stderr.isatty()


def _report(lines: list[str], page: Path | None) -> None:
    """Print what a run that succeeded leaves: the report, or what an option such as --summary asked for."""
    if nothing := next((line for line in lines if line.startswith("Nothing to be done")), None):
        logging.getLogger("tgl").info(one_line(nothing.strip()))
    elif not any(_TOTAL.match(line) for line in lines):
        write("".join(lines).rstrip(), sys.stdout)
        return
    if page is not None and page.exists():
        write(f"report: {page}", sys.stdout)


def _end(process: subprocess.Popen, number: int) -> None:
    """Wait until Snakemake has ended its jobs and unlocked the folder."""
    # A terminal sends SIGINT to Snakemake and its jobs as well.
    if number != signal.SIGINT or not _is_in_foreground():
        process.send_signal(number)
    # Nothing reads its lines any more, and a full pipe would block it.
    process.communicate()


def _is_in_foreground() -> bool:
    """Return whether this process is in the group to which its terminal sends signals."""
    try:
        with open("/dev/tty") as terminal:
            return os.tcgetpgrp(terminal.fileno()) == os.getpgrp()
    except OSError:
        return False


def _follow(printed: Iterable[str], lines: list[str]) -> None:
    """Show the run's progress on a bar, and keep its lines."""
    with bar("workflow", unit="jobs") as progress:
        for line in printed:
            lines.append(line)
            if match := _DONE.match(line):
                progress.update(int(match[1]), int(match[2]))
            elif match := _TOTAL.match(line):
                progress.update(0, int(match[1]))
            elif match := _RULE.match(line):
                progress.describe(one_line(match[1] or match[2])[:_MOST_OF_MESSAGE])


def _from_first_error(lines: list[str]) -> list[str]:
    """Return the lines from the first that reports an error, at most `_MOST_LINES`; from the end where none does."""
    first = next((number for number, line in enumerate(lines) if _ERROR.search(line)), -_MOST_LINES)
    found = lines[first:]
    left_out = len(found) - _MOST_LINES
    more = [f"... and {left_out} more lines: see the log in .snakemake/log\n"] if left_out > 0 else []
    return found[:_MOST_LINES] + more
