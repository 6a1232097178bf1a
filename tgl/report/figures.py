"""Shared helpers for figures. The same numbers give the same SVG bytes."""

from __future__ import annotations

import io

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt
from matplotlib.figure import Figure

STYLE = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "svg.hashsalt": "tgl",  # Keeps element ids the same in every run.
    "svg.fonttype": "path",
    "text.parse_math": False,  # A dollar sign in a name does not start a formula.
}


def svg(figure: Figure) -> str:
    """Return a figure as SVG text and close it."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    plt.close(figure)
    text = buffer.getvalue()
    return text[text.index("<svg") :]
