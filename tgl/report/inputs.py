"""List the input tables of a report, so that they can be checked before any computation starts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tgl.config.root import Config
from tgl.core.layout import BASE, Layout
from tgl.core.vocabulary import STEP_TABLES
from tgl.train.methods import method_folder


def inputs_of(results: Path, config: Config) -> Iterator[tuple[str, str]]:
    """Yield (name, path) of each table that `tgl.report.stage.write_report` needs.

    The tables `pages` are not included, because they may have been deleted.
    """
    layout, dates = Layout(str(results), config.model.name), config.snapshots.dates
    yield "probes", layout.path("probes")
    for old, new in zip(dates, dates[1:], strict=False):
        for shard in range(config.pages.shards):
            yield "diff", layout.path("diff", old=old, period=new, shard=shard)
    for name in (BASE, *config.periods):
        yield "tokens", layout.path("tokens", period=name)
        yield "withheld", layout.path("withheld", period=name)
    for seed in config.seeds:
        for name in ("profile", "norms", "comparisons"):
            yield name, layout.path(name, seed=seed, period=config.periods[0])
        for name in ("along", "along_examples") if config.model.pretrain.kept else ():
            yield name, layout.path(name, seed=seed)
        if config.agree.facts:
            yield "agreement", layout.path("agreement", seed=seed)
        for name in ("scores", "lm_loss", "generations"):
            yield name, layout.path(name, method=BASE, seed=seed)
        for method, rate in config.runs:
            folder = method_folder(method, rate)
            for name in ("scores", "lm_loss", "generations", "rates", "drift"):
                yield name, layout.path(name, method=folder, seed=seed)
            for name in STEP_TABLES if config.train.score_at else ():
                yield name, layout.path(name, method=folder, seed=seed)
