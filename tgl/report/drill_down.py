"""What each probe's answer was worth to the base model and to each method, as rows of a page."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tgl.core.errors import TglError
from tgl.core.spacing import evenly_spaced

# Probes on the page, at most; of each set, kind and period an equal share.
MOST_PROBES = 600


@dataclass(frozen=True)
class ProbeRow:
    """One test probe.

    Attributes:
        probe: Its row of the table `probes`.
        before: Probability of the answer under the base model before its period, mean over seeds.
        after: The same after the probe's period, by method.
        old: Probability of the replaced answer before and, by method, after; None without a replaced answer.
    """

    probe: dict
    before: float
    after: Mapping[str, float]
    old: tuple[float, Mapping[str, float]] | None


def probe_rows(
    probes: pd.DataFrame,
    read_scores: Callable[[str], pd.DataFrame],
    methods: list[str],
    *,
    base: str,
    start: str,
) -> tuple[list[ProbeRow], int]:
    """Return the rows of the page, and how many test probes it leaves out.

    Args:
        probes: The table `probes`.
        read_scores: Returns the table `scores` of a method at its chosen rate, of all seeds.
        methods: The methods.
        base: The name under which `read_scores` returns the base model's scores.
        start: The checkpoint of the base model.
    """
    test = probes[probes["split"] == "test"]
    groups = test.groupby(["set", "kind", "period"], sort=True)
    share = max(1, MOST_PROBES // max(1, groups.ngroups))
    chosen = (
        pd.concat([rows.iloc[evenly_spaced(len(rows), share)] for _, rows in groups]) if len(test) else test
    )
    scores = read_scores(base)
    before = _probabilities(scores[scores["checkpoint"] == start], chosen)
    after = {}
    for method in methods:
        scores = read_scores(method)
        after[method] = _probabilities(scores[scores["checkpoint"] == scores["period"]], chosen)
    found = []
    for probe in chosen.to_dict("records"):
        name = probe["id"]
        if name not in before.index or any(name not in table.index for table in after.values()):
            continue  # Some method did not score it at the end of its period.
        had = before.loc[name, "old"]
        old = None if np.isnan(had) else (had, {method: after[method].loc[name, "old"] for method in methods})
        found.append(
            ProbeRow(
                probe,
                before.loc[name, "answer"],
                {method: after[method].loc[name, "answer"] for method in methods},
                old,
            )
        )
    return found, len(test) - len(found)


@dataclass(frozen=True)
class Continuation:
    """Greedy continuations of the text before a probe's span.

    Attributes:
        probe: Its row of the table `probes`.
        before: That of the base model.
        after: Those of each method after the probe's period, by method.
    """

    probe: dict
    before: str
    after: Mapping[str, str]


def continuations(
    probes: pd.DataFrame,
    read_generations: Callable[[str], pd.DataFrame],
    methods: list[str],
    *,
    base: str,
    start: str,
) -> list[Continuation]:
    """Return the continuations of the probes that the base model continued.

    Args:
        probes: The table `probes`.
        read_generations: Returns the table `generations` of a method at its chosen rate, of one seed.
        methods: The methods.
        base: The name under which `read_generations` returns those of the base model.
        start: The checkpoint of the base model.

    Raises:
        TglError: A method did not continue one of them.
    """
    own_period = dict(zip(probes["id"], probes["period"], strict=True))

    def texts(name: str, checkpoint: str | None = None) -> dict[str, str]:
        rows = read_generations(name).to_dict("records")
        return {
            row["probe"]: row["text"]
            for row in rows
            if row["checkpoint"] == (checkpoint or own_period.get(row["probe"]))
        }

    before, after = texts(base, start), {method: texts(method) for method in methods}
    for method, own in after.items():
        if missing := sorted(before.keys() - own.keys()):
            raise TglError(
                f"the generations of {method} lack {len(missing)} of the {len(before)} probes that the base model "
                f"continued, '{missing[0]}' first. Expected the same probes. Make both again."
            )
    return [
        Continuation(probe, before[probe["id"]], {method: own[probe["id"]] for method, own in after.items()})
        for probe in probes[probes["id"].isin(before)].to_dict("records")
    ]


def withheld_of(pieces: pd.DataFrame, probes: Iterable[str]) -> dict[str, list[tuple[str, int]]]:
    """Return (piece, how often it was left out) of each probe, from the table `withheld`."""
    own = pieces[pieces["probe"].isin(set(probes))]
    return {
        probe: list(zip(rows["text"], rows["times"], strict=True))
        for probe, rows in own.groupby("probe", sort=False)
    }


def _probabilities(scores: pd.DataFrame, chosen: pd.DataFrame) -> pd.DataFrame:
    """Return the mean probability over seeds of answer and replaced answer, by probe."""
    own = scores[scores["probe"].isin(chosen["id"])]
    values = pd.DataFrame(
        {
            "probe": own["probe"],
            "answer": np.exp(own["log_likelihood"]),
            "old": np.exp(own["old_log_likelihood"]),
        }
    )
    return values.groupby("probe").mean()
