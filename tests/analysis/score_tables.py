"""Rows of the table `scores` with what the statistics add, and values of one measure made by hand."""

import numpy as np
import pandas as pd

from tgl.analysis.values import probe_values

RATE = 0.003


def row(value, method="full", rate=RATE, seed=0, probe="p0", kind="updated", period="2020", **changes):
    """Return a score with log perplexity `value`, by default at the checkpoint of the probe's own period."""
    found = {
        "method": method, "rate": rate, "seed": seed, "checkpoint": period, "probe": probe, "set": "world",
        "kind": kind, "period": period, "relation": "city", "split": "test", "num_tokens": 2, "num_bytes": 4,
        "log_likelihood": -2.0 * value, "rank": 1, "num_candidates": 3,
        "exact_match": True, "old_log_likelihood": float("nan"), "subject": f"s-{probe}",
    }  # fmt: skip
    return found | changes


def values(runs, kind="updated"):
    """Return log perplexities as `Values`; runs: by (method, rate) an array [seeds, probes], a subject each."""
    rows = [
        row(value, method, rate, seed, f"p{probe}", kind)
        for (method, rate), array in runs.items()
        for seed, numbers in enumerate(np.asarray(array, dtype=float))
        for probe, value in enumerate(numbers)
    ]
    return probe_values(pd.DataFrame(rows), "perplexity")
