"""Gates: conditions that a run must meet before its comparisons of methods count as evidence.

A gate is a dictionary {name, value, limit, met}.
"""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd

from tgl.config.report_settings import GateConfig
from tgl.core.errors import TglError
from tgl.core.files import how_to_mend
from tgl.core.json_text import read_json
from tgl.core.terminal import one_line

MISSED, NOT_MEASURED = "MISSED", "NOT MEASURED"


def gates(measures: pd.DataFrame, settings: GateConfig, periods: list[str], *, base: str) -> list[dict]:
    """Compute the gates of an experiment.

    The gain of plain training is the ratio of two perplexities of a probe for the method `full`: at the checkpoint
    before the probe's period, and at the checkpoint of its own period. It is a geometric mean over seeds and periods.

    Args:
        measures: Measures by seed of the methods 'base' and 'full', the latter at the learning rate where
            it learns most.
        settings: Limits of the gates.
        periods: Names of the periods, in order.
        base: Name of the checkpoint of the base model.

    Returns:
        One dictionary {name, value, limit, met} per gate. The list is empty if no probe has candidates to rank. The
        value is None if it was not measured.
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
        # JSON has no NaN, so null marks a value that was not measured.
        known_value, known_limit = (None if math.isnan(number) else number for number in (value, limit))
        found.append({"name": name, "value": known_value, "limit": known_limit, "met": bool(met)})

    known, chance = mean(first, "unchanged", "ranked_first"), mean(first, "unchanged", "chance")
    add(
        "unchanged facts that the base model ranks first",
        known,
        settings.base_ranking,
        known >= settings.base_ranking,
    )
    add("unchanged facts that the base model ranks first, times chance", known / chance, settings.times_chance,
        known / chance >= settings.times_chance)  # fmt: skip
    new, limit = mean(at_base, "updated", "ranked_first"), mean(at_base, "updated", "chance")
    add("new values ranked first before training, at most chance", new, limit, new <= limit)
    for kind, limit in (("updated", settings.updated_gain), ("new_entity", settings.new_entity_gain)):
        gain = plain_gain(measures, kind, periods, base=base)
        add(f"plain training lowers the perplexity of {kind} probes, times", gain, limit, gain >= limit)
    return found


def plain_gain(measures: pd.DataFrame, kind: str, periods: list[str], *, base: str) -> float:
    """Return the gain of plain training for probes of a kind, as defined in `gates`; NaN without such probes."""
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


def check_gate(path: str | Path, binding: bool) -> str:
    """Return the gates in gate.json as lines of text.

    Args:
        path: Path of gate.json in the folder of the report.
        binding: Whether a missed gate is an error.

    Raises:
        TglError: If a gate was missed and the gates are binding, or if the file is not a list of gates.
    """
    found = read_gates(path)
    width = max([6, *(len(outcome(gate)) for gate in found)])
    lines = [
        f"{outcome(gate):<{width}}  {one_line(gate['name'])}: {_shown(gate['value'])} (limit {_shown(gate['limit'])})"
        for gate in found
    ] or ["no gate: no test probe has candidates to rank"]
    missed = [gate for gate in found if not gate["met"]]
    page = Path(path).parent / "index.html"
    if missed and binding:
        advice = "Train longer, or set gate.binding to false (option --no-binding) to continue without it."
        if all(outcome(gate) == NOT_MEASURED for gate in missed):
            advice = "Add test probes of the kinds that were not measured, or set gate.binding to false."
        raise TglError(
            "the gate was missed, so the comparisons of this run are not evidence about methods:\n  "
            + "\n  ".join(lines)
            + f"\nThe report is at {page}. {advice}"
        )
    if missed:
        lines.append("the gate was missed and is not binding: the report is not evidence about methods")
    lines.append(f"report: {page}")
    return "\n".join(lines)


def read_gates(path: str | Path) -> list[dict]:
    """Read `gate.json` of a report.

    Returns:
        One dictionary {name, value, limit, met} per gate. A value of None was not measured.

    Raises:
        TglError: If the file is not a list of gates.
    """
    found = read_json(path, list)
    for number, gate in enumerate(found):
        expected = {"name": str, "value": int | float | None, "limit": int | float | None, "met": bool}
        if not isinstance(gate, dict) or set(gate) != set(expected):
            keys = sorted(gate) if isinstance(gate, dict) else type(gate).__name__
            raise TglError(
                f"{path}: gate {number}: found {keys}; expected the keys {', '.join(expected)}. {how_to_mend(path)}"
            )
        for key, kind in expected.items():
            value = gate[key]
            if not isinstance(value, kind) or (kind is not bool and isinstance(value, bool)):
                raise TglError(
                    f"{path}: gate {number}: {key} is {value!r}, which is of the wrong type. {how_to_mend(path)}"
                )
        if gate["met"] and _shown(gate["value"]) == "–":
            raise TglError(
                f"{path}: gate {number}: met without a value; expected a number. {how_to_mend(path)}"
            )
    return found


def shortfall(gates: list[dict]) -> str:
    """Return the beginning of a sentence on the conditions that are not met; "" if all are."""
    missed, unmeasured = (
        "; ".join(gate["name"] for gate in gates if outcome(gate) == what) for what in (MISSED, NOT_MEASURED)
    )
    if missed:
        others = f", and other conditions were not measured ({unmeasured})" if unmeasured else ""
        return f"The gate was missed ({missed}){others}"
    return f"A part of the gate was not measured ({unmeasured})" if unmeasured else ""


def outcome(gate: dict) -> str:
    """Return 'met', 'MISSED', or 'NOT MEASURED' if the run has no data for the gate."""
    if gate["met"]:
        return "met"
    return NOT_MEASURED if _shown(gate["value"]) == "–" else MISSED


def _shown(value: float | None) -> str:
    return "–" if value is None or math.isnan(value) else f"{value:.3g}"
