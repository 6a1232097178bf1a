"""A small world of scores with known answers, as all runs of an experiment would leave them."""

import numpy as np
import pandas as pd

from tgl.analysis.values import RUN
from tgl.report.runs import Runs

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
                         probe.split, 2, 4, -2 * value, 1 + (value > 2), 3, value < 2, float("nan"),
                         f"{probe.set} {probe.subject}")
                    )  # fmt: skip
    columns = (
        "method rate seed checkpoint probe set kind period relation split num_tokens num_bytes log_likelihood rank "
        "num_candidates exact_match old_log_likelihood subject"
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


def steps(table, shares=(1 / 3, 2 / 3, 1.0)):
    """Return rows of `step_scores` of all runs, on a straight line from the start of a period to the end in `scores`.

    Args:
        table: What `scores` returns, with all changes that a test makes.
        shares: Share of the line at each scored step; the last one is 1.
    """
    before = dict(zip(DATES[1:], DATES, strict=False))
    end = table[(table["checkpoint"] == table["period"]) & (table["method"] != "base")]
    starts = table[table["checkpoint"] == table["period"].map(before)]
    value = starts.set_index([*RUN, "probe"])["log_likelihood"].to_dict()
    start = [
        value.get(("base", 0.0, *key[2:]), value.get(key))
        for key in end[[*RUN, "probe"]].itertuples(index=False, name=None)
    ]
    found = [
        end.assign(step=number, log_likelihood=share * end["log_likelihood"] + (1 - share) * np.array(start))
        for number, share in enumerate(shares, 1)
    ]
    return pd.concat(found, ignore_index=True)


def runs_of(table, texts, asked, *, dates=DATES, scored=None, **settings):
    """Return the runs of whole tables. scored: what `steps` returns, or None if only ends were scored."""
    found = Runs(asked, dates, **settings)
    by_run = [
        dict(list(rows.groupby(RUN, sort=False))) for rows in (texts, table if scored is None else scored)
    ]
    for run, rows in table.groupby(RUN, sort=False):
        own = None if scored is None or run[0] == "base" else by_run[1][run]
        found.add(run, rows, by_run[0].get(run, texts[:0]), steps=own)
    return found
