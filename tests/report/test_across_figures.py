"""The figure that compares experiments."""

import pandas as pd

from tgl.report import across_figures
from tgl.report.across_figures import uptake_across


def test_the_figure_has_a_mark_for_each_planned_difference_of_each_experiment(monkeypatch):
    kept = []
    monkeypatch.setattr(across_figures, "svg", lambda figure: kept.append(figure) or "<svg/>")
    row = {"reference": "full", "share": 0.7, "low": -0.2, "high": 0.1, "verdict": "better"}
    table = pd.DataFrame(
        [
            row | {"experiment": name, "method": method, "difference": value}
            for name, value in (("one", -0.1), ("two", 0.05)) for method in ("tgl_fp", "last")
        ]
        + [row | {"experiment": "one", "method": "random", "difference": 0.5, "verdict": ""}]
    )  # fmt: skip
    pooled = pd.DataFrame([row | {"method": "last", "difference": -0.02}])
    assert uptake_across(table, pooled) == "<svg/>"
    (panel,) = kept[0].axes
    marks = [float(x) for container in panel.containers for x in container.lines[0].get_xdata()]
    assert sorted(marks) == [-0.1, -0.1, -0.02, 0.05, 0.05]
    assert [text.get_text() for text in panel.get_yticklabels()] == [
        "tgl_fp over full, at 70%",
        "last over full, at 70%",
    ]
    assert uptake_across(table[table["verdict"] == ""], pooled) is None
