"""Collect the curves of uptake and forgetting of all runs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from tgl.analysis.equal_uptake import MethodCurves
from tgl.analysis.uptake import Curves
from tgl.analysis.values import Gathered, Values, own_period
from tgl.core.errors import TglError
from tgl.core.vocabulary import TEST, UNCHANGED, VALIDATION

_UPTAKE, _FORGETTING = "uptake", "forgetting"


class CurveRuns:
    """The scores of the base model and of each run at the scored steps and at its end.

    With several periods, a point of a curve is the same step of each period, and every probe counts in its own period;
    the point after the base model is then the checkpoint before the period.
    Forgetting is that of the sets of probes that have facts to learn.

    Args:
        probes: The table `probes`.
        dates: The name of the base model's checkpoint, then the names of the periods.
        kinds: The kinds of the facts to learn.
    """

    def __init__(self, probes: pd.DataFrame, dates: Sequence[str], kinds: Sequence[str]) -> None:
        self._before = dict(zip(dates[1:], dates, strict=False))
        self._kinds = {_UPTAKE: list(kinds), _FORGETTING: [UNCHANGED]}
        self._sets = set(probes.loc[probes["kind"].isin(kinds), "set"])
        self._base: dict[int, pd.DataFrame] = {}
        self._points: dict[tuple[str, str, int], Gathered] = {}
        self._num_points = 0

    def add_base(self, seed: int, scores: pd.DataFrame) -> None:
        """Add the scores of a base model (with subject). It must come before the runs of its seed."""
        self._base[seed] = self._chosen(scores)

    def add(self, run: tuple[str, float, int], scores: pd.DataFrame, steps: pd.DataFrame | None) -> None:
        """Add a run.

        Args:
            run: Method, learning rate and seed.
            scores: Its table `scores`, with subject.
            steps: Its table `step_scores`, with subject. None: only the end of each period was scored.
        """
        scores = self._chosen(scores)
        base = self._base[run[2]]
        points = [base[base["period"].isin(self._before)]]
        if len(self._before) > 1:
            every = pd.concat([base, scores], ignore_index=True)
            points.append(every[every["checkpoint"] == every["period"].map(self._before)])
        if steps is None:
            points.append(own_period(scores))
        else:
            own = own_period(self._chosen(steps))
            points += [rows for _, rows in own.groupby("step", sort=True)]
        self._num_points = max(self._num_points, len(points))
        for number, rows in enumerate(points):
            for split in (VALIDATION, TEST):
                for side, kinds in self._kinds.items():
                    found = rows[(rows["split"] == split) & rows["kind"].isin(kinds)]
                    if len(found):
                        self._points.setdefault((split, side, number), Gathered("perplexity")).add(run, found)

    def _chosen(self, scores: pd.DataFrame) -> pd.DataFrame:
        return scores[scores["set"].isin(self._sets)]

    def curves(self) -> MethodCurves | None:
        """Return the curves of all methods; None if a split lacks facts to learn or unchanged facts."""
        wanted = [(split, side) for split in (VALIDATION, TEST) for side in self._kinds]
        if not self._num_points or any((*pair, 0) not in self._points for pair in wanted):
            return None
        of_split = {
            split: _by_method(
                *(
                    [self._points[split, side, n].values() for n in range(self._num_points)]
                    for side in self._kinds
                )
            )
            for split in (VALIDATION, TEST)
        }
        starts = 2 if len(self._before) > 1 else 1
        return MethodCurves(of_split[VALIDATION], of_split[TEST], self._num_points - starts)


def _by_method(uptake: list[Values], forgetting: list[Values]) -> dict[str, dict[float, Curves]]:
    """Return the curves by method and rate from the values of each point.

    Raises:
        TglError: A point has other probes than the others.
    """
    for values in (uptake, forgetting):
        for point in values:
            same = np.array_equal(point.clusters, values[0].clusters) and np.array_equal(
                point.weights, values[0].weights
            )
            if not same or (point.runs, point.seeds) != (values[0].runs, values[0].seeds):
                raise TglError(
                    "scores: not every scored step of every run has finite scores of the same probes. Delete these "
                    "scores and run again"
                )
    names = np.union1d(uptake[0].clusters, forgetting[0].clusters)
    found: dict[str, dict[float, Curves]] = {}
    for number, (method, rate) in enumerate(uptake[0].runs):
        sums, weights = [], []
        for values in (uptake, forgetting):
            places = np.searchsorted(names, values[0].clusters)
            own = np.zeros((len(values), len(values[0].seeds), len(names)))
            own[..., places] = np.stack([point.sums[number] for point in values])
            own_weights = np.zeros(len(names))
            own_weights[places] = values[0].weights
            sums.append(own)
            weights.append(own_weights)
        found.setdefault(method, {})[rate] = Curves(*sums, (weights[0], weights[1]))
    return found
