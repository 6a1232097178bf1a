"""Show a profile as a few lines of text."""

from __future__ import annotations

import pandas as pd


def summary(profile: pd.DataFrame) -> str:
    """Return a text table: the mean relative norm over sublayers of each group over each denominator, with intervals.

    Args:
        profile: The table `profile`.
    """
    rows = profile[profile["sublayer"] == "all"]
    denominators = list(dict.fromkeys(rows["denominator"]))
    lines = [f"{'weights':<9}{'group':<30}" + "".join(f"{'over ' + name:>26}" for name in denominators)]
    for (weights, group), found in rows.groupby(["weights", "group"], sort=False):
        cells = found.set_index("denominator")
        lines.append(
            f"{weights:<9}{group:<30}"
            + "".join(
                f"{_cell(cells.loc[name]) if name in cells.index else '-':>26}" for name in denominators
            )
        )
    return "\n".join(lines)


def _cell(row: pd.Series) -> str:
    return f"{row['relative_norm']:.2f} [{row['low']:.2f}, {row['high']:.2f}]"
