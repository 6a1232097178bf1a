"""Read what the report speaks of from an experiment's folder."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from tgl.config import Config
from tgl.plans.names import method_folder
from tgl.plans.plan import Plan, load_plan
from tgl.profiling.factors import example_norms
from tgl.report.runs import BASE, Runs
from tgl.tables import read_about, read_counts, read_table


def runs(config: Config) -> list[tuple[str, float]]:
    """Return (method, learning rate) of all runs of a seed."""
    return [(method, rate) for method in config.methods for rate in config.train.learning_rates]


def all_runs(results: Path, config: Config) -> Runs:
    """Return all runs with the base model, reading the tables `scores` and `lm_loss` of one run at a time."""
    probes = read_table(results / "probes" / "probes.parquet", "probes").to_pandas()
    subjects = dict(zip(probes["id"], probes["set"] + " " + probes["subject"], strict=True))
    found = Runs(probes, config.snapshots.dates)
    for method, rate in ((BASE, 0.0), *runs(config)):
        for seed in config.seeds:
            folder = results / "scores" / config.model.name / _folder(method, rate) / f"seed{seed}"
            scores = read_table(folder / "scores.parquet", "scores").to_pandas()
            losses = read_table(folder / "lm_loss.parquet", "lm_loss").to_pandas()
            found.add((method, rate, seed), scores.assign(subject=scores["probe"].map(subjects)), losses)
    return found


def _folder(method: str, rate: float) -> str:
    return method if method == BASE else method_folder(method, rate)


def all_profiles(results: Path, config: Config, name: str = "profile") -> pd.DataFrame:
    """Return one table of the base model's profile, named as in `tgl.schemas`, of all seeds with a column seed."""
    folders = {seed: _profile_folder(results, config, seed) for seed in config.seeds}
    return _of_seeds({seed: folder / f"{name}.parquet" for seed, folder in folders.items()}, name)


def all_example_norms(results: Path, config: Config) -> list[pd.DataFrame]:
    """Return each seed's norms by example (`tgl.profiling.factors.example_norms`), one table `norms` at a time."""
    return [
        example_norms(
            read_table(_profile_folder(results, config, seed) / "norms.parquet", "norms").to_pandas()
        )
        for seed in config.seeds
    ]


def along_training(results: Path, config: Config) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the tables `along` and `along_examples` of all seeds with a column seed; empty where nothing was kept."""
    if not config.model.pretrain.kept:
        return pd.DataFrame(), pd.DataFrame()
    folders = {seed: results / "profile" / config.model.name / f"seed{seed}" for seed in config.seeds}
    return (
        _of_seeds({seed: folder / "along.parquet" for seed, folder in folders.items()}, "along"),
        _of_seeds(
            {seed: folder / "along-examples.parquet" for seed, folder in folders.items()}, "along_examples"
        ),
    )


def profile_about(results: Path, config: Config) -> dict:
    """Return what the first seed's profile says of how it came about."""
    return read_about(_profile_folder(results, config, config.seeds[0]) / "profile.parquet")


def all_agreements(results: Path, config: Config) -> pd.DataFrame:
    """Return the tables `agreement` of all seeds with a column seed."""
    folder = results / "agree" / config.model.name
    return _of_seeds(
        {seed: folder / f"seed{seed}" / "agreement.parquet" for seed in config.seeds}, "agreement"
    )


def all_drifts(results: Path, config: Config) -> pd.DataFrame:
    """Return the tables `drift` of all runs with columns method and seed."""
    found = []
    for method, rate in runs(config):
        folder = results / "scores" / config.model.name / _folder(method, rate)
        paths = {seed: folder / f"seed{seed}" / "drift.parquet" for seed in config.seeds}
        found.append(_of_seeds(paths, "drift").assign(method=_folder(method, rate)))
    return pd.concat(found, ignore_index=True)


def all_plans(results: Path, config: Config) -> list[tuple[int, Plan]]:
    """Return (seed, plan) of every plan."""
    folder = results / "plan" / config.model.name
    return [
        (seed, load_plan(folder / f"seed{seed}" / f"{method}.json"))
        for seed in config.seeds
        for method in config.plans
    ]


def stage_counts(results: Path, config: Config) -> list[tuple[str, dict[str, int]]]:
    """Return (stage, counts) in the order of the pipeline; shards are added up."""
    dates, shards = config.snapshots.dates, range(config.pages.shards)
    found = []
    for date in dates:
        paths = [results / "wiki" / date / "pages" / f"{shard}.parquet" for shard in shards]
        if all(path.is_file() for path in paths):
            found.append((f"pages {date}", _added(paths)))
    base = results / "wiki" / "base" / "pages" / "0.parquet"
    if config.text.base == "json_lines":
        found.append(("base text", read_counts(base)))
    for old, new in zip(dates, dates[1:], strict=False):
        folder = results / "diff" / f"{old}_{new}"
        found.append((f"diff {old} to {new}", _added([folder / f"{shard}.parquet" for shard in shards])))
    found.append(("probes", read_counts(results / "probes" / "probes.parquet")))
    for name in ("base", *config.periods):
        found.append((f"tokens {name}", read_counts(results / "tokens" / f"{name}.parquet")))
    return found


def realised_rates(results: Path, config: Config) -> pd.DataFrame:
    """Return each unit's largest learning rate and change by method, seed and period, of all runs."""
    found = []
    for method, rate in runs(config):
        folder = results / "scores" / config.model.name / _folder(method, rate)
        for seed in config.seeds:
            table = read_table(folder / f"seed{seed}" / "rates.parquet", "rates").to_pandas()
            peak = table.groupby(["period", "sublayer"], sort=False)[["learning_rate", "max_change"]].max()
            found.append(peak.reset_index().assign(method=_folder(method, rate), seed=seed))
    return pd.concat(found, ignore_index=True)


def diff_examples(results: Path, config: Config, most: int) -> list[tuple[str, list[dict]]]:
    """Return (period, rows of `diff`) with at most `most` rows of each kind, evenly spread."""
    dates, found = config.snapshots.dates, []
    for old, new in zip(dates, dates[1:], strict=False):
        rows = []
        for shard in range(config.pages.shards):
            rows += read_table(results / "diff" / f"{old}_{new}" / f"{shard}.parquet", "diff").to_pylist()
        chosen = []
        for kind in ("new_page", "changed"):
            chosen += _spread([row for row in rows if row["kind"] == kind], most)
        found.append((new, chosen))
    return found


def probe_examples(results: Path, most: int) -> list[tuple[str, list[dict]]]:
    """Return (set and kind, rows of `probes`) with at most `most` of each (set, kind, period)."""
    rows = read_table(results / "probes" / "probes.parquet", "probes").to_pylist()
    groups: dict[tuple, list[dict]] = {}
    for row in rows:
        groups.setdefault((row["set"], row["kind"], row["period"]), []).append(row)
    return [(" · ".join(key), _spread(found, most)) for key, found in sorted(groups.items())]


def _profile_folder(results: Path, config: Config, seed: int) -> Path:
    return results / "profile" / config.model.name / f"seed{seed}" / config.periods[0]


def _of_seeds(paths: dict[int, Path], name: str) -> pd.DataFrame:
    tables = [read_table(path, name).to_pandas().assign(seed=seed) for seed, path in paths.items()]
    return pd.concat(tables, ignore_index=True)


def _spread(rows: list[dict], most: int) -> list[dict]:
    step = max(1, len(rows) // most)
    return rows[::step][:most]


def _added(paths: list[Path]) -> dict[str, int]:
    total: dict[str, int] = {}
    for path in paths:
        for key, value in read_counts(path).items():
            total[key] = total.get(key, 0) + value
    return total
