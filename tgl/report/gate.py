"""Gates: what must be seen before an experiment means anything, as a list of {name, value, limit, met}."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd

from tgl.config import GateConfig
from tgl.errors import TglError
from tgl.files import how_to_mend
from tgl.json_text import read_json
from tgl.terminal import one_line


def gates(measures: pd.DataFrame, settings: GateConfig, periods: list[str], base: str) -> list[dict]:
    """Return the gates of an experiment with ranked probes; none where no candidates are known.

    measures: those of the methods 'base' and 'full', the latter at one rate, by seed. The gain of plain training
    is the perplexity at the checkpoint before a probe's period over that at its own, geometric mean over seeds and
    periods, for the method that trains everything.
    """
    ranked = measures[measures["measure"] == "ranked_first"]
    if ranked.empty:
        return []
    at_base = measures[(measures["method"] == "base") & (measures["checkpoint"] == base)]
    first = at_base[at_base["period"] == periods[0]]
    found = []

    def mean(table: pd.DataFrame, kind: str, measure: str) -> float:
        chosen = table[(table["kind"] == kind) & (table["measure"] == measure)]
        return float(chosen["value"].mean()) if len(chosen) else math.nan

    def add(name: str, value: float, limit: float, met: bool) -> None:
        found.append({"name": name, "value": value, "limit": limit, "met": bool(met)})

    known, chance = mean(first, "unchanged", "ranked_first"), mean(first, "unchanged", "chance")
    add("base-year facts ranked first", known, settings.base_ranking, known >= settings.base_ranking)
    add("base-year facts ranked first, times chance", known / chance, settings.times_chance,
        known / chance >= settings.times_chance)  # fmt: skip
    new, limit = mean(at_base, "updated", "ranked_first"), mean(at_base, "updated", "chance")
    add("new values ranked first before training, at most chance", new, limit, new <= limit)
    for kind, limit in (("updated", settings.updated_gain), ("new_entity", settings.new_entity_gain)):
        gain = plain_gain(measures, kind, periods, base)
        add(f"plain training lowers the perplexity of {kind} probes, times", gain, limit, gain >= limit)
    return found


def plain_gain(measures: pd.DataFrame, kind: str, periods: list[str], base: str) -> float:
    """Return perplexity before over after for each period's probes of a kind, geometric mean, method `full`."""
    table = measures[
        measures["method"].isin(["base", "full"])
        & (measures["kind"] == kind)
        & (measures["measure"] == "perplexity")
    ]
    values = {
        (row.seed, row.set, row.checkpoint, row.period): math.log(row.value) for row in table.itertuples()
    }
    checkpoints = [base, *periods]
    gains = [
        values[seed, name, checkpoints[checkpoints.index(period) - 1], period] - value
        for (seed, name, checkpoint, period), value in values.items()
        if checkpoint == period
    ]
    return math.exp(sum(gains) / len(gains)) if gains else math.nan


def read_gates(path: str | Path) -> list[dict]:
    """Read `gate.json` of a report. Raises TglError for what is no list of {name, value, limit, met}."""
    found = read_json(path, list)
    for number, gate in enumerate(found):
        expected = {"name": str, "value": int | float, "limit": int | float, "met": bool}
        if not isinstance(gate, dict) or set(gate) != set(expected):
            keys = sorted(gate) if isinstance(gate, dict) else type(gate).__name__
            raise TglError(
                f"{path}: gate {number}: found {keys}; expected the keys {', '.join(expected)}. {how_to_mend(path)}"
            )
        for key, kind in expected.items():
            value = gate[key]
            if not isinstance(value, kind) or (kind is not bool and isinstance(value, bool)):
                raise TglError(
                    f"{path}: gate {number}: {key} is {value!r}, of the wrong type. {how_to_mend(path)}"
                )
        if gate["met"] and math.isnan(gate["value"]):
            raise TglError(
                f"{path}: gate {number}: met without a value; expected a number. {how_to_mend(path)}"
            )
    return found


def check_gate(path: str | Path, binding: bool) -> str:
    """Return what the gates say. Raises TglError when one was missed and they are binding."""
    found = read_gates(path)
    lines = [
        f"{'met   ' if gate['met'] else 'MISSED'}  {one_line(gate['name'])}: {gate['value']:.3g} "
        f"(limit {gate['limit']:.3g})"
        for gate in found
    ] or ["no gate: none of the probes has known candidates"]
    missed = [gate["name"] for gate in found if not gate["met"]]
    page = Path(path).parent / "index.html"
    if missed and binding:
        raise TglError(
            "the experiment cannot mean anything, its gate was missed:\n  "
            + "\n  ".join(lines)
            + f"\nThe report is at {page}. Train longer, or set gate.binding to false to let it pass "
            "(option --no-binding)."
        )
    if missed:
        lines.append("the gate is not binding here: the numbers of the report mean nothing")
    lines.append(f"report: {page}")
    return "\n".join(lines)
