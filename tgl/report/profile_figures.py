"""Draw profiles as SVG text: by block and part, by denominator, and along training."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from tgl.core.files import write_text
from tgl.core.vocabulary import SALIENT_KINDS
from tgl.report.figures import STYLE, plt, svg

COLOURS = {
    "updated": "#c1440e",
    "new_entity": "#2a6f97",
    "unchanged": "#6a994e",
    "shuffled": "#8e6c8a",
    "matched_span": "#8d99ae",
    "frequency_matched": "#d4a017",
    "capitalised": "#4d4d4d",
}
LABELS = {
    "updated": "updated facts",
    "new_entity": "new entities",
    "unchanged": "unchanged facts",
    "shuffled": "shuffled answers",
    "matched_span": "random spans of equal length",
    "frequency_matched": "whole words as frequent",
    "capitalised": "capitalised words",
    "window": "windows of plain text",
}
_MOST_MARKS = 12  # Lines over more blocks have no marks, which makes the file smaller.
_DECADE_SHARE = 5  # A narrower range has too few round numbers for the ticks of a logarithmic axis.
WEIGHTS = ("trained", "random")


def label(group: str) -> str:
    """Return the readable name of a group: `shuffled.updated` gives `shuffled answers (updated facts)`."""
    control, _, kind = group.rpartition(".")
    return f"{LABELS[control]} ({LABELS[kind]})" if control else LABELS[group]


def write_profile_figures(profile: pd.DataFrame, folder: str | Path) -> None:
    """Write the figures of one table `profile` to a folder.

    profile.svg uses the first denominator in the table. denominators.svg shows all denominators.
    """
    write_text(Path(folder) / "profile.svg", profile_by_block(profile, profile["denominator"].iloc[0]))
    write_text(Path(folder) / "denominators.svg", ratio_by_denominator(profile))


def profile_by_block(profile: pd.DataFrame, denominator: str) -> str:
    """Draw the relative norm by block: a row of panels for each traced kind and part, a column for each other group.

    A panel has two bands only, so that they can be told apart. Lines are means over seeds. Bands extend from the lowest
    to the highest bootstrap limit of any seed.

    Args:
        profile: Rows of the table `profile` of one or several seeds.
        denominator: Denominator of the relative norm.

    Returns:
        The figure as SVG text.
    """
    rows = profile[(profile["denominator"] == denominator) & (profile["block"] >= 0)]
    parts = list(dict.fromkeys(rows.sort_values(["block", "part"])["part"]))
    weights = [key for key in WEIGHTS if key in set(rows["weights"])]
    kinds, measured = traced_kinds(rows), set(rows["group"])
    others = ["unchanged"] if "unchanged" in measured - set(kinds) else []
    others += [name for name in COLOURS if any(f"{name}.{kind}" in measured for kind in kinds)]
    lines = [(key, kind, part) for key in weights for kind in kinds for part in parts]
    size = (1.4 + max(2.1 * len(others), 4.2), 1.9 * len(lines) + 0.7)
    with plt.rc_context(STYLE):
        figure, panels = plt.subplots(
            len(lines), max(1, len(others)), figsize=size, sharex=True, sharey=True, layout="constrained", squeeze=False
        )  # fmt: skip
        for (key, kind, part), line in zip(lines, panels, strict=True):
            chosen = rows[(rows["weights"] == key) & (rows["part"] == part)]
            for panel, other in zip(line, others or [kind], strict=True):
                group = other if other in ("unchanged", kind) else f"{other}.{kind}"
                for name in dict.fromkeys((group, kind)):
                    _band(panel, chosen[chosen["group"] == name], "block", group=name)
                panel.axhline(1, color="#444444", linewidth=0.8, linestyle=":")
                panel.set_yscale("log")
            of_weights = "\nrandom weights" if key == "random" else ""
            line[0].set_ylabel(f"{LABELS[kind]}\n{part.replace('_', ' ')}{of_weights}", fontsize=9)
        _plain_ticks(panels[0][0])
        for panel, other in zip(panels[0], others, strict=False):
            style = "-" if other == "unchanged" else "--"
            sample = plt.Line2D([], [], color=COLOURS[other], linestyle=style, marker="o", markersize=2.5)
            panel.legend(
                [sample], [LABELS[other]], frameon=False, fontsize=9, handlelength=1.5,
                loc="lower center", bbox_to_anchor=(0.5, 1.0), borderaxespad=0.2,
            )  # fmt: skip
        for panel in panels[-1]:
            panel.set_xlabel("block", fontsize=9)
            panel.xaxis.get_major_locator().set_params(integer=True)
        figure.supylabel(f"gradient norm divided by that of {LABELS[denominator]}", fontsize=10)
        return svg(figure)


def traced_kinds(rows: pd.DataFrame) -> list[str]:
    """Return the kinds that rows of a profile trace: updated facts and new entities, else unchanged facts."""
    measured = set(rows["group"])
    return [kind for kind in SALIENT_KINDS if kind in measured] or ["unchanged"]


def compared_groups(kind: str) -> list[str]:
    """Return the groups that a traced kind is shown with: unchanged facts, and its controls."""
    return ["unchanged", *(f"{name}.{kind}" for name in COLOURS)]


def along_training(rows: pd.DataFrame) -> str:
    """Draw the mean relative norm over sublayers by training step, with one panel for each denominator.

    Args:
        rows: Rows of the table `along`. Lines and bands summarise seeds as in `profile_by_block`.

    Returns:
        The figure as SVG text.
    """
    denominators = [
        name for name in ("window", "matched_span", "unchanged") if name in set(rows["denominator"])
    ]
    # Controls are those of the first kind, because two sets of controls would be hard to tell apart.
    kinds = traced_kinds(rows)
    with plt.rc_context(STYLE):
        figure, panels = plt.subplots(
            1, len(denominators), figsize=(11, 3.6), layout="constrained", squeeze=False
        )
        for panel, denominator in zip(panels[0], denominators, strict=True):
            chosen = rows[rows["denominator"] == denominator]
            for group in dict.fromkeys((*kinds, *compared_groups(kinds[0]))):
                _band(panel, chosen[chosen["group"] == group], "step", group=group)
            panel.axhline(1, color="#444444", linewidth=0.8, linestyle=":")
            panel.set_yscale("log")
            _plain_ticks(panel)
            panel.set_title(f"over {LABELS[denominator]}", fontsize=10)
            panel.set_xlabel("training step")
        panels[0][0].set_ylabel("relative gradient norm, mean over sublayers")
        panels[0][-1].legend(
            *panels[0][0].get_legend_handles_labels(), frameon=False, fontsize=8, loc="upper left",
            bbox_to_anchor=(1.0, 1.0),
        )  # fmt: skip
        return svg(figure)


def ratio_by_denominator(profile: pd.DataFrame) -> str:
    """Draw the mean relative norm over sublayers of each group by denominator, for trained and random weights."""
    rows = profile[profile["sublayer"] == "all"]
    denominators = [
        name for name in ("window", "matched_span", "unchanged") if name in set(rows["denominator"])
    ]
    names = ["updated", "new_entity", "unchanged"]
    names += [f"{name}.{kind}" for kind in ("updated", "new_entity") for name in COLOURS]
    groups = [group for group in names if group in set(rows["group"])]
    with plt.rc_context(STYLE):
        figure, panels = plt.subplots(
            1, len(denominators), figsize=(11, 0.28 * len(groups) + 0.9), layout="constrained", squeeze=False
        )
        for panel, denominator in zip(panels[0], denominators, strict=True):
            for y, group in enumerate(groups):
                for weights, marker, shift in (("trained", "o", -0.15), ("random", "s", 0.15)):
                    chosen = rows[
                        (rows["denominator"] == denominator)
                        & (rows["group"] == group)
                        & (rows["weights"] == weights)
                    ]
                    if chosen.empty:
                        continue
                    mean, colour = chosen["relative_norm"].mean(), _colour(group)
                    panel.errorbar(
                        mean, y + shift, xerr=[[mean - chosen["low"].min()], [chosen["high"].max() - mean]],
                        fmt=marker, markersize=4, linewidth=1, color=colour,
                        markerfacecolor=colour if weights == "trained" else "white",
                    )  # fmt: skip
            panel.axvline(1, color="#444444", linewidth=0.8, linestyle=":")
            panel.set_yticks(range(len(groups)), [label(group) for group in groups], fontsize=8)
            panel.set_ylim(len(groups) - 0.5, -0.5)  # Keeps the rows aligned between panels.
            shown = rows[(rows["denominator"] == denominator) & rows["group"].isin(groups)]
            if shown["high"].max() > _DECADE_SHARE * shown["low"].min():
                panel.set_xscale("log")
                _plain_ticks(panel)
            panel.set_title(f"over {LABELS[denominator]}", fontsize=10)
            if panel is not panels[0][0]:
                panel.set_yticklabels([])
        return svg(figure)


def _band(panel: plt.Axes, rows: pd.DataFrame, along: str, *, group: str) -> None:
    if rows.empty:
        return
    found = rows.groupby(along)
    mean, low, high = found["relative_norm"].mean(), found["low"].min(), found["high"].max()
    is_kind, colour = "." not in group, _colour(group)
    panel.plot(
        mean.index, mean, color=colour, linewidth=1.8 if is_kind else 1.1, markersize=2.5,
        marker="o" if len(mean) <= _MOST_MARKS else "",
        linestyle="-" if is_kind else "--", label=label(group),
    )  # fmt: skip
    panel.fill_between(mean.index, low, high, color=colour, alpha=0.15, linewidth=0)


def _colour(group: str) -> str:
    return COLOURS[group.partition(".")[0]]


def _plain_ticks(panel: plt.Axes) -> None:
    """Label the ticks of logarithmic axes with plain numbers at 1, 2 and 5 of each decade."""
    for axis in (panel.xaxis, panel.yaxis):
        if axis.get_scale() == "log":
            axis.set_major_locator(plt.matplotlib.ticker.LogLocator(subs=(1, 2, 5)))
            axis.set_major_formatter(plt.matplotlib.ticker.FuncFormatter(lambda value, _: f"{value:g}"))
            axis.set_minor_locator(plt.matplotlib.ticker.NullLocator())
