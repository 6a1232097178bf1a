"""The curves of uptake and forgetting as a table, for files, and back. Pure functions."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from tgl.analysis.equal_uptake import MethodCurves
from tgl.analysis.uptake import Curves, most_learned
from tgl.core.errors import TglError
from tgl.core.vocabulary import TEST, VALIDATION

COLUMNS = ["split", "method", "rate", "replicate", "point", "to_learn", "unchanged"]


def curve_points(curves: MethodCurves) -> pd.DataFrame:
    """Return the points of every curve by replicate, as means over probes.

    Returns:
        A table with the columns split, method, rate, replicate (a seed or an experiment, numbered from 0), point (0:
        the base model), to_learn and unchanged: the mean log perplexity of the facts to learn and of unchanged facts,
        in nats per token.
    """
    found = [
        pd.DataFrame(
            {
                "split": split,
                "method": method,
                "rate": rate,
                "replicate": np.tile(np.arange(up.shape[1]), len(up)),
                "point": np.repeat(np.arange(len(up)), up.shape[1]),
                "to_learn": up.ravel(),
                "unchanged": down.ravel(),
            }
        )
        for split, by_method in ((VALIDATION, curves.validation), (TEST, curves.test))
        for method, by_rate in by_method.items()
        for rate, own in by_rate.items()
        for up, down in [own.means()]
    ]
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=COLUMNS)


def mean_points(points: pd.DataFrame) -> pd.DataFrame:
    """Return the points of every curve on test probes, as means over replicates.

    Args:
        points: The table of `curve_points`.

    Returns:
        A table with the columns method, rate, point, uptake and forgetting: nats per token that the facts to learn have
        gained, and that unchanged facts have lost, since the base model.
    """
    test = points[points["split"] == TEST]
    means = test.groupby(["method", "rate", "point"], sort=False)[["to_learn", "unchanged"]].mean()
    starts = means.groupby(["method", "rate"], sort=False).transform("first")
    gained = (starts - means).assign(
        uptake=lambda table: table["to_learn"], forgetting=lambda table: -table["unchanged"]
    )
    return gained[["uptake", "forgetting"]].reset_index()


def most_learned_rate(points: pd.DataFrame, method: str) -> float | None:
    """Return the rate at which a method has learned most by the end, on validation probes; None without such points.

    Args:
        points: The table of `curve_points`.
        method: The method.
    """
    by_rate = curves_from(points[points["method"] == method]).validation.get(method)
    return most_learned(by_rate) if by_rate else None


def curves_from(points: pd.DataFrame, *, starts: int = 1) -> MethodCurves:
    """Return the curves that `curve_points` has made a table of. A replicate is one value in them, without subjects.

    Means and levels are those of the curves that were written. Intervals are over replicates alone, so they lack what
    seeds share through their probes.

    Args:
        points: The table.
        starts: How many points come before the first scored step: the base model, and in a chain of several periods
            also the checkpoint before the period.

    Raises:
        TglError: A column is missing, or a curve lacks a point of a replicate.
    """
    if missing := [name for name in COLUMNS if name not in points.columns]:
        raise TglError(
            f"curves: found no column {', '.join(missing)}, expected {', '.join(COLUMNS)}. Give the file curves.csv of "
            "a report or of `tgl replicates`"
        )
    by_split: dict[str, dict[str, dict[float, Curves]]] = {VALIDATION: {}, TEST: {}}
    for (split, method, rate), uptake, forgetting in _sides(points):
        own = Curves(uptake[..., None], forgetting[..., None], (np.ones(1), np.ones(1)))
        by_split[split].setdefault(method, {})[float(rate)] = own
    steps = points.loc[points["split"] == TEST, "point"].nunique() - starts
    return MethodCurves(by_split[VALIDATION], by_split[TEST], steps)


def _sides(points: pd.DataFrame) -> Iterator[tuple[tuple[str, str, float], np.ndarray, np.ndarray]]:
    """Yield split, method and rate of each curve, and both sides of it [points, replicates]."""
    whole = points.groupby("split")[["point", "replicate"]].nunique()
    for key, rows in points.groupby(["split", "method", "rate"], sort=False):
        if key[0] not in (VALIDATION, TEST):
            raise TglError(f"curves: found split {key[0]!r}, expected {VALIDATION!r} or {TEST!r}")
        num_points, num_replicates = whole.loc[key[0]]
        if len(rows) != num_points * num_replicates or rows.duplicated(["point", "replicate"]).any():
            raise TglError(
                f"curves: found {len(rows)} rows of {key[1]} at rate {key[2]:g} ({key[0]}), expected one for each of "
                f"{num_points} points and {num_replicates} replicates"
            )
        if not np.isfinite(rows[COLUMNS[-2:]].to_numpy(dtype=float)).all():
            raise TglError(
                f"curves: found a missing or infinite value of {key[1]} at rate {key[2]:g} ({key[0]}), expected "
                "numbers. Write the table again with `tgl report` or `tgl replicates`"
            )
        tables = [rows.pivot(index="point", columns="replicate", values=side) for side in COLUMNS[-2:]]
        yield (key, *(table.to_numpy(dtype=float) for table in tables))
