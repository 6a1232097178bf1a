"""A small world of scores with known answers, as all runs of an experiment would leave them."""

import numpy as np
import pandas as pd

DATES = ["2019", "2020", "2021"]
RATES = (0.001, 0.01, 0.1)
KINDS = ("updated", "new_entity", "unchanged")
# Log perplexity at each rate: what is learnt and what is forgotten. 0.01 is the best on all kinds together.
LEARNT = {0.0: 5.0, 0.001: 4.0, 0.01: 2.0, 0.1: 1.8}
LOST = {0.0: 1.0, 0.001: 1.1, 0.01: 1.5, 0.1: 4.0}


def probes(subjects=8):
    """Return the columns of the table `probes` that findings read, with split."""
    return pd.DataFrame(
        {
            "id": f"{kind}-{period}-{split}-{number}", "set": "world", "kind": kind, "period": period,
            "subject": f"{kind}{period}{split}{number}", "relation": "city", "split": split,
        }
        for kind in KINDS
        for period in DATES[1:]
        for split, count in (("test", subjects), ("validation", 3))
        for number in range(count)
    )  # fmt: skip


def _value(kind, period, checkpoint, rate, gain):
    """Return the log perplexity of a probe; `gain` lowers what is learnt in its own period and after."""
    if kind == "unchanged":
        return LOST[rate]
    if checkpoint < period:
        return LEARNT[0.0]
    later = DATES.index(checkpoint) - DATES.index(period)
    return LEARNT[rate] - gain * (rate > 0) + 0.5 * later  # half a nat forgotten a period


def scores(gains, seeds=3, asked=None, rates=RATES):
    """Return rows of `scores` of the base model and of methods; gains: by method the nats it learns more."""
    asked = probes() if asked is None else asked
    rng = np.random.default_rng(0)
    shift = dict(zip(asked["id"], 0.3 * rng.normal(size=len(asked)), strict=True))
    runs = [("base", 0.0, DATES[:1], 0.0)]
    runs += [(method, rate, DATES[1:], gain) for method, gain in gains.items() for rate in rates]
    rows = []
    for method, rate, checkpoints, gain in runs:
        for seed in range(seeds):
            for checkpoint in checkpoints:
                for probe in asked.itertuples():
                    value = _value(probe.kind, probe.period, checkpoint, rate, gain) + shift[probe.id]
                    value += 0.01 * rng.normal()
                    rows.append(
                        (method, rate, seed, checkpoint, probe.id, probe.set, probe.kind, probe.period, probe.relation,
                         probe.split, 2, 4, -2 * value, 1 + (value > 2), 3, f"{probe.set} {probe.subject}")
                    )  # fmt: skip
    columns = (
        "method rate seed checkpoint probe set kind period relation split num_tokens num_bytes log_likelihood rank "
        "num_candidates subject"
    )
    return pd.DataFrame(rows, columns=columns.split())


def losses(gains, seeds=3, rates=RATES):
    """Return rows of `lm_loss`: old text at 3 nats, each period's new text at 2 where it was trained on."""
    return pd.DataFrame(
        {
            "method": method, "rate": rate, "seed": seed, "checkpoint": checkpoint, "text": text, "num_tokens": 10,
            "negative_log_likelihood": 10 * ((3.0 if text == "base" else 2.0) + 0.01 * seed),
        }
        for method, own in (("base", (0.0,)), *((method, rates) for method in gains))
        for rate in own
        for seed in range(seeds)
        for checkpoint in (DATES[:1] if method == "base" else DATES[1:])
        for text in ("base", *DATES[1:])
    )  # fmt: skip
