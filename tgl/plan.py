"""A plan: one learning-rate multiplier per sublayer, kept as a readable JSON file that anyone can write by hand.

Multiplier 0 freezes a sublayer, 1 trains it at the run's learning rate. How plans are made: `tgl.policies`.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from tgl.errors import TglError, nearest
from tgl.files import write_text
from tgl.sublayer_names import EMBEDDING


@dataclass(frozen=True)
class Plan:
    """Multipliers by sublayer name, the multiplier of the unit `embedding`, and where they come from."""

    method: str
    embedding: float
    multipliers: dict[str, float]
    denominator: str
    trainable_parameters: int
    total_parameters: int
    note: str = ""

    def trained(self) -> set[str]:
        """Return the names of the sublayers that are updated."""
        return {name for name, value in self.multipliers.items() if value > 0}

    def of(self, unit: str) -> float:
        """Return the multiplier of a unit; raises TglError for a name the plan does not hold."""
        if unit == EMBEDDING:
            return self.embedding
        if unit not in self.multipliers:
            raise TglError(
                f"plan '{self.method}': no multiplier for sublayer '{unit}'{nearest(unit, self.multipliers)}; "
                f"it holds {len(self.multipliers)}: {', '.join(self.multipliers)}"
            )
        return self.multipliers[unit]


def save_plan(plan: Plan, path: str | Path) -> None:
    """Write the plan as JSON, for people to read and to write by hand."""
    write_text(path, json.dumps(asdict(plan), indent=2) + "\n")


def load_plan(path: str | Path) -> Plan:
    """Read a plan. Raises TglError naming the file and the key that is missing, unknown or of a wrong type."""
    try:
        raw = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TglError(f"{path}: not a readable plan ({error}); expected JSON") from None
    fields = Plan.__dataclass_fields__
    if not isinstance(raw, dict) or set(raw) - set(fields) or not {"method", "multipliers"} <= set(raw):
        found = sorted(raw) if isinstance(raw, dict) else type(raw).__name__
        raise TglError(
            f"{path}: found {found}; expected the keys {', '.join(fields)} (method, multipliers required)"
        )
    values = {**dict.fromkeys(("denominator", "note"), ""), "embedding": 0.0, **raw}
    values = {"trainable_parameters": 0, "total_parameters": 0, **values}
    if not isinstance(values["multipliers"], dict) or EMBEDDING in values["multipliers"]:
        raise TglError(
            f"{path}: multipliers must be an object of sublayer names and numbers, without '{EMBEDDING}', which is "
            f"a key of its own beside it; found {values['multipliers']!r}"
        )
    numbers = {**values["multipliers"], EMBEDDING: values["embedding"]}
    for name, value in numbers.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
            raise TglError(f"{path}: multiplier of '{name}' must be a number from 0 on, found {value!r}")
    return Plan(**values)
