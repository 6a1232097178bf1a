"""Does the choice of layers matter? The model half of a preset on one GPU, one process a seed, without Snakemake.

First, anywhere, the data half:

    snakemake --configfile workflow/presets/layer-choice.yaml --until probes pack_base pack_period

then, on the machine with the GPU, where results/<experiment>/{tokens,probes} lie:

    python benchmarks/gpu/layer_choice.py workflow/presets/layer-choice.yaml OUTPUT

Writes measures.csv and profile.csv (every seed, plan, learning rate), which analyse_layer_choice.py turns into
tables. Runs that a time limit cuts off are missing from them; the same command goes on with them.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import time
import traceback
from pathlib import Path

import pandas as pd
import torch
import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tgl.config import Config
from tgl.config_check import check
from tgl.evaluate.measures import probe_measures, text_measures
from tgl.evaluate.stage import score_checkpoint
from tgl.plans.stage import write_plan
from tgl.profiling.stage import profile as profile_model
from tgl.tables import read_table
from tgl.text.tokens import load_tokenizer
from tgl.train.base import train_base
from tgl.train.checkpoint import load_model
from tgl.train.continual import TABLES, Run, Settings, train_periods


def merged(base: dict, over: dict) -> dict:
    """Return `base` with the keys of `over`, section by section, as Snakemake merges configuration files."""
    both = dict(base)
    for key, value in over.items():
        both[key] = (
            merged(both[key], value) if isinstance(value, dict) and isinstance(both.get(key), dict) else value
        )
    return both


def run_seed(config: Config, seed: int, data: Path, work: Path, output: Path, deadline: float) -> None:
    """Pretrain, profile, plan and train one seed; write its measures after each run."""
    torch.set_num_threads(1)
    torch.set_float32_matmul_precision("high")  # TF32 products, fp32 everywhere else
    say = open(output / f"seed{seed}.log", "a", buffering=1).write  # noqa: SIM115

    def log(text: str) -> None:
        say(f"{time.strftime('%H:%M:%S')} {text}\n")

    folder, base_tokens = work / f"seed{seed}", data / "tokens" / "base.parquet"
    tokens = {period: data / "tokens" / f"{period}.parquet" for period in config.periods}
    probes, base_date = data / "probes" / "probes.parquet", config.snapshots.dates[0]
    base = folder / "base"
    if not (folder / "base.done").exists():
        train_base(
            data / "tokens" / "tokenizer", base_tokens, config.model, config.tokens, config.train, seed, base,
            folder / "base-steps.parquet", folder / "state-base", log,
        )  # fmt: skip
        (folder / "base.done").touch()
    if not (folder / "lm_loss.parquet").exists():
        texts, block_size = {"base": base_tokens, **tokens}, config.tokens.block_size
        scores, losses = folder / "scores.parquet", folder / "lm_loss.parquet"
        model, tokenizer = load_model(base), load_tokenizer(base)
        score_checkpoint(model, tokenizer, probes, texts, base_date, block_size, scores, losses)
    found = measures_of(folder, "base", 0.0, seed)
    known = found[(found["kind"] == "unchanged") & (found["measure"] == "ranked_first")]
    log(f"base: unchanged facts ranked first {known['value'].round(3).tolist()}")
    profile = folder / "profile" / "profile.parquet"
    if not profile.exists():
        profile_model(
            base, probes=probes, corpus=base_tokens, period=config.periods[0], settings=config.profile, seed=seed,
            say=log,
        ).save(profile.parent)  # fmt: skip
    read_table(profile, "profile").to_pandas().assign(seed=seed).to_csv(
        output / f"profile-seed{seed}.csv", index=False, float_format="%.6g"
    )
    for method in config.plan.methods:
        log(write_plan(profile, method, config.plan, seed, folder / f"{method}.json"))
    for rate in config.train.learning_rates:
        for method in config.plan.methods:
            target = folder / f"{method}-{rate:g}"
            if not (target / "done").exists():
                if time.time() > deadline:
                    log("time is up")
                    return
                run = Run(
                    base_model=base,
                    base_tokens=base_tokens,
                    tokens=tokens,
                    probes=probes,
                    profile=profile,
                    plan=folder / f"{method}.json",
                    models={period: target / period for period in tokens},
                    tables={name: target / f"{name}.parquet" for name in TABLES},
                    state=folder / "state-run",
                    learning_rate=rate,
                    seed=seed,
                )
                settings = Settings(config.train, config.tokens, config.profile, config.plan)
                train_periods(run, settings, log)
                (target / "done").touch()
            found = pd.concat([found, measures_of(target, method, rate, seed)], ignore_index=True)
            found.to_csv(output / f"measures-seed{seed}.csv", index=False, float_format="%.8g")
    (output / f"seed{seed}.done").touch()


def measures_of(folder: Path, method: str, rate: float, seed: int) -> pd.DataFrame:
    """Return all measures of the tables in a folder."""
    scores = read_table(folder / "scores.parquet", "scores").to_pandas()
    losses = read_table(folder / "lm_loss.parquet", "lm_loss").to_pandas()
    both = pd.concat([probe_measures(scores), text_measures(losses)], ignore_index=True)
    return both.assign(method=method, rate=rate, seed=seed)


def guarded(*arguments) -> None:
    """Run a seed and leave its error where the caller finds it."""
    try:
        run_seed(*arguments)
    except Exception:
        (arguments[4] / f"seed{arguments[1]}.error").write_text(traceback.format_exc())
        raise


def main() -> None:
    """Run all seeds side by side on one device and put their tables together."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("preset", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--seeds", type=int, nargs="*")
    parser.add_argument("--seconds", type=float, default=540, help="no run is begun after this time")
    parser.add_argument("--set", type=json.loads, default={}, help="more settings, as JSON")
    given = parser.parse_args()
    root = Path(__file__).resolve().parents[2]
    raw = merged(yaml.safe_load((root / "config.yaml").read_text()), yaml.safe_load(given.preset.read_text()))
    config = check(merged(raw, given.set))
    output, data = given.output, root / "results" / config.experiment
    output.mkdir(parents=True, exist_ok=True)
    start, context = time.time(), multiprocessing.get_context("spawn")
    seeds = given.seeds or config.seeds
    work = Path("/tmp") / config.experiment
    processes = [
        context.Process(target=guarded, args=(config, seed, data, work, output, start + given.seconds))
        for seed in seeds
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    for name in ("measures", "profile"):
        parts = [path for seed in seeds if (path := output / f"{name}-seed{seed}.csv").exists()]
        if parts:
            pd.concat(map(pd.read_csv, parts)).to_csv(
                output / f"{name}.csv", index=False, float_format="%.8g"
            )
        for path in parts:
            path.unlink()
    done = [seed for seed in seeds if (output / f"seed{seed}.done").exists()]
    facts = {
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        "torch": torch.__version__,
        "date": time.strftime("%Y-%m-%d"),
        "seconds": round(time.time() - start),
        "seeds finished": done,
        "seeds not finished": sorted(set(seeds) - set(done)),
        "config": config.model_dump(mode="json"),
    }
    (output / "run.json").write_text(json.dumps(facts, indent=1) + "\n")
    print(json.dumps({key: value for key, value in facts.items() if key != "config"}))
    for path in output.glob("*.error"):
        print(path.name, path.read_text())


if __name__ == "__main__":
    main()
