"""Stage `probes`: write the probes of all configured sets into one table `probes`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from tgl.core.errors import TglError
from tgl.core.registered import settings_of
from tgl.core.tables.write import write_table
from tgl.probes.probe_set import PROBE_SETS, Inputs
from tgl.probes.rows import at_most_per_kind
from tgl.probes.settings import ProbesConfig


def write_probes(
    settings: ProbesConfig,
    dates: list[str],
    output: str | Path,
    *,
    holdout_share: float,
    base_pages: Iterable[str | Path],
    files: Mapping[str, list[Path]],
) -> None:
    """Write the table `probes` and its counts.

    Args:
        settings: The section `probes` of the configuration.
        dates: The dates of all snapshots.
        output: The table to write.
        holdout_share: The share of pages that no training text contains.
        base_pages: The tables `pages` on which the base model is trained.
        files: The files that earlier commands wrote for the sets that need them (see `tgl.probes.probe_set.Inputs`).

    Raises:
        TglError: An input of a configured set is missing, an id occurs twice, or a set yields no probe.
    """
    sets = {name: PROBE_SETS.get(name) for name in settings.sets}
    for name, probe_set in sets.items():
        if probe_set.needs and not files.get(name):
            raise TglError(
                f"probes.sets: the set '{name}' is configured but its input is missing. Pass {probe_set.needs}"
            )
    rows: list[dict] = []
    counts: Counter = Counter()
    for name, probe_set in sets.items():
        own = settings_of(PROBE_SETS, settings, name)
        found, counted = probe_set.make(Inputs(settings, own, dates, holdout_share, base_pages, files))
        if not found:
            raise TglError(
                f"probes: set '{name}' yields no probe; counts: {dict(counted)}. Check its settings and input"
            )
        rows += found
        counts.update({f"{name}: {key}": value for key, value in counted.items()})
    rows = at_most_per_kind(rows, settings)
    twice = [identity for identity, count in Counter(row["id"] for row in rows).items() if count > 1]
    if twice:
        raise TglError(
            f"probes: {len(twice)} ids occur twice, the first is '{twice[0]}'. Each probe needs its own id"
        )
    counts["probes"] = len(rows)
    write_table(rows, output, "probes", counts=dict(sorted(counts.items())))
