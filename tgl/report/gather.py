"""Read the inputs of the report from the folder of an experiment."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from tgl.config.root import Config
from tgl.core.layout import BASE, Layout
from tgl.core.spacing import evenly_spaced
from tgl.core.tables.read import read_about, read_counts, read_table
from tgl.plans.names import plan_id
from tgl.plans.plan import Plan, load_plan
from tgl.profiling.factors import example_norms
from tgl.report.runs import Runs
from tgl.train.methods import method_folder


def all_runs(results: Path, config: Config) -> Runs:
    """Return all runs and the base model. Reads the tables `scores` and `lm_loss` of one run at a time."""
    probes = all_probes(results, config)
    # A probe without a subject is its own, or all of them together would count as one.
    names = probes["subject"].where(probes["subject"] != "", probes["answer_group"])
    subjects = dict(zip(probes["id"], probes["set"] + " " + names, strict=True))
    found = Runs(probes, config.snapshots.dates, config.report.uptake)
    layout = _layout(results, config)
    for method, rate in ((BASE, 0.0), *config.runs):
        for seed in config.seeds:
            place = {"method": _folder(method, rate), "seed": seed}
            scores = read_table(layout.path("scores", **place), "scores").to_pandas()
            losses = read_table(layout.path("lm_loss", **place), "lm_loss").to_pandas()
            steps = None
            if config.train.score_at and method != BASE:
                steps = read_table(layout.path("step_scores", **place), "step_scores").to_pandas()
                steps = steps.assign(subject=steps["probe"].map(subjects), num_bytes=1, num_candidates=0)
            scores = scores.assign(subject=scores["probe"].map(subjects))
            found.add((method, rate, seed), scores, losses, steps=steps)
    return found


def all_probes(results: Path, config: Config) -> pd.DataFrame:
    """Return the table `probes`."""
    return read_table(_layout(results, config).path("probes"), "probes").to_pandas()


def _folder(method: str, rate: float) -> str:
    return method if method == BASE else method_folder(method, rate)


def all_profiles(results: Path, config: Config, name: str = "profile") -> pd.DataFrame:
    """Return a table of the base model's profile for all seeds, with a column seed.

    Args:
        results: Folder of the experiment.
        config: Configuration of the experiment.
        name: Name of the table, as in `tgl.core.schemas`.
    """
    return _of_seeds({seed: _profile(results, config, name, seed=seed) for seed in config.seeds}, name)


def all_example_norms(results: Path, config: Config) -> list[pd.DataFrame]:
    """Return `tgl.profiling.factors.example_norms` of each seed. Reads one table `norms` at a time."""
    return [
        example_norms(read_table(_profile(results, config, "norms", seed=seed), "norms").to_pandas())
        for seed in config.seeds
    ]


def along_training(results: Path, config: Config) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the tables `along` and `along_examples` of all seeds, with a column seed.

    Both tables are empty if pretraining kept no checkpoint (`model.pretrain.kept`).
    """
    if not config.model.pretrain.kept:
        return pd.DataFrame(), pd.DataFrame()
    layout = _layout(results, config)
    along, examples = (
        _of_seeds({seed: layout.path(name, seed=seed) for seed in config.seeds}, name)
        for name in ("along", "along_examples")
    )
    return along, examples


def profile_about(results: Path, config: Config) -> dict:
    """Return the metadata of the first seed's profile."""
    return read_about(_profile(results, config, "profile", seed=config.seeds[0]))


def all_agreements(results: Path, config: Config) -> pd.DataFrame:
    """Return the tables `agreement` of all seeds, with a column seed; an empty table if no fact was traced."""
    if not config.agree.facts:
        return pd.DataFrame()
    layout = _layout(results, config)
    return _of_seeds({seed: layout.path("agreement", seed=seed) for seed in config.seeds}, "agreement")


def all_drifts(results: Path, config: Config) -> pd.DataFrame:
    """Return the tables `drift` of all runs, with columns method and seed."""
    found, layout = [], _layout(results, config)
    for method, rate in config.runs:
        name = _folder(method, rate)
        paths = {seed: layout.path("drift", method=name, seed=seed) for seed in config.seeds}
        found.append(_of_seeds(paths, "drift").assign(method=name))
    return pd.concat(found, ignore_index=True)


def all_plans(results: Path, config: Config) -> list[tuple[int, Plan]]:
    """Return (seed, plan) of every plan."""
    layout = _layout(results, config)
    return [
        (seed, load_plan(layout.path("plan", seed=seed, plan=plan_id(plan))))
        for seed in config.seeds
        for plan in config.plans
    ]


def stage_counts(results: Path, config: Config) -> list[tuple[str, dict[str, int]]]:
    """Return (stage, counts) in the order of the pipeline. Counts are summed over shards."""
    dates, shards = config.snapshots.dates, range(config.pages.shards)
    found, layout = [], _layout(results, config)
    for date in dates:
        paths = [layout.path("pages", date=date, shard=shard) for shard in shards]
        if all(Path(path).is_file() for path in paths):
            found.append((f"pages {date}", _added(paths)))
    if config.text.base == "json_lines":
        found.append(("base text", read_counts(layout.path("pages", date=BASE, shard=0))))
    for old, new in zip(dates, dates[1:], strict=False):
        paths = [layout.path("diff", old=old, period=new, shard=shard) for shard in shards]
        found.append((f"diff {old} to {new}", _added(paths)))
    found.append(("probes", read_counts(_layout(results, config).path("probes"))))
    for name in (BASE, *config.periods):
        found.append((f"tokens {name}", read_counts(layout.path("tokens", period=name))))
    return found


def realised_rates(results: Path, config: Config) -> pd.DataFrame:
    """Return each unit's largest learning rate and largest change by method, seed and period, for all runs."""
    found, layout = [], _layout(results, config)
    for method, rate in config.runs:
        name = _folder(method, rate)
        for seed in config.seeds:
            table = read_table(layout.path("rates", method=name, seed=seed), "rates").to_pandas()
            peak = table.groupby(["period", "sublayer"], sort=False)[["learning_rate", "max_change"]].max()
            found.append(peak.reset_index().assign(method=name, seed=seed))
    return pd.concat(found, ignore_index=True)


def training_losses(results: Path, config: Config) -> pd.DataFrame:
    """Return the loss of each step of all runs, with the columns method, rate, seed, position and loss."""
    found, layout = [], _layout(results, config)
    for method, rate in config.runs:
        for seed in config.seeds:
            path = layout.path("steps", method=_folder(method, rate), seed=seed)
            table = read_table(path, "steps").to_pandas()[["loss"]]
            found.append(table.assign(method=method, rate=rate, seed=seed, position=range(len(table))))
    return pd.concat(found, ignore_index=True)


def scores_of(results: Path, config: Config, method: str, *, rate: float) -> pd.DataFrame:
    """Return the tables `scores` of a method at a rate, of all seeds; the base model has no rate."""
    layout = _layout(results, config)
    paths = {seed: layout.path("scores", method=_folder(method, rate), seed=seed) for seed in config.seeds}
    return _of_seeds(paths, "scores")


def generations_of(results: Path, config: Config, method: str, *, rate: float) -> pd.DataFrame:
    """Return the table `generations` of a method at a rate, of the first seed; the base model has no rate."""
    place = {"method": _folder(method, rate), "seed": config.seeds[0]}
    return read_table(_layout(results, config).path("generations", **place), "generations").to_pandas()


def withheld_pieces(results: Path, config: Config) -> pd.DataFrame:
    """Return the tables `withheld` of all texts as one: columns probe, text, times."""
    layout = _layout(results, config)
    paths = [layout.path("withheld", period=name) for name in (BASE, *config.periods)]
    whole = pd.concat([read_table(path, "withheld").to_pandas() for path in paths], ignore_index=True)
    return whole.groupby(["probe", "text"], sort=False)["times"].sum().reset_index()


def diff_examples(results: Path, config: Config, most: int) -> list[tuple[str, list[dict]]]:
    """Return (period, rows of `diff`) with at most `most` evenly spaced rows of each kind."""
    dates, found, layout = config.snapshots.dates, [], _layout(results, config)
    for old, new in zip(dates, dates[1:], strict=False):
        rows = []
        for shard in range(config.pages.shards):
            path = layout.path("diff", old=old, period=new, shard=shard)
            rows += read_table(path, "diff").to_pylist()
        chosen = []
        for kind in ("new_page", "changed"):
            of_kind = [row for row in rows if row["kind"] == kind]
            chosen += [of_kind[place] for place in evenly_spaced(len(of_kind), most)]
        found.append((new, chosen))
    return found


def probe_examples(results: Path, config: Config, most: int) -> list[tuple[str, list[dict]]]:
    """Return (title, rows of `probes`) with at most `most` rows for each set, kind and period."""
    rows = read_table(_layout(results, config).path("probes"), "probes").to_pylist()
    groups: dict[tuple, list[dict]] = {}
    for row in rows:
        groups.setdefault((row["set"], row["kind"], row["period"]), []).append(row)
    return [
        (" · ".join(key), [found[place] for place in evenly_spaced(len(found), most)])
        for key, found in sorted(groups.items())
    ]


def _layout(results: Path, config: Config) -> Layout:
    return Layout(str(results), config.model.name)


def _profile(results: Path, config: Config, name: str, *, seed: int) -> str:
    """Return the path of one table of the base model's profile."""
    return _layout(results, config).path(name, seed=seed, period=config.periods[0])


def _of_seeds(paths: dict[int, str], name: str) -> pd.DataFrame:
    tables = [read_table(path, name).to_pandas().assign(seed=seed) for seed, path in paths.items()]
    return pd.concat(tables, ignore_index=True)


def _added(paths: list[str]) -> dict[str, int]:
    total: dict[str, int] = {}
    for path in paths:
        for key, value in read_counts(path).items():
            total[key] = total.get(key, 0) + value
    return total
