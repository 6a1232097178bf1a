"""The model half of an experiment in a few long-lived processes, for many short runs or a machine without Snakemake.

    python benchmarks/evidence/runs.py RESULTS OUTPUT PRESET [PRESET ...] [--set KEY=YAML ...] [--processes N]

RESULTS is an experiment's folder (results/NAME) in which the workflow has made the tokens and probes:

    snakemake --configfile PRESET --until probes pack_base pack_period

What the workflow's rules base, score_base, profile, plan and train make is made here by the same functions, at the
same paths, without starting Python for each run; what is there already is left as it is, so that a call that was
stopped, or came to the end of --seconds, goes on, and the workflow takes the results over (--rerun-triggers mtime).
Later presets and --set override earlier ones, as in --set 'methods=[full, tgl_fp]'. OUTPUT gets the tables on methods
that the report has (runs.csv, summary.csv, equal_uptake.csv, ...) with its gate and their figures; with
RESULTS/report as OUTPUT `tgl across` reads them.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import time
from pathlib import Path

import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tgl.config import Config
from tgl.config_check import check


def merged(base: dict, over: dict) -> dict:
    """Return `base` with the keys of `over`, section by section, as Snakemake merges configuration files."""
    both = dict(base)
    for key, value in over.items():
        is_section = isinstance(value, dict) and isinstance(both.get(key), dict)
        both[key] = merged(both[key], value) if is_section else value
    return both


def make_base(config: Config, results: Path, seed: int) -> None:
    """Make what is missing of a seed's base model, its scores and its profile."""
    from tgl.evaluate.stage import score_checkpoint
    from tgl.profiling.stage import profile
    from tgl.text.tokens import load_tokenizer
    from tgl.train.base import train_base
    from tgl.train.checkpoint import load_model

    name, tokens = config.model.name, results / "tokens"
    base, scores = (
        results / "models" / name / "base" / f"seed{seed}",
        results / "scores" / name / "base" / f"seed{seed}",
    )
    log = logged(results, f"base-seed{seed}")
    if not (scores / "steps.parquet").exists():
        state = results / "state" / name / "base" / f"seed{seed}"
        train_base(
            tokens / "tokenizer", tokens / "base.parquet", config.model, config.tokens, config.train, seed, base,
            scores / "steps.parquet", state, log,
        )  # fmt: skip
    if not (scores / "lm_loss.parquet").exists():
        texts = {"base": tokens / "base.parquet"} | {p: tokens / f"{p}.parquet" for p in config.periods}
        score_checkpoint(
            load_model(base), load_tokenizer(base), results / "probes" / "probes.parquet", texts,
            config.snapshots.dates[0], config.tokens.block_size, scores / "scores.parquet", scores / "lm_loss.parquet",
        )  # fmt: skip
    folder = results / "profile" / name / f"seed{seed}" / config.periods[0]
    if not (folder / "comparisons.parquet").exists():
        profile(
            base, probes=results / "probes" / "probes.parquet", corpus=tokens / "base.parquet",
            period=config.periods[0], settings=config.profile, seed=seed, say=log,
        ).save(folder)  # fmt: skip


def make_run(config: Config, results: Path, method: str, rate: float, seed: int) -> None:
    """Make a plan where it is missing, and one run."""
    from tgl.plans.names import method_folder, parse_method
    from tgl.plans.stage import write_plan
    from tgl.train.continual import train_periods
    from tgl.train.run import TABLES, Run, Settings

    name, tokens, folder = config.model.name, results / "tokens", method_folder(method, rate)
    tables = results / "scores" / name / folder / f"seed{seed}"
    if (tables / f"{TABLES[-1]}.parquet").exists():
        return
    log = logged(results, f"{folder}-seed{seed}")
    base = results / "models" / name / "base" / f"seed{seed}"
    plan_name, baseline = parse_method(method)
    profile = results / "profile" / name / f"seed{seed}" / config.periods[0] / "profile.parquet"
    plan = results / "plan" / name / f"seed{seed}" / f"{plan_name}.json"
    if not plan.exists():
        log(write_plan(profile, plan_name, config.plan, seed, plan, base))
    models = results / "models" / name / folder / f"seed{seed}"
    run = Run(
        base_model=base,
        base_tokens=tokens / "base.parquet",
        tokens={period: tokens / f"{period}.parquet" for period in config.periods},
        probes=results / "probes" / "probes.parquet",
        profile=profile,
        plan=plan,
        baseline=baseline,
        models={period: models / period for period in config.periods},
        tables={table: tables / f"{table}.parquet" for table in TABLES},
        state=results / "state" / name / folder / f"seed{seed}",
        learning_rate=rate,
        seed=seed,
    )
    train_periods(
        run, Settings(config.train, config.tokens, config.profile, config.plan, config.baselines), log
    )


def logged(results: Path, name: str):
    """Return a function that writes lines to a log of the experiment."""
    path = results / "logs" / "runs" / f"{name}.log"
    path.parent.mkdir(parents=True, exist_ok=True)

    def say(text: str) -> None:
        with open(path, "a", encoding="utf-8") as file:
            file.write(f"{time.strftime('%H:%M:%S')} {text}\n")

    return say


def work(job: tuple) -> tuple[str, str | None]:
    """Do one job (function, arguments) and return its name and its error."""
    import torch

    torch.set_num_threads(1)
    torch.set_float32_matmul_precision("high")  # TF32 products on a GPU, no change on a CPU
    function, deadline, *arguments = job
    label = " ".join(str(argument) for argument in arguments[2:])
    if time.time() > deadline:
        return label, "time is up"
    try:
        function(*arguments)
    except Exception as error:  # one run that is refused or fails must not stop the others
        return label, f"{type(error).__name__}: {error}"
    return label, None


def write_tables(config: Config, results: Path, output: Path) -> None:
    """Write the report's gate, its tables on methods and their figures."""
    from tgl.files import write_text
    from tgl.report import gather, method_figures
    from tgl.report.gate import gates
    from tgl.report.methods import REFERENCE, findings
    from tgl.report.runs import BASE

    runs = gather.all_runs(results, config)
    found, measures = findings(runs, config.report.bootstrap), runs.measures()
    plain = (measures["method"] == REFERENCE) & (measures["rate"] == found.rates[REFERENCE])
    of_gate = measures[(measures["method"] == BASE) | plain]
    gate = gates(of_gate, config.gate, config.periods, config.snapshots.dates[0])
    write_text(output / "gate.json", json.dumps(gate, indent=1) + "\n")
    tables = {
        "runs": found.runs, "rates": found.criteria, "summary": found.summary, "curves": found.curves,
        "equal_uptake": found.equal_uptake, "chain": found.matrix, "transfers": found.transfers, "power": found.power,
    }  # fmt: skip
    for name, table in tables.items():
        write_text(
            output / f"{name}.csv", table.to_csv(index=False, float_format="%.6g", lineterminator="\n")
        )
    if len(found.curves):
        write_text(output / "uptake.svg", method_figures.uptake_curves(found.curves, REFERENCE))
    if len(found.equal_uptake):
        write_text(output / "equal_uptake.svg", method_figures.equal_uptake(found.equal_uptake, REFERENCE))
    print(found.equal_uptake.to_string(index=False, float_format=lambda value: f"{value:.3g}"))


def main() -> None:
    """Make what is missing, then the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("results", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("presets", type=Path, nargs="+")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=YAML")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="no run is begun after this time")
    options = parser.parse_args()
    raw: dict = {}
    for preset in options.presets:
        raw = merged(raw, yaml.safe_load(preset.read_text(encoding="utf-8")))
    for text in options.set:
        key, _, value = text.partition("=")
        raw = merged(raw, {key: yaml.safe_load(value)})
    config = check(raw)
    deadline = time.time() + options.seconds
    bases = [(make_base, deadline, config, options.results, seed) for seed in config.seeds]
    # Seeds innermost: a method that is there is there for every seed.
    runs = [
        (make_run, deadline, config, options.results, method, rate, seed)
        for method in config.methods
        for rate in config.train.learning_rates
        for seed in config.seeds
    ]
    failed = []
    with multiprocessing.get_context("spawn").Pool(options.processes) as pool:
        for jobs in (bases, runs):
            for number, (label, error) in enumerate(pool.imap_unordered(work, jobs), 1):
                print(time.strftime("%H:%M:%S"), f"{number}/{len(jobs)}", label, error or "", flush=True)
                failed += [label] if error else []
    if failed:
        raise SystemExit(
            f"{len(failed)} of {len(bases) + len(runs)} jobs are not done; no tables were written"
        )
    write_tables(config, options.results, options.output)


if __name__ == "__main__":
    main()
