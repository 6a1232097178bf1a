"""The figure at equal uptake shows which differences have a verdict."""

import pandas as pd
import pytest

from tgl.report import method_figures


@pytest.mark.parametrize(
    ("verdict", "is_hollow"),
    [("better", False), ("no significant difference", False), ("no verdict: one seed", True), ("", True)],
)
def test_what_has_no_verdict_is_hollow(monkeypatch, verdict, is_hollow):
    kept = []
    monkeypatch.setattr(method_figures, "svg", lambda figure: kept.append(figure) or "<svg/>")
    row = {"reference": "full", "method": "last", "share": 0.7, "difference": -0.2, "low": -0.3, "high": -0.1}
    method_figures.equal_uptake(pd.DataFrame([row | {"verdict": verdict}]), "full")
    (figure,) = kept
    point = figure.axes[0].lines[0]
    assert (point.get_markerfacecolor() == "white") is is_hollow
    assert point.get_color() != "white"
