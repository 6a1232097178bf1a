"""What all figures share: SVG text, the same bytes for the same numbers."""

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
    "svg.hashsalt": "tgl",  # element ids do not change from run to run
    "svg.fonttype": "path",
    "text.parse_math": False,  # a dollar sign in a name is no formula
}


def svg(figure: Figure) -> str:
    """Return a figure as SVG text and close it."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    plt.close(figure)
    text = buffer.getvalue()
    return text[text.index("<svg") :]
