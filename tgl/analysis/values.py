"""Collect the values to compare: one value per probe and run, with the cluster that it is resampled in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tgl.core.errors import TglError
from tgl.train.methods import rate_text

# Names of the probe measures. The first two are perplexities: lower is better, and means are over logarithms.
MEASURES = (
    "perplexity",
    "macro_perplexity",
    "log_likelihood_per_byte",
    "ranked_first",
    "exact_match",
    "new_minus_old",
)
LOWER_IS_BETTER = ("perplexity", "macro_perplexity", "loss")
RATIOS = ("perplexity", "macro_perplexity")
RUN = ["method", "rate", "seed"]


def exp(logarithm: float) -> float:
    """Return the exponential, or infinity on overflow. Wide intervals of two seeds can overflow."""
    with np.errstate(over="ignore"):
        return float(np.exp(logarithm))


@dataclass(frozen=True)
class Values:
    """Values of one measure over the probes of one (set, kind): the input of the bootstrap.

    A mean is sums.sum(-1) / weights.sum(). Held-out loss has one cluster, the text.

    Attributes:
        runs: (method, rate) of each entry of the first axis.
        seeds: Seed of each entry of the second axis.
        clusters: Name of each entry of the third axis, sorted.
        sums: Weighted sums of a cluster's probes, [runs, seeds, clusters]; NaN for a missing run.
        weights: Sums of the weights, [clusters].
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


def measured(scores: pd.DataFrame, measure: str) -> pd.Series:
    """Return which rows of `scores` a measure is over: those with candidates, those with an old answer, or all."""
    if measure == "ranked_first":
        return scores["num_candidates"] > 0
    if measure == "new_minus_old":
        return scores["old_log_likelihood"].notna()
    return pd.Series(True, index=scores.index)


def own_period(scores: pd.DataFrame) -> pd.DataFrame:
    """Return the rows in which a probe is scored at the checkpoint of its own period."""
    return scores[scores["checkpoint"] == scores["period"]]


def probe_values(scores: pd.DataFrame, measure: str) -> Values:
    """Return the values of a measure from scores of one (set, kind) and one split.

    Args:
        scores: Rows of the table `scores` with the additional columns method, rate, seed and subject.
        measure: Name of the measure.

    Raises:
        TglError: As for `Gathered`.
    """
    found = Gathered(measure)
    for run, rows in scores.groupby(RUN, sort=False):
        found.add(run, rows)
    return found.values()


@dataclass(frozen=True)
class _Layout:
    """The probes of a run in order, with the number of the subject (`member`) and the weight of each."""

    probes: np.ndarray
    clusters: np.ndarray
    member: np.ndarray
    weight: np.ndarray


class Gathered:
    """Values of one measure, added run by run. Only one number per subject is kept for each run."""

    def __init__(self, measure: str) -> None:
        self.measure = measure
        self._sums: dict[tuple, np.ndarray] = {}
        self._layouts: list[_Layout] = []  # A single layout if all runs have the same probes.
        self._layout_of: dict[tuple, int] = {}

    @property
    def empty(self) -> bool:
        """Whether no run was added."""
        return not self._sums

    def add(self, run: tuple[str, float, int], scores: pd.DataFrame) -> None:
        """Add the scores of a run. A probe is resampled together with all others of its subject.

        Args:
            run: Method, learning rate and seed.
            scores: Rows of `scores` of one split, with the column subject.

        Raises:
            TglError: If a probe is scored twice or has no subject.
        """
        if twice := scores.loc[scores["probe"].duplicated(), "probe"].tolist():
            raise TglError(
                f"scores: probe '{twice[0]}' is scored twice in a run; expected one row per run and probe. "
                "Delete these scores and run again."
            )
        scores = scores[measured(scores, self.measure)]
        scores = scores.sort_values("probe")
        value = _values_of(scores, self.measure)
        finite = np.isfinite(value)
        number = self._layout(scores[finite])
        layout = self._layouts[number]
        sums = np.bincount(layout.member, layout.weight * value[finite], minlength=len(layout.clusters))
        self._sums[run], self._layout_of[run] = sums, number

    def _layout(self, scores: pd.DataFrame) -> int:
        """Return the number of the layout for these probes, which are sorted by id."""
        probes = scores["probe"].to_numpy()
        for number, layout in enumerate(self._layouts):
            if np.array_equal(layout.probes, probes):
                return number
        if unknown := scores.loc[scores["subject"].isna(), "probe"].tolist():
            raise TglError(
                f"scores: probe '{unknown[0]}' has no subject in the current probes. Compute the scores again from the "
                "current probes."
            )
        weight = np.ones(len(scores))
        if self.measure == "macro_perplexity":  # Each relation has the same weight.
            weight = 1 / scores.groupby("relation", dropna=False)["subject"].transform("size").to_numpy()
        clusters, member = np.unique(scores["subject"].to_numpy(dtype=str), return_inverse=True)
        self._layouts.append(_Layout(probes, clusters, member, weight))
        return len(self._layouts) - 1

    def values(self, chosen: Callable[[str, float], bool] = lambda method, rate: True) -> Values:
        """Return the values of the chosen runs, sorted.

        Args:
            chosen: Whether to include the runs of a method and rate. The default includes all.

        Raises:
            TglError: If the runs do not have finite scores of the same probes.
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
                    f"'{missing[0]}', which other runs have ({len(missing)} missing). Delete its scores and run again."
                )
        layout = layouts[0]
        weights = np.bincount(layout.member, layout.weight, minlength=len(layout.clusters))
        return _cube({run: self._sums[run] for run in runs}, layout.clusters, weights)


def _values_of(scores: pd.DataFrame, measure: str) -> np.ndarray:
    if measure == "ranked_first":
        return (scores["rank"] == 1).to_numpy(dtype=float)
    if measure == "exact_match":
        return scores["exact_match"].to_numpy(dtype=float)
    if measure == "new_minus_old":
        return (scores["log_likelihood"] - scores["old_log_likelihood"]).to_numpy()
    by = "num_bytes" if measure == "log_likelihood_per_byte" else "num_tokens"
    sign = 1 if measure == "log_likelihood_per_byte" else -1
    return sign * scores["log_likelihood"].to_numpy() / scores[by].to_numpy()


def text_values(losses: pd.DataFrame) -> Values:
    """Return held-out losses as values of one cluster.

    Args:
        losses: Losses in nats per token, with the columns method, rate, seed and value.
    """
    means = losses.groupby(RUN)["value"].mean()
    return _cube({run: np.array([mean]) for run, mean in means.items()}, np.array(["text"]), np.ones(1))


def _cube(sums: dict[tuple, np.ndarray], clusters: np.ndarray, weights: np.ndarray) -> Values:
    runs = list(dict.fromkeys((method, float(rate)) for method, rate, _ in sums))
    seeds = sorted({seed for *_, seed in sums})
    cube = np.full((len(runs), len(seeds), len(clusters)), np.nan)
    for (method, rate, seed), own in sums.items():
        cube[runs.index((method, float(rate))), seeds.index(seed)] = own
    return Values(runs, seeds, clusters, cube, weights)
