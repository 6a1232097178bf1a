"""The picture of what happens to each period's facts along a chain."""

import math

import numpy as np
import pandas as pd
import pytest

from tgl.report import method_figures
from tgl.report.method_figures import forgetting_matrix

VALUES = {"2020": {"2020": 1.0, "2021": 3.0}, "2021": {"2020": 1.5, "2021": 1.2}}


def matrix(methods=("full", "last"), values=VALUES):
    rows = [("base", "2019", period, 4.0) for period in values]
    rows += [
        (method, checkpoint, period, value)
        for method in methods
        for checkpoint, own in values.items()
        for period, value in own.items()
    ]
    return pd.DataFrame(rows, columns=["method", "checkpoint", "period", "value"])


@pytest.fixture
def figure_of(monkeypatch):
    kept = []
    monkeypatch.setattr(method_figures, "svg", lambda figure: kept.append(figure) or "<svg/>")

    def draw(table):
        forgetting_matrix(table, "base")
        return kept[-1]

    return draw


def test_the_colour_is_what_was_lost_since_the_own_period_and_nothing_before_it(figure_of):
    panel = figure_of(matrix()).axes[0]
    shades = np.ma.filled(panel.collections[0].get_array().astype(float), np.nan).reshape(3, 2)
    expected = [[np.nan, np.nan], [0.0, np.nan], [0.5, 0.0]]
    assert shades == pytest.approx(np.array(expected), nan_ok=True)
    assert panel.collections[0].get_clim() == (-0.5, 0.5)


def test_numbers_are_perplexities_and_the_base_model_is_the_first_row(figure_of):
    panel = figure_of(matrix()).axes[0]
    texts = [float(text.get_text()) for text in panel.texts]
    assert texts == pytest.approx([math.exp(v) for v in (4.0, 4.0, 1.0, 3.0, 1.5, 1.2)], rel=5e-3)
    assert [label.get_text() for label in panel.get_yticklabels()] == ["base", "2020", "2021"]
    assert [label.get_text() for label in panel.get_xticklabels()] == ["2020", "2021"]


def test_there_is_a_panel_for_each_method_and_many_periods_have_no_numbers(figure_of):
    titles = [
        panel.get_title(loc="left") for panel in figure_of(matrix(("full", "last", "first", "a", "b"))).axes
    ]
    assert [title for title in titles if title] == ["full", "last", "first", "a", "b"]
    periods = [f"20{number}" for number in range(20, 32)]
    many = figure_of(matrix(values={checkpoint: dict.fromkeys(periods, 1.0) for checkpoint in periods}))
    assert list(many.axes[0].texts) == []


def test_the_same_numbers_give_the_same_bytes():
    one = forgetting_matrix(matrix(), "base")
    assert one.startswith("<svg")
    assert one == forgetting_matrix(matrix(), "base")
