"""Which sections of a configuration an experiment uses. The report and new projects show no others."""

from __future__ import annotations

from tgl.config.root import Config
from tgl.probes.probe_set import PROBE_SETS
from tgl.snapshots.source import SOURCES
from tgl.train.baseline import BASELINES
from tgl.train.methods import parse_method, split_baseline

# Sources of snapshots whose text needs no extraction from wiki pages.
_PLAIN = ("documents", "counterfactual")


def unused_sections(config: Config) -> frozenset[str]:
    """Return the sections that change nothing in an experiment, such as snapshots.wikimedia."""
    baselines = {split_baseline(parse_method(method)[1])[0] for method in config.methods}
    choices = (
        ("snapshots", SOURCES, {config.snapshots.source}),
        ("probes", PROBE_SETS, set(config.probes.sets)),
        ("baselines", BASELINES, baselines),
    )
    unused = {
        f"{section}.{name}"
        for section, registry, used in choices
        for name in registry.names()
        if name not in used
    }
    return frozenset(unused | ({"pages"} if config.snapshots.source in _PLAIN else set()))


def used_settings(config: Config) -> dict:
    """Return the configuration as plain values, without the sections that change nothing."""
    unused = unused_sections(config)
    found = config.model_dump(mode="json")
    for path in unused:
        section, _, name = path.partition(".")
        if name:
            found[section].pop(name, None)
        else:
            del found[section]
    return found
