"""Shared helpers for figures. The same numbers give the same SVG bytes."""

from __future__ import annotations

import io
import re

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


_PATH = re.compile(r' d="[^"]*"')
_DECIMALS = re.compile(r"(\.\d\d)\d+")


def svg(figure: Figure) -> str:
    """Return a figure as SVG text and close it."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    plt.close(figure)
    text = buffer.getvalue()
    # Hundredths of a point are below what a screen or printer shows, and the page must stay small.
    return _PATH.sub(lambda path: _DECIMALS.sub(r"\1", path[0]), text[text.index("<svg") :])
