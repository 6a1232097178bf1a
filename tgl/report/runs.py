"""Collect the runs of an experiment. Each run is reduced on reading to the values that the report needs."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from tgl.analysis.chain import add_transfer, cells, lasting
from tgl.analysis.equal_uptake import MethodCurves
from tgl.analysis.measures import probe_measures, text_measures
from tgl.analysis.rates import kind_losses
from tgl.analysis.values import MEASURES, RUN, Gathered, Values, measured, own_period, text_values
from tgl.core.vocabulary import SALIENT_KINDS, TEST, UPDATED
from tgl.report.curves import CurveRuns

BASE = "base"
_MEASURED = ("checkpoint", "set", "kind", "period", "measure", "value", "count")


class _Rows:
    """Rows of a table that grows run by run. Tuples take several times less memory than many small tables."""

    def __init__(self, columns: list[str]) -> None:
        self.columns = columns
        self._rows: list[tuple] = []
        self._texts: dict[str, str] = {}  # Equal strings share one object, which saves memory.

    def add(self, table: pd.DataFrame) -> None:
        """Append a table's rows."""
        for row in table[self.columns].itertuples(index=False, name=None):
            self._rows.append(
                tuple(self._texts.setdefault(cell, cell) if isinstance(cell, str) else cell for cell in row)
            )

    def table(self) -> pd.DataFrame:
        """Return all rows."""
        return pd.DataFrame(self._rows, columns=self.columns)


class Runs:
    """The runs of an experiment, added one at a time.

    Each run is reduced to one number per subject and to means by period and checkpoint, so that memory use hardly grows
    with the number of runs.
    """

    def __init__(self, probes: pd.DataFrame, dates: list[str], kinds: Sequence[str] = (UPDATED,)) -> None:
        """Create an empty collection.

        Args:
            probes: Table `probes`.
            dates: Name of the base model's checkpoint, then the names of the periods.
            kinds: Kinds of the facts whose learning is uptake.
        """
        self.dates, self.lasting = dates, lasting(probes)
        asked = probes[(probes["split"] == TEST) & probes["kind"].isin(SALIENT_KINDS)]
        # How many salient test probes the measures of the chain exclude, and of how many.
        self.replaced = int((~asked["id"].isin(self.lasting)).sum()), len(asked)
        self._of_probes, self._of_text = (_Rows([*RUN, *_MEASURED]) for _ in range(2))
        self._values: dict[tuple[str, str, str], Gathered] = {}
        self._texts: dict[str, list[dict]] = {"old_text": [], "new_text": []}
        self._validation = _Rows([*RUN, "set", "kind", "loss"])
        self._curves = CurveRuns(probes, dates, kinds)
        self.chain_kinds: set[str] = set()
        self._cells = _Rows(["method", "rate", "checkpoint", "period", "seed", "value"])
        self._transfer = (Gathered("perplexity"), Gathered("perplexity"))

    def add(
        self,
        run: tuple[str, float, int],
        scores: pd.DataFrame,
        losses: pd.DataFrame,
        *,
        steps: pd.DataFrame | None = None,
    ) -> None:
        """Add a run.

        Args:
            run: Method, learning rate and seed. The base model is ('base', 0.0, seed), before all runs of its seed.
            scores: Its table `scores`, with subject.
            losses: Its table `lm_loss`.
            steps: Its table `step_scores`, with subject; None if only the end of each period was scored.

        Raises:
            TglError: The scores cannot be compared, as in `Gathered`.
        """
        if run[0] == BASE:
            self._curves.add_base(run[2], scores)
        else:
            self._curves.add(run, scores, steps)
        scores = scores.assign(**dict(zip(RUN, run, strict=True)))
        test = scores[scores["split"] == "test"]
        for kept, table in ((self._of_probes, probe_measures(test)), (self._of_text, text_measures(losses))):
            if len(table):
                kept.add(table.assign(**dict(zip(RUN, run, strict=True))))
        facts = test[test["probe"].isin(self.lasting)]
        self.chain_kinds |= set(facts["kind"]) & set(SALIENT_KINDS)
        self._cells.add(cells(facts))
        periods = self.dates[1:]
        if run[0] != BASE:
            own = own_period(test)
            self._validation.add(kind_losses(scores[scores["split"] == "validation"]))
            self._add_values(run, own, losses)
            if len(self.dates) > 2:
                add_transfer(*self._transfer, run, scores=facts, periods=periods)

    def _add_values(self, run: tuple[str, float, int], own: pd.DataFrame, losses: pd.DataFrame) -> None:
        """Add the compared values: probes and new text at their own period, old text at the end of every period."""
        for (probe_set, kind), rows in own.groupby(["set", "kind"], sort=True):
            for measure in MEASURES:
                if measured(rows, measure).any():
                    self._values.setdefault((probe_set, kind, measure), Gathered(measure)).add(run, rows)
        texts = losses[losses["num_tokens"] > 0]
        value = texts["negative_log_likelihood"] / texts["num_tokens"]
        for kind, chosen in (
            ("old_text", (texts["text"] == "base") & texts["checkpoint"].isin(self.dates[1:])),
            ("new_text", texts["text"] == texts["checkpoint"]),
        ):
            if chosen.any():
                row = dict(zip(RUN, run, strict=True))
                self._texts[kind].append(row | {"value": value[chosen].mean()})

    def measures(self) -> pd.DataFrame:
        """Return every measure on test probes and held-out text, by method, rate, seed and checkpoint."""
        return pd.concat([self._of_probes.table(), self._of_text.table()], ignore_index=True)

    def validation(self) -> pd.DataFrame:
        """Return the mean log perplexity of validation probes by run, set and kind (`rates.kind_losses`)."""
        return self._validation.table()

    def cells(self) -> pd.DataFrame:
        """Return the mean log perplexity of lasting facts by run, checkpoint and period (`chain.cells`)."""
        return self._cells.table()

    def values(self) -> dict[tuple[str, str, str], Values]:
        """Return the compared values by (set, kind, measure)."""
        keys = sorted(self._values, key=lambda key: (key[0], key[1], MEASURES.index(key[2])))
        found = {key: self._values[key].values() for key in keys}
        texts = {kind: pd.DataFrame(rows) for kind, rows in self._texts.items() if rows}
        return found | {("text", kind, "loss"): text_values(table) for kind, table in texts.items()}

    def curves(self) -> MethodCurves | None:
        """Return the curves of uptake and forgetting; None if there are no facts to learn or no unchanged facts."""
        return self._curves.curves()

    def transfer(self, rates: dict[str, float]) -> tuple[Values, Values] | None:
        """Return log perplexities of facts right after their own period and after the last period.

        Args:
            rates: Methods to include, each at this learning rate.

        Returns:
            Both sets of values, or None if no such facts exist.
        """
        now, then = self._transfer
        if now.empty:
            return None
        return tuple(found.values(lambda method, rate: rates.get(method) == rate) for found in (now, then))


def gathered(scores: pd.DataFrame, losses: pd.DataFrame, probes: pd.DataFrame, *, dates: list[str]) -> Runs:
    """Return the runs of whole tables in memory, which have the columns method, rate and seed."""
    found = Runs(probes, dates)
    own_losses = dict(list(losses.groupby(RUN, sort=False)))
    for run, rows in scores.groupby(RUN, sort=False):
        found.add(run, rows, own_losses.get(run, losses[:0]))
    return found
