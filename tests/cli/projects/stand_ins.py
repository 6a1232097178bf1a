"""Stand-ins for Snakemake, which prints given lines, and for the progress bar; and lines that Snakemake prints."""

from __future__ import annotations

import io

# Lines of Snakemake 9 for a run of rules with messages, from the start to the end.
STARTED = """\
Config file config.yaml is extended by additional config specified via the command line.
Building DAG of jobs...
Job stats:
job            count
-----------  -------
world              1
all                1
total              2

Select jobs to execute...
[Sat Nov 28 22:21:54 2026]
Job 1: Writing the synthetic world as dumps of 20190101 20200101
Reason: Missing output files: results/small/snapshots/20190101/files.parquet
"""
FINISHED = """\
[Sat Nov 28 22:21:55 2026]
Finished jobid: 1 (Rule: world)
1 of 2 steps (50%) done
[Sat Nov 28 22:21:55 2026]
localrule all:
    input: results/small/report/gate.txt
2 of 2 steps (100%) done
Complete log(s): .snakemake/log/2026-11-28T222153.snakemake.log
"""
FAILED = """\
RuleException:
CalledProcessError in file "workflow/rules/snapshots.smk", line 30:
Command 'python -m tgl world' returned non-zero exit status 1.
[Sat Nov 28 22:21:56 2026]
Error in rule world:
    message: Writing the synthetic world
Logfile results/small/logs/world.log:
================================================================================
tgl world: results: no space left
================================================================================
Exiting because a job execution failed. Look above for error messages
WorkflowError:
At least one job did not complete successfully.
"""
UP_TO_DATE = """\
Building DAG of jobs...
Nothing to be done (all requested files are present and up to date).
"""


class Snakemake:
    """A process that prints given lines, and remembers how it was started."""

    def __init__(self, monkeypatch, printed="", status=0, ends_with=None):
        self.status, self.ends_with, self.received, self.waited = status, ends_with, [], 0
        self.command, self.options = None, None
        self.stdout = io.StringIO(printed)
        monkeypatch.setattr("tgl.cli.workflow.subprocess.Popen", self.start)

    def start(self, command, **options):
        self.command, self.options = command, options
        return self

    def wait(self):
        if self.ends_with is not None:
            raise self.ends_with
        return self.status

    def send_signal(self, number):
        self.received.append(number)

    def communicate(self):
        self.waited += 1
        return None, None


class Bar:
    """Remembers the calls of the progress bar."""

    def __init__(self, what, unit):
        self.told = [what, unit]

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.told.append("closed")

    def update(self, done, total=None):
        self.told.append((done, total))

    def describe(self, what):
        self.told.append(what)
