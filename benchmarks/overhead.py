"""Measure the overhead of a run: many short trainings in the workflow, compared with one process.

    python benchmarks/overhead.py [--runs 24]

A small experiment runs until its trainings can start. Then the workflow runs the trainings on two cores. The overhead
of a run is its core time (two cores times wall time, divided by the number of runs) minus the time of one such training
in a process that has imported everything. Prints one JSON line.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

# This folder's `profile` would hide the standard module.
sys.path.pop(0)
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.figures import figure
from tgl.config.check import check
from tgl.config.root import Config
from tgl.core.layout import BASE, Layout
from tgl.core.vocabulary import RUN_TABLES

ROOT = Path(__file__).resolve().parents[1]
CORES, GOAL = 2, 1.2
SMALL = {
    "experiment": "overhead",
    "methods": ["full", "random", "first", "last"],
    "snapshots": {"dates": ["20190101", "20200101"], "synthetic": {"pages": 200}},
    "tokens": {"vocab_size": 420, "block_size": 64},
    "model": {
        "name": "small",
        "layers": 2,
        "hidden_size": 16,
        "heads": 2,
        "pretrain": {"steps": 12, "keep": []},
    },
    "profile": {"examples": 4, "bootstrap": 100},
    "train": {"steps": 4, "checkpoint_steps": 100},
    "gate": {"binding": False},
}


def snakemake(folder: Path, *options: str) -> None:
    """Run the workflow on two cores; print its output if it fails."""
    command = [
        sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--directory", str(folder),
        "--configfile", str(folder / "settings.yaml"), "--cores", str(CORES), *options,
    ]  # fmt: skip
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stdout[-4000:])


def seconds_in_process(config: Config, folder: Path, scratch: Path) -> float:
    """Return the seconds of one training in a process that has already imported everything."""
    from tgl.train.continual import train_periods
    from tgl.train.methods import method_folder
    from tgl.train.run import Run, Settings

    layout = Layout(str(folder / "results" / config.experiment), config.model.name)
    seed, rate = config.seeds[0], config.train.learning_rates[0]
    seconds = 0.0
    for number in range(3):  # the first run is a warm-up
        out = scratch / f"{method_folder('full', rate)}-{number}"
        run = Run(
            base_model=Path(layout.path("base_model", seed=seed)),
            base_tokens=Path(layout.path("tokens", period=BASE)),
            tokens={period: Path(layout.path("tokens", period=period)) for period in config.periods},
            probes=Path(layout.path("probes")),
            profile=Path(layout.path("profile", seed=seed, period=config.periods[0])),
            plan=Path(layout.path("plan", seed=seed, plan="full")),
            baseline="plain",
            models={period: out / "models" / period for period in config.periods},
            tables={table: out / f"{table}.parquet" for table in RUN_TABLES},
            state=out / "state",
            learning_rate=rate,
            seed=seed,
            settings=Settings(config.train, config.tokens, config.profile, config.plan),
        )
        start = time.perf_counter()
        train_periods(run, lambda line: None)
        seconds = (
            time.perf_counter() - start if number == 1 else min(seconds or 1e9, time.perf_counter() - start)
        )
    return seconds


def main() -> None:
    """Measure and print the figure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=24)
    num_runs = parser.parse_args().runs
    seeds = list(range(max(1, num_runs // len(SMALL["methods"]))))
    settings = SMALL | {"seeds": seeds}
    config = check(settings)
    with tempfile.TemporaryDirectory(prefix="tgl-overhead-") as name:
        folder = Path(name)
        (folder / "settings.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
        snakemake(folder, "--until", "plan", "score_base")
        start = time.perf_counter()
        snakemake(folder, "--until", "train")
        wall = time.perf_counter() - start
        alone = seconds_in_process(config, folder, folder / "alone")
    count = len(seeds) * len(SMALL["methods"])
    core_seconds = CORES * wall / count
    print(
        f"{count} runs on {CORES} cores: {wall:.1f} s; each run takes {core_seconds:.2f} core seconds, "
        f"and {alone:.2f} s in one process",
        file=sys.stderr,
    )
    overhead = core_seconds - alone
    print(
        figure(
            "overhead of a run", overhead, "s", f"the same training in one process, {alone:.2f} s", ratio=overhead,
            goal=GOAL, least=False,
        )
    )  # fmt: skip


if __name__ == "__main__":
    main()
