"""Take the probes of a partition of facts, which the source `counterfactual` writes with its text."""

from __future__ import annotations

from collections import Counter

from tgl.core.tables.read import read_table
from tgl.probes.probe_set import Inputs, ProbeSet


def _make(inputs: Inputs) -> tuple[list[dict], Counter]:
    (table,) = inputs.files["counterfactual"]
    rows = read_table(table, "probes").to_pylist()
    return rows, Counter(f"{row['set']} {row['kind']}" for row in rows)


PROBE_SET = ProbeSet(_make, needs="--counterfactual FILE with the probes that `tgl counterfactual` writes")
