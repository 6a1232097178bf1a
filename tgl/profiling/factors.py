"""Where a relative norm comes from: a chain of controls, and plain text of the same loss. Pure functions of `norms`.

The norm of salient spans over that of windows is taken apart into factors, each a ratio of mean norms:

    window -> matched_span       fewer tokens are averaged
    -> frequency_matched         whole words, about as rare as the spans
    -> capitalised               names
    -> unchanged                 names after a template, which the model may know
    -> the kind itself           an answer it does not know

The order is a choice: another order gives other factors with the same product. An example's norm is its mean over
sublayers. Several seeds are averaged geometrically; intervals are 95 % percentile bootstraps over examples and seeds.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from tgl.sublayer_names import UNRANKED

PLAIN = ("matched_span", "frequency_matched", "capitalised")


def example_norms(norms: pd.DataFrame) -> pd.DataFrame:
    """Return each finite example's norm under trained weights: group, example, num_tokens, loss, norm."""
    rows = norms[
        (norms["weights"] == "trained") & (norms["example"] >= 0) & ~norms["sublayer"].isin(UNRANKED)
    ]
    keys = ["group", "example", "num_tokens", "loss"]
    found = rows.groupby(keys, sort=False)["norm"].agg(lambda norms: norms.to_numpy().mean()).reset_index()
    return found[np.isfinite(found["norm"])]


def factors(seeds: Sequence[pd.DataFrame], kind: str, resamples: int = 2000) -> pd.DataFrame:
    """Return the chain from windows to `kind`, and its product: columns from, to, factor, low, high.

    seeds: what `example_norms` returns, for each seed. Controls that were not measured are stepped over.
    """
    chain = ("window", *(f"{name}.{kind}" for name in PLAIN), "unchanged", kind)
    chain = [
        group for group in dict.fromkeys(chain) if all((table["group"] == group).any() for table in seeds)
    ]
    rng = np.random.default_rng(0)
    drawn_seeds = rng.integers(0, len(seeds), (resamples, len(seeds)))
    logs, point = {}, {}
    for group in chain:
        values = [table.loc[table["group"] == group, "norm"].to_numpy() for table in seeds]
        each = np.stack([_drawn_log_means(found, resamples, rng) for found in values], axis=1)
        logs[group] = np.take_along_axis(each, drawn_seeds, axis=1).mean(1)
        point[group] = np.mean([np.log(found.mean()) for found in values])
    steps = [*zip(chain, chain[1:], strict=False), (chain[0], chain[-1])]
    rows = []
    for before, after in steps:
        low, high = np.quantile(np.exp(logs[after] - logs[before]), [0.025, 0.975])
        factor = float(np.exp(point[after] - point[before]))
        rows.append({"from": before, "to": after, "factor": factor, "low": low, "high": high})
    return pd.DataFrame(rows)


def at_equal_loss(seeds: Sequence[pd.DataFrame], resamples: int = 2000) -> pd.DataFrame:
    """Return how far each group of probes lies above plain text of the same loss and number of target tokens.

    log norm = a + b log loss + c log tokens is fitted to the spans of plain text of each seed; the value is the
    exponential of a group's mean residual. Columns group, ratio, low, high, loss (mean, nats a token), slope (b).
    """
    rng = np.random.default_rng(1)
    residuals: dict[str, list[np.ndarray]] = {}
    slopes = []
    for table in seeds:
        losses = np.log(np.maximum(table["loss"], 1e-6))  # a loss of exactly 0 has no logarithm
        design = np.column_stack([np.ones(len(table)), losses, np.log(table["num_tokens"])])
        logs, control = np.log(table["norm"].to_numpy()), table["group"].str.partition(".")[0]
        plain = control.isin(PLAIN).to_numpy()
        fit = np.linalg.lstsq(design[plain], logs[plain], rcond=None)[0]
        slopes.append(fit[1])
        for group in table["group"].unique():
            if group.partition(".")[0] not in (*PLAIN, "window"):
                chosen = (table["group"] == group).to_numpy()
                residuals.setdefault(group, []).append(logs[chosen] - design[chosen] @ fit)
    rows = []
    for group, found in residuals.items():
        drawn = [
            np.mean(
                [rng.choice(found[n], len(found[n])).mean() for n in rng.integers(0, len(found), len(found))]
            )
            for _ in range(resamples)
        ]
        low, high = np.exp(np.quantile(drawn, [0.025, 0.975]))
        rows.append(
            {
                "group": group,
                "ratio": float(np.exp(np.mean([residual.mean() for residual in found]))),
                "low": low,
                "high": high,
                "loss": float(
                    np.mean([table.loc[table["group"] == group, "loss"].mean() for table in seeds])
                ),
                "slope": float(np.mean(slopes)),
            }
        )
    return pd.DataFrame(rows)


def _drawn_log_means(values: np.ndarray, resamples: int, rng: np.random.Generator) -> np.ndarray:
    weights = rng.multinomial(len(values), np.full(len(values), 1 / len(values)), size=resamples)
    return np.log(weights @ values / len(values))
