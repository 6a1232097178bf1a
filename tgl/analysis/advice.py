"""Choose a method from the curves of a screen, and judge the choice. Pure functions.

The method is chosen on validation probes and judged on test probes: it is compared with every other method in one
family for Holm's correction. Nothing is recommended unless it forgets less than the reference by that test.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import pandas as pd

from tgl.analysis.compare import BETTER, NO_DIFFERENCE, WORSE
from tgl.analysis.equal_uptake import MethodCurves, at_equal_uptake
from tgl.analysis.power import number_needed
from tgl.analysis.uptake import best_rate, level_of, most_learned
from tgl.core.errors import TglError


@dataclass(frozen=True)
class Advice:
    """A chosen method and how it was judged.

    Attributes:
        method: The method that forgets least on validation probes at the level of uptake; the reference if none reaches
            it.
        rate: Its learning rate; NaN if no method reaches the level.
        ranking: The columns method, rate and forgetting (nats per token, validation probes), in order of forgetting.
            Methods that do not reach the level are last, with NaN.
        table: The comparisons of the method with each other one (`tgl.analysis.equal_uptake.at_equal_uptake`), at the
            primary level.
        reason: Why nothing is recommended; "" if the method is.
        reference: The method that defines the level of uptake and that a recommended method must beat.
    """

    method: str
    rate: float
    ranking: pd.DataFrame
    table: pd.DataFrame
    reason: str
    reference: str

    def over(self, other: str) -> dict | None:
        """Return the comparison with another method as a dictionary; None if there is none."""
        rows = self.table[self.table["reference"] == other].to_dict("records")
        return rows[0] if rows else None

    def undecided(self) -> list[str]:
        """Return the methods without a significant difference from the chosen one, best first."""
        return [name for name in self._rivals() if self.over(name)["verdict"] == NO_DIFFERENCE]

    def without_verdict(self) -> dict[str, str]:
        """Return why methods that reach the level have no verdict, by method, best first."""
        words = {name: self.over(name)["verdict"] for name in self._rivals()}
        return {name: word for name, word in words.items() if word not in (BETTER, WORSE, NO_DIFFERENCE)}

    def _rivals(self) -> list[str]:
        reached = self.ranking.loc[self.ranking["forgetting"].notna(), "method"]
        return [name for name in reached if name != self.method]

    def below_level(self) -> list[str]:
        """Return the methods that do not learn enough to be compared, at any rate."""
        return self.ranking.loc[self.ranking["forgetting"].isna(), "method"].tolist()

    def needed(self) -> int | None:
        """Return the number of replicates that would show the difference to the reference with power 80 %.

        This is for one comparison at 5 %, and if the difference is as large as measured. Seeds that share their probes
        need fewer, because the error of the probes is counted as that of the seeds. None: it is not known.
        """
        row = self.over(self.reference)
        if row is None or not row["seeds"] > 1 or math.isnan(row["error"]):
            return None
        return number_needed(row["error"] * math.sqrt(row["seeds"]), abs(row["difference"]))


def advise(curves: MethodCurves, *, reference: str, primary: float) -> Advice:
    """Choose a method and judge it.

    Args:
        curves: The curves of all methods.
        reference: The method with which all others are compared.
        primary: The share of the reference's uptake at which methods are compared.

    Raises:
        TglError: There are no runs of the reference, or they learn nothing.
    """
    if reference not in curves.validation:
        raise TglError(
            f"advice: found no run of '{reference}', expected one, with which all methods are compared"
        )
    own = curves.validation[reference]
    level = float(level_of(own[most_learned(own)].means()[0], primary))
    if math.isnan(level):
        raise TglError(
            f"advice: '{reference}' learns nothing on validation probes, so methods cannot be compared. "
            "Raise its learning rates or its steps"
        )
    rows = []
    for method, by_rate in curves.validation.items():
        rate, forgetting = best_rate(by_rate, level)
        values = {"rate": math.nan, "forgetting": math.nan}
        if rate is not None:
            start = float(by_rate[rate].means()[1][0].mean())
            values = {"rate": rate, "forgetting": forgetting[rate] - start}
        rows.append({"method": method, **values})
    ranking = pd.DataFrame(rows).sort_values(
        "forgetting", kind="stable", na_position="last", ignore_index=True
    )
    # Methods without a value are last, in the order of the runs.
    method, rate, least = ranking.iloc[0]
    method = reference if math.isnan(least) else str(method)
    pairs = [(method, other) for other in curves.validation if other != method]
    table = at_equal_uptake(curves, pairs, primary=primary, level_of_method=reference)
    table = table[table["share"] == primary].reset_index(drop=True)
    reason = _reason(method, reference, table)
    if math.isnan(least):
        reason = "no method reaches the level in every replicate, at any rate"
    return Advice(method, float(rate), ranking, table, reason, reference)


def _reason(method: str, reference: str, table: pd.DataFrame) -> str:
    if method == reference:
        return f"no method forgets less than {reference} on validation probes"
    row = table[table["reference"] == reference].iloc[0]
    if row["verdict"] == BETTER:
        if row["own_rates_difference"] < 0:
            return ""
        return f"{method} compared with {reference}: not shown to be better if each replicate has a rate of its own"
    if row["verdict"].startswith("no verdict"):
        return f"{method} compared with {reference}: {row['verdict']}"
    return f"{method} compared with {reference}: {row['verdict']} (Holm's correction for {len(table)} comparisons)"
