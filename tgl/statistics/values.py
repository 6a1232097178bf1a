"""What is compared: one value a probe and run, with the cluster it is resampled in. Pure functions of tables."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tgl.errors import TglError
from tgl.plans.names import rate_text

# Probe measures by name: lower is better for the first two, whose means are taken as logarithms of perplexities.
MEASURES = ("perplexity", "macro_perplexity", "log_likelihood_per_byte", "ranked_first")
LOWER_IS_BETTER = ("perplexity", "macro_perplexity", "loss")
RATIOS = ("perplexity", "macro_perplexity")
RUN = ["method", "rate", "seed"]


def exp(logarithm: float) -> float:
    """Return the exponential; infinity where it is beyond all numbers, as of an interval of two seeds that disagree."""
    with np.errstate(over="ignore"):
        return float(np.exp(logarithm))


@dataclass(frozen=True)
class Values:
    """Values of one measure over probes of one (set, kind): what the bootstrap works on.

    runs: (method, rate) of each entry of the first axis; seeds: of the second; clusters: names of the third, sorted.
    sums [runs, seeds, clusters]: weighted sums of a cluster's probes, NaN for a run that is missing; weights
    [clusters]: the weights' sums. A mean is sums.sum(-1) / weights.sum(). Held-out loss has one cluster, the text.
    """

    runs: list[tuple[str, float]]
    seeds: list[int]
    clusters: np.ndarray
    sums: np.ndarray
    weights: np.ndarray

    def means(self) -> np.ndarray:
        """Return the mean of each run, [runs, seeds]."""
        return self.sums.sum(-1) / self.weights.sum()

    def of(self, method: str, rate: float) -> np.ndarray:
        """Return the weighted sums of one run, [seeds, clusters]."""
        return self.sums[self.runs.index((method, rate))]


def own_period(scores: pd.DataFrame) -> pd.DataFrame:
    """Return the rows where a probe is scored at the checkpoint of its own period."""
    return scores[scores["checkpoint"] == scores["period"]]


def probe_values(scores: pd.DataFrame, measure: str) -> Values:
    """Return the values of `measure` from rows of `scores` of one (set, kind) and one split.

    scores: columns of the table `scores` and method, rate, seed, subject. Raises TglError as `Gathered` does.
    """
    found = Gathered(measure)
    for run, rows in scores.groupby(RUN, sort=False):
        found.add(run, rows)
    return found.values()


@dataclass(frozen=True)
class _Layout:
    """The probes of a run in order, and how they are gathered: subject (its number) and weight of each."""

    probes: np.ndarray
    clusters: np.ndarray
    member: np.ndarray
    weight: np.ndarray


class Gathered:
    """Values of one measure, gathered run by run: what is kept of a run is one number a subject."""

    def __init__(self, measure: str) -> None:
        self.measure = measure
        self._sums: dict[tuple, np.ndarray] = {}
        self._layouts: list[_Layout] = []  # one, where all runs hold the same probes
        self._layout_of: dict[tuple, int] = {}

    @property
    def empty(self) -> bool:
        """Whether no run was added."""
        return not self._sums

    def add(self, run: tuple[str, float, int], scores: pd.DataFrame) -> None:
        """Add a run (method, rate, seed): its rows of `scores` of one split, with the column subject.

        A probe is resampled with all others of its subject. Raises TglError for a probe that is scored twice, and
        for one without a subject.
        """
        if twice := scores.loc[scores["probe"].duplicated(), "probe"].tolist():
            raise TglError(
                f"scores: probe '{twice[0]}' is scored twice in a run; expected one row a run and probe"
            )
        if self.measure == "ranked_first":
            scores = scores[scores["num_candidates"] > 0]
        scores = scores.sort_values("probe")
        value = _values_of(scores, self.measure)
        finite = np.isfinite(value)
        number = self._layout(scores[finite])
        layout = self._layouts[number]
        sums = np.bincount(layout.member, layout.weight * value[finite], minlength=len(layout.clusters))
        self._sums[run], self._layout_of[run] = sums, number

    def _layout(self, scores: pd.DataFrame) -> int:
        """Return the number of the layout of these probes, in order of their ids."""
        probes = scores["probe"].to_numpy()
        for number, layout in enumerate(self._layouts):
            if np.array_equal(layout.probes, probes):
                return number
        if unknown := scores.loc[scores["subject"].isna(), "probe"].tolist():
            raise TglError(
                f"scores: probe '{unknown[0]}' has no subject; make the scores again from the present probes"
            )
        weight = np.ones(len(scores))
        if self.measure == "macro_perplexity":  # each relation counts the same
            weight = 1 / scores.groupby("relation", dropna=False)["subject"].transform("size").to_numpy()
        clusters, member = np.unique(scores["subject"].to_numpy(dtype=str), return_inverse=True)
        self._layouts.append(_Layout(probes, clusters, member, weight))
        return len(self._layouts) - 1

    def values(self, chosen: Callable[[str, float], bool] = lambda method, rate: True) -> Values:
        """Return the values of the chosen runs, sorted; by default all.

        Raises TglError when runs do not hold the same probes with finite scores.
        """
        runs = sorted(run for run in self._sums if chosen(run[0], run[1]))
        layouts = [self._layouts[number] for number in sorted({self._layout_of[run] for run in runs})]
        every = sorted(set().union(*(layout.probes for layout in layouts)))
        for method, rate, seed in runs:
            own = self._layouts[self._layout_of[method, rate, seed]].probes
            if len(own) < len(every):
                missing = sorted(set(every) - set(own))
                raise TglError(
                    f"scores: {method} at rate {rate_text(rate)}, seed {seed} has no finite score of probe "
                    f"'{missing[0]}' that other runs have ({len(missing)} missing); delete its scores and run again"
                )
        layout = layouts[0]
        weights = np.bincount(layout.member, layout.weight, minlength=len(layout.clusters))
        return _cube({run: self._sums[run] for run in runs}, layout.clusters, weights)


def _values_of(scores: pd.DataFrame, measure: str) -> np.ndarray:
    if measure == "ranked_first":
        return (scores["rank"] == 1).to_numpy(dtype=float)
    by = "num_bytes" if measure == "log_likelihood_per_byte" else "num_tokens"
    sign = 1 if measure == "log_likelihood_per_byte" else -1
    return sign * scores["log_likelihood"].to_numpy() / scores[by].to_numpy()


def text_values(losses: pd.DataFrame) -> Values:
    """Return held-out losses (nats a token) as values of one cluster; columns method, rate, seed, value."""
    means = losses.groupby(RUN)["value"].mean()
    return _cube({run: np.array([mean]) for run, mean in means.items()}, np.array(["text"]), np.ones(1))


def _cube(sums: dict[tuple, np.ndarray], clusters: np.ndarray, weights: np.ndarray) -> Values:
    runs = list(dict.fromkeys((method, float(rate)) for method, rate, _ in sums))
    seeds = sorted({seed for *_, seed in sums})
    cube = np.full((len(runs), len(seeds), len(clusters)), np.nan)
    for (method, rate, seed), own in sums.items():
        cube[runs.index((method, float(rate))), seeds.index(seed)] = own
    return Values(runs, seeds, clusters, cube, weights)
