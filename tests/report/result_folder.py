"""An experiment's folder as the workflow would leave it, of made-up numbers: what a report is written from."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field
from pathlib import Path

from tgl.config.check import check
from tgl.config.root import Config
from tgl.core.tables.write import write_table
from tgl.plans.plan import Phase, Plan, save_plan
from tgl.train.methods import method_folder

KINDS = ("updated", "new_entity", "unchanged")
CONTROLS = ("shuffled", "matched_span", "frequency_matched", "capitalised")
DENOMINATORS = ("window", "matched_span", "unchanged")
DATES = ["20190101", "20200101", "20210101"]


@dataclass(frozen=True)
class World:
    """What a folder holds. frozen: by (plan, seed) the sublayers that the plan freezes; drift: whether it was measured;
    subjects: test subjects of a kind and period; later: plans with a second phase; withheld: rows of each such table.
    """

    kinds: tuple[str, ...] = KINDS
    twin: bool = True
    controls: tuple[str, ...] = CONTROLS
    candidates: bool = True
    held_out: tuple[str, ...] = ("base", *DATES[1:])
    relations: bool = True
    drift: bool = True
    traced_facts: bool = True
    subjects: int = 4
    frozen: dict[tuple[str, int], set[str]] = field(default_factory=dict)
    later: tuple[str, ...] = ()
    note: str = ""
    withheld: tuple[dict, ...] = ()


def configuration(**changes) -> Config:
    """Return a small checked configuration: two periods, two rates, two seeds."""
    raw = {
        "experiment": "small", "seeds": [0, 1], "methods": ["full", "tgl_fp"], "snapshots": {"dates": DATES},
        "model": {"name": "tiny", "layers": 2, "pretrain": {"keep": [0]}},
        "train": {"learning_rates": [0.001, 0.004]},
    }  # fmt: skip
    for key, value in changes.items():
        raw[key] = {**raw.get(key, {}), **value} if isinstance(value, dict) else value
    return check(raw)


def write_results(folder: Path, config: Config, world: World | None = None) -> Path:
    """Write every table that a report reads into `folder` and return it."""
    world = world or World()
    asked = _probes(config, world)
    write_table(asked, folder / "probes" / "probes.parquet", "probes", counts={"probes": len(asked)})
    units = [f"block{n:02d}.{part}" for n in range(config.model.layers) for part in ("attention", "mlp")]
    for name in ("base", *config.periods):
        write_table([], folder / "tokens" / f"{name}.parquet", "tokens", counts={"tokens": 10})
        write_table(list(world.withheld), folder / "withheld" / f"{name}.parquet", "withheld")
    for old, new in zip(config.snapshots.dates, config.periods, strict=False):
        write_table([], folder / "diff" / f"{old}_{new}" / "0.parquet", "diff", counts={"changed": 0})
    for date in config.snapshots.dates:
        write_table([], folder / "snapshots" / date / "pages" / "0.parquet", "pages", counts={"pages": 0})
    if config.text.base == "json_lines":
        write_table([], folder / "snapshots" / "base" / "pages" / "0.parquet", "pages", counts={"pages": 0})
    for seed in config.seeds:
        _write_profile(folder, config, world, seed, units)
        for plan in config.plans:
            multipliers = {unit: float(unit not in world.frozen.get((plan, seed), ())) for unit in units}
            later = (Phase(0.5, multipliers),) if plan in world.later else ()
            trained = float(config.plan.embedding == "trained" or plan.endswith("trained_embedding"))
            made = Plan(plan, trained, multipliers, "window", 10, 20, world.note, later)
            save_plan(made, folder / "plan" / config.model.name / f"seed{seed}" / f"{plan}.json")
        write_run(folder, config, world, asked, units, ("base", 0.0, seed))
        for number, method in enumerate(config.methods):
            for rate in [rate for name, rate in config.runs if name == method]:
                write_run(folder, config, world, asked, units, (method, rate, seed), 0.1 * number)
    return folder


def _probes(config: Config, world: World) -> list[dict]:
    relations = ("city", "job") if world.relations else ("",)
    return [
        {
            "id": f"{name}-{kind}-{period}-{split}-{n}", "set": name, "kind": kind, "period": period,
            "relation": relations[n % len(relations)], "subject": f"{kind}{period}{split}{n}",
            "text": "Anna lives in Oslo", "span_start": 14, "span_end": 18, "answer_group": "a", "split": split,
            "candidates": ["Oslo", "Rome", "Bonn"],
            "old_answer": "",
        }
        for name in config.probes.sets for kind in world.kinds for period in config.periods
        for split in ("validation", "test") for n in range(world.subjects)
    ]  # fmt: skip


def write_run(folder, config, world, asked, units, run, gain=0.0):
    """Write the tables of one run: uptake and forgetting rise with the rate."""
    method, rate, seed = run
    name = method if method == "base" else method_folder(method, rate)
    own = folder / "scores" / config.model.name / name / f"seed{seed}"
    rng = random.Random(f"{method}{rate}{seed}")
    checkpoints = config.snapshots.dates[:1] if method == "base" else config.periods
    learnt, lost = 3 * (1 - math.exp(-400 * rate)), 200 * rate * rate * 100
    scores, losses, step_scores = [], [], []
    steps = [*config.train.score_at, config.train.steps] if config.train.score_at else []
    for checkpoint in checkpoints:
        for probe in asked:
            known = probe["kind"] == "unchanged" or checkpoint >= probe["period"]
            value = (1.0 + lost - gain * (rate > 0)) if probe["kind"] == "unchanged" else 5.0 - learnt * known
            value = max(0.1, value + rng.gauss(0, 0.05))
            count = 3 if world.candidates else 0
            scores.append(
                {key: probe[key] for key in ("set", "kind", "period", "relation", "split")}
                | {"checkpoint": checkpoint, "probe": probe["id"], "num_tokens": 2, "num_bytes": 4}
                | {
                    "log_likelihood": -2 * value,
                    "rank": 1 if count else 0,
                    "num_candidates": count,
                    "exact_match": False,
                    "old_log_likelihood": None,
                }
            )
            before = 1.0 if probe["kind"] == "unchanged" else 5.0
            step_scores += [
                {key: probe[key] for key in ("set", "kind", "period", "split")}
                | {"checkpoint": checkpoint, "step": step, "probe": probe["id"], "num_tokens": 2}
                | {"log_likelihood": -2 * (before + (value - before) * step / config.train.steps)}
                for step in steps
            ]
        for text in ("base", *config.periods):
            count = 10 if text in world.held_out else 0
            losses.append(
                {"checkpoint": checkpoint, "text": text, "num_tokens": count}
                | {"negative_log_likelihood": count * (2 + rng.random())}
            )
    write_table(scores, own / "scores.parquet", "scores")
    write_table(losses, own / "lm_loss.parquet", "lm_loss")
    written = [
        {"checkpoint": checkpoint, "probe": probe["id"], "text": f"{method} after {checkpoint} {world.note}"}
        for checkpoint in checkpoints
        for probe in asked[::7]
        if probe["split"] == "test"
    ]
    write_table(written, own / "generations.parquet", "generations")
    if method == "base":
        return
    if steps:
        write_table(step_scores, own / "step_scores.parquet", "step_scores")
        write_table([], own / "step_losses.parquet", "step_losses")
    plan = method.partition("+")[0]
    frozen = world.frozen.get((plan, seed), set())
    rates, drift = [], []
    for period in config.periods:
        for unit in (*units, "embedding"):
            moves = unit not in frozen and (unit != "embedding" or config.plan.embedding == "trained")
            rates += [
                {"period": period, "step": step, "sublayer": unit}
                | {"learning_rate": rate * moves, "max_change": 0.01 * moves}
                for step in (1, 2)
            ]
        if method == "full" and (world.drift or period == config.periods[0]):
            drift += [
                {"period": period, "sublayer": unit, "relative_norm": 1 + rng.random()}
                | {"low": 0.5, "high": 3.0, "multiplier": 1.0}
                for unit in units
            ]
    losses = [3.0 - learnt * step / (2 * config.train.steps) for step in range(config.train.steps)]
    made = [
        {"period": period, "step": step, "loss": loss, "gradient_norm": 1.0, "num_tokens": 8}
        for period in config.periods
        for step, loss in enumerate(losses)
    ]
    write_table(made, own / "steps.parquet", "steps")
    write_table(rates, own / "rates.parquet", "rates")
    write_table(drift, own / "drift.parquet", "drift")


def _groups(world: World) -> list[str]:
    traced = [kind for kind in world.kinds if kind != "unchanged"]
    return [*world.kinds, *(f"{name}.{kind}" for kind in traced for name in world.controls)]


def _over(group: str, world: World) -> list[str]:
    """Return the denominators of a group: those whose own group was measured and is another."""
    found = ["window"]
    if (
        "matched_span" in world.controls
        and set(world.kinds) - {"unchanged"}
        and not group.startswith("matched_span")
    ):
        found.append("matched_span")
    return found + (["unchanged"] if "unchanged" in world.kinds and group != "unchanged" else [])


def _write_profile(folder: Path, config: Config, world: World, seed: int, units: list[str]) -> None:
    own = folder / "profile" / config.model.name / f"seed{seed}"
    rng = random.Random(seed)
    groups, weights = _groups(world), ("trained", "random") if world.twin else ("trained",)
    profile, norms, comparisons, agreement = [], [], [], []
    for kind_of_weights in weights:
        for group in groups:
            for over in _over(group, world):
                for unit in (*units, "embedding", "all"):
                    block = int(unit[5:7]) if unit.startswith("block") else -1
                    value = 2 + rng.random()
                    profile.append(
                        {
                            "weights": kind_of_weights,
                            "group": group,
                            "denominator": over,
                            "sublayer": unit,
                            "block": block,
                        }
                        | {"part": unit.partition(".")[2], "num_parameters": 4, "num_examples": 6}
                        | {"num_denominator_examples": 6, "mean_norm": value, "norm_of_mean": 1.0}
                        | {"relative_norm": value, "low": value - 0.5, "high": value + 0.5, "above_mean": 0.5}
                    )
        for group in (*groups, "window"):
            for example in range(6):
                about = {"weights": kind_of_weights, "group": group, "example": example, "pair": str(example)}
                about |= {"num_tokens": 1 + example % 3, "loss": 1.0 + rng.random()}
                norms += [
                    about | {"sublayer": unit, "norm": 1 + rng.random()} for unit in (*units, "embedding")
                ]
        comparisons += [
            {"weights": kind_of_weights, "group": group.partition(".")[2], "other": group, "paired_by": "probe"}
            | {"sublayer": unit, "num_pairs": 6, "ratio": 1.5, "low": 1.0, "high": 2.0, "p_value": 0.01}
            | {"shape_ratio": 1.0, "shape_low": 0.9, "shape_high": 1.1, "shape_p_value": 0.5}
            for group in groups if "." in group for unit in (*units, "all")
        ]  # fmt: skip
    measures = ["tracing, last_subject, probability"] * world.traced_facts + ["movement, relative"]
    agreement = [
        {"group": kind, "denominator": over, "measure": measure, "part": part, "num_sublayers": len(units)}
        | {"num_facts": 4, "correlation": 0.3, "low": 0.1, "high": 0.5}
        for kind in world.kinds for over in _over(kind, world) for measure in measures for part in ("all", "mlp")
    ]  # fmt: skip
    about = {
        "period": config.periods[0], "dtype": "float32", "attention": "sdpa", "num_parameters": 40,
        "periods taken": {kind: [config.periods[0]] for kind in world.kinds},
        "trained": {"parameters by": {"autograd": 0}, "deviation from autograd": 1e-7},
        "counts": {"window: examples": 6},
    }  # fmt: skip
    place = own / config.periods[0]
    write_table(profile, place / "profile.parquet", "profile", about=about)
    write_table(norms, place / "norms.parquet", "norms")
    write_table(comparisons, place / "comparisons.parquet", "comparisons")
    write_table(
        agreement, folder / "agree" / config.model.name / f"seed{seed}" / "agreement.parquet", "agreement"
    )
    if config.model.pretrain.kept:
        steps = [*config.model.pretrain.kept, config.model.pretrain.steps]
        along = [
            {"step": step, "group": group, "denominator": over, "num_examples": 6}
            | {"relative_norm": 2.0, "low": 1.0, "high": 3.0}
            for step in steps for group in groups for over in _over(group, world)
        ]  # fmt: skip
        examples = [
            {"step": step, "group": group, "example": n, "num_tokens": 1 + n % 3, "loss": 1.0 + n, "norm": 1.0 + n % 2}
            for step in steps for group in (*groups, "window") for n in range(6)
        ]  # fmt: skip
        write_table(along, own / "along.parquet", "along")
        write_table(examples, own / "along-examples.parquet", "along_examples")
