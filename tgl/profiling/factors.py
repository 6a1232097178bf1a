"""Explain a relative norm by a chain of controls, and by plain text with the same loss. Pure functions of `norms`.

The ratio of the norms of salient spans and windows is a product of factors. Each factor is a ratio of mean norms:

    window -> matched_span       fewer tokens are averaged
    -> frequency_matched         whole words, about as rare as the spans
    -> capitalised               names
    -> unchanged                 names after a template, which the model may know
    -> the kind itself           an answer that the model does not know

The order is a choice: another order gives other factors with the same product. The norm of an example is its mean over
sublayers. The result is the geometric mean over seeds. Intervals are 95 % percentile bootstrap intervals over examples
and seeds.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from tgl.core.vocabulary import PLAIN_CONTROLS, UNRANKED


def example_norms(norms: pd.DataFrame) -> pd.DataFrame:
    """Return the norm of each finite example under trained weights.

    Args:
        norms: The table `norms`.

    Returns:
        The columns group, example, num_tokens, loss (nats per token) and norm (mean over sublayers).
    """
    rows = norms[
        (norms["weights"] == "trained") & (norms["example"] >= 0) & ~norms["sublayer"].isin(UNRANKED)
    ]
    keys = ["group", "example", "num_tokens", "loss"]
    found = rows.groupby(keys, sort=False)["norm"].agg(lambda norms: norms.to_numpy().mean()).reset_index()
    return found[np.isfinite(found["norm"])]


def factors(seeds: Sequence[pd.DataFrame], kind: str, resamples: int = 2000) -> pd.DataFrame:
    """Return the factors of the chain from windows to `kind`, and their product.

    Controls that were not measured are skipped.

    Args:
        seeds: The result of `example_norms` for each seed.
        kind: The kind of probe.
        resamples: Number of bootstrap resamples.

    Returns:
        The columns from, to, factor, low and high (95 % interval).
    """
    chain = ("window", *(f"{name}.{kind}" for name in PLAIN_CONTROLS), "unchanged", kind)
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
    """Return the ratio of each group's norms to plain text with the same loss and number of target tokens.

    The function fits log norm = a + b log loss + c log tokens to the plain-text spans of each seed. The ratio is the
    exponential of a group's mean residual.

    Args:
        seeds: The result of `example_norms` for each seed.
        resamples: Number of bootstrap resamples.

    Returns:
        The columns group, ratio, low and high (95 % interval), loss (mean, nats per token) and slope (b).
    """
    rng = np.random.default_rng(1)
    residuals: dict[str, list[np.ndarray]] = {}
    slopes = []
    for table in seeds:
        losses = np.log(np.maximum(table["loss"], 1e-6))  # A loss of exactly 0 has no logarithm.
        design = np.column_stack([np.ones(len(table)), losses, np.log(table["num_tokens"])])
        logs, control = np.log(table["norm"].to_numpy()), table["group"].str.partition(".")[0]
        plain = control.isin(PLAIN_CONTROLS).to_numpy()
        fit = np.linalg.lstsq(design[plain], logs[plain], rcond=None)[0]
        slopes.append(fit[1])
        for group in table["group"].unique():
            if group.partition(".")[0] not in (*PLAIN_CONTROLS, "window"):
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
                # A mean over the seeds that have the group, like the ratio.
                "loss": float(
                    np.nanmean([table.loc[table["group"] == group, "loss"].mean() for table in seeds])
                ),
                "slope": float(np.mean(slopes)),
            }
        )
    return pd.DataFrame(rows)


def _drawn_log_means(values: np.ndarray, resamples: int, rng: np.random.Generator) -> np.ndarray:
    weights = rng.multinomial(len(values), np.full(len(values), 1 / len(values)), size=resamples)
    return np.log(weights @ values / len(values))
