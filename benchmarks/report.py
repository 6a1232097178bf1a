"""Measure the peak memory of `tgl report` and `tgl across` at five times the methods, seeds or learning rates.

    python -m benchmarks.report [--subjects 100]

The results are synthetic (tests/report/result_folder.py): 5 methods x 4 seeds x 1 rate, and five times as many of each.
Each report is made in a separate process. Prints one figure on each line; the peer is the same command on a fifth of
the runs.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.figures import figure
from tests.report.result_folder import World, configuration, write_results
from tgl.config.root import Config

GOAL = 1.15
METHODS = ["full", "tgl_fp", "random", "inverse", "last"]
BASELINES = ("", "+replay", "+mix_review", "+recadam", "+ewc")
TIMES_FIVE = {
    "methods": {"methods": [method + baseline for baseline in BASELINES for method in METHODS]},
    "seeds": {"seeds": list(range(20))},
    "rates": {"train": {"learning_rates": [0.0005, 0.001, 0.002, 0.004, 0.008]}},
}


def settings(**changes: object) -> Config:
    """Return the configuration of the small experiment with some changes."""
    rates = {"train": {"learning_rates": [0.002]}}
    return configuration(**{"methods": METHODS, "seeds": [0, 1, 2, 3], **rates, **changes})


def peak(*arguments: str) -> float:
    """Return the peak resident memory of a `tgl` command in MiB."""
    process = subprocess.Popen([sys.executable, "-m", "tgl", *arguments])
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"tgl {arguments[0]} failed with status {os.waitstatus_to_exitcode(status)}")
    return usage.ru_maxrss / 1024


def measure(folder: Path, config: Config, world: World) -> tuple[float, float]:
    """Return the peak memory of `report` on an experiment, and of `across` on the experiment and its copy, in MiB."""
    write_results(folder, config, world)
    text = json.dumps(config.model_dump(mode="json"))
    of_report = peak("report", str(folder), "--output", str(folder / "report"), "--config", text)
    copy = folder.with_name(f"{folder.name}-copy")
    shutil.copytree(folder, copy)
    return of_report, peak("across", str(folder), str(copy), "--output", str(folder.with_name("across")))


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--subjects", type=int, default=100, help="test subjects for each kind, period and split"
    )
    world = World(subjects=parser.parse_args().subjects)
    with tempfile.TemporaryDirectory() as scratch:
        small = measure(Path(scratch) / "small", settings(), world)
        for name, changes in TIMES_FIVE.items():
            large = measure(Path(scratch) / name, settings(**changes), world)
            for command, few, many in zip(("report", "across"), small, large, strict=True):
                print(
                    figure(f"peak memory of {command}, five times the {name}", many, "MiB",
                           f"{command} of 20 runs, {few:.0f} MiB", many / few, GOAL, least=False),
                    flush=True,
                )  # fmt: skip


if __name__ == "__main__":
    main()
