"""The tables that a report is made from, so that they can be checked before anything is computed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tgl.config import Config
from tgl.plans.names import method_folder


def inputs_of(results: Path, config: Config) -> Iterator[tuple[str, Path]]:
    """Yield (name, path) of each table that `tgl.report.stage.write_report` reads, but of pages, which may be gone."""
    model, dates = config.model.name, config.snapshots.dates
    methods = [
        method_folder(method, rate) for method in config.methods for rate in config.train.learning_rates
    ]
    yield "probes", results / "probes" / "probes.parquet"
    for old, new in zip(dates, dates[1:], strict=False):
        for shard in range(config.pages.shards):
            yield "diff", results / "diff" / f"{old}_{new}" / f"{shard}.parquet"
    for name in ("base", *config.periods):
        yield "tokens", results / "tokens" / f"{name}.parquet"
    for seed in config.seeds:
        profiles = results / "profile" / model / f"seed{seed}"
        for name in ("profile", "norms", "comparisons"):
            yield name, profiles / config.periods[0] / f"{name}.parquet"
        if config.model.pretrain.kept:
            yield "along", profiles / "along.parquet"
            yield "along_examples", profiles / "along-examples.parquet"
        yield "agreement", results / "agree" / model / f"seed{seed}" / "agreement.parquet"
        for method in ("base", *methods):
            for name in ("scores", "lm_loss", *(() if method == "base" else ("rates", "drift"))):
                yield name, results / "scores" / model / method / f"seed{seed}" / f"{name}.parquet"
