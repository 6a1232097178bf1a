"""Stage `probes`: every configured source into one table `probes`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa

from tgl.config_probes import ProbesConfig
from tgl.errors import TglError
from tgl.probes.choose import merged
from tgl.probes.ecbd import ecbd_probes
from tgl.probes.rows import at_most_per_kind
from tgl.probes.templama import templama_probes
from tgl.probes.world import world_probes
from tgl.tables import read_table, read_tables, write_table


def write_probes(
    settings: ProbesConfig,
    dates: list[str],
    holdout_share: float,
    base_pages: Iterable[str | Path],
    facts: str | Path | None,
    output: str | Path,
    wikidata: str | Path | None = None,
    snapshots: Iterable[str | Path] = (),
) -> None:
    """Write the table `probes` with its counts. `base_pages` are the pages the base model is trained on.

    `facts`: the synthetic world's table; `wikidata`: what `tgl.probes.wikidata` wrote for `dates`; `snapshots`: tables
    `probes` of every period and shard, by `tgl.probes.snapshots`.
    Raises TglError when an input of a configured set is not given, when an id occurs twice or a set gives nothing.
    """
    snapshots = list(snapshots)
    for name, option, given in (
        ("world", "--facts FILE, the table that `tgl world` writes", facts),
        ("wikidata", "--wikidata FILE, the lines that `tgl wikidata` writes", wikidata),
        ("snapshots", "--snapshots FILE, the tables that `tgl snapshot-probes` writes", snapshots),
    ):
        if name in settings.sets and not given:
            raise TglError(f"probes.sets: '{name}' is asked for without its input; expected {option}")
    rows: list[dict] = []
    counts: Counter = Counter()
    for name in settings.sets:
        if name == "world":
            found, counted = world_probes(
                read_table(facts, "facts").to_pylist(), dates, settings, holdout_share
            )
        elif name == "templama":
            found, counted = templama_probes(settings.templama.file, settings.templama.pairs, settings)
        elif name == "wikidata":
            pairs = {later: [earlier, later] for earlier, later in zip(dates, dates[1:], strict=False)}
            found, counted = templama_probes(wikidata, pairs, settings, name)
        elif name == "snapshots":
            found, counted = merged(snapshots, settings.snapshots)
        else:
            ids: pa.Table = read_tables(base_pages, "pages", ["page_id"])
            known = frozenset(ids["page_id"].to_pylist())
            found, counted = ecbd_probes(settings.ecbd.files, settings.ecbd.period, known, settings)
        if not found:
            raise TglError(f"probes: set '{name}' gives no probe; counts: {dict(counted)}")
        rows += found
        counts.update({f"{name}: {key}": value for key, value in counted.items()})
    rows = at_most_per_kind(rows, settings)
    twice = [identity for identity, count in Counter(row["id"] for row in rows).items() if count > 1]
    if twice:
        raise TglError(f"probes: {len(twice)} ids occur twice, the first is '{twice[0]}'")
    counts["probes"] = len(rows)
    write_table(rows, output, "probes", dict(sorted(counts.items())))
