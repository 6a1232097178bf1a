"""What is compared: one value a probe and run, with the cluster it is resampled in. Pure functions of tables."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from tgl.errors import TglError

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

    scores: columns of the table `scores` and method, rate, seed, subject. A probe is resampled with all others of
    its subject. Raises TglError when runs do not hold the same probes, each once and with a finite score.
    """
    if twice := scores.loc[scores.duplicated([*RUN, "probe"]), "probe"].tolist():
        raise TglError(
            f"scores: probe '{twice[0]}' is scored twice in a run; expected one row a run and probe"
        )
    if measure == "ranked_first":
        scores = scores[scores["num_candidates"] > 0]
        value = (scores["rank"] == 1).astype(float)
    elif measure == "log_likelihood_per_byte":
        value = scores["log_likelihood"] / scores["num_bytes"]
    else:
        value = -scores["log_likelihood"] / scores["num_tokens"]
    table = scores.assign(value=value).pivot(index=RUN, columns="probe", values="value")
    finite = np.isfinite(table)
    for run, row in finite[~finite.all(axis=1)].iterrows():
        (method, rate, seed), missing = run, table.columns[~row]
        raise TglError(
            f"scores: {method} at rate {rate:g}, seed {seed} has no finite score of probe '{missing[0]}' that "
            f"other runs have ({len(missing)} missing); make the scores of this run again"
        )
    about = scores.drop_duplicates("probe").set_index("probe").loc[table.columns]
    if unknown := about.index[about["subject"].isna()].tolist():
        raise TglError(
            f"scores: probe '{unknown[0]}' has no subject; make the scores again from the present probes"
        )
    weights = np.ones(len(about))
    if measure == "macro_perplexity":  # each relation counts the same
        weights = 1 / about.groupby("relation")["subject"].transform("size").to_numpy()
    clusters, member = np.unique(about["subject"].to_numpy(dtype=str), return_inverse=True)
    gather = np.zeros((len(about), len(clusters)))
    gather[np.arange(len(about)), member] = weights
    return _cube(table, clusters, gather)


def text_values(losses: pd.DataFrame) -> Values:
    """Return held-out losses (nats a token) as values of one cluster; columns method, rate, seed, value."""
    table = losses.groupby(RUN)["value"].mean().to_frame()
    return _cube(table, np.array(["text"]), np.ones((1, 1)))


def _cube(table: pd.DataFrame, clusters: np.ndarray, gather: np.ndarray) -> Values:
    runs = list(dict.fromkeys((method, float(rate)) for method, rate, _ in table.index))
    seeds = sorted({seed for *_, seed in table.index})
    sums = np.full((len(runs), len(seeds), gather.shape[1]), np.nan)
    for (method, rate, seed), row in zip(table.index, table.to_numpy(), strict=True):
        sums[runs.index((method, float(rate))), seeds.index(seed)] = row @ gather
    return Values(runs, seeds, clusters, sums, gather.sum(0))
